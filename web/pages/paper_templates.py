"""The templates that documents are made of: what there is, what they may say, and one's own ones in and out.

A file is checked before it is kept; what is wrong with it is said with the words of the paragraph where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from connectors.contract import Attachment
from crm_core.access import check, may
from crm_core.documents.guide import FILTERS, variables
from crm_core.documents.library import (
    KINDS,
    add_template,
    delete_template,
    find_template,
    templates,
    update_template,
)
from crm_core.documents.templates import MAX_TEMPLATE
from crm_core.errors import Conflict, Invalid
from crm_core.rights import Action
from web.documents import DOCUMENTS
from web.pages.actions import form_of
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.uploads import read_form

FILE = "attachments[0]"


async def templates_page(request: web.Request) -> web.Response:
    """`GET /settings/templates`; `?edit=` opens one of them."""
    return await _shown(request, await reader(request), edit=request.query.get("edit", ""))


async def add(request: web.Request) -> web.Response:
    """`POST /settings/templates`: a form with the file."""
    who = await reader(request)
    check(who.actor, "template", Action.CREATE)
    form, files = await read_form(request)
    given = {name: form.get(name, "").strip() for name in ("key", "title", "kind", "numbering")}
    try:
        blob, size = await _file(request, who, files)
        await who.write(add_template, who.actor, who.services.desk.company, **given, blob=blob, size=size)
    except Invalid as error:
        return await _shown(request, who, given=given, errors=error.fields)
    except Conflict as error:
        return await _shown(request, who, given=given, errors={"key": str(error)})
    return await _shown(request, who, fresh=given["title"])


async def change(request: web.Request) -> web.Response:
    """`POST /settings/templates/{key}`: name, numbering, on or off, another file."""
    who, key = await reader(request), request.match_info["key"]
    check(who.actor, "template", Action.UPDATE)
    form, files = await read_form(request)
    changes: dict[str, Any] = {name: form[name].strip() for name in ("title", "kind", "numbering") if name in form}
    if "active" in form:
        changes["active"] = form["active"] == "yes"
    version = form.get("version", "")
    try:
        if files:
            changes["blob"], changes["size"] = await _file(request, who, files)
        number = int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else None
        found = await who.write(update_template, who.actor, who.services.desk.company, key, changes, number)
    except Invalid as error:
        return await _shown(request, who, edit=key, given=changes, errors=error.fields)
    except Conflict as error:
        return await _shown(request, who, edit=key, given=changes, errors={"title": str(error)})
    return await _shown(request, who, fresh=found.title)


async def remove(request: web.Request) -> web.Response:
    """`POST /settings/templates/{key}/delete`: an own one goes, a changed one of the preset is as it came."""
    who, key = await reader(request), request.match_info["key"]
    await form_of(request)
    await who.write(delete_template, who.actor, who.services.desk.company, key)
    return await _shown(request, who)


async def _file(request: web.Request, who: Reader, files: tuple[Attachment, ...]) -> tuple[str, int]:
    """(blob, size) of the one file that was sent, checked. `Invalid` says what is wrong with it."""
    if len(files) != 1:
        raise Invalid({FILE: "Приложите файл шаблона: документ Word (.docx)"})
    if files[0].size > MAX_TEMPLATE:
        raise Invalid({FILE: f"Шаблон больше {MAX_TEMPLATE >> 20} МБ: уменьшите картинки в нём"})
    await request.app[DOCUMENTS].check_upload(await who.services.store.blobs.get(files[0].blob))
    return files[0].blob, files[0].size


async def _shown(
    request: web.Request,
    who: Reader,
    *,
    edit: str = "",
    given: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    fresh: str = "",
) -> web.Response:
    company = who.services.desk.company
    edited = await who.read(find_template, who.actor, company, edit) if edit else None
    shown = {
        "templates": await who.read(templates, who.actor, company),
        "edited": edited,
        "given": given or {},
        "errors": errors or {},
        "fresh": fresh,
        "kinds": KINDS,
        "variables": variables(company),
        "filters": FILTERS,
        "may_add": may(who.actor, "template", Action.CREATE),
        "may_change": may(who.actor, "template", Action.UPDATE),
        "may_remove": may(who.actor, "template", Action.DELETE),
    }
    if wants_part(request):
        return part(request, who, "settings/templates_body.html", **shown)
    return await page(request, who, "settings/templates.html", "templates", **shown)
