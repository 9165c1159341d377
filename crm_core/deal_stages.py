"""The way of a deal through its pipeline: gates, approvals, moves, and how long it stayed where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import Event, raise_event
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deals import DEALS, Approval, Deal, announce, derived, for_change, get_deal, put
from crm_core.documents.issued import DOCUMENTS, DocumentState
from crm_core.errors import Conflict, Forbidden, Incomplete, Invalid, Lack
from crm_core.pipelines import Demand, DemandKind, PipelineStage
from crm_core.stages import enterable
from crm_core.tasks import TASKS, TaskState, of_record
from crm_core.timeline import ItemKind, TimelineItem, add
from crm_core.worth import note_unwon, note_won
from storage import AllOf, Collection, Entity, Index, ReadTx, Tx


class Stay(Entity, frozen=True, kw_only=True):
    """A deal's time in one stage. Working time is that of the company's default calendar."""

    deal_id: str
    pipeline: str
    stage: str
    entered_at: datetime
    left_at: datetime
    duration: timedelta
    working: timedelta
    to: str
    """The stage that it went to."""
    user_id: str | None = None
    """Who moved it on."""


STAYS = Collection("deal_stays", Stay, [Index("deal_id", "entered_at"), Index("pipeline", "stage", "left_at")])

Check = Callable[[ReadTx, Deal, Demand], bool]


def _has_field(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    return bool(getattr(deal, demand.key) if demand.key in BUILT_IN else deal.fields.get(demand.key))


def _has_next_step(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    return deal.next_step is not None


def _has_approval(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    return any(approval.role == demand.key for approval in deal.approvals)


def _has_products(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    return bool(deal.lines)


def _has_document(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    """A valid one of this template."""
    made = tx.find(DOCUMENTS, {"deal_id": deal.id}, sort="-created_at", limit=200)
    return any(each.template == demand.key and each.state is not DocumentState.VOID for each in made)


def _has_finished_task(tx: ReadTx, deal: Deal, demand: Demand) -> bool:
    """One of this group is done, and none is open."""
    states = [task.state for task in tx.find(TASKS, AllOf(({"group": demand.key}, of_record(tx, "deal", deal.id))))]
    return TaskState.DONE in states and all(state in (TaskState.DONE, TaskState.CANCELLED) for state in states)


CHECKS: dict[DemandKind, Check] = {
    DemandKind.PRODUCTS: _has_products,
    DemandKind.DOCUMENT: _has_document,
    DemandKind.TASK: _has_finished_task,
    DemandKind.FIELD: _has_field,
    DemandKind.NEXT_STEP: _has_next_step,
    DemandKind.APPROVAL: _has_approval,
}


def title_of(company: Company, demand: Demand) -> str:
    """What is lacking, as people read it."""
    fields = BUILT_IN | {rule.key: rule.title for rule in company.deal_fields}
    match demand.kind:
        case DemandKind.FIELD:
            return demand.title or f"Заполните поле «{fields.get(demand.key, demand.key)}»"
        case DemandKind.PRODUCTS:
            return demand.title or "Добавьте товары"
        case DemandKind.NEXT_STEP:
            return demand.title or "Назовите следующий шаг и его дату"
        case DemandKind.DOCUMENT:
            titles = {rule.key: rule.title for rule in company.documents}
            return demand.title or f"Создайте документ «{titles.get(demand.key, demand.key)}»"
        case DemandKind.TASK:
            group = company.task_groups.get(demand.key)
            return demand.title or f"Завершите задачи группы «{group.title if group else demand.key}»"
        case DemandKind.APPROVAL:
            return demand.title or f"Нужно согласование: {company.roles.get(demand.key, demand.key)}"


def lacks(tx: ReadTx, company: Company, deal: Deal, target: PipelineStage) -> list[Lack]:
    """What is missing for a move to this stage, in the order of the way."""
    found: dict[tuple[str, str], Lack] = {}
    for stage in company.pipeline(deal.pipeline).gates(deal.stage, target):
        for demand in stage.demands:
            if not CHECKS[demand.kind](tx, deal, demand):
                lack = Lack(kind=demand.kind, key=demand.key, stage=stage.key, title=title_of(company, demand))
                found.setdefault((demand.kind, demand.key), lack)
    return list(found.values())


def move_deal(tx: Tx, actor: Actor, company: Company, deal_id: str, stage: str, version: int | None = None) -> Deal:
    """Move to another stage of its pipeline. `Incomplete` names what the gates on the way demand."""
    deal = for_change(tx, actor, deal_id, version)
    way = company.pipeline(deal.pipeline)
    if deal.stage == stage:
        return deal
    target = enterable(way.stages, stage)
    if missing := lacks(tx, company, deal, target):
        raise Incomplete(f"Для стадии «{target.title}» не хватает", missing)
    return set_stage(tx, actor, company, deal, target)


def set_stage(tx: Tx, actor: Actor, company: Company, deal: Deal, target: PipelineStage) -> Deal:
    """The move itself; for callers that have checked rights and gates."""
    pipeline = company.pipeline(deal.pipeline)
    is_open = target.kind == "open"
    stay = Stay(
        id=tx.new_id("stay_"),
        deal_id=deal.id,
        pipeline=deal.pipeline,
        stage=deal.stage,
        entered_at=deal.stage_since,
        left_at=tx.now,
        duration=tx.now - deal.stage_since,
        working=company.calendar().between(deal.stage_since, tx.now),
        to=target.key,
        user_id=actor.id,
    )
    tx.insert(STAYS, stay)
    changed = msgspec.structs.replace(
        deal,
        stage=target.key,
        stage_since=tx.now,
        open=is_open,
        closed_at=None if is_open else tx.now,
        last_activity_at=tx.now,
        updated_at=tx.now,
    )
    changed = tx.replace(DEALS, derived(changed, target.probability))
    _count_won(tx, pipeline.stage(deal.stage), target, deal)
    record(tx, actor, "deal", deal.id, "moved", {"stage": (deal.stage, target.key)})
    text = f"{pipeline.title_of(deal.stage)} → {target.title}"
    item = TimelineItem(
        id=tx.new_id("tl_"), kind=ItemKind.STAGE, at=tx.now, deal_id=deal.id, person_id=deal.person_id,
        author_id=actor.id, author=actor.name, text=text, data={"from": deal.stage, "to": target.key},
    )  # fmt: skip
    add(tx, item, owners=(deal.owner_id,))
    announce(tx, changed, "moved" if is_open else "closed")
    raise_event(tx, actor, "deal", deal.id, Event.STAGE, stage=target.key)
    return changed


def _count_won(tx: Tx, former: PipelineStage, target: PipelineStage, deal: Deal) -> None:
    """A won deal makes the customer worth more; a reopened one takes that back."""
    sold = deal.amount or Decimal(0)
    if target.kind == "won":
        note_won(tx, deal.person_id, deal.company_id, sold, tx.now)
    elif former.kind == "won":
        note_unwon(tx, deal.person_id, deal.company_id, sold, deal.closed_at or tx.now)


def approve(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str) -> Deal:
    """Say yes in the name of a role that one has; a second time changes nothing."""
    deal = get_deal(tx, actor, deal_id)
    if role not in company.roles:
        raise Invalid({"role": f"Роли «{role}» нет; есть {', '.join(company.roles)}"})
    if role not in actor.roles:
        raise Forbidden(f"Согласовать может {company.roles[role]}")
    if not deal.open:
        raise Conflict("Сделка уже закрыта")
    if any(approval.role == role for approval in deal.approvals):
        return deal
    approval = Approval(role=role, user_id=actor.id, name=actor.name, at=tx.now)
    return put(tx, actor, company, deal, {"approvals": (*deal.approvals, approval)})


def withdraw(tx: Tx, actor: Actor, company: Company, deal_id: str, role: str) -> Deal:
    """Take an approval back; who holds the role may do that."""
    deal = get_deal(tx, actor, deal_id)
    if role not in actor.roles:
        raise Forbidden(f"Отозвать согласование может {company.roles.get(role, role)}")
    kept = tuple(approval for approval in deal.approvals if approval.role != role)
    return deal if kept == deal.approvals else put(tx, actor, company, deal, {"approvals": kept})


def stays(tx: ReadTx, actor: Actor, company: Company, deal_id: str) -> list[Stay]:
    """The whole way in order; the last is the present one, up to now."""
    deal = get_deal(tx, actor, deal_id)
    past = tx.find(STAYS, {"deal_id": deal_id}, sort="entered_at", limit=1000)
    present = Stay(
        id=f"{deal.id}-now", deal_id=deal.id, pipeline=deal.pipeline, stage=deal.stage, entered_at=deal.stage_since,
        left_at=tx.now, duration=tx.now - deal.stage_since,
        working=company.calendar().between(deal.stage_since, tx.now), to="",
    )  # fmt: skip
    return [*past, present]


def missing_for(tx: ReadTx, actor: Actor, company: Company, deal_id: str) -> Mapping[str, list[Lack]]:
    """For every other stage: what a move there would lack. For boards and cards that explain gates in place."""
    deal = get_deal(tx, actor, deal_id)
    others = [stage for stage in company.pipeline(deal.pipeline).stages if stage.key != deal.stage]
    return {stage.key: lacks(tx, company, deal, stage) for stage in others}
