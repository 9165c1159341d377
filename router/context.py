"""What the router hands from step to step while it handles one inbound."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.contract import Inbound
from crm_core.leads import Lead
from crm_core.people import Person
from distribution.desk import Desk
from storage import Tx


@dataclass(slots=True)
class Contact:
    """One inbound on its way, and what was found out so far."""

    tx: Tx
    desk: Desk
    inbound: Inbound
    inbound_id: str
    trusted: bool = False
    """Somebody on duty said that this is a person: it is not screened."""
    steps: list[str] = field(default_factory=list)
    person: Person | None = None
    is_new_person: bool = False
    """Nothing can be known of him yet, so nothing is looked up."""
    lead: Lead | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an inbound; kept on its journal record."""

    rule: str
    lead_id: str | None = None
    person_id: str | None = None
    ignored: bool = False
