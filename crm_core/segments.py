"""Segments: filters of contacts or companies that somebody saved under a name, for himself or for everybody.

A condition names an indexed field, an operation and a value, so that a segment answers at once however many customers
there are; any other field is refused with the list of those that can be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.customers import Abc, Rfm
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.rights import Action
from crm_core.similar import company_key
from storage import AllOf, AnyOf, Collection, Entity, Filter, Gt, Gte, In, Index, Lt, Lte, Ne, Prefix, ReadTx, Tx

Value = str | int | list[str] | None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """`{"field": "abc", "op": "eq", "value": "A"}`."""

    field: str
    op: str
    value: Value = None


class Segment(Entity, frozen=True, kw_only=True):
    """A saved filter; all its conditions must hold."""

    name: str
    entity: str
    """`contact` or `company`."""
    filter: tuple[Condition, ...]
    owner_id: str | None
    """None: a program made it."""
    shared: bool = False
    created_at: datetime
    updated_at: datetime


SEGMENTS = Collection(
    "segments", Segment, [Index("entity", "name"), Index("name"), Index("owner_id", "name"), Index("shared", "name")]
)

MAX_NAME, MAX_CONDITIONS, MAX_VALUES, MOST_DAYS = 100, 20, 200, 36_500


@dataclass(frozen=True, slots=True)
class _Type:
    """How values of a field are read, and which operations it has."""

    read: Callable[[str | int], Any]
    ops: tuple[str, ...]
    refusal: str


def _text(value: str | int) -> str:
    return str(value)


def _moment(value: str | int) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None or not 1971 <= moment.year < 2200:
        raise ValueError(value)
    return moment


def _decimal(value: str | int) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or abs(amount) > 10**14 or amount != round(amount, 4):
        raise ValueError(value)
    return amount


def _number(value: str | int) -> int:
    number = int(value)
    if abs(number) > 10**9:
        raise ValueError(value)
    return number


_EQUAL = ("eq", "ne", "in", "empty", "filled")
_ORDER = ("eq", "gt", "gte", "lt", "lte")
_TEXT = _Type(_text, _EQUAL, "Нужен текст")
_NAME = _Type(_text, ("prefix",), "Нужен текст")
_MOMENT = _Type(
    _moment,
    ("gt", "gte", "lt", "lte", "empty", "filled", "within_days", "before_days"),
    "Нужны дата и время с часовым поясом: 2026-11-22T10:00:00+03:00",
)
_MONEY = _Type(_decimal, _ORDER, "Нужна сумма в рублях: 150000.50")
_COUNT = _Type(_number, _ORDER, "Нужно целое число")
_RFM = _Type(lambda value: Rfm(str(value)), ("eq", "ne", "in"), f"Такого класса нет; есть {', '.join(Rfm)}")
_ABC = _Type(lambda value: Abc(str(value)), _EQUAL, f"Такого класса нет; есть {', '.join(Abc)}")
_BOTH = {
    "name": _NAME,
    "owner_id": _TEXT,
    "rfm": _RFM,
    "abc": _ABC,
    "won_count": _COUNT,
    "won_sum": _MONEY,
    "last_won_at": _MOMENT,
    "created_at": _MOMENT,
    "last_activity_at": _MOMENT,
}
FIELDS: dict[str, dict[str, _Type]] = {"contact": {**_BOTH, "company_id": _TEXT}, "company": {**_BOTH, "inn": _TEXT}}
_RANGES = frozenset({"gt", "gte", "lt", "lte", "within_days", "before_days"})
_COMPARED: dict[str, Callable[[Any], Any]] = {"eq": lambda value: value, "ne": Ne, "gt": Gt, "gte": Gte, "lt": Lt,
                                              "lte": Lte}  # fmt: skip


def filter_of(entity: str, conditions: tuple[Condition, ...], now: datetime) -> Filter:
    """What the conditions mean to the store. `Invalid` names each wrong one by its place."""
    filters: list[Filter] = []
    wrong: dict[str, str] = {}
    for place, condition in enumerate(conditions):
        try:
            filters.append(_compiled(entity, condition, now))
        except Invalid as error:
            wrong |= {f"filter[{place}].{name}": text for name, text in error.fields.items()}
    if wrong:
        raise Invalid(wrong)
    return AllOf(tuple(filters))


def _compiled(entity: str, condition: Condition, now: datetime) -> Filter:
    types = FIELDS[entity]
    type = types.get(condition.field)
    if type is None:
        raise Invalid({"field": f"По полю «{condition.field[:100]}» отбирать нельзя; можно: {', '.join(types)}"})
    if condition.op not in type.ops:
        raise Invalid({"op": f"Для этого поля есть: {', '.join(type.ops)}"})
    if condition.op in ("empty", "filled"):
        return {condition.field: None if condition.op == "empty" else Ne(None)}
    if condition.op == "prefix":
        return _begins(condition)
    wanted = _wanted(condition, type, now)
    return _never_bought(wanted) if condition.field == "rfm" else {condition.field: wanted}


def _never_bought(wanted: Any) -> Filter:
    """Nearly all customers never bought: asked for them, the store had better walk in the order of the list and leave
    out the few others, than gather and sort them all."""
    chosen = wanted.values if isinstance(wanted, In) else (wanted,)
    if Rfm.NEVER not in chosen:
        return {"rfm": wanted}
    return AllOf(tuple({"rfm": Ne(each)} for each in Rfm if each not in chosen))


def _wanted(condition: Condition, type: _Type, now: datetime) -> Any:
    if condition.op in ("within_days", "before_days"):
        days = timedelta(days=_read(condition.value, _DAYS))
        return Gte(now - days) if condition.op == "within_days" else Lt(now - days)
    if condition.op == "in":
        if not isinstance(condition.value, list) or not 0 < len(condition.value) <= MAX_VALUES:
            raise Invalid({"value": f"Нужен список от 1 до {MAX_VALUES} значений"})
        return In([_read(value, type) for value in condition.value])
    return _COMPARED[condition.op](_read(condition.value, type))


def _days(value: str | int) -> int:
    days = int(value)
    if not 0 <= days <= MOST_DAYS:
        raise ValueError(value)
    return days


_DAYS = _Type(_days, (), f"Нужно число дней от 0 до {MOST_DAYS}")


def _read(value: Value, type: _Type) -> Any:
    if value is None or isinstance(value, list):
        raise Invalid({"value": type.refusal})
    try:
        return type.read(value)
    except (ValueError, InvalidOperation, OverflowError):
        raise Invalid({"value": type.refusal}) from None


def _begins(condition: Condition) -> Filter:
    """Names as people type them: as they are written, and by their comparable form."""
    text = str(_read(condition.value, _TEXT)).strip()
    key = company_key(text)
    if not key:
        raise Invalid({"value": "Укажите начало названия или имени"})
    return AnyOf(({"name": Prefix(text)}, {"name_key": Prefix(key)}))


def create_segment(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Segment:
    """`values`: `name`, `entity`, `filter`, `shared`. `Invalid` names each wrong field or condition."""
    entity = values.get("entity", "")
    if entity not in FIELDS:
        raise Invalid({"entity": f"Укажите одно из: {', '.join(FIELDS)}"})
    check(actor, entity, Action.READ)
    segment = Segment(
        id=tx.new_id("seg_"),
        name=" ".join(values.get("name", "").split()),
        entity=entity,
        filter=tuple(values.get("filter", ())),
        owner_id=actor.id,
        shared=values.get("shared", False),
        created_at=tx.now,
        updated_at=tx.now,
    )
    _check(segment, tx.now)
    segment = tx.insert(SEGMENTS, segment)
    record(tx, actor, "segment", segment.id, "created", {"name": (None, segment.name)})
    return segment


def _check(segment: Segment, now: datetime) -> None:
    wrong = {}
    if not 0 < len(segment.name) <= MAX_NAME:
        wrong["name"] = f"Укажите название, не длиннее {MAX_NAME} знаков"
    if not 0 < len(segment.filter) <= MAX_CONDITIONS:
        wrong["filter"] = f"Нужно от 1 до {MAX_CONDITIONS} условий"
    if wrong:
        raise Invalid(wrong)
    filter_of(segment.entity, segment.filter, now)


def is_own(actor: Actor, segment: Segment) -> bool:
    """Whether he may change and delete it: his own, or he manages those of others."""
    own = actor.id is not None and segment.owner_id == actor.id
    return own or may(actor, "segment", Action.MANAGE)


def get_segment(tx: ReadTx, actor: Actor, segment_id: str) -> Segment:
    """One's own or a shared one; those of others are as if they were not there."""
    segment = tx.get(SEGMENTS, segment_id)
    if segment is None or not (segment.shared or is_own(actor, segment)):
        raise Missing("Такого сегмента нет")
    check(actor, segment.entity, Action.READ)
    return segment


def segment_filter(tx: ReadTx, actor: Actor, entity: str, segment_id: str) -> Filter:
    """For a list of this kind of records. `Invalid` when there is no such segment of it."""
    segment = tx.get(SEGMENTS, segment_id)
    if segment is None or segment.entity != entity or not (segment.shared or is_own(actor, segment)):
        raise Invalid({"segment": "Такого сегмента нет, или он для других записей"})
    return filter_of(entity, segment.filter, tx.now)


def segment_order(tx: ReadTx, segment_id: str) -> str | None:
    """The sort by which the index of a segment's range (a sum, a date) gives its records at once, greatest first; None
    when it has none and any sort will do."""
    segment = tx.get(SEGMENTS, segment_id)
    ranges = [each.field for each in segment.filter if each.op in _RANGES] if segment else []
    return f"-{ranges[0]}" if ranges else None


def list_segments(
    tx: ReadTx,
    actor: Actor,
    entity: str | None = None,
    *,
    sort: str = "name",
    limit: int = 50,
    after: str | None = None,
) -> list[Segment]:
    """Shared ones and one's own, of records that one may read; all those of others for who manages segments."""
    asked = [entity] if entity is not None else list(FIELDS)
    readable = [each for each in asked if may(actor, each, Action.READ)]
    if not readable:
        check(actor, asked[0], Action.READ)
    own: Filter = {"owner_id": actor.id} if actor.id is not None else AnyOf(())
    whose: Filter = {} if may(actor, "segment", Action.MANAGE) else AnyOf(({"shared": True}, own))
    where = AllOf(({"entity": In(readable)}, whose))
    return tx.find(SEGMENTS, where, sort=sort, limit=limit, after=after)


def _for_change(tx: ReadTx, actor: Actor, segment_id: str, version: int | None) -> Segment:
    segment = get_segment(tx, actor, segment_id)
    if not is_own(actor, segment):
        raise Forbidden("Недостаточно прав: это сегмент другого сотрудника")
    if version is not None and version != segment.version:
        raise Conflict("Сегмент уже изменён. Прочитайте его заново")
    return segment


def edit_segment(
    tx: Tx, actor: Actor, segment_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Segment:
    """Change `name`, `filter` or `shared` of one's own segment."""
    segment = _for_change(tx, actor, segment_id, version)
    wanted = dict(changes)
    if "name" in wanted:
        wanted["name"] = " ".join(wanted["name"].split())
    if "filter" in wanted:
        wanted["filter"] = tuple(wanted["filter"])
    _check(msgspec.structs.replace(segment, **wanted), tx.now)
    changed = tx.update(SEGMENTS, segment, **wanted, updated_at=tx.now)
    before_after = {name: (getattr(segment, name), getattr(changed, name)) for name in wanted}
    record(tx, actor, "segment", segment.id, "updated", before_after)
    return changed


def delete_segment(tx: Tx, actor: Actor, segment_id: str, version: int | None = None) -> None:
    """One's own."""
    segment = _for_change(tx, actor, segment_id, version)
    tx.delete(SEGMENTS, segment)
    record(tx, actor, "segment", segment.id, "deleted", {"name": (segment.name, None)})
