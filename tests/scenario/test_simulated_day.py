"""Whole days of a company, played by hypothesis: any interleaving of contacts, answers, breaks, vacations, restarts.

Three machines. `CompanyDays` plays everything and holds what must always be true of leads and offers. `FairTurns` plays
arrivals against comings and goings and holds fairness: members who were available all day differ by at most one.
`Openings` plays weekends and holds the order: who came first is given out first.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from crm_core.actor import SYSTEM
from crm_core.errors import Conflict, Forbidden
from crm_core.leads import LEADS, Lead, move_lead
from crm_core.users import ABSENCES, USERS, Absence, Presence, User, add_absence, end_absence, set_presence
from distribution.candidates import is_at_peace
from distribution.offers import assign, decline, take
from storage import ReadTx
from tests.scenario.office import MONDAY_10, Office, queue

T = TypeVar("T")
MEMORY = Path("/dev/shm")
PHONES = [f"+7916000000{n}" for n in range(8)]
MEMBERS = ("anna", "boris", "vera")
CAPACITY = 3

phones = st.sampled_from(PHONES)
members = st.sampled_from(MEMBERS)
minutes = st.sampled_from([1, 4, 6, 30, 90, 240, 700])


class Machine(RuleBasedStateMachine):
    """An office with its own event loop, thrown away at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="office-", dir=MEMORY if MEMORY.is_dir() else None))
        self.office: Office
        self.team: dict[str, User] = {}

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(job)

    async def open(self, **rules: Any) -> None:
        self.office = Office(self.folder, None, queue(**rules))
        for name in MEMBERS:
            self.team[name] = await self.office.hire(name)

    def teardown(self) -> None:
        self.run(self.office.close())
        assert self.office.errors == []
        self.runner.close()
        shutil.rmtree(self.folder)

    async def everyone(self) -> dict[str, User]:
        users = await self.office.store.read(lambda tx: tx.find(USERS))
        return {user.id: user for user in users}


class CompanyDays(Machine):
    leads = Bundle("leads")

    @initialize()
    def begin(self) -> None:
        self.run(self.open(capacity=CAPACITY))
        self.offers: dict[str, str | None] = {}

    @rule(target=leads, phone=phones)
    def somebody_fills_the_form(self, phone: str) -> str:
        (record,) = self.run(self.office.receive(self.office.form(phone)))
        assert record.lead_id is not None
        return record.lead_id

    @rule(phone=phones)
    def somebody_calls_in_vain(self, phone: str) -> None:
        self.run(self.office.missed_call(self.office.native_id(), phone))

    @rule(phone=phones)
    def a_form_is_delivered_twice(self, phone: str) -> None:
        form = self.office.form(phone)
        first = self.run(self.office.receive(form, form))
        assert first[0].lead_id == first[1].lead_id

    @rule(lead=leads, name=members)
    def a_member_takes_it(self, lead: str, name: str) -> None:
        self._try(take, name, self.office.desk, lead)

    @rule(lead=leads, name=members)
    def a_member_declines_it(self, lead: str, name: str) -> None:
        self._try(decline, name, self.office.desk, lead, "занята")

    @rule(lead=leads)
    def it_goes_back_to_the_queue(self, lead: str) -> None:
        self._try(assign, None, self.office.desk, lead, queue="first-line")

    @rule(lead=leads)
    def it_is_finished(self, lead: str) -> None:
        self._try(move_lead, None, self.office.desk.company, lead, "mistaken")

    def _try(self, command: Any, name: str | None, *args: Any, **kwargs: Any) -> None:
        async def attempt() -> None:
            actor = await self.office.actor(self.team[name]) if name else SYSTEM
            with suppress(Conflict, Forbidden):
                await self.office.do(command, actor, *args, **kwargs)
            await self.office.settle()

        self.run(attempt())

    @rule(name=members, presence=st.sampled_from(Presence))
    def somebody_comes_or_goes(self, name: str, presence: Presence) -> None:
        self.run(self.office.do(set_presence, SYSTEM, self.team[name].id, presence))
        self.run(self.office.settle())

    @rule(name=members, days=st.integers(1, 3))
    def somebody_falls_ill(self, name: str, days: int) -> None:
        now = self.office.clock.now()
        job = self.office.do(add_absence, SYSTEM, self.team[name].id, "болезнь", now, now + timedelta(days=days))
        self.run(job)

    @rule()
    def everybody_gets_well(self) -> None:
        for absence in self.run(self.office.store.read(lambda tx: tx.find(ABSENCES))):
            self.run(self.office.do(end_absence, SYSTEM, absence.id))
        self.run(self.office.settle())

    @rule(length=minutes)
    def time_passes(self, length: int) -> None:
        self.office.clock.advance(timedelta(minutes=length))
        self.run(self.office.settle())

    @rule()
    def the_hub_restarts(self) -> None:
        self.run(self.office.restart())

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        leads, users, absences = self.run(self.office.store.read(look))
        now = self.office.clock.now()
        is_open = self.office.desk.company.calendar().is_open

        def available(user: User, at: datetime) -> bool:
            absent = any(a.user_id == user.id and a.starts_at <= at < a.ends_at for a in absences)
            return user.presence is Presence.ONLINE and not absent and is_open(at)

        open_leads = [lead for lead in leads if lead.open]
        in_one_place(leads)
        assert len({lead.person_id for lead in open_leads}) == len(open_leads), "one open lead per person"
        for lead in open_leads:
            if lead.offered_to and self.offers.get(lead.id) != lead.offer_id:
                assert lead.offered_at == now, "offers are made when something happens"
                assert available(users[lead.offered_to], now), "nobody outside shift, absent or away is offered a lead"
            self.offers[lead.id] = lead.offer_id
        if any(lead.waiting for lead in open_leads):
            held = Counter(user_id for lead in open_leads for user_id in (lead.owner_id, lead.offered_to) if user_id)
            idle = {user.id for user in users.values() if available(user, now) and held[user.id] < CAPACITY}
            for lead in open_leads:
                refused = set(lead.declined_by) if is_at_peace(lead, now) else set()
                assert not lead.waiting or idle <= refused, "nothing waits while somebody could take it"


def in_one_place(leads: list[Lead]) -> None:
    for lead in leads:
        places = [lead.waiting, lead.offered_to is not None, lead.owner_id is not None]
        assert sum(places) == 1 or not lead.open, f"{lead} is in exactly one place"
        assert lead.open or not (lead.waiting or lead.offered_to), f"{lead} is finished"


def look(tx: ReadTx) -> tuple[list[Lead], dict[str, User], list[Absence]]:
    return tx.find(LEADS), {user.id: user for user in tx.find(USERS)}, tx.find(ABSENCES)


class FairTurns(Machine):
    @initialize()
    def begin(self) -> None:
        self.run(self.open(capacity=None, accept_within=timedelta(0)))
        self.customers = 0
        self.new_day()

    def new_day(self) -> None:
        self.today = self.office.clock.now().date()
        self.since = self.customers
        self.steady = {user.id for user in self.run(self.everyone()).values() if user.presence is Presence.ONLINE}

    @rule(number=st.integers(1, 7))
    def customers_arrive(self, number: int) -> None:
        forms = []
        for _ in range(number):
            self.customers += 1
            forms.append(self.office.form(f"+7903{self.customers:07d}"))
        self.run(self.office.receive(*forms))

    @rule(name=members, presence=st.sampled_from(Presence))
    def somebody_comes_or_goes(self, name: str, presence: Presence) -> None:
        user = self.team[name]
        if self.run(self.everyone())[user.id].presence is not presence:
            self.steady.discard(user.id)
        self.run(self.office.do(set_presence, SYSTEM, user.id, presence))
        self.run(self.office.settle())

    @rule()
    def the_hub_restarts(self) -> None:
        self.run(self.office.restart())

    @rule()
    def the_next_morning(self) -> None:
        self.office.clock.advance(timedelta(days=1))
        self.run(self.office.settle())
        self.new_day()

    @invariant()
    def members_available_all_day_differ_by_at_most_one(self) -> None:
        given = Counter(
            lead.owner_id for lead in self.run(self.office.leads()) if lead.number > self.since and lead.owner_id
        )
        shares = [given[user_id] for user_id in self.steady]
        assert not shares or max(shares) - min(shares) <= 1, (given, self.steady)


class Openings(Machine):
    """Contacts of a closed weekend, in any order and number, before one or two members."""

    @initialize()
    def begin(self) -> None:
        self.run(self.open(capacity=None, accept_within=timedelta(0)))
        self.office.clock.set(MONDAY_10 - timedelta(hours=30))
        self.customers = 0

    @rule(number=st.integers(1, 30), length=st.integers(0, 60))
    def customers_arrive(self, number: int, length: int) -> None:
        for _ in range(number):
            self.customers += 1
            self.run(self.office.receive(self.office.form(f"+7903{self.customers:07d}")))
        self.office.clock.advance(timedelta(minutes=length))
        self.run(self.office.settle())

    @rule()
    def the_hub_restarts(self) -> None:
        self.run(self.office.restart())

    def teardown(self) -> None:
        assert all(lead.waiting for lead in self.run(self.office.leads()))
        self.office.clock.set(MONDAY_10)
        self.run(self.office.settle())
        leads = sorted(self.run(self.office.leads()), key=lambda lead: lead.number)
        team = [self.team[name].id for name in MEMBERS]
        assert [lead.owner_id for lead in leads] == [team[turn % len(team)] for turn in range(len(leads))]
        super().teardown()


_SLOW = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCompanyDays = CompanyDays.TestCase
TestCompanyDays.settings = _SLOW
TestFairTurns = FairTurns.TestCase
TestFairTurns.settings = _SLOW
TestOpenings = Openings.TestCase
TestOpenings.settings = settings(_SLOW, max_examples=5, stateful_step_count=5)
