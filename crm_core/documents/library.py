"""The templates that documents are made from: those of the preset, and those that people uploaded.

A template of the preset is configuration. Whoever changes it stores a template of the same key over it; deleting that
brings the preset's back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.documents.numbering import PatternError, check_pattern
from crm_core.documents.rules import TemplateRule
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action
from storage import Collection, Entity, Index, ReadTx, Tx

KINDS = {"offer": "Коммерческое предложение", "contract": "Договор", "invoice": "Счёт", "act": "Акт", "other": "Другое"}
MAX_OWN = 200
"""Uploaded templates."""
MAX_TITLE = 200
_KEY = re.compile(r"[a-z][a-z0-9-]{0,39}")


class DocumentTemplate(Entity, frozen=True, kw_only=True):
    """An uploaded template; `id` is its key."""

    title: str
    kind: str = "other"
    entity: str = "deal"
    """What it is made for."""
    numbering: str
    active: bool = True
    blob: str | None = None
    """None: the file of the preset's template with the same key."""
    size: int = 0
    revision: int = 1
    """Grows with each new file."""
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


TEMPLATES = Collection("document_templates", DocumentTemplate, [Index("kind")])


@dataclass(frozen=True, slots=True)
class FoundTemplate:
    """A template as it is now, wherever it comes from."""

    key: str
    title: str
    kind: str
    entity: str
    numbering: str
    active: bool
    blob: str | None
    """Uploaded file, or else:"""
    file: Path | None
    """the preset's."""
    own: DocumentTemplate | None
    """What is stored; None while the preset's is used as it came."""
    bundled: bool
    """The preset has one of this key."""

    @property
    def version(self) -> int:
        """For `If-Match`; 0 for a template of the preset that nobody changed."""
        return self.own.version if self.own else 0

    @property
    def revision(self) -> int:
        """Of the file; 0 is the preset's."""
        return self.own.revision if self.own and self.own.blob else 0


def templates(tx: ReadTx, actor: Actor, company: Company) -> list[FoundTemplate]:
    """All of them, by title."""
    check(actor, "document", Action.READ)
    own = {each.id: each for each in tx.find(TEMPLATES, limit=MAX_OWN)}
    rules = {rule.key: rule for rule in company.documents}
    found = [_merged(key, own.get(key), rules.get(key)) for key in own.keys() | rules.keys()]
    return sorted(found, key=lambda each: (each.title, each.key))


def find_template(tx: ReadTx, actor: Actor, company: Company, key: str) -> FoundTemplate:
    """One of them, or `Missing`."""
    check(actor, "document", Action.READ)
    own = tx.get(TEMPLATES, key)
    rule = next((each for each in company.documents if each.key == key), None)
    if own is None and rule is None:
        raise Missing("Такого шаблона нет")
    return _merged(key, own, rule)


def _merged(key: str, own: DocumentTemplate | None, rule: TemplateRule | None) -> FoundTemplate:
    source: Any = own or rule
    return FoundTemplate(
        key=key,
        title=source.title,
        kind=source.kind,
        entity=source.entity,
        numbering=source.numbering,
        active=own.active if own else True,
        blob=own.blob if own else None,
        file=rule.file if rule and not (own and own.blob) else None,
        own=own,
        bundled=rule is not None,
    )


def add_template(
    tx: Tx,
    actor: Actor,
    company: Company,
    *,
    key: str,
    title: str,
    kind: str,
    numbering: str,
    blob: str,
    size: int,
) -> FoundTemplate:
    """Keep an uploaded template; its file was checked before. `Conflict` when the key is taken."""
    check(actor, "template", Action.CREATE)
    wrong = _wrong({"title": title, "kind": kind, "numbering": numbering})
    if not _KEY.fullmatch(key):
        wrong["key"] = "Ключ: строчные латинские буквы, цифры и дефис, не длиннее 40 знаков"
    if wrong:
        raise Invalid(wrong)
    if tx.get(TEMPLATES, key) is not None or any(rule.key == key for rule in company.documents):
        raise Conflict(f"Шаблон с ключом «{key}» уже есть: измените его или выберите другой ключ")
    if tx.count(TEMPLATES, limit=MAX_OWN) >= MAX_OWN:
        raise Conflict(f"Шаблонов уже {MAX_OWN}: удалите лишние")
    template = DocumentTemplate(
        id=key,
        title=title.strip(),
        kind=kind,
        numbering=numbering,
        blob=blob,
        size=size,
        created_by=actor.id,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.insert(TEMPLATES, template)
    record(tx, actor, "template", key, "created", {"title": (None, template.title)})
    tell(tx, "template", key, "created")
    return find_template(tx, actor, company, key)


EDITABLE = frozenset({"title", "kind", "numbering", "active", "blob", "size"})


def update_template(
    tx: Tx, actor: Actor, company: Company, key: str, changes: Mapping[str, Any], version: int | None = None
) -> FoundTemplate:
    """Change one; the preset's gets a stored one over it. A new file was checked before."""
    found = find_template(tx, actor, company, key)
    check(actor, "template", Action.UPDATE)
    wrong = _wrong(changes) | dict.fromkeys(sorted(set(changes) - EDITABLE), "Такого поля нет или его нельзя менять")
    if wrong:
        raise Invalid(wrong)
    if version is not None and version != found.version:
        raise Conflict("Шаблон уже изменён кем-то другим. Прочитайте его заново")
    before_after = {name: (getattr(found, name, None), value) for name, value in changes.items() if name != "size"}
    if all(before == after for before, after in before_after.values()):
        return found
    own = found.own or tx.insert(TEMPLATES, _stored(tx, actor, found))
    more = {"revision": own.revision + 1} if changes.get("blob", own.blob) != own.blob else {}
    tx.update(TEMPLATES, own, **changes, **more, updated_at=tx.now)
    record(tx, actor, "template", key, "updated", before_after)
    tell(tx, "template", key, "updated")
    return find_template(tx, actor, company, key)


def _stored(tx: Tx, actor: Actor, found: FoundTemplate) -> DocumentTemplate:
    return DocumentTemplate(
        id=found.key,
        title=found.title,
        kind=found.kind,
        entity=found.entity,
        numbering=found.numbering,
        created_by=actor.id,
        created_at=tx.now,
        updated_at=tx.now,
    )


def delete_template(tx: Tx, actor: Actor, company: Company, key: str) -> None:
    """Remove an uploaded one; what was made from it stays. `Conflict` for a template of the preset as it came."""
    found = find_template(tx, actor, company, key)
    check(actor, "template", Action.DELETE)
    if found.own is None:
        raise Conflict("Шаблон набора нельзя удалить: отключите его, если он не нужен")
    tx.delete(TEMPLATES, found.own)
    record(tx, actor, "template", key, "deleted", {"title": (found.title, None)})
    tell(tx, "template", key, "deleted")


def _wrong(values: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    if "title" in values and not 0 < len(values["title"].strip()) <= MAX_TITLE:
        wrong["title"] = f"Укажите название, не длиннее {MAX_TITLE} знаков"
    if "kind" in values and values["kind"] not in KINDS:
        wrong["kind"] = f"Такого вида нет; есть {', '.join(KINDS)}"
    if "numbering" in values:
        try:
            check_pattern(values["numbering"])
        except PatternError as error:
            wrong["numbering"] = f"Образец номера: {error}"
    return wrong
