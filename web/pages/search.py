"""One question to everything that the reader may see, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.search import Question
from crm_core.searchable import KINDS
from distribution.desk import Desk
from storage import ReadTx
from web.pages.records import IN_DIALOG, address
from web.pages.records import KINDS as WORDS
from web.pages.render import page, reader

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Found:
    records: dict[str, list[Any]]
    """By kind, the best first; kinds without a hit are left out."""
    users: dict[str, str]


def search(tx: ReadTx, actor: Actor, desk: Desk, text: str) -> Found:
    """Everything that the reader may see and that fits."""
    question = Question(tx, KINDS, text)
    records = {name: question.records(kind, actor, SHOWN) for name, kind in KINDS.items()}
    users = {user.id: user.name for user in desk.roster(tx).users}
    return Found({name: hits for name, hits in records.items() if hits}, users)


async def search_page(request: web.Request) -> web.Response:
    """`GET /search?q=`."""
    who = await reader(request)
    text = request.query.get("q", "").replace("\0", "").strip()[:200]
    found = await who.read(search, who.actor, who.services.desk, text) if text else None
    return await page(
        request, who, "people/search.html", "search", q=text, found=found, words=WORDS, in_dialog=IN_DIALOG,
        address=lambda kind, id: address(request, kind, id),
    )  # fmt: skip
