"""Duplicates and what is done about them: look, say that two are two, merge, take a merge back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.duplicates import dismiss, duplicates_of, readable
from crm_core.merge import KINDS, Merge, get_merge, merge_companies, merge_people
from crm_core.people import PossibleDuplicate
from crm_core.rights import Action
from crm_core.unmerge import undo_merge
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.companies import CompanyOut, show_company
from web.api.input import Id, ListQuery
from web.api.shapes import ContactOut, show_contact

T = TypeVar("T")
Choices = Annotated[dict[Annotated[str, Meta(max_length=100)], Literal["from", "into"]], Meta(max_length=50)]


class MergeOut(Out, frozen=True, kw_only=True):
    id: str
    entity: str
    from_id: str
    into_id: str
    state: str
    """`moving` and `undoing` while records are still on their way, `done`, `undone`."""
    at: datetime
    undo_until: datetime
    actor: str
    closed_lead: str | None
    undone_at: datetime | None


def show_merge(merge: Merge) -> MergeOut:
    return MergeOut(**{name: getattr(merge, name) for name in MergeOut.__struct_fields__})


class ContactMerge(In, frozen=True, kw_only=True):
    into: Id
    """The contact that stays."""
    fields: Choices = {}
    """Whose value stays: `from` is the contact of the path, `into` the one that stays. Without a choice its own value
    stays, or that of the other where it has none."""
    keep_lead: Id | None = None
    """When both have an open lead: which one stays open."""
    close_stage: Id | None = None
    """And with which lost stage the other one is closed."""


async def merge_contact(call: Call[None, ContactMerge]) -> MergeOut:
    """Phones, emails and accounts are put together; leads, deals, calls, tasks, documents, consents and the timeline
    move. `409` asks for `keep_lead` when both have an open lead. Can be undone for 30 days."""
    body = call.body
    merge = await call.write(
        merge_people, call.company, call.id, body.into, body.fields,
        keep_lead=body.keep_lead, close_stage=body.close_stage,
    )  # fmt: skip
    return show_merge(merge)


class CompanyMerge(In, frozen=True, kw_only=True):
    into: Id
    """The company that stays."""
    fields: Choices = {}
    """As for contacts; requisites must go together."""


async def merge_company(call: Call[None, CompanyMerge]) -> MergeOut:
    """Contacts, deals, tasks and documents of both become those of the one that stays. Can be undone for 30 days."""
    return show_merge(await call.write(merge_companies, call.company, call.id, call.body.into, call.body.fields))


async def read(call: Call[None, None]) -> MergeOut:
    return show_merge(await call.read(get_merge, call.id))


async def undo(call: Call[None, None]) -> MergeOut:
    """Both records as they were; what happened since stays where it is. `409` says why it is impossible."""
    return show_merge(await call.write(undo_merge, call.company, call.id))


class ContactCandidate(Out, frozen=True, kw_only=True):
    contact: ContactOut
    reasons: tuple[str, ...]


class ContactCandidates(Out, frozen=True, kw_only=True):
    items: list[ContactCandidate]
    next: None = None


async def contact_duplicates(call: Call[None, None]) -> ContactCandidates:
    found = await call.read(duplicates_of, "contact", call.id)
    return ContactCandidates(
        items=[ContactCandidate(contact=show_contact(each.record), reasons=each.reasons) for each in found]
    )


class CompanyCandidate(Out, frozen=True, kw_only=True):
    company: CompanyOut
    reasons: tuple[str, ...]


class CompanyCandidates(Out, frozen=True, kw_only=True):
    items: list[CompanyCandidate]
    next: None = None


async def company_duplicates(call: Call[None, None]) -> CompanyCandidates:
    found = await call.read(duplicates_of, "company", call.id)
    return CompanyCandidates(
        items=[CompanyCandidate(company=show_company(each.record), reasons=each.reasons) for each in found]
    )


class DuplicateOut(Out, frozen=True, kw_only=True):
    id: str
    first: ContactOut
    second: ContactOut
    reason: str
    state: str
    created_at: datetime


class CompanyDuplicateOut(Out, frozen=True, kw_only=True):
    id: str
    first: CompanyOut
    second: CompanyOut
    reason: str
    state: str
    created_at: datetime


class DuplicateQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    state: Literal["open", "dismissed", "merged"] = "open"


async def duplicates(call: Call[DuplicateQuery, None]) -> Page[DuplicateOut]:
    """Pairs of which the reader may see both; a page may be shorter for those he may not."""
    return await call.read(_pairs, "contact", call.query, partial(_pair, DuplicateOut, show_contact))


async def duplicate_companies(call: Call[DuplicateQuery, None]) -> Page[CompanyDuplicateOut]:
    """Pairs of which the reader may see both; a page may be shorter for those he may not."""
    return await call.read(_pairs, "company", call.query, partial(_pair, CompanyDuplicateOut, show_company))


def _pairs(tx: ReadTx, actor: Actor, entity: str, query: DuplicateQuery, show: Callable[..., T]) -> Page[T]:
    check(actor, entity, Action.READ)
    pairs = KINDS[entity].duplicates
    rows = tx.find(pairs, {"state": query.state}, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    page = page_of(tx, pairs, rows, query.limit, query.sort, lambda pair: pair)
    both = [
        (pair, *(readable(tx, actor, entity, each) for each in (pair.first_id, pair.second_id))) for pair in page.items
    ]
    return Page(items=[show(*each) for each in both if None not in each], next=page.next)


def _pair(type: Callable[..., T], show: Callable[[Any], Any], pair: PossibleDuplicate, first: Any, second: Any) -> T:
    """One that was merged away is shown as the record that it is now."""
    return type(
        id=pair.id, first=show(first), second=show(second), reason=pair.reason, state=pair.state,
        created_at=pair.created_at,
    )  # fmt: skip


class Other(In, frozen=True, kw_only=True):
    other_id: Id


async def dismiss_contact(call: Call[None, Other]) -> None:
    """«Не дубль»: the pair is not shown any more."""
    await call.write(dismiss, "contact", call.id, call.body.other_id)


async def dismiss_company(call: Call[None, Other]) -> None:
    """«Не дубль»: the pair is not shown any more."""
    await call.write(dismiss, "company", call.id, call.body.other_id)


ROUTES = (
    Route("GET", "/duplicates", duplicates, "Пары контактов, которые могут быть одним человеком", "contact.read"),
    Route("GET", "/companies/duplicates", duplicate_companies, "Пары похожих компаний", "company.read"),
    Route("GET", "/contacts/{id}/duplicates", contact_duplicates, "Возможные дубли контакта", "contact.read"),
    Route("POST", "/contacts/{id}/duplicates/dismiss", dismiss_contact, "Это не дубль", "contact.update", 204),
    Route("POST", "/contacts/{id}/merge", merge_contact, "Объединить контакт с другим", "contact.update"),
    Route("GET", "/companies/{id}/duplicates", company_duplicates, "Возможные дубли компании", "company.read"),
    Route("POST", "/companies/{id}/duplicates/dismiss", dismiss_company, "Это не дубль", "company.update", 204),
    Route("POST", "/companies/{id}/merge", merge_company, "Объединить компанию с другой", "company.update"),
    Route("GET", "/merges/{id}", read, "Слияние", "contact.read или company.read"),
    Route("POST", "/merges/{id}/undo", undo, "Отменить слияние", "contact.update или company.update"),
)
