"""CommerceML as a stream: from the bytes of a file to `ExchangeItem`s, one at a time, whatever the size of the file.

The parser is fed piece by piece and reports only the elements that matter; each is dropped once it is read, so a
catalogue of hundreds of megabytes needs no more memory than its largest product. Nothing of the file is trusted: a
document type (and with it every entity) is refused, the network is never asked, depth and text sizes are libxml2's.

An item that makes no sense becomes an `ExchangeItem` with its `problem`, and the next one goes on. Only a file that is
no XML to its end raises `BrokenFile`: what was read before stays valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from lxml import etree

from connectors.exchange import ExchangeItem
from connectors.onec import documents
from connectors.onec.values import (
    Element,
    Unreadable,
    child,
    children,
    currency,
    flag,
    is_deleted,
    local,
    number,
    requisites,
    text,
)

CHUNK = 1 << 16
MAX_ID = 200
ROOT = "КоммерческаяИнформация"
WATCHED = ("Группа", "Товар", "Предложение", "ТипЦены", "Документ", "Контрагент", "Свойство")
NO_ID = "без Ид"
TYPE_REFUSED = "В файле есть объявление DOCTYPE: такие файлы не принимаются"


class BrokenFile(Exception):
    """The file cannot be read (further); one sentence for people."""


class Reading:
    """What must be remembered while a file is read."""

    def __init__(self, zone: ZoneInfo, price_type: str | None) -> None:
        self.zone = zone
        self.price_type = price_type.casefold() if price_type else None
        self.price_types: dict[str, tuple[str, str]] = {}
        """Ид → name and currency (ISO 4217)."""
        self.is_checked = False
        """No document type hid behind a long comment."""


def read(stream: BinaryIO, zone: ZoneInfo, price_type: str | None = None) -> Iterator[ExchangeItem]:
    """Every item of the file in its order. Raises `BrokenFile`."""
    reading = Reading(zone, price_type)
    parser = etree.XMLPullParser(
        events=("end",),
        tag=[f"{{*}}{name}" for name in WATCHED],
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    first = True
    try:
        while chunk := stream.read(CHUNK):
            if first and _declares_type(chunk):
                raise BrokenFile(TYPE_REFUSED)
            first = False
            parser.feed(chunk)
            yield from _ready(parser, reading)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        line = f", строка {error.lineno}" if error.lineno else ""
        raise BrokenFile(f"Это не XML или файл пришёл не целиком{line}: выгрузите его из 1С заново") from error
    yield from _ready(parser, reading)
    if local(root) != ROOT:
        raise BrokenFile(f"Это не CommerceML: первый элемент — {local(root)[:60]}, а нужен {ROOT}")


def _declares_type(head: bytes) -> bool:
    """Whether a document type stands before the root element, where alone it can; in CDATA it is only text."""
    head = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")  # UTF-16, byte order marks
    while True:
        head = head.lstrip()
        if not head.startswith((b"<?", b"<!--")):
            return head.startswith(b"<!")
        end = b"?>" if head.startswith(b"<?") else b"-->"
        head = head.partition(end)[2]


def _ready(parser: Any, reading: Reading) -> Iterator[ExchangeItem]:
    for _, element in parser.read_events():
        if not reading.is_checked and element.getroottree().docinfo.doctype:
            raise BrokenFile(TYPE_REFUSED)
        reading.is_checked = True
        handler = HANDLERS.get((_above(element), local(element)))
        if handler is None:
            if local(element) == "Свойство":
                _drop(element)
            continue
        yield from _guarded(element, handler, reading)
        _drop(element)


def _above(element: Element) -> str:
    """Names of the two elements above; a container of documents counts as the root."""
    parent = element.getparent()
    grand = parent.getparent() if parent is not None else None
    names = (local(grand) if grand is not None else "", local(parent) if parent is not None else "")
    if names[1] in (ROOT, "Контейнер"):
        return names[1]
    return "/".join(names)


def _drop(element: Element) -> None:
    """Free an element that is read, and those before it. Its tail stays: the parser may be writing into it still, and
    libxml2 would go on in memory that is freed."""
    parent = element.getparent()
    element.clear(keep_tail=True)
    if parent is not None:
        while element.getprevious() is not None and local(element.getprevious()) == local(element):
            del parent[parent.index(element) - 1]


Handler = Callable[[Element, Reading], Iterator[ExchangeItem]]


def _guarded(element: Element, handler: Handler, reading: Reading) -> Iterator[ExchangeItem]:
    try:
        yield from list(handler(element, reading))
    except Unreadable as error:
        kind = KINDS[local(element)]
        name = text(element, "Наименование") or text(element, "Номер")
        words = f"{name[:100]}: {error}" if name else str(error)
        yield ExchangeItem(kind=kind, external_id=text(element, "Ид")[:MAX_ID] or NO_ID, problem=words)


def _id(element: Element) -> str:
    found = text(element, "Ид")
    if not found:
        raise Unreadable("Нет Ид: проверьте выгрузку в 1С")
    if len(found) > MAX_ID:
        raise Unreadable(f"Ид длиннее {MAX_ID} знаков")
    return found


def _group(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    """A group with everything below it, parents first."""
    stack: list[tuple[Element, str | None]] = [(element, None)]
    while stack:
        group, parent = stack.pop()
        try:
            id = _id(group)
        except Unreadable as error:
            yield ExchangeItem(kind="category", external_id=NO_ID, problem=f"{text(group, 'Наименование')}: {error}")
            continue
        data = {"name": text(group, "Наименование"), "parent": parent, "deleted": is_deleted(group)}
        yield ExchangeItem(kind="category", external_id=id, data=data)
        below = list(children(child(group, "Группы"), "Группа"))
        stack += [(each, id) for each in reversed(below)]


def _product(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    id = _id(element)
    deleted, told = is_deleted(element), requisites(element)
    name = text(element, "Наименование")
    if not name and not deleted:
        raise Unreadable("Нет Наименования: проверьте карточку в 1С")
    unit = child(element, "БазоваяЕдиница")
    rates = children(child(element, "СтавкиНалогов"), "СтавкаНалога")
    data = {
        "name": name,
        "full_name": told.get("Полное наименование", ""),
        "sku": text(element, "Артикул"),
        "barcode": text(element, "Штрихкод"),
        "unit": _unit(unit),
        "categories": [text(each)[:MAX_ID] for each in children(child(element, "Группы"), "Ид")],
        "description": text(element, "Описание"),
        "vat": next((text(each, "Ставка") for each in rates if text(each, "Наименование").upper() == "НДС"), ""),
        "pictures": [text(each)[:500] for each in children(element, "Картинка") if text(each)],
        "requisites": {key[:200]: value[:2000] for key, value in list(told.items())[:100]},
        "maker": text(element, "Изготовитель", "Наименование"),
        "deleted": deleted,
    }
    yield ExchangeItem(kind="product", external_id=id, data=data)


def _unit(unit: Element | None) -> dict[str, str]:
    if unit is None:
        return {}
    names = {"code": "Код", "full_name": "НаименованиеПолное", "international": "МеждународноеСокращение"}
    return {"name": text(unit)} | {key: unit.get(name, "").strip() for key, name in names.items()}


def _price_type(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    id, name, told = _id(element), text(element, "Наименование"), currency(text(element, "Валюта"))
    reading.price_types[id] = (name, told)
    tax = child(element, "Налог")
    includes = flag(text(tax, "УчтеноВСумме")) if tax is not None else None
    yield ExchangeItem(
        kind="price_type", external_id=id, data={"name": name, "currency": told, "includes_vat": includes}
    )


def _offer(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    id = _id(element)
    product, _, characteristic = id.partition("#")
    whose = {"product": product, "characteristic": characteristic or None}
    deleted = is_deleted(element)
    prices = child(element, "Цены")
    if prices is not None or deleted:
        found = [_price(each, reading) for each in children(prices, "Цена")]
        chosen = _chosen(found, reading)
        data: dict[str, Any] = whose | {
            "name": text(element, "Наименование"),
            "sku": text(element, "Артикул"),
            "prices": found,
            "price": chosen["price"] if chosen else None,
            "currency": chosen["currency"] if chosen else None,
            "characteristics": {
                text(each, "Наименование")[:200]: text(each, "Значение")[:500]
                for each in children(child(element, "ХарактеристикиТовара"), "ХарактеристикаТовара")
            },
            "deleted": deleted,
        }
        yield ExchangeItem(kind="price", external_id=id, data=data)
    stock = _stock(element)
    if stock is not None:
        yield ExchangeItem(kind="stock", external_id=id, data=whose | stock)


def _price(element: Element, reading: Reading) -> dict[str, str]:
    type_id = text(element, "ИдТипаЦены")
    name, told = reading.price_types.get(type_id, ("", ""))
    price = number(text(element, "ЦенаЗаЕдиницу"), "ЦенаЗаЕдиницу")
    if not price:
        raise Unreadable("Цена без ЦенаЗаЕдиницу: проверьте цены в 1С")
    return {
        "type": type_id,
        "type_name": name,
        "price": price,
        "currency": currency(text(element, "Валюта") or told),
        "unit": text(element, "Единица"),
        "ratio": number(text(element, "Коэффициент"), "Коэффициент") or "1",
    }


def _chosen(prices: list[dict[str, str]], reading: Reading) -> dict[str, str] | None:
    """The price of the configured type; without one the first."""
    if reading.price_type is None:
        return prices[0] if prices else None
    wanted = (reading.price_type,)
    fits = (each for each in prices if each["type"].casefold() in wanted or each["type_name"].casefold() in wanted)
    return next(fits, None)


def _stock(element: Element) -> dict[str, Any] | None:
    """`Количество`, `Склад` with attributes (2.04–2.07) or `Остатки` (2.08 and later); None when nothing is said."""
    total = number(text(element, "Количество"), "Количество")
    stores = {
        each.get("ИдСклада", "")[:MAX_ID]: number(each.get("КоличествоНаСкладе", ""), "КоличествоНаСкладе") or "0"
        for each in children(element, "Склад")
    }
    for each in children(child(element, "Остатки"), "Остаток"):
        store = child(each, "Склад")
        amount = number(text(store if store is not None else each, "Количество"), "Количество") or "0"
        if store is not None:
            stores[text(store, "Ид")[:MAX_ID]] = amount
        else:
            total = total or amount
    if not total and not stores:
        return None
    return {"quantity": total or _sum(stores), "stores": stores}


def _sum(stores: dict[str, str]) -> str:
    return number(str(sum((documents.exact(each) for each in stores.values()), documents.exact("0"))), "Количество")


def _document(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    yield from documents.read_document(element, reading.zone)


def _customer(element: Element, reading: Reading) -> Iterator[ExchangeItem]:
    found = documents.customer(element)
    if found is None:
        raise Unreadable("У контрагента нет ни Ид, ни ИНН")
    yield found


HANDLERS: dict[tuple[str, str], Handler] = {
    ("Классификатор/Группы", "Группа"): _group,
    ("Классификатор/ТипыЦен", "ТипЦены"): _price_type,
    ("ПакетПредложений/ТипыЦен", "ТипЦены"): _price_type,
    ("ИзмененияПакетаПредложений/ТипыЦен", "ТипЦены"): _price_type,
    ("Каталог/Товары", "Товар"): _product,
    ("ПакетПредложений/Предложения", "Предложение"): _offer,
    ("ИзмененияПакетаПредложений/Предложения", "Предложение"): _offer,
    (ROOT, "Документ"): _document,
    ("Контейнер", "Документ"): _document,
    (f"{ROOT}/Контрагенты", "Контрагент"): _customer,
}
"""(names above, name) → what reads it. Elements of other places belong to something larger and are left to it."""
KINDS = {
    "Группа": "category",
    "ТипЦены": "price_type",
    "Товар": "product",
    "Предложение": "price",
    "Документ": "document",
    "Контрагент": "customer",
}
