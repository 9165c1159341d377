"""What robots do outside of a transaction: a document that must be rendered, a call to another system.

A step leaves a row here; a worker takes it after the commit, does the work and writes the result into the log of runs.
A row is taken for a while (`LEASE`), so a worker that dies loses nothing. It holds no data of the record: that is read
when the work is done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from crm_core import timers
from crm_core.automation import RUN, Automation, Outcome, active, log
from crm_core.company import Company
from storage import Collection, Entity, Index, Lte, ReadTx, Tx


class JobKind(StrEnum):
    DOCUMENT = "document"
    WEBHOOK = "webhook"


class RobotJob(Entity, frozen=True, kw_only=True):
    """One thing to do for a robot."""

    kind: JobKind
    automation_id: str
    entity: str
    entity_id: str
    event: str
    depth: int
    """Of the run that it belongs to."""
    step: int
    """Of the robot; the run goes on behind it where it waits."""
    params: dict[str, str]
    due_at: datetime
    attempts: int = 0
    error: str | None = None
    created_at: datetime


JOBS = Collection("robot_jobs", RobotJob, [Index("due_at")])
LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=5)
MAX_PAUSE = timedelta(hours=1)
ATTEMPTS = 15
"""About eight hours in all."""


def queue_job(
    tx: Tx, kind: JobKind, automation: Automation, entity: str, entity_id: str, event: str, depth: int, step: int,
    params: dict[str, str],
) -> RobotJob:  # fmt: skip
    """Leave the work to be done after the commit."""
    job = RobotJob(
        id=tx.new_id("job_"), kind=kind, automation_id=automation.id, entity=entity, entity_id=entity_id, event=event,
        depth=depth, step=step, params=params, due_at=tx.now, created_at=tx.now,
    )  # fmt: skip
    return tx.insert(JOBS, job)


def claim_jobs(tx: Tx, limit: int) -> list[RobotJob]:
    """Take what is due; nobody else gets it before the lease is over."""
    found = tx.find(JOBS, {"due_at": Lte(tx.now)}, sort="due_at", limit=limit)
    return [tx.update(JOBS, job, due_at=tx.now + LEASE, attempts=job.attempts + 1) for job in found]


def next_job(tx: ReadTx) -> datetime | None:
    """When there is something to do, None when nothing waits."""
    first = tx.first(JOBS, sort="due_at")
    return first.due_at if first else None


def end_job(tx: Tx, company: Company, job: RobotJob, outcome: Outcome, text: str) -> None:
    """Done or given up: the log says so, and a run that waited for it goes on when it was done."""
    stored = tx.get(JOBS, job.id)
    automation = active(tx, company.automations).get(job.automation_id)
    if stored is None:
        return
    tx.delete(JOBS, stored)
    if automation is None:
        return
    log(tx, automation, job.entity, job.entity_id, job.event, outcome, text)
    following = job.step + 1
    if job.kind is JobKind.DOCUMENT and outcome == "done" and following < len(automation.steps):
        payload = {"automation": job.automation_id, "entity": job.entity, "id": job.entity_id, "event": job.event}
        more = {"depth": str(job.depth), "step": str(following)}
        timers.schedule(tx, RUN, tx.new_id(), tx.now, payload | more)


def postpone_job(tx: Tx, company: Company, job: RobotJob, reason: str) -> None:
    """Not now: try again later, longer and longer apart, and give up in the end."""
    stored = tx.get(JOBS, job.id)
    if stored is None:
        return
    if stored.attempts >= ATTEMPTS:
        end_job(tx, company, job, "failed", f"{reason}; попыток: {stored.attempts}")
        return
    pause = min(FIRST_PAUSE * 2 ** min(stored.attempts - 1, 20), MAX_PAUSE)
    tx.update(JOBS, stored, due_at=tx.now + pause, error=reason[:500])
