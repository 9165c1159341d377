"""Records in every state that the table of rights tells apart, and an employee of every role, in one hub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from crm_core.actor import SYSTEM
from crm_core.changes import last_seq
from crm_core.companies import create_company
from crm_core.company import Company
from crm_core.contacts import create_person
from crm_core.deal_stages import set_stage
from crm_core.deals import DEALS, create_deal
from crm_core.documents.issued import DOCUMENTS, Document, DocumentFile
from crm_core.documents.issued import announce as announce_document
from crm_core.leads import LEADS, Lead, Source, announce
from crm_core.products import create_product
from crm_core.search import is_caught_up
from crm_core.task_commands import create_task
from crm_core.tasks import close
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem, add
from crm_core.users import DEPARTMENTS, Department
from storage import Tx
from tests.api.hub import ROLES, Bench, Caller, until
from tests.api.rights_table import Case, Reader

DEPARTMENT = {
    "head_equipment": "equipment", "first_line": "equipment", "consultant": "equipment", "head_service": "service",
    "service_seller": "service", "procurement": "procurement", "service_admin": "engineers",
}  # fmt: skip
"""Of a role; the others are in the management."""
HEADS = {"equipment": "head_equipment", "service": "head_service"}
MATES = {"equipment": "mate_equipment", "service": "mate_service"}
"""Colleagues who ask nothing themselves: their records are there to be seen by others."""
WAYS = (
    ("equipment", "new"), ("equipment", "purchase_check"), ("equipment", "delivery"), ("equipment", "commissioning"),
    ("equipment", "won"), ("equipment", "price"), ("service", "new"), ("service", "contract"), ("service", "won"),
)  # fmt: skip
LEAD_STAGES = ("new", "qualification", "mistaken", "converted")
FINISHED = frozenset({"won", "price", "mistaken", "converted"})
WORD = "Фрезерный"
"""That every record's title has, to search by."""
WORDS = {"equipment": "токарный", "service": "сверлильный"}
"""And deals of each pipeline: an answer of the search holds up to a hundred of a kind."""
DAY = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass
class World:
    bench: Bench
    ids: dict[str, str]
    """Employee → id."""
    readers: dict[str, Reader]
    callers: dict[str, Caller]
    cases: list[Case]
    items: dict[str, str]
    """Item of the timeline → its text, which says of what it is."""
    linked: dict[str, str]
    """The records that stand together: a contact of a company with a lead, a deal made of it, tasks of others."""
    start: int
    """Place in the feed from which news of the records come."""

    def of(self, entity: str) -> list[Case]:
        return [case for case in self.cases if case.entity == entity]


async def furnish(bench: Bench) -> World:
    """Hire everybody and put the records in."""
    store, company = bench.hub.store, bench.hub.settings.company
    await store.write(_departments)
    ids = {}
    for role in ROLES:
        ids[role] = (await bench.hire(role, role, department=DEPARTMENT.get(role, "management"))).id
    for department, name in MATES.items():
        ids[name] = (await bench.hire(name, HEADS[department], department=department)).id
    await store.write(_heads, ids)
    people = {
        HEADS[department]: {ids[name] for name, own in DEPARTMENT.items() if own == department}
        | {ids[MATES[department]]}
        for department in HEADS
    }
    readers = {role: Reader(role, ids[role], frozenset({ids[role], *people.get(role, ())})) for role in ROLES}
    start = await store.read(last_seq)
    cases = await store.write(_records, company, ids)
    items, linked = await store.write(_linked, company, ids)
    await until(lambda: store.read(is_caught_up))
    callers = {role: await bench.sign_in(role) for role in ROLES}
    return World(bench, ids, readers, callers, cases, items, linked, start)


def _departments(tx: Tx) -> None:
    for key in sorted({*DEPARTMENT.values(), "management"}):
        if tx.get(DEPARTMENTS, key) is None:
            parent = None if key == "management" else "management"
            tx.insert(DEPARTMENTS, Department(id=key, name=key, parent_id=parent))


def _heads(tx: Tx, ids: dict[str, str]) -> None:
    for key, head in HEADS.items():
        tx.update(DEPARTMENTS, tx.require(DEPARTMENTS, key), head_id=ids[head])


def _records(tx: Tx, company: Company, ids: dict[str, str]) -> list[Case]:
    person = create_person(tx, SYSTEM, {"name": f"{WORD} Иван", "phones": ["+79160000001"]})
    customer = create_company(tx, SYSTEM, {"name": f"{WORD} завод"})
    product = create_product(tx, SYSTEM, company, {"name": f"{WORD} станок"})
    cases = [Case("contact", person.id), Case("company", customer.id), Case("product", product.id)]
    for name, user_id in ids.items():
        deals = [_deal(tx, company, name, user_id, *way) for way in WAYS]
        leads = [_lead(tx, company, name, user_id, stage, field) for stage in LEAD_STAGES for field in _fields(stage)]
        cases += [*deals, *leads]
        cases += [_task(tx, name, user_id, part) for part in ("responsible_id", "co_executors", "observers")]
        cases += [_document(tx, name, user_id, of) for of in (None, deals[0], leads[0])]
    return cases


def _fields(stage: str) -> tuple[str, ...]:
    return ("owner_id", "offered_to") if stage == "new" else ("owner_id",)


def _deal(tx: Tx, company: Company, name: str, user_id: str, pipeline: str, stage: str) -> Case:
    deal = create_deal(
        tx, SYSTEM, company, pipeline, {"title": f"{WORD} {WORDS[pipeline]} для {name}", "owner_id": user_id}
    )
    if stage != deal.stage:
        set_stage(tx, SYSTEM, company, deal, company.pipeline(pipeline).stage(stage))
    what = f"{pipeline}/{stage} of {name}"
    return Case("deal", deal.id, what, frozenset({user_id}), open=stage not in FINISHED, pipeline=pipeline, stage=stage)


def _lead(tx: Tx, company: Company, name: str, user_id: str, stage: str, field: str) -> Case:
    source = Source(channel="form", connector="site")
    whose: dict[str, Any] = {field: user_id}
    lead = Lead(
        id=tx.new_id("lead_"), number=tx.next_number("lead"), title=f"{WORD} для {name}", stage=stage, stage_since=DAY,
        open=stage not in FINISHED, source=source, first_touch=source, last_touch=source, queue="first-line",
        last_activity_at=DAY, created_at=DAY, updated_at=DAY, **whose,
    )  # fmt: skip
    tx.insert(LEADS, lead)
    announce(tx, lead, "created")
    return Case("lead", lead.id, f"{stage} of {name}", frozenset({user_id}), open=lead.open, stage=stage)


def _task(tx: Tx, name: str, user_id: str, part: str) -> Case:
    more: dict[str, Any] = {part: user_id if part == "responsible_id" else (user_id,)}
    task = create_task(tx, SYSTEM, title=f"{WORD} для {name}", **more)
    return Case("task", task.id, f"{part} {name}", frozenset({user_id}), part == "responsible_id")


def _document(tx: Tx, name: str, user_id: str, of: Case | None) -> Case:
    serial = 10_000 + tx.next_number("rights-document")
    links = {f"{of.entity}_id": of.id} if of else {}
    document = Document(
        id=tx.new_id("doc_"), number=f"П-{serial}", serial=serial, year=2026, day=DAY.date(),
        template="offer-equipment", title=f"{WORD} КП", kind="offer", name=f"КП {serial}", created_by=user_id,
        created_at=DAY, files=(DocumentFile(blob="0" * 64, size=1, created_at=DAY),), **links,
    )  # fmt: skip
    tx.insert(DOCUMENTS, document)
    announce_document(tx, document, "created")
    what = f"of {name}" + (f" for {of.entity} {of.what}" if of else "")
    return Case("document", document.id, what, frozenset({user_id}), of=of)


def _linked(tx: Tx, company: Company, ids: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Items of the timeline with their texts, and the records. A text says of what its item is: `lead`, `deal`, …"""
    customer = create_company(tx, SYSTEM, {"name": "Ромашка"})
    person = create_person(tx, SYSTEM, {"name": "Пётр", "phones": ["+79160000002"], "company_id": customer.id})
    source = Source(channel="form", connector="site")
    lead = Lead(
        id=tx.new_id("lead_"), number=tx.next_number("lead"), title="Связанный", stage="qualification", stage_since=DAY,
        source=source, first_touch=source, last_touch=source, queue="first-line", person_id=person.id,
        owner_id=ids["first_line"], last_activity_at=DAY, created_at=DAY, updated_at=DAY,
    )  # fmt: skip
    tx.insert(LEADS, lead)
    values = {"lead_id": lead.id, "person_id": person.id, "company_id": customer.id, "owner_id": ids["consultant"]}
    deal = create_deal(tx, SYSTEM, company, "equipment", values)
    deal = tx.replace(DEALS, replace(deal, stage="commissioning"))
    items: dict[str, str] = {}
    for text, links in {
        "lead": {"lead_id": lead.id}, "deal": {"deal_id": deal.id}, "contact": {},
        "lead+deal": {"lead_id": lead.id, "deal_id": deal.id},
    }.items():  # fmt: skip
        id = tx.new_id("tl_")
        items[id] = text
        add(tx, TimelineItem(id=id, kind=ItemKind.NOTE, at=DAY, person_id=person.id, text=text, **links))
    task = create_task(tx, SYSTEM, title="task", responsible_id=ids["first_line"], lead_id=lead.id)
    close(tx, replace(task, person_id=person.id), "secret", ids["first_line"], "First_Line")
    items |= {item.id: item.text for item in tx.find(TIMELINE, {"task_id": task.id})}
    return items, {
        "lead": lead.id, "deal": deal.id, "contact": person.id, "company": customer.id, "task": task.id,
        "responsible": ids["first_line"],
    }  # fmt: skip
