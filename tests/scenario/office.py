"""A whole company over a temporary store with a clock in hand: what scenario tests are played on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from connectors.contract import (
    CallDirection,
    CallFacts,
    CallOutcome,
    CallPhase,
    Inbound,
    InboundKind,
    MailFacts,
    RobotKind,
    Sender,
    SourceHints,
)
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.actor import SYSTEM, Actor
from crm_core.company import Company, ConnectorInfo, SourceRule
from crm_core.decisions import DECISIONS, Decision
from crm_core.leads import LEADS, Lead
from crm_core.rights import Rights
from crm_core.stages import Stage
from crm_core.tasks import TASKS, Task
from crm_core.timers import due, fire
from crm_core.users import Presence, User, actor_for, create_user
from distribution.desk import Desk
from distribution.queues import Queue
from firstline.schema import SCHEMA
from router.clockwork import handlers
from router.journal import JOURNAL, JournalRecord, accept, claim, fail
from router.process import handle
from storage import IdSource, ReadTx, Store, open_store
from workhours import Calendar, ManualClock, parse_calendar

T = TypeVar("T")

MONDAY_10 = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
"""Monday 2026-11-23, 10:00 in Moscow: the opening."""

STAGES = (
    Stage("new", "Новый"),
    Stage("qualification", "Квалификация"),
    Stage("converted", "Успешный", "won"),
    Stage("spam", "Спам", "lost"),
    Stage("mistaken", "Ошибочное обращение", "lost"),
    Stage("not_our_range", "Не наш товар", "lost"),
)
RIGHTS = Rights.parse(
    {
        "first_line": {"lead": {"read": "all", "update": "all open"}, "task": {"*": "all"}, "call": {"read": "all"}},
        "head": {"lead": {"*": "all"}, "task": {"*": "all"}},
        "admin": {"*": {"*": "all"}},
    }
)


def office_hours(hours: str = "10:00-19:00", days: str = "mon-fri") -> Calendar:
    return parse_calendar("office", {"days": days, "hours": hours, "holidays": "none"}, "Europe/Moscow")


def make_company(calendar: Calendar | None = None) -> Company:
    connectors = {
        "site": ConnectorInfo("site", "form", "form", "Форма сайта", "first-line", "office"),
        "mail": ConnectorInfo("mail", "email", "email", "Почта", "first-line", "office", can_reply=True),
        "phone": ConnectorInfo("phone", "asterisk", "phone", "Телефон", "first-line", "office", can_call=True),
    }
    return Company(
        timezone="Europe/Moscow",
        language="ru",
        calendars={"office": calendar or office_hours()},
        stages=STAGES,
        rights=RIGHTS,
        sources=(
            SourceRule("direct", "Яндекс Директ", {"utm_source": "yandex*"}),
            SourceRule("site", "Сайт", {"channel": "form"}),
            SourceRule("phone", "Звонок", {"channel": "phone"}),
        ),
        connectors=connectors,
    )


def queue(**changes: Any) -> Queue:
    rules: dict[str, Any] = {"name": "first-line", "title": "Первая линия", "members": ("role:first_line",)}
    return Queue(**{**rules, "heads": ("role:head",), **changes})


class Office:
    """Drives the router by hand: contacts in, time forward, a look at what came of it."""

    def __init__(self, folder: Path, company: Company | None = None, *queues: Queue) -> None:
        self.clock = ManualClock(MONDAY_10 + timedelta(hours=1))
        self.folder = folder
        self.desk = Desk(company or make_company(), {each.name: each for each in queues or (queue(),)})
        self.ids = IdSource(_counted_chance())
        self.store: Store = self._open()
        self._native = itertools.count(1)
        self.errors: list[Exception] = []

    def _open(self) -> Store:
        return open_store("sqlite:office.db", self.folder, SCHEMA, clock=self.clock.now, ids=self.ids)

    async def restart(self) -> None:
        """Everything that was only in memory is gone."""
        await self.store.close()
        self.desk = Desk(self.desk.company, self.desk.queues)
        self.store = self._open()

    async def close(self) -> None:
        await self.store.close()

    async def do(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self.store.write(fn, *args, **kwargs)

    async def hire(self, name: str, *roles: str, presence: Presence = Presence.ONLINE, **more: Any) -> User:
        email = more.pop("email", f"{name}@firstline.example")
        user = await self.do(
            create_user, SYSTEM, email=email, name=name, roles=roles or ("first_line",), presence=presence, **more
        )
        await self.settle()
        return user

    async def actor(self, user: User) -> Actor:
        return await self.store.read(actor_for, user, RIGHTS)

    async def receive(self, *inbounds: Inbound) -> list[JournalRecord]:
        """Accept, route, fire what is due; the journal records afterwards."""
        receipts = await self.do(accept, inbounds)
        await self.settle()

        def look(tx: ReadTx) -> list[JournalRecord]:
            return [tx.require(JOURNAL, receipt.id) for receipt in receipts]

        return await self.store.read(look)

    async def settle(self) -> None:
        """Route everything pending and fire every timer that is due."""
        while True:
            claimed = await self.do(claim, 100)
            for record_id in claimed:
                try:
                    await self.do(handle, self.desk, record_id)
                except Exception as error:
                    self.errors.append(error)
                    await self.do(fail, record_id, f"{type(error).__name__}: {error}")
            timers = await self.store.read(due)
            for timer in timers:
                await self.do(fire, timer.id, handlers(self.desk))
            if not claimed and not timers:
                return

    async def pass_time(self, **length: float) -> None:
        """Let time go by in steps, so that timers fire in their order."""
        end = self.clock.now() + timedelta(**length)
        while (moment := self.clock.now()) < end:
            self.clock.set(min(end, moment + timedelta(minutes=1)))
            await self.settle()

    def native_id(self) -> str:
        return f"native-{next(self._native)}"

    def form(self, phone: str | None = "+79161234567", name: str = "Иван", **more: Any) -> Inbound:
        fields = more.pop("fields", {})
        emails = (more.pop("email"),) if "email" in more else ()
        return Inbound(
            connector="site",
            channel="form",
            external_id=more.pop("external_id", None) or self.native_id(),
            kind=InboundKind.FORM,
            occurred_at=self.clock.now(),
            sender=Sender(name=name, phones=(phone,) if phone else (), emails=emails),
            text=more.pop("text", ""),
            fields=fields,
            source=SourceHints(**more),
        )

    def letter(
        self,
        email: str = "ivan@client.example",
        subject: str = "Нужен насос",
        robot: RobotKind | None = None,
        **more: Any,
    ) -> Inbound:
        message_id = more.pop("message_id", None) or f"{self.native_id()}@client.example"
        return Inbound(
            connector="mail",
            channel="email",
            external_id=message_id,
            kind=InboundKind.MAIL,
            occurred_at=self.clock.now(),
            sender=Sender(name=more.pop("name", None), emails=(email,)),
            conversation=more.pop("conversation", message_id),
            subject=subject,
            text=more.pop("text", "Здравствуйте!"),
            mail=MailFacts(message_id=message_id, robot=robot, **more),
        )

    def call(
        self, phase: CallPhase, call_id: str = "call-1", number: str | None = "89161234567", **more: Any
    ) -> Inbound:
        direction = more.pop("direction", CallDirection.IN)
        facts = CallFacts(
            call_id=call_id,
            linkedid=call_id,
            phase=phase,
            direction=direction,
            number=number,
            did="74952280001",
            started_at=self.clock.now(),
            **more,
        )
        return Inbound(
            connector="phone",
            channel="phone",
            external_id=f"{call_id}:{phase}:{','.join(facts.ringing)}:{facts.last_agent}",
            kind=InboundKind.CALL,
            occurred_at=self.clock.now(),
            sender=Sender(phones=(number,) if number else ()),
            source=SourceHints(did="74952280001"),
            call=facts,
        )

    async def missed_call(self, call_id: str = "call-1", number: str | None = "89161234567") -> list[JournalRecord]:
        ended = self.call(
            CallPhase.ENDED, call_id, number, outcome=CallOutcome.MISSED, ended_at=self.clock.now(), reason="abandoned"
        )
        return await self.receive(self.call(CallPhase.STARTED, call_id, number), ended)

    async def leads(self, **where: Any) -> list[Lead]:
        return await self.store.read(lambda tx: tx.find(LEADS, where, sort="created_at"))

    async def lead(self, **where: Any) -> Lead:
        """The only lead there is."""
        (lead,) = await self.leads(**where)
        return lead

    async def tasks(self, **where: Any) -> list[Task]:
        return await self.store.read(lambda tx: tx.find(TASKS, where, sort="created_at"))

    async def outbox(self) -> list[OutboxMessage]:
        return await self.store.read(lambda tx: tx.find(OUTBOX, sort="created_at"))

    async def decisions(self, lead: Lead) -> list[Decision]:
        return await self.store.read(lambda tx: tx.find(DECISIONS, {"lead_id": lead.id}, sort="at"))


def _counted_chance() -> Callable[[int], int]:
    counter = itertools.count(1)
    return lambda bits: next(counter) % (1 << bits)
