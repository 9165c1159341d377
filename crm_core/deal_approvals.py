"""Approvals of a deal: a role is asked, says yes in its own name, or no with the reason. Gates wait for the yes."""

from __future__ import annotations

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_values import MAX_WORDS
from crm_core.deals import Approval, Deal, facts, for_change, get_deal, put
from crm_core.errors import Conflict, Forbidden, Invalid
from crm_core.notifications import notify
from crm_core.rights import Action
from crm_core.users import USERS, actor_for
from storage import ReadTx, Tx


def ask(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str, text: str = "") -> Deal:
    """Ask a role to approve; everybody of that role who may see the deal gets a note. What it said before is void."""
    deal = for_change(tx, actor, deal_id)
    _check(company, deal, role)
    asked = Approval(
        role=role, user_id=actor.id, name=actor.name, at=tx.now, state="asked", text=_words(text), asked_by=actor.id
    )
    changed = _put(tx, actor, company, deal, asked)
    news = f"{actor.name} просит согласовать: {_called(deal)}" + (f": {asked.text}" if asked.text else "")
    for user_id in _holders(tx, company, deal, role):
        if user_id != actor.id:
            _tell(tx, user_id, deal, news)
    return changed


def approve(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str) -> Deal:
    """Say yes in the name of a role that one has; a second time changes nothing."""
    deal = _for_role(tx, actor, company, deal_id, role, "Согласовать")
    former = approval_of(deal, role)
    if former is not None and former.state == "approved":
        return deal
    said = Approval(role=role, user_id=actor.id, name=actor.name, at=tx.now, asked_by=_asker(former))
    return _answered(tx, actor, company, deal, said, f"Согласовано: {_called(deal)} — {actor.name}")


def refuse(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str, text: str) -> Deal:
    """Say no in the name of a role that one has, and why."""
    deal = _for_role(tx, actor, company, deal_id, role, "Отказать в согласовании")
    if not text.strip():
        raise Invalid({"text": "Напишите, почему отказано и что изменить"})
    said = Approval(
        role=role, user_id=actor.id, name=actor.name, at=tx.now, state="refused", text=_words(text),
        asked_by=_asker(approval_of(deal, role)),
    )  # fmt: skip
    return _answered(tx, actor, company, deal, said, f"Не согласовано: {_called(deal)} — {actor.name}: {said.text}")


def withdraw(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str) -> Deal:
    """Take back what was said in the name of a role; who holds the role may do that, and who asked, his question."""
    deal = get_deal(tx, actor, deal_id)
    former = approval_of(deal, role)
    asked_by = former.asked_by if former is not None and former.state == "asked" else None
    is_own_question = asked_by is not None and asked_by == actor.id
    if role not in actor.roles and not is_own_question:
        raise Forbidden(f"Отозвать согласование может {company.roles.get(role, role)}")
    kept = tuple(approval for approval in deal.approvals if approval.role != role)
    return deal if kept == deal.approvals else put(tx, actor, company, deal, {"approvals": kept})


def approval_of(deal: Deal, role: str) -> Approval | None:
    """What stands for this role."""
    return next((each for each in deal.approvals if each.role == role), None)


def _for_role(tx: ReadTx, actor: Actor, company: Company, deal_id: str, role: str, what: str) -> Deal:
    deal = get_deal(tx, actor, deal_id)
    if role in company.roles and role not in actor.roles:
        raise Forbidden(f"{what} может {company.roles[role]}")
    _check(company, deal, role)
    return deal


def _check(company: Company, deal: Deal, role: str) -> None:
    if role not in company.roles:
        raise Invalid({"role": f"Роли «{role}» нет; есть {', '.join(company.roles)}"})
    if not deal.open:
        raise Conflict("Сделка уже закрыта")


def _words(text: str) -> str:
    if len(text) > MAX_WORDS:
        raise Invalid({"text": f"Не длиннее {MAX_WORDS} знаков"})
    return text.strip()


def _put(tx: Tx, actor: Actor, company: Company, deal: Deal, said: Approval) -> Deal:
    others = tuple(each for each in deal.approvals if each.role != said.role)
    return put(tx, actor, company, deal, {"approvals": (*others, said)})


def _answered(tx: Tx, actor: Actor, company: Company, deal: Deal, said: Approval, news: str) -> Deal:
    changed = _put(tx, actor, company, deal, said)
    for user_id in {said.asked_by, deal.owner_id} - {None, actor.id}:
        _tell(tx, str(user_id), deal, news)
    return changed


def _asker(former: Approval | None) -> str | None:
    return former.asked_by if former else None


def _holders(tx: ReadTx, company: Company, deal: Deal, role: str) -> list[str]:
    users = [user for user in tx.find(USERS) if user.active and role in user.roles]
    return [user.id for user in users if may(actor_for(tx, user, company.rights), "deal", Action.READ, facts(deal))]


def _called(deal: Deal) -> str:
    return f"сделка № {deal.number} «{deal.title}»"


def _tell(tx: Tx, user_id: str, deal: Deal, text: str) -> None:
    notify(tx, user_id, "approval", text[:500], deal_id=deal.id)
