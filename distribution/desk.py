"""The desk: company, queues and the roster of employees, as distribution needs them on every contact.

The roster is read often and changes seldom, so it is kept in memory beside the number that every change of an employee
or an absence moves on. The number is read in the same transaction: a stale roster is never used. The company, which
people change at run time, is kept the same way by a `LiveDesk`: it hands out a desk that is right for a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.users import ABSENCES, USERS, Absence, Presence, User
from distribution.queues import Queue
from storage import Gt, ReadTx
from workhours import DateOutOfRange, NeverOpens

log = structlog.get_logger("desk")


@dataclass(frozen=True, slots=True)
class Roster:
    """Active employees and their absences that are not over yet."""

    number: int
    users: tuple[User, ...]
    absences: Mapping[str, tuple[Absence, ...]]
    groups: dict[tuple[str, ...], list[User]] = field(default_factory=dict)
    """Members by selectors, found once per roster."""

    def absence(self, user_id: str, at: datetime) -> Absence | None:
        """The absence that covers this moment."""
        for absence in self.absences.get(user_id, ()):
            if absence.starts_at <= at < absence.ends_at:
                return absence
        return None


class Desk:
    """What every decision of distribution is made with."""

    def __init__(self, company: Company, queues: Mapping[str, Queue]) -> None:
        self.company = company
        self.queues = queues
        self.zone = ZoneInfo(company.timezone)
        self._roster = Roster(-1, (), {})

    @property
    def latest(self) -> Desk:
        """The desk of the newest company that this process knows of."""
        return self

    def at(self, tx: ReadTx) -> Desk:
        """The desk as of this transaction."""
        return self

    def queue(self, name: str) -> Queue:
        """The queue, or `Invalid` naming those there are."""
        try:
            return self.queues[name]
        except KeyError:
            raise Invalid({"queue": f"Очереди «{name}» нет; есть {', '.join(self.queues)}"}) from None

    def queue_for(self, name: str) -> Queue:
        """The queue that serves what once came into this one: itself, or the first one when the configuration does not
        have it any more."""
        return self.queues.get(name) or self.queue(next(iter(self.queues), name))

    def after(self, queue: Queue, at: datetime, working: timedelta) -> datetime:
        """`working` time of the queue's calendar later. By plain time when there is no such working time (a calendar
        that never opens): nothing may be left without a deadline."""
        try:
            return self.company.calendar(queue.calendar).add(at, working)
        except (NeverOpens, DateOutOfRange):
            return at + working

    def roster(self, tx: ReadTx) -> Roster:
        """Employees as of this transaction."""
        number = tx.last_number("roster")
        roster = self._roster
        if roster.number != number:
            absences: dict[str, tuple[Absence, ...]] = {}
            for absence in tx.find(ABSENCES, {"ends_at": Gt(tx.now)}):
                absences[absence.user_id] = (*absences.get(absence.user_id, ()), absence)
            users = tuple(user for user in tx.find(USERS) if user.active)
            roster = self._roster = Roster(number, users, absences)
        return roster

    def members(self, tx: ReadTx, selectors: tuple[str, ...]) -> list[User]:
        """Active employees that `role:…`, `department:…` or an email selects, each once, in the order of hiring."""
        roster = self.roster(tx)
        if selectors not in roster.groups:
            roster.groups[selectors] = [
                user for user in roster.users if any(_selects(each, user) for each in selectors)
            ]
        return roster.groups[selectors]

    def is_on_shift(self, queue: Queue, user: User, at: datetime) -> bool:
        """By the calendar of the queue and, when the employee has one, by his own schedule too; one that is
        gone from the configuration does not count."""
        own = self.company.calendars.get(user.calendar or "")
        if own is not None and not own.is_open(at):
            return False
        return self.company.calendar(queue.calendar).is_open(at)


class LiveDesk(Desk):
    """The desk of a company that changes: `at` makes a new one whenever the settings have another number. Whoever works
    in a transaction asks once and keeps to the answer, so that no change comes in between."""

    def __init__(self, desk: Desk, number: str, company: Callable[[ReadTx], Company]) -> None:
        self._now, self._number, self._company = (0, desk), number, company
        super().__init__(desk.company, desk.queues)

    @property
    def latest(self) -> Desk:
        return self._now[1]

    def at(self, tx: ReadTx) -> Desk:
        """Reads one number, which a writer has in memory anyway; makes the company anew after a change. One that cannot
        be made leaves the former in force: nothing that came in may suffer from it."""
        known, desk = self._now
        number = tx.last_number(self._number)
        if number == known:
            return desk
        try:
            desk = Desk(self._company(tx), desk.queues)
        except Invalid as error:  # this process was started with other files than the one that made the change
            log.error("changed settings do not fit the files", number=number, places=sorted(error.fields))
        if number > known or hasattr(tx, "insert"):  # a reader may be behind, a writer never is
            self._now, self.company = (number, desk), desk.company
        return desk


def _selects(selector: str, user: User) -> bool:
    kind, _, value = selector.partition(":")
    if kind == "role" and value:
        return value in user.roles
    if kind == "department" and value:
        return user.department_id == value
    return selector.lower() == user.email


def presence_reason(user: User) -> str | None:
    """Why presence keeps a contact from this employee, None when he is online."""
    return {Presence.ONLINE: None, Presence.BREAK: "на перерыве", Presence.OFFLINE: "не в сети"}[user.presence]
