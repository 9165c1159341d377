"""Deals in tables: the history of another system, or changes of many deals at once.

What is created stands on its stage from the beginning: gates and robots are for deals on their way, not for history.
A deal that is there already moves through its gates as by hand, and what they demand becomes an error of the row. The
customer is known by his code, phone, email or name, his company by code, ИНН or name; who is not there yet is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crm_core.access import Facts, check, visible
from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.companies import find_company
from crm_core.company import Company
from crm_core.deal_stages import lacks, move_deal, set_stage
from crm_core.deals import DEALS, Deal, announce, deal_scope, derived, edit_deal, for_change, sold
from crm_core.errors import Incomplete, Invalid
from crm_core.people import find_person
from crm_core.pipelines import Pipeline, PipelineStage
from crm_core.rights import Action
from crm_core.sheets.kinds import Field, RecordRef, Unreadable, Updated, marks_of
from crm_core.sheets.writing import Cell
from crm_core.worth import note_won
from router.sheets.cells import (
    COMMENT,
    CREATED,
    CURRENCY_NAMES,
    OWNER,
    card_field,
    card_values,
    differing,
    email_of,
    employee,
    in_currency,
    kept_words,
    number_of,
    parse_currency,
    parse_day,
    parse_moment,
    parse_sum,
    parse_text,
    stored,
)
from router.sheets.companies import INN
from router.sheets.contacts import COMPANY, PERSON_FIELDS, person_cells
from router.sheets.deal_customer import customer_of, make_customer
from router.sheets.deal_undo import STATE, given_back, remove_deal, state_of
from storage import AllOf, Filter, ReadTx, Tx

_WON = frozenset({"успешно реализовано", "сделка успешна", "успешно", "выиграна", "won", "closed won", "успех"})
_LOST = frozenset({"закрыто и не реализовано", "сделка провалена", "провалена", "проиграна", "lost", "closed lost"})
"""How Bitrix24 and amoCRM call their last stages."""


def parse_pipeline(text: str, company: Company) -> str:
    """Key of the pipeline with this title or key."""
    for way in company.pipelines.values():
        if text.casefold() in (way.key.casefold(), way.title.casefold()):
            return way.key
    raise Unreadable(f"Такого направления нет; есть {', '.join(way.title for way in company.pipelines.values())}")


def parse_probability(text: str, company: Company) -> int:
    """Whole per cent."""
    digits = text.rstrip("% ")
    if not digits.isascii() or not digits.isdecimal() or int(digits) > 100:
        raise Unreadable("Нужны проценты от 0 до 100")
    return int(digits)


def stage_of(way: Pipeline, text: str) -> PipelineStage:
    """The stage with this title or key. `Invalid` names those there are."""
    words = text.casefold()
    named = [stage for stage in way.stages if words in (stage.key.casefold(), stage.title.casefold())]
    kind = "won" if words in _WON else "lost" if words in _LOST else None
    found = named or [stage for stage in way.stages if stage.kind == kind]
    if len(found) == 1:
        return found[0]
    raise Invalid({"stage": f"Такой стадии в направлении «{way.title}» нет; есть "
                            f"{', '.join(stage.title for stage in way.stages)}"})  # fmt: skip


_CUSTOMER = (
    *PERSON_FIELDS[:-1],
    Field("person_code", "Код контакта", ("ID контакта", "Contact ID"), exported=False),
    Field("company", "Компания", (*COMPANY, "Название компании", "Контрагент"), example="ООО «Ромашка»"),
    INN,
    Field("company_code", "Код компании", ("ID компании", "Company ID"), exported=False),
)
_FIXED = (
    Field("number", "Номер", ("№", "Номер сделки", "Deal number"), parse=number_of("сделки"), example="204"),
    Field("title", "Название", ("Название сделки", "Сделка", "Deal name", "Deal", "Title"), example="Пресс на завод"),
    Field("pipeline", "Направление", ("Воронка", "Направление сделки", "Pipeline"), parse=parse_pipeline),
    Field("stage", "Стадия", ("Стадия сделки", "Этап сделки", "Этап", "Статус", "Stage", "Deal stage", "Status")),
    Field("amount", "Сумма", ("Бюджет", "Сумма сделки", "Amount", "Total", "Price", "Sale"), parse=parse_sum,
          example="1 250 000,50"),
    Field("currency", "Валюта", CURRENCY_NAMES, parse=parse_currency, example="RUB"),
    *_CUSTOMER,
    Field("owner_id", "Ответственный", OWNER, example="anna@example.ru"),
    Field("probability", "Вероятность", ("Вероятность %", "Probability"), parse=parse_probability, example="70"),
    Field("expected_close", "Ожидаемая дата закрытия", ("Предполагаемая дата закрытия", "Плановая дата закрытия",
          "Expected close date"), parse=parse_day, example="30.12.2026"),
    Field("created_at", "Создана", (*CREATED, "Дата создания сделки", "Дата начала"), parse=parse_moment),
    Field("closed_at", "Закрыта", ("Дата закрытия", "Дата завершения", "Closed at", "Close date"), parse=parse_moment),
    Field("comment", "Комментарий", COMMENT, parse=parse_text),
)  # fmt: skip
_CARD = ("title", "comment", "probability", "expected_close")


class Deals:
    """See `ImportKind`."""

    key = "deals"
    entity = "deal"
    title = "Сделки"
    collection = DEALS
    duplicates: Mapping[str, str] = {"number": "Номер"}

    def fields(self, company: Company) -> Sequence[Field]:
        return (*_FIXED, *(card_field(rule) for rule in company.deal_fields))

    def marks(self, values: Mapping[str, Any], rule: Sequence[str]) -> list[tuple[str, Any]]:
        return marks_of(values, rule)

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        found = tx.first(DEALS, {"number": values["number"]}) if "number" in rule and "number" in values else None
        return found.id if found else None

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        way = company.pipeline(values.get("pipeline") or next(iter(company.pipelines), ""))
        stage = stage_of(way, values["stage"]) if "stage" in values else way.first
        owner_id = employee(tx, values["owner_id"]).id if "owner_id" in values else actor.id
        check(actor, "deal", Action.CREATE, Facts(frozenset({owner_id}), stage.key, stage.kind == "open", way.key))
        customer = make_customer(tx, actor, customer_of(tx, actor, values), values)
        deal = derived(company, self._deal(tx, actor, values, way, stage))
        deal = msgspec.structs.replace(
            deal, owner_id=owner_id, person_id=customer.person_id, company_id=customer.company_id
        )
        tx.insert(DEALS, deal)
        told = {"rule": "import", "pipeline": way.key, "stage": stage.key, "title": deal.title}
        audit(tx, actor, "deal", deal.id, "created", {key: (None, value) for key, value in told.items()})
        announce(tx, deal, "created")
        if stage.kind == "won":
            note_won(tx, *sold(deal), deal.closed_at or tx.now, company.customers)
        made = {"person_id": deal.person_id, "company_id": deal.company_id, "made": list(customer.made)}
        return RecordRef(deal.id, True, {}, state_of(deal) | made)

    def _deal(self, tx: Tx, actor: Actor, values: Mapping[str, Any], way: Pipeline, stage: PipelineStage) -> Deal:
        number = tx.next_number("deal")
        created = min(values.get("created_at", tx.now), tx.now)
        closed = None if stage.kind == "open" else max(min(values.get("closed_at", tx.now), tx.now), created)
        own = {key: values[key] for key in _CARD if key in values}
        if "amount" in values:
            money = in_currency(values["amount"], values)
            own |= {"amount": money.amount, "currency": money.currency}
        return Deal(
            id=tx.new_id("deal_"),
            number=number,
            pipeline=way.key,
            stage=stage.key,
            stage_since=closed or tx.now,
            open=closed is None,
            closed_at=closed,
            fields=card_values(values),
            last_activity_at=closed or tx.now,
            created_by=actor.id,
            created_at=created,
            updated_at=tx.now,
            **({"title": f"Сделка № {number}"} | own),
        )

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        before = for_change(tx, actor, record)
        way = company.pipeline(before.pipeline)
        if values.get("pipeline", way.key) != way.key:
            raise Invalid({"pipeline": "Направление сделки не меняется: уберите его из таблицы"})
        changes = _changes(tx, before, values)
        target = stage_of(way, values["stage"]) if "stage" in values else way.stage(before.stage)
        planned = msgspec.structs.replace(before, **changes)
        if target.key != before.stage and (missing := lacks(tx, company, planned, target)):
            raise Incomplete(f"Для стадии «{target.title}» не хватает", missing)
        after = edit_deal(tx, actor, company, record, changes)
        if target.key != before.stage:
            after = move_deal(tx, actor, company, record, target.key)
        return Updated(*differing(state_of(before), state_of(after)))

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        deal = tx.get(DEALS, record.id)
        if deal is None:
            return None if record.created else "Сделки больше нет"
        if record.created:
            return remove_deal(tx, actor, company, deal, record)
        now = stored(state_of(deal))
        back = {key: value for key, value in record.before.items() if now[key] == record.after[key]}
        kept = [STATE[key] for key in record.before if key not in back]
        stage = back.pop("stage", None)
        if back:
            edit_deal(tx, actor, company, deal.id, given_back(deal, back))
        if stage is not None:
            set_stage(tx, actor, company, for_change(tx, actor, deal.id), company.pipeline(deal.pipeline).stage(stage))
        return kept_words(kept)

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Filter, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        check(actor, self.entity, Action.EXPORT)
        readable = deal_scope(actor)
        exportable = visible(actor, "deal", owner_fields=("owner_id",), has_stage=True, action=Action.EXPORT)
        if readable is None or exportable is None:
            return [], None
        found = tx.find(DEALS, AllOf((where, readable, exportable)), sort="created_at", limit=limit, after=after)
        rows = [(each.id, _cells(tx, company, each)) for each in found]
        return rows, tx.cursor_after(DEALS, found[-1], "created_at") if len(found) == limit else None


def _changes(tx: ReadTx, deal: Deal, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the card a row changes. The customer of a deal that is there stays."""
    changes: dict[str, Any] = {key: values[key] for key in _CARD if key in values}
    if "amount" in values and not deal.lines:  # lines make the sum
        money = in_currency(values["amount"], {"currency": deal.currency} | dict(values))
        changes |= {"amount": money.amount, "currency": money.currency}
    if "owner_id" in values:
        changes["owner_id"] = employee(tx, values["owner_id"]).id
    if fields := card_values(values):
        changes["fields"] = {**deal.fields, **fields}
    return changes


def _cells(tx: ReadTx, company: Company, deal: Deal) -> list[Cell]:
    person, firm = find_person(tx, deal.person_id), find_company(tx, deal.company_id)
    way = company.pipelines.get(deal.pipeline)
    stage = way.title_of(deal.stage) if way else deal.stage
    own = (rule.choices.get(deal.fields.get(rule.key, ""), deal.fields.get(rule.key)) for rule in company.deal_fields)
    return [
        deal.number, deal.title, way.title if way else deal.pipeline, stage, deal.amount, deal.currency,
        *person_cells(person)[:-1], firm.name if firm else None, firm.inn if firm else None,
        email_of(tx, deal.owner_id), deal.probability, deal.expected_close, deal.created_at, deal.closed_at,
        deal.comment or None, *own,
    ]  # fmt: skip
