"""Documents of 1C: orders with their customers, payments, shipments.

`ХозОперация` tells what a document is. Payments come as documents of their own, based on an order («Основание»), or in
older configurations only as requisites of the order («Номер оплаты по 1С», «Дата оплаты по 1С», «Оплачен»): then there
is no amount, and the order's sum is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.exchange import ExchangeItem
from connectors.onec.values import (
    Element,
    Unreadable,
    child,
    children,
    currency,
    flag,
    is_deleted,
    moment,
    number,
    requisites,
    text,
)

MAX_ID = 200
ORDER = frozenset({"заказ товара", "счет на оплату"})
PAYMENT = frozenset({"выплата безналичных денег", "выплата наличных денег", "эквайринговая операция"})
REFUND = frozenset({"возврат безналичных денег", "возврат наличных денег"})
SHIPMENT = frozenset({"отпуск товара"})


def exact(written: str) -> Decimal:
    """Of a number that `values.number` wrote."""
    return Decimal(written or "0")


def read_document(element: Element, zone: ZoneInfo) -> Iterator[ExchangeItem]:
    """The items of one document: its customer, itself, and the payment that its requisites tell of. `Unreadable`."""
    id, operation = text(element, "Ид"), text(element, "ХозОперация")
    if not id or len(id) > MAX_ID:
        raise Unreadable(f"У документа «{operation[:60]}» нет Ид, или он длиннее {MAX_ID} знаков")
    kind = operation.lower().replace("ё", "е")
    told = requisites(element)
    payer = _party(element)
    customer_item = customer(payer) if payer is not None else None
    if customer_item is not None:
        yield customer_item
    common = _common(element, told, zone) | {"operation": operation}
    common["customer"] = customer_item.external_id if customer_item else None
    if kind in PAYMENT or kind in REFUND or kind.startswith("оплата"):
        yield _payment(id, element, told, common, payer, is_refund=kind in REFUND)
    elif kind in ORDER:
        yield ExchangeItem(kind="order", external_id=id, data=_order(element, told, common, zone))
        paid = _paid_by_requisites(id, told, common, payer, zone)
        if paid is not None:
            yield paid
    else:
        extra = {"order_ref": text(element, "Основание"), "lines": _lines(element)}
        yield ExchangeItem(kind="shipment" if kind in SHIPMENT else "document", external_id=id, data=common | extra)


def _common(element: Element, told: dict[str, str], zone: ZoneInfo) -> dict[str, Any]:
    return {
        "number": text(element, "Номер")[:100],
        "onec_number": (told.get("Номер по 1С") or text(element, "Номер1С"))[:100],
        "at": moment(text(element, "Дата"), text(element, "Время"), zone),
        "amount": number(text(element, "Сумма"), "Сумма"),
        "currency": currency(text(element, "Валюта")),
        "comment": text(element, "Комментарий")[:2000],
        "posted": flag(told.get("Проведен", "true") or "true"),
        "deleted": is_deleted(element),
        "requisites": {key[:200]: value[:1000] for key, value in list(told.items())[:100]},
    }


def _order(element: Element, told: dict[str, str], common: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    canceled = flag(told.get("Отменен", "")) or common["deleted"]
    return common | {
        "status": told.get("Статус заказа") or told.get("СтатусЗаказа") or "",
        "canceled": canceled,
        "paid": flag(told.get("Оплачен", "")) or bool(told.get("Номер оплаты по 1С")),
        "shipped": flag(told.get("Отгружен", "")) or bool(told.get("Номер отгрузки по 1С")),
        "shipped_at": moment(told.get("Дата отгрузки по 1С", ""), "", zone),
        "lines": _lines(element),
    }


def _payment(
    id: str, element: Element, told: dict[str, str], common: dict[str, Any], payer: Element | None, *, is_refund: bool
) -> ExchangeItem:
    if not common["amount"]:
        raise Unreadable(f"У оплаты {common['number']} нет суммы: проверьте документ в 1С")
    amount = exact(common["amount"])
    is_paid = flag(told.get("Оплачен", "true") or "true") and not flag(told.get("Отменен", ""))
    data = {
        "order_ref": text(element, "Основание")[:MAX_ID],
        "order_number": "",
        "amount": format(-abs(amount) if is_refund else amount, "f"),
        "currency": common["currency"],
        "paid_at": common["at"],
        "number": common["onec_number"] or common["number"],
        "payer_inn": text(payer, "ИНН")[:12],
        "valid": is_paid and common["posted"] and not common["deleted"],
        "assumed": False,
        "operation": common["operation"],
    }
    return ExchangeItem(kind="payment", external_id=id, data=data)


def _paid_by_requisites(
    id: str, told: dict[str, str], common: dict[str, Any], payer: Element | None, zone: ZoneInfo
) -> ExchangeItem | None:
    """The payment that an order tells of in its requisites. An order that is no longer paid takes it back."""
    if not any(name in told for name in ("Номер оплаты по 1С", "Оплачен", "Дата оплаты по 1С")) or not common["amount"]:
        return None
    paid_number = told.get("Номер оплаты по 1С", "")
    is_paid = bool(paid_number) or flag(told.get("Оплачен", ""))
    data = {
        "order_ref": id,
        "order_number": common["number"],
        "amount": common["amount"],
        "currency": common["currency"],
        "paid_at": moment(told.get("Дата оплаты по 1С", ""), "", zone),
        "number": paid_number[:100],
        "payer_inn": text(payer, "ИНН")[:12],
        "valid": is_paid and not common["deleted"] and not flag(told.get("Отменен", "")),
        "assumed": True,
        "operation": common["operation"],
    }
    return ExchangeItem(kind="payment", external_id=f"{id}#paid", data=data)


def _lines(element: Element) -> list[dict[str, Any]]:
    lines = []
    for each in children(child(element, "Товары"), "Товар"):
        line = {
            "product": text(each, "Ид")[:MAX_ID],
            "name": text(each, "Наименование")[:1000],
            "sku": text(each, "Артикул")[:200],
            "price": number(text(each, "ЦенаЗаЕдиницу"), "ЦенаЗаЕдиницу"),
            "quantity": number(text(each, "Количество"), "Количество"),
            "amount": number(text(each, "Сумма"), "Сумма"),
        }
        lines.append(line)
    return lines


def _party(element: Element) -> Element | None:
    """The buyer; payments name a payer or whom they may."""
    parties = list(children(child(element, "Контрагенты"), "Контрагент"))
    roles = {text(each, "Роль").lower(): each for each in reversed(parties)}
    return next(
        (roles[role] for role in ("покупатель", "плательщик") if role in roles), parties[0] if parties else None
    )


def customer(element: Element) -> ExchangeItem | None:
    """A customer by his Ид, else by his taxpayer number; None when he has neither."""
    details = child(element, "РеквизитыЮрЛица")
    own = details if details is not None else element
    inn = text(element, "ИНН") or text(own, "ИНН")
    id = text(element, "Ид")[:MAX_ID] or (f"inn-{inn[:12]}" if inn else "")
    if not id:
        return None
    contacts: dict[str, list[str]] = {"phones": [], "emails": []}
    for each in children(child(element, "Контакты"), "Контакт"):
        kind, value = text(each, "Тип").lower(), text(each, "Значение")[:300]
        if value:
            contacts["emails" if "почт" in kind or "mail" in kind else "phones"].append(value)
    data = {
        "name": text(element, "Наименование")[:500],
        "full_name": (
            text(own, "ОфициальноеНаименование") or text(element, "ПолноеНаименование") or text(element, "Наименование")
        )[:500],
        "is_company": bool(text(own, "ОфициальноеНаименование") or details is not None or len(inn) == 10),
        "inn": inn[:12],
        "kpp": (text(element, "КПП") or text(own, "КПП"))[:9],
        "okpo": (text(element, "ОКПО") or text(own, "ОКПО"))[:10],
        "address": (
            text(own, "ЮридическийАдрес", "Представление")
            or text(element, "АдресРегистрации", "Представление")
            or text(element, "Адрес", "Представление")
        )[:1000],
        **contacts,
    }
    return ExchangeItem(kind="customer", external_id=id, data=data)
