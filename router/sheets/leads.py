"""Leads in tables. A lead without a responsible employee goes to distribution like any other; one that has him is his.

A customer has at most one open lead: a row about a customer who has one is that lead (rule «skip» or «update»), and
making a second one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connectors.contract import Sender
from crm_core import timers
from crm_core.access import check, visible
from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.company import Company
from crm_core.decisions import DECISIONS, explain
from crm_core.errors import Conflict, Invalid
from crm_core.lead_timers import OF_LEAD
from crm_core.leads import (
    LEADS,
    Lead,
    Source,
    announce,
    edit_lead,
    for_change,
    last_lead_of,
    lead_scope,
    move_lead,
    open_lead_of,
    set_stage,
)
from crm_core.people import PEOPLE, Person, find_person, identity_id, owner_of
from crm_core.rights import Action
from crm_core.sheets.kinds import Field, RecordRef, Unreadable, Updated, marks_of
from crm_core.sheets.writing import Cell
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE, ItemKind
from crm_core.users import PLACE, QUEUE_WAKE, User
from router.identify import identify
from router.sheets.cells import (
    CREATED,
    OWNER,
    card_field,
    card_values,
    email_of,
    employee,
    kept_words,
    number_of,
    parse_moment,
)
from router.sheets.contacts import IDENTITY_OF, PERSON_FIELDS, person_cells, person_of_row, remove_person
from storage import AllOf, Filter, ReadTx, Tx

CHANNEL = "import"
TOUCHED = "С лидом уже работали: он оставлен"
_OWN = frozenset({ItemKind.DECISION, ItemKind.OFFER})
"""What the hub itself writes on the timeline of a lead that nobody has touched."""


def parse_stage(text: str, company: Company) -> str:
    """Key of the stage with this title or key."""
    for stage in company.stages:
        if text.casefold() in (stage.key.casefold(), stage.title.casefold()):
            return stage.key
    raise Unreadable(f"Такой стадии нет; есть {', '.join(stage.title for stage in company.stages)}")


def parse_source(text: str, company: Company) -> str:
    """Key of the source of the reference list with this label or key."""
    for rule in company.sources:
        if text.casefold() in (rule.key.casefold(), rule.label.casefold()):
            return rule.key
    raise Unreadable(f"Такого источника нет; есть {', '.join(dict.fromkeys(rule.label for rule in company.sources))}")


_FIXED = (
    Field("number", "Номер", ("№", "Номер лида", "Number", "Lead number"), parse=number_of("лида"), example="1042"),
    Field("title", "Название", ("Название лида", "Тема", "Лид", "Title", "Lead", "Lead name", "Subject"),
          example="Станок"),
    *PERSON_FIELDS,
    Field("stage", "Стадия", ("Статус", "Этап", "Stage", "Status"), parse=parse_stage, example="Новый"),
    Field("owner_id", "Ответственный", OWNER, example="anna@example.ru"),
    Field("source", "Источник", ("Откуда", "Source", "Lead source"), parse=parse_source),
    Field("created_at", "Создан", CREATED, parse=parse_moment, example="22.11.2026 14:05"),
)  # fmt: skip
_CARD = ("title", "company", "stage", "source", "fields")
"""What an update may change, and an undo gives back."""


class Leads:
    """See `ImportKind`. `queue`: into which leads go that nobody is responsible for."""

    key = "leads"
    entity = "lead"
    title = "Лиды"
    collection = LEADS
    duplicates: Mapping[str, str] = {"number": "Номер", "phones": "Телефон", "emails": "Почта"}

    def __init__(self, queue: str) -> None:
        self._queue = queue

    def fields(self, company: Company) -> Sequence[Field]:
        return (*_FIXED, *(card_field(rule) for rule in company.fields))

    def marks(self, values: Mapping[str, Any], rule: Sequence[str]) -> list[tuple[str, Any]]:
        return marks_of(values, rule)

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        if "number" in rule and "number" in values:
            found = tx.first(LEADS, {"number": values["number"]})
            if found is not None:
                return found.id
        person = person_of_row(tx, values, rule)
        lead = open_lead_of(tx, person.id) if person else None
        return lead.id if lead else None

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        check(actor, "lead", Action.CREATE)
        if not any(values.get(key) for key in ("name", "phones", "emails")):
            raise Invalid({"name": "Укажите имя, телефон или почту клиента"})
        owner = employee(tx, values["owner_id"]) if "owner_id" in values else None
        stage = company.lead_stage(values.get("stage") or (company.work_stage if owner else company.new_stage))
        known = _known_person(tx, values)
        other = open_lead_of(tx, known.id) if known and stage.kind == "open" else None
        if other is not None:
            raise Conflict(f"У этого клиента уже есть открытый лид № {other.number}: обновите его или закройте")
        person = _person(tx, values)
        lead = self._insert(tx, company, values, person, owner, stage.key)
        changes = {"rule": (None, "import"), "stage": (None, lead.stage), "owner_id": (None, lead.owner_id)}
        audit(tx, actor, "lead", lead.id, "created", changes)
        told = f"Загружен из таблицы; ответственный в ней — {owner.name}" if owner else "Загружен из таблицы"
        explain(tx, "import", told, lead_id=lead.id, person_id=person.id)
        announce(tx, lead, "created", {"channel": CHANNEL})
        if lead.open and owner is None:
            timers.schedule(tx, PLACE, lead.id, tx.now)
        made = {"person_id": person.id, "owner_id": lead.owner_id, "made_person": known is None}
        return RecordRef(lead.id, True, {}, _state(lead) | made)

    def _insert(
        self, tx: Tx, company: Company, values: Mapping[str, Any], person: Person, owner: User | None, stage: str
    ) -> Lead:
        former = last_lead_of(tx, person.id)
        source = _source(company, values.get("source"))
        created = min(values.get("created_at", tx.now), tx.now)
        is_open = company.lead_stage(stage).kind == "open"
        who = person.name or next(iter((*person.phones, *person.emails)), "")
        lead = Lead(
            id=tx.new_id("lead_"),
            number=tx.next_number("lead"),
            title=values.get("title") or f"Загружен: {who}",
            stage=stage,
            stage_since=tx.now,
            open=is_open,
            person_id=person.id,
            company=values.get("company") or person.company,
            source=source,
            first_touch=former.first_touch if former else source,
            last_touch=source,
            queue=self._queue,
            owner_id=owner.id if owner else None,
            accepted_at=tx.now if owner else None,
            waiting_since=tx.now if is_open and owner is None else None,
            repeat_of=former.id if former else None,
            preferred_id=person.former_owner_id,
            fields=card_values(values),
            last_activity_at=created,
            created_at=created,
            updated_at=tx.now,
        )
        return tx.insert(LEADS, lead)

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        before = for_change(tx, actor, record)
        stage = values.get("stage", before.stage)
        if stage != before.stage and company.lead_stage(stage).kind == "won":
            raise Invalid({"stage": "В эту стадию лид переходит конвертацией: уберите её из таблицы"})
        if _reopens_beside(tx, company, before, stage):
            raise Conflict("У этого клиента уже есть другой открытый лид")
        changes: dict[str, Any] = {key: values[key] for key in ("title", "company") if key in values}
        if fields := card_values(values):
            changes["fields"] = fields
        if "source" in values:
            made = _source(company, values["source"])
            changes["source"] = msgspec.structs.replace(before.source, key=made.key, label=made.label)
        after = edit_lead(tx, actor, record, changes)
        if stage != before.stage:
            after = move_lead(tx, actor, company, record, stage)
        was, now = _state(before), _state(after)
        changed = [key for key in _CARD if was[key] != now[key]]
        return Updated({key: was[key] for key in changed}, {key: now[key] for key in changed})

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        lead = tx.get(LEADS, record.id)
        if lead is None:
            return None if record.created else "Лида больше нет"
        return self._remove(tx, actor, lead, record) if record.created else _give_back(tx, actor, company, lead, record)

    def _remove(self, tx: Tx, actor: Actor, lead: Lead, record: RecordRef) -> str | None:
        now = _state(lead) | {"person_id": lead.person_id, "owner_id": lead.owner_id}
        same = all(record.after.get(key) == value for key, value in now.items())
        items = tx.find(TIMELINE, {"lead_id": lead.id}, limit=50)
        touched = lead.unread or lead.on_call or lead.first_response_at or lead.deal_id
        if not same or touched or tx.first(TASKS, {"lead_id": lead.id}) or any(each.kind not in _OWN for each in items):
            return TOUCHED
        for item in items:
            tx.delete(TIMELINE, item)
        for decision in tx.find(DECISIONS, {"lead_id": lead.id}, limit=50):
            tx.delete(DECISIONS, decision)
        for kind in (*OF_LEAD, PLACE):
            timers.cancel(tx, kind, lead.id)
        tx.delete(LEADS, lead)
        timers.schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)
        audit(tx, actor, "lead", lead.id, "deleted", {"number": (lead.number, None), "title": (lead.title, None)})
        announce(tx, lead, "deleted")
        person = tx.get(PEOPLE, lead.person_id) if lead.person_id and record.after["made_person"] else None
        if person is not None and person.last_activity_at == person.created_at:
            remove_person(tx, actor, person)
        return None

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Filter, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        check(actor, self.entity, Action.EXPORT)
        readable = lead_scope(actor)
        exportable = visible(
            actor, "lead", owner_fields=("owner_id", "offered_to"), has_stage=True, action=Action.EXPORT
        )
        if readable is None or exportable is None:
            return [], None
        scope = AllOf((where, readable, exportable))
        leads = tx.find(LEADS, scope, sort="created_at", limit=limit, after=after)
        rows = [(lead.id, _cells(tx, company, lead)) for lead in leads]
        return rows, tx.cursor_after(LEADS, leads[-1], "created_at") if len(leads) == limit else None


def _known_person(tx: ReadTx, values: Mapping[str, Any]) -> Person | None:
    """Whom `identify` will recognise: of several the one who was active last."""
    marks = [identity_id(kind, value) for key, kind in IDENTITY_OF.items() for value in values.get(key, ())]
    known = {each.id: each for mark in marks if (each := owner_of(tx, mark))}
    return max(known.values(), key=lambda each: (each.last_activity_at, each.id), default=None)


def _person(tx: Tx, values: Mapping[str, Any]) -> Person:
    sender = Sender(
        name=values.get("name"),
        company=values.get("company"),
        phones=tuple(values.get("phones", ())),
        emails=tuple(values.get("emails", ())),
    )
    person = identify(tx, sender, None)[0]
    if person is None:
        new = Person(
            id=tx.new_id("per_"), name=sender.name, company=sender.company, created_at=tx.now, last_activity_at=tx.now
        )
        person = tx.insert(PEOPLE, new)
    return person


def _source(company: Company, key: str | None) -> Source:
    label = next((rule.label for rule in company.sources if rule.key == key), "Загрузка из файла")
    return Source(channel=CHANNEL, connector=CHANNEL, key=key or "other", label=label)


def _state(lead: Lead) -> dict[str, Any]:
    return {key: lead.source.key if key == "source" else getattr(lead, key) for key in _CARD}


def _reopens_beside(tx: ReadTx, company: Company, lead: Lead, stage: str) -> bool:
    """Whether this move would give the customer a second open lead."""
    if lead.open or lead.person_id is None or company.lead_stage(stage).kind != "open":
        return False
    return open_lead_of(tx, lead.person_id) is not None


def _give_back(tx: Tx, actor: Actor, company: Company, lead: Lead, record: RecordRef) -> str | None:
    """The former values of what is still as the import left it."""
    now = _state(lead)
    back = {key: value for key, value in record.before.items() if now[key] == record.after[key]}
    kept = [key for key in record.before if key not in back]
    stage = back.pop("stage", None)
    if stage is not None and _reopens_beside(tx, company, lead, stage):
        stage, kept = None, [*kept, "stage"]
    if "source" in back:
        source = _source(company, back["source"])
        back["source"] = msgspec.structs.replace(lead.source, key=source.key, label=source.label)
    if "fields" in back:
        back["fields"] = dict.fromkeys(lead.fields, "") | back["fields"]
    if back:
        for_change(tx, actor, lead.id)
        lead = edit_lead(tx, actor, lead.id, back)
    if stage is not None:
        set_stage(tx, actor, company, for_change(tx, actor, lead.id), stage)
    titles = {field.key: field.title for field in _FIXED} | {"fields": "Поля карточки"}
    return kept_words([titles[key] for key in kept])


def _cells(tx: ReadTx, company: Company, lead: Lead) -> list[Cell]:
    person = find_person(tx, lead.person_id)
    cells = person_cells(person)
    cells[-1] = lead.company or cells[-1]
    own = (rule.choices.get(lead.fields.get(rule.key, ""), lead.fields.get(rule.key)) for rule in company.fields)
    stage, source = company.stage_title(lead.stage), lead.source.label or lead.source.key
    return [lead.number, lead.title, *cells, stage, email_of(tx, lead.owner_id), source, lead.created_at, *own]
