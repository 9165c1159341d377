"""How records of each kind are called on the pages, and where they open: for links, and for what a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.task_links import readable
from crm_core.tasks import Task
from storage import ReadTx
from web.pages.i18n import mark


@dataclass(frozen=True, slots=True)
class Words:
    one: str
    many: str
    path: str
    """Of its page or card, with `{id}`."""


KINDS: Mapping[str, Words] = {
    "contact": Words(mark("Клиент"), mark("Люди"), "/people/{id}"),
    "company": Words(mark("Компания"), mark("Компании"), "/companies/{id}"),
    "lead": Words(mark("Лид"), mark("Лиды"), "/leads/{id}"),
    "deal": Words(mark("Сделка"), mark("Сделки"), "/deals/{id}"),
    "task": Words(mark("Задача"), mark("Задачи"), "/tasks/{id}"),
    "product": Words(mark("Товар"), mark("Товары"), "/products/{id}"),
    "document": Words(mark("Документ"), mark("Документы"), "/api/v1/documents/{id}/file"),
}
IN_DIALOG = frozenset({"product"})
"""Kinds whose card opens over the page."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A record that a task is about and that its reader may open."""

    kind: str
    id: str
    title: str


def address(request: web.Request, kind: str, id: str) -> str | None:
    """Where this record is opened; None for kinds that have no page."""
    words = KINDS.get(kind)
    known = {resource.canonical for resource in request.app.router.resources()} if words else ()
    return words.path.format(id=id) if words and words.path in known else None


def linked(tx: ReadTx, actor: Actor, task: Task) -> list[Linked]:
    """Lead and customer of a task, then what else it is linked to."""
    found = readable(tx, actor, task.links)
    return [Linked(link.entity, link.id, title_of(record)) for link, record in found]


def title_of(record: Any) -> str:
    """«№ 12 Станок»; for people and companies, the name."""
    number, name = getattr(record, "number", None), getattr(record, "title", None) or getattr(record, "name", None)
    return " ".join(each for each in (f"№\u00a0{number}" if number else "", name or "") if each) or "—"
