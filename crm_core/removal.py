"""Deleting what nothing refers to."""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.companies import COMPANIES, COMPANY_DUPLICATES, get_company
from crm_core.errors import Conflict
from crm_core.external import forget
from crm_core.references import TO_COMPANY, used_by
from crm_core.rights import Action
from storage import AnyOf, Tx


def delete_company(tx: Tx, actor: Actor, company_id: str, version: int | None = None) -> None:
    """`Conflict` names what still refers to the company, or says that `version` is not the present one."""
    company = get_company(tx, actor, company_id, Action.DELETE)
    if version is not None and version != company.version:
        raise Conflict("Компания уже изменена кем-то другим. Обновите карточку")
    users = used_by(tx, TO_COMPANY, company.id)
    if users:
        raise Conflict(
            f"Компанию нельзя удалить: с ней связаны записи ({', '.join(users)}). Отвяжите их или объедините"
        )
    for pair in tx.find(COMPANY_DUPLICATES, AnyOf(({"first_id": company.id}, {"second_id": company.id}))):
        tx.delete(COMPANY_DUPLICATES, pair)
    forget(tx, company.id)
    tx.delete(COMPANIES, company)
    record(tx, actor, "company", company.id, "deleted", {"name": (company.name, None), "inn": (company.inn, None)})
    tell(tx, "company", company.id, "deleted", owners=(company.owner_id,))
