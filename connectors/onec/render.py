"""Orders for 1C: `КоммерческаяИнформация` with a `Документ` («Заказ товара») each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from connectors.exchange import Buyer, Line, Order
from connectors.onec.settings import OnecSettings

NAMESPACE = "urn:1C.ru:commerceml_2"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""
LEGAL_DIGITS = 10
"""Of a company's taxpayer number; a person's and a sole trader's has twelve."""
OKEI = {"шт": "796", "кг": "166", "м": "006", "компл": "839", "упак": "778", "усл": "876"}


def render(orders: Sequence[Order], settings: OnecSettings, now: datetime) -> bytes:
    """The document that answers `mode=query`; without orders it has no document in it."""
    root = etree.Element(f"{{{NAMESPACE}}}КоммерческаяИнформация", nsmap={None: NAMESPACE})
    root.set("ВерсияСхемы", settings.schema_version)
    root.set("ДатаФормирования", now.astimezone(settings.zone).strftime("%Y-%m-%dT%H:%M:%S"))
    for order in orders:
        _order(root, order, settings)
    encoded: bytes = etree.tostring(root, xml_declaration=True, encoding=settings.encoding)
    return encoded


def _add(parent: Any, name: str, value: str | None = None) -> Any:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if value is not None:
        element.text = _FORBIDDEN.sub("", value)
    return element


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _order(root: Any, order: Order, settings: OnecSettings) -> None:
    placed = order.placed_at.astimezone(settings.zone)
    document = _add(root, "Документ")
    for name, value in (
        ("Ид", order.id),
        ("Номер", order.number),
        ("Дата", placed.strftime("%Y-%m-%d")),
        ("ХозОперация", "Заказ товара"),
        ("Роль", "Продавец"),
        ("Валюта", order.currency),
        ("Курс", "1"),
        ("Сумма", _plain(order.amount)),
    ):
        _add(document, name, value)
    _buyer(_add(_add(document, "Контрагенты"), "Контрагент"), order.buyer)
    _add(document, "Время", placed.strftime("%H:%M:%S"))
    _add(document, "Комментарий", order.comment)
    goods = _add(document, "Товары")
    for line in order.lines:
        _line(_add(goods, "Товар"), line)
    _requisites(document, {"Номер заказа на сайте": order.number, "Проведен": "false"})


def _requisites(parent: Any, values: dict[str, str]) -> None:
    told = _add(parent, "ЗначенияРеквизитов")
    for name, value in values.items():
        each = _add(told, "ЗначениеРеквизита")
        _add(each, "Наименование", name)
        _add(each, "Значение", value)


def _buyer(element: Any, buyer: Buyer) -> None:
    _add(element, "Ид", buyer.id)
    _add(element, "Наименование", buyer.name)
    _add(element, "Роль", "Покупатель")
    full = buyer.full_name or buyer.name
    if len(buyer.inn) == LEGAL_DIGITS:
        _add(element, "ОфициальноеНаименование", full)
        address, place = "ЮридическийАдрес", buyer.address
    else:
        _add(element, "ПолноеНаименование", full)
        address, place = "АдресРегистрации", buyer.address
    if place:
        _add(_add(element, address), "Представление", place)
    if buyer.inn:
        _add(element, "ИНН", buyer.inn)
    if buyer.kpp:
        _add(element, "КПП", buyer.kpp)
    reached = (("ТелефонРабочий", buyer.phone), ("Почта", buyer.email))
    if any(value for _, value in reached):
        contacts = _add(element, "Контакты")
        for kind, value in reached:
            if value:
                contact = _add(contacts, "Контакт")
                _add(contact, "Тип", kind)
                _add(contact, "Значение", value)


def _line(element: Any, line: Line) -> None:
    if line.product_id:
        _add(element, "Ид", line.product_id)
    _add(element, "Наименование", line.name)
    unit = _add(element, "БазоваяЕдиница", line.unit or "шт")
    code = OKEI.get((line.unit or "шт").rstrip("."))
    if code:
        unit.set("Код", code)
    _add(element, "ЦенаЗаЕдиницу", _plain(line.price))
    _add(element, "Количество", _plain(line.quantity))
    _add(element, "Сумма", _plain(line.amount))
    if line.vat:
        rate = _add(_add(element, "СтавкиНалогов"), "СтавкаНалога")
        _add(rate, "Наименование", "НДС")
        _add(rate, "Ставка", line.vat)
    _requisites(element, {"ВидНоменклатуры": "Товар", "ТипНоменклатуры": "Товар"})
