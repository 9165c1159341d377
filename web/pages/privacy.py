"""Personal data on the page of a person: consents, everything about him as one file, and erasure with its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.deals import DEALS
from crm_core.documents.issued import DOCUMENTS, DocumentState
from crm_core.errors import Conflict, Invalid
from crm_core.leads import LEADS
from crm_core.personal_data import (
    ERASURES,
    PURPOSE,
    Consent,
    Erasure,
    list_consents,
    person_for,
    withdraw_consents,
    write_consent,
)
from crm_core.rights import Action
from router.erasure import begin_erasure, is_blank
from router.erasure_reach import KEPT_BY_LAW
from storage import ReadTx
from web.pages.actions import form_of
from web.pages.i18n import _
from web.pages.look import seen_by
from web.pages.render import Reader, part, reader

COUNT_TO = 1000


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the block of the page shows."""

    person_id: str
    consents: list[Consent]
    erasure: Erasure | None
    may_note: bool
    may_erase: bool
    is_blank: bool
    """Nothing is left to erase; after an erasure somebody may have filled the card again."""

    @property
    def is_standing(self) -> bool:
        return any(each.withdrawn_at is None for each in self.consents)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an erasure would reach; counting stops at `COUNT_TO`."""

    person_id: str
    leads: int
    own_deals: int
    company_deals: int
    kept_documents: int


def privacy_of(tx: ReadTx, actor: Actor, person_id: str) -> Privacy:
    person = person_for(tx, actor, person_id, Action.READ)
    return Privacy(
        person_id=person.id,
        consents=list_consents(tx, actor, person.id),
        erasure=tx.get(ERASURES, person.id),
        may_note=may(actor, "contact", Action.UPDATE),
        may_erase=may(actor, "contact", Action.DELETE),
        is_blank=is_blank(person),
    )


def foresee(tx: ReadTx, actor: Actor, person_id: str) -> Foreseen:
    person = person_for(tx, actor, person_id, Action.DELETE)
    deals = tx.find(DEALS, {"person_id": person.id}, limit=COUNT_TO)
    documents = tx.find(DOCUMENTS, {"person_id": person.id}, limit=COUNT_TO)
    return Foreseen(
        person_id=person.id,
        leads=tx.count(LEADS, {"person_id": person.id}, limit=COUNT_TO),
        own_deals=sum(deal.company_id is None for deal in deals),
        company_deals=sum(deal.company_id is not None for deal in deals),
        kept_documents=sum(each.kind in KEPT_BY_LAW and each.state is not DocumentState.VOID for each in documents),
    )


async def privacy_part(request: web.Request) -> web.Response:
    """`GET /people/{id}/privacy`: the block itself. While an erasure is under way it asks again with `watching`; at the
    end the whole page is loaded anew, because it shows what is gone."""
    who = await reader(request)
    found = await who.read(privacy_of, who.actor, request.match_info["id"])
    if "watching" in request.query and not (found.erasure and found.erasure.open):
        return web.Response(status=204, headers={"HX-Refresh": "true"})
    return _shown(request, who, found, {})


def _shown(request: web.Request, who: Reader, found: Privacy, errors: Mapping[str, str]) -> web.Response:
    return part(request, who, "people/privacy.html", privacy=found, purpose=PURPOSE, errors=errors)


async def _block(request: web.Request, who: Reader, errors: Mapping[str, str]) -> web.Response:
    return _shown(request, who, await who.read(privacy_of, who.actor, request.match_info["id"]), errors)


async def note_consent(request: web.Request) -> web.Response:
    """`POST /people/{id}/consents`: `purpose` that was agreed to by word or on paper."""
    who, form = await reader(request), await form_of(request)
    try:
        await who.write(write_consent, who.actor, request.match_info["id"], form.get("purpose", ""))
    except Invalid as error:
        return await _block(request, who, error.fields)
    return await _block(request, who, {})


async def withdraw(request: web.Request) -> web.Response:
    """`POST /people/{id}/consents/withdraw`: all that stand."""
    who = await reader(request)
    try:
        await who.write(withdraw_consents, who.actor, request.match_info["id"])
    except Invalid as error:  # somebody else was quicker
        return await _block(request, who, error.fields)
    return await _block(request, who, {})


async def erase_part(request: web.Request) -> web.Response:
    """`GET /people/{id}/erase`: the dialog that names what will happen."""
    return await _dialog(request, await reader(request), {}, {})


async def erase(request: web.Request) -> web.Response:
    """`POST /people/{id}/erase`: `ground`, and `sure`. The page is loaded anew: nothing on it is his any more."""
    who, form = await reader(request), await form_of(request)
    if not form.get("sure"):
        with seen_by(who.look):
            return await _dialog(request, who, form, {"sure": _("Подтвердите, что данные нужно удалить")})
    try:
        await who.write(begin_erasure, who.actor, request.match_info["id"], form.get("ground", ""))
    except Invalid as error:
        return await _dialog(request, who, form, error.fields)
    except Conflict as error:
        return await _dialog(request, who, form, {"ground": str(error)})
    return web.Response(status=204, headers={"HX-Refresh": "true"})


async def _dialog(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    found = await who.read(foresee, who.actor, request.match_info["id"])
    return part(request, who, "people/erase.html", foreseen=found, given=given, errors=errors)
