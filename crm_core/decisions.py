"""Why a lead went where it went: rule, steps, who was considered, who was skipped and why. Read by people."""

from __future__ import annotations

from datetime import datetime

import msgspec

from storage import Collection, Entity, Index, Tx


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was thought of one candidate."""

    user_id: str
    name: str
    verdict: str
    """`chosen`, `skipped`, or `behind`: eligible or not, his turn was not reached."""
    reason: str = ""


class Decision(Entity, frozen=True, kw_only=True):
    """One decision about one lead (or about a contact that became none)."""

    at: datetime
    rule: str
    """`new_lead`, `continue_open_lead`, `repeat_lead`, `robot`, `blocked`, `offer`, `own`, `wait`, `declined`, …"""
    text: str
    lead_id: str | None = None
    person_id: str | None = None
    inbound_id: str | None = None
    steps: tuple[str, ...] = ()
    candidates: tuple[Verdict, ...] = ()


DECISIONS = Collection("decisions", Decision, [Index("lead_id", "at"), Index("inbound_id")])


def explain(
    tx: Tx,
    rule: str,
    text: str,
    *,
    lead_id: str | None = None,
    person_id: str | None = None,
    inbound_id: str | None = None,
    steps: tuple[str, ...] = (),
    candidates: tuple[Verdict, ...] = (),
) -> Decision:
    """Write the decision down."""
    return tx.append(
        DECISIONS,
        Decision(
            id=tx.new_id(),
            at=tx.now,
            rule=rule,
            text=text,
            lead_id=lead_id,
            person_id=person_id,
            inbound_id=inbound_id,
            steps=steps,
            candidates=candidates,
        ),
    )
