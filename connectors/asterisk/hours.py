"""Publishes the hub's calendar to the dialplan through AstDB, so that greeting and branch follow one calendar.

Keys in the configured family: `open` is 1 or 0, `next_open` an RFC 3339 moment in UTC, `next_open_epoch` the same in
seconds for SayUnixTime; a calendar that never opens again has `-`. Written when they change and after each reconnect,
for a new AstDB may be empty.
"""

from __future__ import annotations

import asyncio
from datetime import UTC

import structlog

from connectors.asterisk.ami import AmiLink
from connectors.contract import ConnectorContext, OpenState

log = structlog.get_logger(__name__)

_LOOK_AGAIN = 60.0
"""Seconds; somebody may edit the calendar at any time."""


async def publish_hours(link: AmiLink, context: ConnectorContext, family: str) -> None:
    """Keep AstDB up to date for ever. Raises as `AmiLink.action`; `PermissionError` when AstDB is refused."""
    published: dict[str, str] = {}
    while True:
        state = await context.calendar()
        wanted = values_of(state)
        for key, value in wanted.items():
            if published.get(key) != value:
                await _put(link, family, key, value)
        if published.get("open") != wanted["open"]:
            log.info("hours_published", open=state.open)
        published = wanted
        await asyncio.sleep(_pause(state, context))


def values_of(state: OpenState) -> dict[str, str]:
    """AstDB values of a calendar's state."""
    moment = state.next_open.astimezone(UTC) if state.next_open is not None else None
    return {
        "open": "1" if state.open else "0",
        "next_open": moment.isoformat(timespec="seconds") if moment else "-",
        "next_open_epoch": str(int(moment.timestamp())) if moment else "-",
    }


async def _put(link: AmiLink, family: str, key: str, value: str) -> None:
    answer = await link.action("DBPut", {"Family": family, "Key": key, "Val": value})
    if answer.get("Response") != "Success":
        raise PermissionError(answer.get("Message", ""))


def _pause(state: OpenState, context: ConnectorContext) -> float:
    change = state.next_close if state.open else state.next_open
    if change is None:
        return _LOOK_AGAIN
    # A moment after the change, so that the calendar has certainly turned; never a busy loop.
    return min(_LOOK_AGAIN, max(0.05, (change - context.now()).total_seconds() + 0.05))
