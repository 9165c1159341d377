"""What ops is told: a dead connector, a backlog, the quarantine, an unusual silence; once, and when it is over."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from connectors.contract import HealthState
from connectors.health import Health
from crm_core.notifications import NOTIFICATIONS
from router.journal import JOURNAL, accept
from router.watch import PATIENCE, STALE, Alert, Watch
from tests.scenario.office import Office


class Duty:
    """The watch over an office, and what left the house."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.health = Health("phone", "asterisk", "phone", "Телефон", HealthState.UP, office.clock.now())
        self.sent: list[Alert] = []
        self.watch = Watch(office.store, office.desk, lambda: [self.health], self.deliver)

    async def deliver(self, alert: Alert) -> None:
        self.sent.append(alert)

    async def look(self) -> list[Alert]:
        """What this look told anew."""
        before = len(self.sent)
        await self.watch.look()
        return self.sent[before:]


async def test_a_dead_connector_is_told_once_and_again_when_it_lives(office: Office) -> None:
    admin = await office.hire("olga", "admin")
    await office.hire("anna")
    duty = Duty(office)
    duty.health.report(HealthState.DOWN, office.clock.now(), "Сервер не отвечает", None)
    assert await duty.look() == [], "a short interruption is nobody's business"
    office.clock.advance(PATIENCE)
    (alert,) = await duty.look()
    assert alert.text == "Канал «Телефон» не работает. Сервер не отвечает"
    assert await duty.look() == []
    duty.health.report(HealthState.UP, office.clock.now(), None, None)
    (over,) = await duty.look()
    assert over.solved
    notes = await office.store.read(lambda tx: tx.find(NOTIFICATIONS))
    assert [note.user_id for note in notes] == [admin.id, admin.id], "sellers are not bothered"


async def test_contacts_that_nobody_processes_are_told(office: Office) -> None:
    duty = Duty(office)
    await office.do(accept, [office.form()])
    assert await duty.look() == []
    office.clock.advance(STALE)
    (alert,) = await duty.look()
    assert alert.key == "backlog"


async def test_silence_is_told_only_where_the_hour_usually_brings_something(office: Office) -> None:
    duty = Duty(office)
    now = office.clock.now()
    for week in range(1, 5):
        office.clock.set(now - timedelta(weeks=week, minutes=30))
        calls = [msgspec.structs.replace(office.form(f"+7916000{week}00{n}"), connector="phone") for n in range(3)]
        await office.receive(*calls)
    office.clock.set(now)
    (alert,) = await duty.look()
    assert alert.key == "silence:phone"
    await office.receive(msgspec.structs.replace(office.form(), connector="phone"))
    office.clock.advance(timedelta(minutes=1))
    (over,) = await duty.look()
    assert over.solved


async def test_the_quarantine_is_told(office: Office) -> None:
    duty = Duty(office)
    (record,) = await office.receive(office.form())
    await office.do(lambda tx: tx.update(JOURNAL, tx.require(JOURNAL, record.id), state="quarantined"))
    (alert,) = await duty.look()
    assert alert.text == "В карантине обращения, которые не удалось обработать: 1"
