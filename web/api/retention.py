"""`/retention`: how long what is kept, what would go now, and when it was last carried out."""

from __future__ import annotations

from datetime import datetime, timedelta

from router.retention import Standing, preview
from web.api.call import Call, Out, Page, Route


class RetentionOut(Out, frozen=True, kw_only=True):
    rule: str
    title: str
    days: int | None
    """None: for ever."""
    older_than: datetime | None
    """What is older goes, as of now."""
    due: int
    """Records that the next run would reach."""
    is_more: bool
    """There are more than this preview has looked at."""
    started_at: datetime | None
    """Of the last run."""
    finished_at: datetime | None
    """None while it is under way."""
    done: int
    """Records of the last run."""


async def retention(call: Call[None, None]) -> Page[RetentionOut]:
    """A preview: nothing is changed. A run comes once a day; the audit trail tells what it did."""
    now = call.services.clock()
    found = await call.read(preview, call.company.retention)
    return Page(items=[_show(each, now) for each in found], next=None)


def _show(standing: Standing, now: datetime) -> RetentionOut:
    days, run = standing.days, standing.run
    return RetentionOut(
        rule=standing.rule.key,
        title=standing.rule.title,
        days=days,
        older_than=now - timedelta(days=days) if days is not None else None,
        due=standing.due,
        is_more=standing.is_more,
        started_at=run.started_at if run else None,
        finished_at=run.finished_at if run else None,
        done=run.done if run else 0,
    )


ROUTES = (Route("GET", "/retention", retention, "Сроки хранения: что и когда уйдёт", "audit.read"),)
