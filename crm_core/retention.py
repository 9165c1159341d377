"""How long what is kept: the terms of a company, declared as data, and how far each of them has been carried out.

The law on personal data (152-ФЗ, articles 5 and 21) lets nobody keep them longer than their purpose needs, and gives 30
days after a withdrawn consent. What is not named here stays for ever. What is done is the router's
(`router/retention.py`), because it reaches into rooms above this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_core.actor import Actor
from crm_core.rights import Rights
from storage import Collection, Entity


@dataclass(frozen=True, slots=True)
class Retention:
    """Days; None: for ever."""

    journal_days: int | None = None
    """Of what a contact said, in the journal of intake, since it came; that it came stays, and the timeline keeps the
    talk."""
    outbox_days: int | None = None
    """Of what was sent, in the outbox; the timeline keeps it too."""
    auto_answers_days: int | None = 30
    """Of the notes who got an automatic answer, and when: they hold addresses and serve one closure."""
    audit_days: int | None = None
    """Of the audit trail."""
    closed_leads_days: int | None = None
    """Since the last contact of a customer without a deal all of whose leads are closed: his data are erased."""
    withdrawn_consents_days: int | None = None
    """Since the withdrawal of a consent by a customer without a deal who did not come again: his data are erased."""


class RetentionRun(Entity, frozen=True, kw_only=True):
    """How one rule stands; `id` is the rule's name."""

    started_at: datetime
    finished_at: datetime | None = None
    """None while it is under way."""
    done: int = 0
    """Records of this run."""
    runs: int = 0
    """Finished ones."""
    after: str | None = None
    """Cursor: what lies before it is done."""
    blobs: tuple[str, ...] = ()
    """Files of what was cleaned, to be removed unless something else names them."""


RETENTION_RUNS = Collection("retention_runs", RetentionRun)
KEEPER = Actor(id=None, name="Сроки хранения", roles=frozenset({"keeper"}), rights=Rights.everything("keeper"))
"""Who acts: the hub itself, under a name of its own, so that the audit trail shows it."""
