"""The way of a deal through its pipeline: gates, moves, and how long it stayed where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from crm_core.access import Facts, check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import Event, raise_event
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deals import (
    DEALS,
    Deal,
    announce,
    count_won,
    derived,
    for_change,
    get_deal,
    pipeline_of,
    stage_of,
)
from crm_core.documents.issued import DOCUMENTS, DocumentState
from crm_core.errors import Conflict, Incomplete, Lack
from crm_core.pipelines import Demand, DemandKind, Pipeline, PipelineStage
from crm_core.rights import Action
from crm_core.stages import enterable
from crm_core.tasks import TASKS, TaskState, of_record
from crm_core.timeline import ItemKind, TimelineItem, add
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
    return any(each.role == demand.key and each.state == "approved" for each in deal.approvals)


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


def lacks(tx: ReadTx, company: Company, deal: Deal, target: PipelineStage, way: Pipeline | None = None) -> list[Lack]:
    """What is missing for a move to this stage, in the order of the way; `way` is another pipeline than its own, which
    begins from its start."""
    found: dict[tuple[str, str], Lack] = {}
    gates = way.gates("", target) if way else pipeline_of(company, deal).gates(deal.stage, target)
    for stage in gates:
        for demand in stage.demands:
            if not CHECKS[demand.kind](tx, deal, demand):
                lack = Lack(kind=demand.kind, key=demand.key, stage=stage.key, title=title_of(company, demand))
                found.setdefault((demand.kind, demand.key), lack)
    return list(found.values())


def move_deal(
    tx: Tx, actor: Actor, company: Company, deal_id: str, stage: str, version: int | None = None, *,
    pipeline: str | None = None,
) -> Deal:  # fmt: skip
    """Move to another stage of its pipeline, or of another one in which the actor may make deals. `Incomplete` names
    what the gates on the way demand."""
    deal = for_change(tx, actor, deal_id, version)
    way = company.pipeline(deal.pipeline if pipeline is None else pipeline)
    if (deal.pipeline, deal.stage) == (way.key, stage):
        return deal
    target = enterable(way.stages, stage)
    other = None if way.key == deal.pipeline else way
    if other is not None:
        owners = frozenset({deal.owner_id})
        check(actor, "deal", Action.CREATE, Facts(owners, target.key, target.kind == "open", way.key))
    if missing := lacks(tx, company, deal, target, other):
        raise Incomplete(f"Для стадии «{target.title}» не хватает", missing)
    return set_stage(tx, actor, company, deal, target, way)


def set_stage(
    tx: Tx, actor: Actor, company: Company, deal: Deal, target: PipelineStage, way: Pipeline | None = None
) -> Deal:
    """The move itself; for callers that have checked rights and gates. `way` is the pipeline of the target, None the
    deal's own."""
    pipeline = way or pipeline_of(company, deal)
    is_open = target.kind == "open"
    tx.insert(STAYS, _stay(tx, actor, company, deal, target))
    changed = msgspec.structs.replace(
        deal,
        pipeline=pipeline.key,
        stage=target.key,
        stage_since=tx.now,
        open=is_open,
        closed_at=None if is_open else tx.now,
        last_activity_at=tx.now,
        updated_at=tx.now,
    )
    changed = tx.replace(DEALS, derived(company, changed))
    former = stage_of(company, deal)
    count_won(tx, company, deal if former.kind == "won" else None, changed if target.kind == "won" else None)
    record(tx, actor, "deal", deal.id, "moved", _moved(deal, changed))
    other = f" ({pipeline.title})" if pipeline.key != deal.pipeline else ""
    item = TimelineItem(
        id=tx.new_id("tl_"), kind=ItemKind.STAGE, at=tx.now, deal_id=deal.id, person_id=deal.person_id,
        author_id=actor.id, author=actor.name, text=f"{former.title} → {target.title}{other}",
        data={"from": deal.stage, "to": target.key},
    )  # fmt: skip
    add(tx, item, owners=(deal.owner_id,))
    announce(tx, changed, "moved" if is_open else "closed", data=_former(deal))
    raise_event(tx, actor, "deal", deal.id, Event.STAGE, stage=target.key)
    return changed


def _former(deal: Deal) -> dict[str, str]:
    """Where it was: what boards load anew besides the place that it goes to."""
    return {"former_pipeline": deal.pipeline, "former_stage": deal.stage}


def _stay(tx: Tx, actor: Actor, company: Company, deal: Deal, target: PipelineStage) -> Stay:
    return Stay(
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


def _moved(deal: Deal, changed: Deal) -> dict[str, tuple[str, str]]:
    pairs = {name: (getattr(deal, name), getattr(changed, name)) for name in ("pipeline", "stage")}
    return {name: pair for name, pair in pairs.items() if name == "stage" or pair[0] != pair[1]}


UNDO_WITHIN = timedelta(minutes=2)
"""How long whoever closed a deal may take that back, though his rights may end with the deal, and without its gates."""


def undo_closing(tx: Tx, actor: Actor, company: Company, deal_id: str) -> Deal:
    """Undo one's own closing of a deal just now. `Conflict` later, or when somebody else closed it."""
    deal = get_deal(tx, actor, deal_id)
    if deal.open:
        return deal
    last = tx.first(STAYS, {"deal_id": deal_id}, sort="-entered_at")
    is_own = last is not None and actor.id is not None and last.user_id == actor.id and last.to == deal.stage
    if last is None or not is_own or tx.now - last.left_at > UNDO_WITHIN or last.pipeline != deal.pipeline:
        raise Conflict("Отменить уже нельзя: верните сделку в работу через стадию")
    return set_stage(tx, actor, company, deal, company.pipeline(deal.pipeline).stage(last.stage))


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
    others = [stage for stage in pipeline_of(company, deal).stages if stage.key != deal.stage]
    return {stage.key: lacks(tx, company, deal, stage) for stage in others}
