"""Who acts. Every command and query of the core takes one."""

from __future__ import annotations

from dataclasses import dataclass

from crm_core.rights import Rights


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in employee, an API token, or the hub itself."""

    id: str | None
    """User id; None for the hub and for tokens."""
    name: str
    roles: frozenset[str]
    rights: Rights
    department: frozenset[str] = frozenset()
    """User ids of the departments below this employee, himself included."""
    robot_depth: int = 0
    """Of a robot: how many robots before it led to this."""

    @property
    def is_robot(self) -> bool:
        """One of the company's robots: the hub acts, but by a rule that somebody made."""
        return self.robot_depth > 0

    @property
    def is_system(self) -> bool:
        return self.id is None and "system" in self.roles


SYSTEM = Actor(id=None, name="Первая линия", roles=frozenset({"system"}), rights=Rights.everything("system"))
"""The hub itself: router, timers, robots."""
