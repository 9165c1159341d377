"""`/templates`: what documents are made from. Those of the preset are there from the start; a change of one lies over
it, and deleting that brings it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.documents.guide import FILTERS, variables
from crm_core.documents.library import (
    FoundTemplate,
    add_template,
    delete_template,
    find_template,
    templates,
    update_template,
)
from crm_core.documents.templates import MAX_TEMPLATE, title_of
from crm_core.rights import Action
from web.api.call import Call, In, Out, Page, Route
from web.api.files import attachments_of, serving_headers
from web.documents import DOCUMENTS, Documents
from web.problems import invalid

Kind = Literal["offer", "contract", "invoice", "act", "other"]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Numbering = Annotated[str, Meta(min_length=1, max_length=60)]
OneFile = Annotated[list[Annotated[str, Meta(max_length=2000)]], Meta(min_length=1, max_length=1)]
"""Id of an upload to `/files`, or the file of a multipart form."""


class FieldOut(Out, frozen=True, kw_only=True):
    path: str
    title: str
    required: bool


class TemplateOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    title: str
    kind: str
    entity: str
    numbering: str
    active: bool
    bundled: bool
    """The preset has one of this key."""
    changed: bool
    """It is stored here, over the preset's or alone."""
    revision: int
    updated_at: datetime | None


class TemplateFields(Out, frozen=True, kw_only=True):
    fields: list[FieldOut]


def show_template(found: FoundTemplate) -> TemplateOut:
    return TemplateOut(
        id=found.key,
        version=found.version,
        title=found.title,
        kind=found.kind,
        entity=found.entity,
        numbering=found.numbering,
        active=found.active,
        bundled=found.bundled,
        changed=found.own is not None,
        revision=found.revision,
        updated_at=found.own.updated_at if found.own else None,
    )


def workshop(request: web.Request) -> Documents:
    return request.app[DOCUMENTS]


async def list_(call: Call[None, None]) -> Page[TemplateOut]:
    """All of them, by title."""
    found = await call.read(templates, call.company)
    return Page(items=[show_template(each) for each in found], next=None)


class NewTemplate(In, frozen=True, kw_only=True):
    key: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z][a-z0-9-]*$")]
    title: Title
    kind: Kind = "other"
    numbering: Numbering
    """«КП-{year}-{number:04}»."""
    attachments: OneFile


async def create(call: Call[None, NewTemplate]) -> TemplateOut:
    """The file is checked: its fields must exist, and a trial document must come out of it."""
    check(call.actor, "template", Action.CREATE)
    new = call.body
    blob, size = await _checked(call, new.attachments)
    found = await call.write(
        add_template,
        call.company,
        key=new.key,
        title=new.title,
        kind=new.kind,
        numbering=new.numbering,
        blob=blob,
        size=size,
    )
    return show_template(found)


async def _checked(call: Call[None, NewTemplate] | Call[None, TemplatePatch], ids: list[str]) -> tuple[str, int]:
    (file,) = await attachments_of(call.store, call.actor, ids)
    if file.size > MAX_TEMPLATE:
        raise invalid(**{"attachments[0]": f"Шаблон больше {MAX_TEMPLATE >> 20} МБ: уменьшите картинки в нём"})
    await workshop(call.request).check_upload(await call.store.blobs.get(file.blob))
    return file.blob, file.size


async def read(call: Call[None, None]) -> TemplateOut:
    return show_template(await call.read(find_template, call.company, call.id))


async def fields(call: Call[None, None]) -> TemplateFields:
    """What the template names, with the titles that people know it by."""
    found = await workshop(call.request).fields(await call.read(find_template, call.company, call.id))
    return TemplateFields(
        fields=[
            FieldOut(
                path=each.path,
                title=title_of(each.path),
                required=each.required,
            )
            for each in found
        ]
    )


async def file(call: Call[None, None]) -> web.StreamResponse:
    """The DOCX."""
    found = await call.read(find_template, call.company, call.id)
    content = await workshop(call.request).content_of(found)
    return web.Response(body=content, headers=serving_headers(f"{found.title}.docx", content[:16]))


class TemplatePatch(In, frozen=True, kw_only=True):
    title: Title | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    numbering: Numbering | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    attachments: OneFile | UnsetType = UNSET


async def patch(call: Call[None, TemplatePatch]) -> TemplateOut:
    """A new file is checked as in the first place. Documents that were made keep what they were made from."""
    check(call.actor, "template", Action.UPDATE)
    await call.read(find_template, call.company, call.id)
    changes = call.body.given()
    if ids := changes.pop("attachments", None):
        changes["blob"], changes["size"] = await _checked(call, ids)
    return show_template(await call.write(update_template, call.company, call.id, changes, call.if_match))


async def delete(call: Call[None, None]) -> None:
    """A changed template of the preset is as it came again; an own one is gone."""
    await call.write(delete_template, call.company, call.id)


class VariableOut(Out, frozen=True, kw_only=True):
    path: str
    title: str
    write: str
    """As it stands in the template; names of `lines[]` inside of `{%tr for line in lines %}`."""


class FilterOut(Out, frozen=True, kw_only=True):
    name: str
    title: str
    example: str


class TemplateGuide(Out, frozen=True, kw_only=True):
    variables: list[VariableOut]
    filters: list[FilterOut]


async def guide(call: Call[None, None]) -> TemplateGuide:
    """Names with their meanings, and what can be done with them."""
    check(call.actor, "document", Action.READ)
    return TemplateGuide(
        variables=[VariableOut(path=each.path, title=each.title, write=each.write) for each in variables(call.company)],
        filters=[FilterOut(name=name, title=title, example=example) for name, (title, example) in FILTERS.items()],
    )


ROUTES = (
    Route("GET", "/templates", list_, "Шаблоны документов", "document.read"),
    Route("GET", "/template-guide", guide, "Что можно писать в шаблоне", "document.read"),
    Route("POST", "/templates", create, "Загрузить свой шаблон", "template.create", 201, upload=True),
    Route("GET", "/templates/{id}", read, "Шаблон документа", "document.read"),
    Route("PATCH", "/templates/{id}", patch, "Изменить шаблон или заменить его файл", "template.update", upload=True),
    Route("DELETE", "/templates/{id}", delete, "Удалить свой шаблон или вернуть исходный", "template.delete", 204),
    Route("GET", "/templates/{id}/fields", fields, "Поля, которые называет шаблон", "document.read"),
    Route("GET", "/templates/{id}/file", file, "Файл шаблона", "document.read", media="application/octet-stream"),
)
