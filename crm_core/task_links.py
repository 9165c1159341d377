"""The records that a task is about: that they are there, and that whoever links them may see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crm_core.actor import Actor
from crm_core.companies import get_company
from crm_core.contacts import get_person
from crm_core.deals import get_deal
from crm_core.errors import Forbidden, Invalid, Missing
from crm_core.leads import get_lead
from crm_core.tasks import Link
from storage import ReadTx

MAX_LINKS = 50


LINKED: Mapping[str, Callable[[ReadTx, Actor, str], Any]] = {
    "lead": get_lead, "deal": get_deal, "contact": get_person, "company": get_company,
}  # fmt: skip
"""Kind of record → the record with this id; raises when there is none or the actor may not see it. What is not in this
table cannot be linked."""


def checked(tx: ReadTx, actor: Actor, links: Sequence[Link], had: Iterable[Link] = ()) -> tuple[Link, ...]:
    """Each link once; one to a record that was merged away leads to the one that lives on. `Invalid` names what is
    wrong by its place in `links`, `Forbidden` says that the actor may not see what he links. What the task had already
    (`had`) stays as it is, whoever changes the others."""
    if len(links) > MAX_LINKS:
        raise Invalid({"links": f"Не больше {MAX_LINKS} связей"})
    kept, found, wrong = frozenset(had), [], {}
    for place, link in enumerate(links):
        try:
            found.append(link if link in kept else checked_link(tx, actor, link))
        except Missing as error:
            wrong[f"links[{place}]"] = str(error)
    if wrong:
        raise Invalid(wrong)
    return tuple(dict.fromkeys(found))


def checked_link(tx: ReadTx, actor: Actor, link: Link) -> Link:
    """The same of one link; `Missing` when there is no such record."""
    look = LINKED.get(link.entity)
    if look is None:
        raise Missing(f"Связать можно с {', '.join(LINKED)}, а не с {link.entity}")
    try:
        return Link(link.entity, look(tx, actor, link.id).id)
    except Forbidden:
        raise Forbidden("Связать задачу можно с тем, что вам видно") from None


def readable(tx: ReadTx, actor: Actor, links: Iterable[Link]) -> list[tuple[Link, Any]]:
    """The links that this actor may follow, with their records."""
    found = []
    for link in links:
        try:
            found.append((link, LINKED[link.entity](tx, actor, link.id)))
        except (Forbidden, Missing, KeyError):
            continue
    return found
