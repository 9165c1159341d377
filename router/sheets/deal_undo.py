"""Taking an imported deal back, and with it the customer that its row has made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.companies import COMPANIES
from crm_core.company import Company
from crm_core.deal_stages import STAYS
from crm_core.deals import DEALS, Deal, announce, sold
from crm_core.documents.issued import DOCUMENTS
from crm_core.people import PEOPLE
from crm_core.sheets.kinds import RecordRef
from crm_core.tasks import TASK_LINKS
from crm_core.timeline import TIMELINE
from crm_core.worth import note_unwon
from router.sheets.cells import stored
from router.sheets.companies import remove_company
from router.sheets.contacts import remove_person
from storage import ReadTx, Tx

TOUCHED = "Со сделкой уже работали: она оставлена"
STATE = {"title": "Название", "stage": "Стадия", "amount": "Сумма", "currency": "Валюта", "owner_id": "Ответственный",
         "probability": "Вероятность", "expected_close": "Ожидаемая дата закрытия", "comment": "Комментарий",
         "fields": "Поля карточки"}  # fmt: skip
"""What an update may change, and an undo gives back."""


def state_of(deal: Deal) -> dict[str, Any]:
    return {key: getattr(deal, key) for key in STATE}


def given_back(deal: Deal, back: Mapping[str, Any]) -> dict[str, Any]:
    """Former values, from the row of the import to what the core takes."""
    given = dict(back)
    if given.get("amount") is not None:
        given["amount"] = Decimal(given["amount"])
    if given.get("expected_close") is not None:
        given["expected_close"] = date.fromisoformat(given["expected_close"])
    if "fields" in given:
        given["fields"] = dict.fromkeys(deal.fields, "") | given["fields"]
    return given


def remove_deal(tx: Tx, actor: Actor, company: Company, deal: Deal, record: RecordRef) -> str | None:
    """Remove a deal with which nothing has happened yet; else the reason why it stays."""
    now = stored(state_of(deal) | {"person_id": deal.person_id, "company_id": deal.company_id})
    same = all(record.after.get(key) == value for key, value in now.items())
    if not same or deal.lines or deal.next_step or deal.parties or deal.risks or deal.approvals or _used(tx, deal):
        return TOUCHED
    if company.pipeline(deal.pipeline).stage(deal.stage).kind == "won":
        note_unwon(tx, *sold(deal), deal.closed_at or tx.now, company.customers)
    tx.delete(DEALS, deal)
    audit(tx, actor, "deal", deal.id, "deleted", {"number": (deal.number, None), "title": (deal.title, None)})
    announce(tx, deal, "deleted")
    for made in reversed(record.after.get("made", ())):
        person, firm = tx.get(PEOPLE, made), tx.get(COMPANIES, made)
        if person is not None and not person.messengers and person.last_activity_at == person.created_at:
            remove_person(tx, actor, person)
        if firm is not None and firm.updated_at == firm.created_at:
            remove_company(tx, actor, firm)
    return None


def _used(tx: ReadTx, deal: Deal) -> bool:
    """Somebody has talked about it, planned or made something for it, or moved it."""
    task = {"entity": "deal", "record_id": deal.id}
    own = {"deal_id": deal.id}
    found = (tx.first(TIMELINE, own), tx.first(DOCUMENTS, own), tx.first(STAYS, own), tx.first(TASK_LINKS, task))
    return any(each is not None for each in found)
