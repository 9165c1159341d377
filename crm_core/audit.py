"""The audit trail: who changed what, when, from what to what. Written by every command of a person, a token or
a robot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from crm_core.actor import Actor
from storage import Collection, Entity, Index, Tx


class AuditEntry(Entity, frozen=True, kw_only=True):
    at: datetime
    actor_id: str | None
    actor: str
    entity: str
    entity_id: str
    action: str
    changes: dict[str, tuple[Any, Any]] = {}
    """Field → (before, after)."""


AUDIT = Collection("audit", AuditEntry, [Index("entity_id", "at"), Index("actor_id", "at"), Index("at")])


def record(
    tx: Tx, actor: Actor, entity: str, entity_id: str, action: str, changes: Mapping[str, tuple[Any, Any]] | None = None
) -> None:
    """Add one entry. The hub's own steps are explained by decisions instead and leave no entry here; what robots do
    stands here under their names."""
    if actor.is_system and not actor.is_robot:
        return
    tx.append(
        AUDIT,
        AuditEntry(
            id=tx.new_id(),
            at=tx.now,
            actor_id=actor.id,
            actor=actor.name,
            entity=entity,
            entity_id=entity_id,
            action=action,
            changes=msgspec.to_builtins(dict(changes or {})),
        ),
    )
