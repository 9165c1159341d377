"""Documents on the card of a deal: made of a template, printed anew, sent as letters.

What a document lacks and what is wrong with a letter is said in its dialog; anything else that stands in the way (a
template that was switched off, a letter that is on its way already) is told there as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_documents import data_again, data_of
from crm_core.deals import get_deal
from crm_core.documents.issued import Document, Sending, facts, get_document, list_documents
from crm_core.documents.library import FoundTemplate, templates
from crm_core.documents.sending import UNDERWAY
from crm_core.errors import Conflict, Invalid
from crm_core.rights import Action
from router.letters import Letter, check_letter, propose, send_document
from storage import ReadTx
from web.documents import DOCUMENTS
from web.pages.actions import done, form_of
from web.pages.i18n import _
from web.pages.look import seen_by
from web.pages.render import Reader, part, reader
from web.problems import Problem

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Paper:
    """A document in the list of the card."""

    document: Document
    may_change: bool

    @property
    def last(self) -> Sending | None:
        """The newest letter with it."""
        return self.document.sendings[-1] if self.document.sendings else None

    @property
    def is_underway(self) -> bool:
        return self.last is not None and self.last.state in UNDERWAY


def papers_of(tx: ReadTx, actor: Actor, deal_id: str) -> list[Paper]:
    """The newest documents of a deal that the reader may see."""
    found = list_documents(tx, actor, {"deal_id": deal_id}, limit=SHOWN)
    return [Paper(each, may(actor, "document", Action.UPDATE, facts(each))) for each in found]


def may_make(actor: Actor) -> bool:
    return may(actor, "document", Action.CREATE)


async def document_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/document`: the dialog."""
    return await _new_dialog(request, await reader(request), {})


async def make(request: web.Request) -> web.Response:
    """`POST /deals/{id}/document`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    _deal, data, links = await who.read(data_of, who.actor, who.services.desk.company, deal_id)
    try:
        made = await request.app[DOCUMENTS].generate(
            who.actor, form.get("template", ""), data, links, leave_blanks=bool(form.get("leave_blanks"))
        )
    except Invalid as error:
        return await _new_dialog(request, who, form, lacks=_texts(error))
    except Conflict as error:
        return await _new_dialog(request, who, form, refusal=str(error))
    with seen_by(who.look):
        text = _("Создан документ № %(number)s") % {"number": made.number}
    return _changed(deal_id, text)


async def _new_dialog(
    request: web.Request, who: Reader, given: Mapping[str, str], *, lacks: list[str] | None = None, refusal: str = ""
) -> web.Response:
    deal = await who.read(get_deal, who.actor, request.match_info["id"])
    found = await who.read(_templates, who.actor, who.services.desk.company)
    shown = {"deal": deal, "templates": found, "given": given, "lacks": lacks or [], "refusal": refusal}
    return part(request, who, "deals/document.html", **shown)


def _templates(tx: ReadTx, actor: Actor, company: Company) -> list[FoundTemplate]:
    return [each for each in templates(tx, actor, company) if each.active]


def _texts(error: Invalid) -> list[str]:
    return list(dict.fromkeys(error.fields.values()))


def _changed(deal_id: str | None, text: str) -> web.Response:
    return done(**{"deal:changed": {"deal": deal_id}, "close-dialog": {}, "toast": {"text": text}})


async def version_part(request: web.Request) -> web.Response:
    """`GET /documents/{id}/version`: whether to print the document anew."""
    who = await reader(request)
    document = await who.read(get_document, who.actor, request.match_info["id"], Action.UPDATE)
    return part(request, who, "deals/document_again.html", document=document, lacks=[], refusal="")


async def renew(request: web.Request) -> web.Response:
    """`POST /documents/{id}/version`: the same number and date, with what the deal says now."""
    who, form = await reader(request), await form_of(request)
    document = await who.read(get_document, who.actor, request.match_info["id"], Action.UPDATE)
    shown: dict[str, Any] = {"document": document, "lacks": [], "refusal": ""}
    try:
        data = await who.read(data_again, who.actor, who.services.desk.company, document)
        blanks = bool(form.get("leave_blanks"))
        await request.app[DOCUMENTS].regenerate(who.actor, document.id, data, leave_blanks=blanks)
    except Invalid as error:
        return part(request, who, "deals/document_again.html", **shown | {"lacks": _texts(error)})
    except Conflict as error:
        return part(request, who, "deals/document_again.html", **shown | {"refusal": str(error)})
    with seen_by(who.look):
        text = _("Документ № %(number)s выпущен заново") % {"number": document.number}
    return _changed(document.deal_id, text)


async def letter_part(request: web.Request) -> web.Response:
    """`GET /documents/{id}/letter`: the letter as it is proposed, or as it went last time."""
    who = await reader(request)
    document = await who.read(get_document, who.actor, request.match_info["id"], Action.UPDATE)
    given = {"to": document.sendings[-1].to} if document.sendings else {}
    return await _letter_dialog(request, who, document, given)


async def send(request: web.Request) -> web.Response:
    """`POST /documents/{id}/letter`."""
    who, form = await reader(request), await form_of(request)
    desk, works = who.services.desk, request.app[DOCUMENTS]
    document = await who.read(get_document, who.actor, request.match_info["id"], Action.UPDATE)
    letter = Letter(
        to=form.get("to", ""),
        subject=form.get("subject", ""),
        text=form.get("text", "").replace("\r\n", "\n"),
        mailbox=form.get("connector") or None,
    )
    try:
        await who.read(check_letter, who.actor, desk, document.id, letter)
        wanted = form["format"] if form.get("format") in ("pdf", "docx") else None
        file, format = await works.attachment_of(document, wanted)
        await who.write(send_document, who.actor, desk, document.id, letter, file, format)
    except Invalid as error:
        return await _letter_dialog(request, who, document, form, errors=error.fields)
    except Conflict as error:
        return await _letter_dialog(request, who, document, form, refusal=str(error))
    except Problem as error:  # no PDF can be made now; the letter that was written stays
        return await _letter_dialog(request, who, document, form, refusal=error.fields.get("format", error.detail))
    with seen_by(who.look):
        text = _("Письмо с документом № %(number)s отправляется") % {"number": document.number}
    return _changed(document.deal_id, text)


async def _letter_dialog(
    request: web.Request,
    who: Reader,
    document: Document,
    given: Mapping[str, str],
    *,
    errors: Mapping[str, str] | None = None,
    refusal: str = "",
) -> web.Response:
    proposed = await who.read(propose, who.actor, who.services.desk, document.id)
    shown = {"document": document, "proposed": proposed, "given": given, "errors": errors or {}, "refusal": refusal}
    return part(request, who, "deals/letter.html", **shown, makes_pdf=request.app[DOCUMENTS].makes_pdf)
