"""Products: what the company sells, found by SKU or by the beginning of the name, with a price per price type.

The SKU is unique among products that are not in the archive, whatever the letter case; the store itself guarantees it.
Every price that ever held is kept (`crm_core.prices`). Importers and the exchange with 1C speak to `upsert_product`,
which recognises a product by what its origin calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.categories import CATEGORIES, with_all_below
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.external import check_names, link, linked
from crm_core.money import AmountError, Money, check_money
from crm_core.prices import write_price
from crm_core.rights import Action
from crm_core.timeline import File
from crm_core.trade import local_day
from storage import Collection, Entity, In, Index, Prefix, ReadTx, Tx, Unique, UniqueViolation

MAX_SKU, MAX_NAME, MAX_DESCRIPTION = 100, 300, 20_000
MAX_PICTURES = 20
SEARCHED_AT_ONCE = 200
MAX_FIELDS, MAX_FIELD_KEY, MAX_FIELD_VALUE = 100, 100, 2000
EDITABLE = frozenset({"name", "sku", "category_id", "unit", "vat", "description", "pictures", "fields", "prices"})


class Product(Entity, frozen=True, kw_only=True):
    """One position of the catalogue."""

    name: str
    name_key: str
    """For search and sorting: small letters."""
    sku: str | None = None
    """Артикул."""
    sku_key: str | None = None
    category_id: str | None = None
    unit: str = "796"
    """Code of ОКЕИ."""
    vat: str | None = None
    """Key of the rate; None: the usual one of the day of the sale, so a new law needs no edit of every product."""
    prices: dict[str, Money] = {}
    """Price type → what one unit costs now."""
    description: str = ""
    pictures: tuple[File, ...] = ()
    fields: dict[str, str] = {}
    active: bool = True
    """False: in the archive."""
    external_ids: dict[str, str] = {}
    """Origin → how it calls this product."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProductPage:
    """One stretch of a list; `next` is the `after` of the following one, None at the end."""

    items: list[Product]
    next: str | None


PRODUCTS = Collection(
    "products",
    Product,
    [
        Unique("sku_key", where={"active": True}),
        Index("active", "name_key"),
        Index("active", "sku_key"),
        Index("active", "created_at"),
        Index("category_id", "active", "name_key"),
        Index("updated_at"),
    ],
)


def get_product(tx: ReadTx, actor: Actor, product_id: str) -> Product:
    """The product, archived or not. `Missing` when there is none."""
    check(actor, "product", Action.READ)
    found = tx.get(PRODUCTS, product_id)
    if found is None:
        raise Missing("Такого товара нет")
    return found


def list_products(
    tx: ReadTx,
    actor: Actor,
    *,
    text: str = "",
    category_id: str | None = None,
    active: bool = True,
    sort: str = "name_key",
    limit: int = 50,
    after: str | None = None,
) -> ProductPage:
    """Products by name (`sort` is `name_key` or `-name_key`), in the category or below it. With `text`: those whose SKU
    begins with it, in the order of SKUs, then those whose name does; letter case does not matter."""
    check(actor, "product", Action.READ)
    where: dict[str, Any] = {"active": active}
    if category_id is not None:
        where["category_id"] = In(with_all_below(tx, category_id))
    if key := _key(text):
        return _search(tx, where, key, limit, after)
    rows = tx.find(PRODUCTS, where, sort=sort, limit=limit + 1, after=after)
    return ProductPage(rows[:limit], tx.cursor_after(PRODUCTS, rows[limit - 1], sort) if len(rows) > limit else None)


def _search(tx: ReadTx, where: dict[str, Any], key: str, limit: int, after: str | None) -> ProductPage:
    """First SKUs, then names, each a range of its own index: no store has an order for both at once."""
    way, _, cursor = (after or "sku:").partition(":")
    if way not in ("sku", "name"):
        raise Invalid({"cursor": "Это место другого списка: начните с начала"})
    items: list[Product] = []
    if way == "sku":
        sku = {**where, "sku_key": Prefix(key)}
        items = tx.find(PRODUCTS, sku, sort="sku_key", limit=limit + 1, after=cursor or None)
        if len(items) > limit:
            return ProductPage(items[:limit], "sku:" + tx.cursor_after(PRODUCTS, items[limit - 1], "sku_key"))
        cursor = ""
    by_number, name = len(items), {**where, "name_key": Prefix(key)}
    while len(items) <= limit:
        rows = tx.find(PRODUCTS, name, sort="name_key", limit=SEARCHED_AT_ONCE, after=cursor or None)
        items += [row for row in rows if not (row.sku_key or "").startswith(key)]
        if len(rows) < SEARCHED_AT_ONCE:
            break
        cursor = tx.cursor_after(PRODUCTS, rows[-1], "name_key")
    if len(items) <= limit:
        return ProductPage(items, None)
    last = tx.cursor_after(PRODUCTS, items[limit - 1], "name_key") if limit > by_number else ""
    return ProductPage(items[:limit], "name:" + last)


def by_sku(tx: ReadTx, sku: str) -> Product | None:
    """The live product with this SKU."""
    return tx.first(PRODUCTS, {"active": True, "sku_key": _key(sku)})


def create_product(tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> Product:
    """A new product out of `EDITABLE` values, `name` at least. `Invalid` names each wrong field."""
    check(actor, "product", Action.CREATE)
    values = {"name": "", **values}
    found = _checked(tx, company, None, values)
    product = Product(id=tx.new_id("pr_"), **found, created_at=tx.now, updated_at=tx.now)
    try:
        product = tx.insert(PRODUCTS, product)
    except UniqueViolation as error:
        raise _sku_taken(tx, product) from error
    for key, price in product.prices.items():
        write_price(tx, actor, product.id, key, price)
    record(tx, actor, "product", product.id, "created", {name: (None, found[name]) for name in values})
    _tell(tx, product, "created")
    return product


def edit_product(
    tx: Tx, actor: Actor, company: Company, product_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Product:
    """Change `EDITABLE` values. Of `prices` and `fields` those that are named change: None takes a price away, an empty
    text clears a field. `Invalid` names each wrong field, `Conflict` when somebody else was faster."""
    product = _for_change(tx, actor, product_id, version)
    return _changed(tx, actor, product, _checked(tx, company, product, changes), "updated")


def archive_product(tx: Tx, actor: Actor, product_id: str) -> Product:
    """Out of lists and of choice; lines that have it stay as they are."""
    return _changed(tx, actor, _for_change(tx, actor, product_id), {"active": False}, "archived")


def restore_product(tx: Tx, actor: Actor, product_id: str) -> Product:
    """Back from the archive; `Conflict` when its SKU belongs to another product by now."""
    product = _for_change(tx, actor, product_id)
    try:
        return _changed(tx, actor, product, {"active": True}, "restored")
    except Invalid as error:
        raise Conflict("; ".join(error.fields.values())) from error


def upsert_product(
    tx: Tx, actor: Actor, company: Company, origin: str, external_id: str, values: Mapping[str, Any]
) -> Product:
    """The product that another system names so, made or brought up to date; the same call again changes nothing.

    Besides `EDITABLE` values: `category_external_id` (of the same origin) and `active`. A live product with the same
    SKU that this origin has not named yet is taken for it, so a catalogue that was typed in first gets no doubles.
    """
    check_names(origin, external_id)
    values = dict(values)
    is_active = bool(values.pop("active", True))
    if "category_external_id" in values:
        values["category_id"] = _category_of(tx, origin, values.pop("category_external_id"))
    known = linked(tx, "product", origin, external_id)
    product = tx.require(PRODUCTS, known) if known else _same_sku(tx, origin, values.get("sku"))
    if product is None:
        product = create_product(tx, actor, company, values)
    else:
        if is_active and not product.active:
            product = restore_product(tx, actor, product.id)
        product = edit_product(tx, actor, company, product.id, values)
    if known is None:
        link(tx, "product", origin, external_id, product.id)
        product = tx.update(PRODUCTS, product, external_ids={**product.external_ids, origin: external_id})
    return product if is_active else archive_product(tx, actor, product.id)


def _key(text: str | None) -> str:
    return " ".join((text or "").split()).lower()


def _tell(tx: Tx, product: Product, event: str) -> None:
    tell(tx, "product", product.id, event, data={"name": product.name, "sku": product.sku})


def _for_change(tx: ReadTx, actor: Actor, product_id: str, version: int | None = None) -> Product:
    product = get_product(tx, actor, product_id)
    check(actor, "product", Action.UPDATE)
    if version is not None and version != product.version:
        raise Conflict("Товар уже изменён кем-то другим. Обновите страницу")
    return product


def _changed(tx: Tx, actor: Actor, product: Product, changes: Mapping[str, Any], event: str) -> Product:
    before = {name: getattr(product, name) for name in changes if getattr(product, name) != changes[name]}
    if not before:
        return product
    try:
        changed = tx.update(PRODUCTS, product, **changes, updated_at=tx.now)
    except UniqueViolation as error:
        raise _sku_taken(tx, product, changes.get("sku", product.sku)) from error
    for key in product.prices.keys() | changed.prices.keys():
        if product.prices.get(key) != changed.prices.get(key):
            write_price(tx, actor, product.id, key, changed.prices.get(key))
    shown = {name: (value, changes[name]) for name, value in before.items() if name not in ("name_key", "sku_key")}
    record(tx, actor, "product", product.id, event, shown)
    _tell(tx, changed, event)
    return changed


def _sku_taken(tx: ReadTx, product: Product, sku: str | None = None) -> Invalid:
    other = by_sku(tx, sku or product.sku or "")
    name = f" у товара «{other.name}»" if other else ""
    return Invalid({"sku": f"Артикул «{sku or product.sku}» уже занят{name}"})


def _same_sku(tx: ReadTx, origin: str, sku: Any) -> Product | None:
    found = by_sku(tx, str(sku)) if sku and _key(str(sku)) else None
    return found if found is not None and origin not in found.external_ids else None


def _category_of(tx: ReadTx, origin: str, external_id: str | None) -> str | None:
    if external_id is None:
        return None
    found = linked(tx, "category", origin, external_id)
    if found is None:
        raise Invalid({"category_external_id": "Категории с таким внешним идентификатором нет: передайте её раньше"})
    return found


def _checked(tx: ReadTx, company: Company, product: Product | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored; everything that is wrong with them in one `Invalid`."""
    wrong: dict[str, str] = dict.fromkeys(
        sorted(values.keys() - EDITABLE), "Такого поля нет или его меняют другой командой"
    )
    found = {name: value for name, value in values.items() if name in EDITABLE}
    _check_words(found, wrong)
    _check_references(tx, company, product, found, wrong)
    if "prices" in found:
        found["prices"] = _prices(company, product, found["prices"], wrong)
    if "fields" in found:
        found["fields"] = _fields(product, found["fields"], wrong)
    if wrong:
        raise Invalid(wrong)
    return found


def _check_words(found: dict[str, Any], wrong: dict[str, str]) -> None:
    if "name" in found:
        found["name"] = " ".join(str(found["name"] or "").split())
        found["name_key"] = found["name"].lower()
        if not found["name"] or len(found["name"]) > MAX_NAME:
            wrong["name"] = f"Укажите название не длиннее {MAX_NAME} знаков"
    if "sku" in found:
        found["sku"] = " ".join(str(found["sku"] or "").split()) or None
        found["sku_key"] = _key(found["sku"]) or None
        if len(found["sku"] or "") > MAX_SKU:
            wrong["sku"] = f"Артикул длиннее {MAX_SKU} знаков"
    if len(found.get("description") or "") > MAX_DESCRIPTION:
        wrong["description"] = f"Описание длиннее {MAX_DESCRIPTION} знаков"
    if "pictures" in found:
        found["pictures"] = tuple(found["pictures"])
        if len(found["pictures"]) > MAX_PICTURES:
            wrong["pictures"] = f"Не больше {MAX_PICTURES} картинок"


def _check_references(
    tx: ReadTx, company: Company, product: Product | None, found: dict[str, Any], wrong: dict[str, str]
) -> None:
    """What the product already refers to may stay, though it could not be chosen any more."""
    is_new = {name for name in found if product is None or getattr(product, name) != found[name]}
    if "category_id" in is_new and found["category_id"] is not None:
        category = tx.get(CATEGORIES, found["category_id"])
        if category is None or not category.active:
            wrong["category_id"] = "Такой категории нет, или она в архиве"
    try:
        if "unit" in is_new:
            company.trade.unit(found["unit"])
    except Invalid as error:
        wrong |= error.fields
    try:
        if "vat" in is_new:
            company.trade.vat.chosen(found["vat"], local_day(tx.now, company.timezone))
    except Invalid as error:
        wrong |= error.fields


def _prices(
    company: Company, product: Product | None, given: Mapping[str, Money | None], wrong: dict[str, str]
) -> dict[str, Money]:
    found = dict(product.prices) if product else {}
    known = {each.key for each in company.trade.price_types}
    for key, price in given.items():
        if price is None:
            found.pop(key, None)
        elif key not in known:
            wrong[f"prices.{key[:MAX_FIELD_KEY]}"] = f"Такого вида цен нет; есть {', '.join(sorted(known))}"
        else:
            try:
                found[key] = check_money(price)
            except AmountError as error:
                wrong[f"prices.{key}"] = str(error)
    return found


def _fields(product: Product | None, given: Mapping[str, str | None], wrong: dict[str, str]) -> dict[str, str]:
    merged = {**(product.fields if product else {}), **given}
    found = {key: value for key, value in merged.items() if value}
    if len(found) > MAX_FIELDS:
        wrong["fields"] = f"Не больше {MAX_FIELDS} полей"
    for key, value in found.items():
        if not key.strip() or len(key) > MAX_FIELD_KEY or len(value) > MAX_FIELD_VALUE:
            wrong[f"fields.{key[:MAX_FIELD_KEY]}"] = f"Имя до {MAX_FIELD_KEY} знаков, значение до {MAX_FIELD_VALUE}"
    return found
