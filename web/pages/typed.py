"""What people type into fields for dates, whichever way: as a form sends it or as the page shows it."""

from __future__ import annotations

from datetime import date, datetime

from crm_core.dates import DateError, parse_day, parse_moment
from crm_core.errors import Invalid
from web.pages.render import Reader


def day_of(text: str, name: str) -> date:
    """«24.11.2026» or `2026-11-24`. `Invalid` for the field of this name."""
    try:
        return parse_day(text)
    except DateError as error:
        raise Invalid({name: str(error)}) from None


def moment_of(who: Reader, text: str, name: str) -> datetime:
    """«24.11.2026 15:00» or `2026-11-24T15:00` on the reader's clock; UTC. `Invalid` for the field of this name."""
    try:
        return parse_moment(text, who.look.zone)
    except DateError as error:
        raise Invalid({name: str(error)}) from None
