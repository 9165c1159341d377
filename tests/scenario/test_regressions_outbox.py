"""The outbox and its sender where they once lost, repeated or held up messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.contract import AuthFailed, DeliveryFacts, HealthState, MessageState, Outbound, SendRejected, SendResult
from connectors.health import Health
from connectors.outbox import OUTBOX, OutboxMessage, enqueue
from connectors.sender import GIVE_UP_AFTER, Sender, due_messages
from crm_core.actor import SYSTEM
from crm_core.errors import Conflict
from router.deliveries import apply_facts, on_outbox_change
from router.outgoing import cancel, retry
from tests.scenario.office import Office


class Channel:
    """Takes messages, or refuses them as `answer` says."""

    def __init__(self, answer: Callable[[Outbound], SendResult | Exception] = lambda outbound: SendResult()) -> None:
        self.answer = answer
        self.sent: list[str] = []

    async def send(self, outbound: Outbound) -> SendResult:
        answer = self.answer(outbound)
        if isinstance(answer, Exception):
            raise answer
        self.sent.append(outbound.text)
        return answer


def busy(outbound: Outbound) -> Exception:
    return SendRejected("сервер занят", retryable=True)


def message(id: str, lane: str, at: datetime) -> Outbound:
    return Outbound(id=id, connector="mail", recipient=lane, text=id, created_at=at)


async def put(office: Office, id: str, lane: str) -> None:
    await office.do(enqueue, message(id, lane, office.clock.now()))


async def row(office: Office, id: str) -> OutboxMessage:
    return await office.store.read(lambda tx: tx.require(OUTBOX, id))


def sender(office: Office, channel: Channel) -> Sender:
    return Sender(office.store, channel, "mail", on_outbox_change)


async def send_until_idle(work: Sender) -> None:
    while await work.send_due():
        pass


async def test_a_channel_that_is_away_for_a_day_does_not_kill_the_sender(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")
    work = sender(office, Channel(busy))
    end = office.clock.now() + GIVE_UP_AFTER + timedelta(hours=1)
    while office.clock.now() < end:
        await work.send_due()
        office.clock.advance(timedelta(minutes=15))
    last = await row(office, "m1")
    assert (last.state, last.pending) == (MessageState.FAILED, False)
    assert last.attempts > 90


async def test_many_messages_behind_a_failed_head_hold_up_no_other_conversation(office: Office) -> None:
    await put(office, "a00", "a@client.example")
    channel = Channel(busy)
    await sender(office, channel).send_due()
    for number in range(1, 60):
        await put(office, f"a{number:02}", "a@client.example")
    office.clock.advance(timedelta(milliseconds=1))
    await put(office, "b0", "b@client.example")
    channel.answer = lambda outbound: SendResult()
    await sender(office, channel).send_due()
    assert channel.sent == ["b0"]
    office.clock.advance(timedelta(seconds=5))
    await send_until_idle(sender(office, channel))
    assert channel.sent == ["b0", *(f"a{number:02}" for number in range(60))], "in their order"


async def test_messages_written_before_the_head_failed_wait_with_it(office: Office) -> None:
    for number in range(60):
        await put(office, f"a{number:02}", "a@client.example")
    channel = Channel(busy)
    await sender(office, channel).send_due()
    await put(office, "b0", "b@client.example")
    channel.answer = lambda outbound: SendResult()
    due = await office.store.read(due_messages, "mail")
    assert [each.id for each in due] == ["b0"]


async def test_what_the_channel_told_during_the_sending_stands(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")
    delivered = DeliveryFacts(state=MessageState.DELIVERED, outbound_id="m1")
    store = office.store

    class Fast(Channel):
        async def send(self, outbound: Outbound) -> SendResult:
            await store.write(apply_facts, "mail", delivered)
            return SendResult(external_id="native-1")

    await sender(office, Fast()).send_due()
    known = await row(office, "m1")
    assert (known.state, known.external_id, known.pending) == (MessageState.DELIVERED, "native-1", False)


async def test_a_message_reported_delivered_is_not_queued_again_when_the_answer_is_lost(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")
    delivered = DeliveryFacts(state=MessageState.DELIVERED, outbound_id="m1")
    store = office.store

    class Lost(Channel):
        async def send(self, outbound: Outbound) -> SendResult:
            await store.write(apply_facts, "mail", delivered)
            raise TimeoutError

    await sender(office, Lost()).send_due()
    assert (await row(office, "m1")).state is MessageState.DELIVERED


async def test_a_message_cut_off_by_a_crash_while_sending_is_sent_again_with_its_id(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")

    class Dead(Channel):
        async def send(self, outbound: Outbound) -> SendResult:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await sender(office, Dead()).send_due()
    assert (await row(office, "m1")).state is MessageState.SENDING
    await office.restart()
    channel = Channel()
    await sender(office, channel).send_due()
    assert (channel.sent, (await row(office, "m1")).state) == (["m1"], MessageState.SENT)


async def test_a_message_that_is_being_sent_cannot_be_taken_back(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")

    async def attempt(outbound: Outbound) -> SendResult:
        with pytest.raises(Conflict, match="sending"):
            await office.do(cancel, SYSTEM, "m1")
        return SendResult()

    channel = Channel()
    channel.send = attempt  # type: ignore[method-assign]
    await sender(office, channel).send_due()
    assert (await row(office, "m1")).state is MessageState.SENT


async def test_taking_back_a_head_that_waits_lets_the_next_go_at_once(office: Office) -> None:
    channel = Channel(busy)
    await put(office, "a00", "a@client.example")
    await sender(office, channel).send_due()
    await put(office, "a01", "a@client.example")
    await office.do(cancel, SYSTEM, "a00")
    channel.answer = lambda outbound: SendResult()
    await sender(office, channel).send_due()
    assert channel.sent == ["a01"]


async def test_a_failed_message_is_sent_again_by_hand(office: Office) -> None:
    channel = Channel(lambda outbound: SendRejected("адреса нет", retryable=False, code="550"))
    await put(office, "m1", "ivan@client.example")
    await sender(office, channel).send_due()
    assert (await row(office, "m1")).state is MessageState.FAILED
    await office.do(retry, SYSTEM, "m1")
    channel.answer = lambda outbound: SendResult()
    await sender(office, channel).send_due()
    assert channel.sent == ["m1"]


@pytest.mark.parametrize("wish", [10**12, -5.0, 0.0])
async def test_a_senseless_wish_for_a_pause_is_no_trap(office: Office, wish: float) -> None:
    await put(office, "m1", "ivan@client.example")
    refusal = SendRejected("позже", retryable=True, retry_after=wish)
    await sender(office, Channel(lambda outbound: refusal)).send_due()
    pause = (await row(office, "m1")).next_attempt_at - office.clock.now()
    assert timedelta(0) <= pause <= timedelta(days=1)


async def test_an_error_inside_the_sender_does_not_end_it(office: Office) -> None:
    await put(office, "m1", "ivan@client.example")
    channel = Channel()
    work = sender(office, channel)
    honest, failures = work.send_due, iter([True])

    async def once_broken() -> int:
        if next(failures, False):
            raise RuntimeError("broken once")
        return await honest()

    work.send_due = once_broken  # type: ignore[method-assign]
    task: asyncio.Task[Any] = asyncio.create_task(work.run())
    await asyncio.sleep(0.05)
    await put(office, "m2", "petr@client.example")
    async with asyncio.timeout(5):
        while len(channel.sent) < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert channel.sent == ["m1", "m2"]


async def test_a_channel_that_cannot_send_is_degraded_until_it_can(office: Office) -> None:
    told: list[str | None] = []
    answers: list[SendResult | Exception] = [AuthFailed("пароль не принят"), SendResult()]
    channel = Channel(lambda outbound: answers.pop(0))
    sending = Sender(office.store, channel, "mail", on_outbox_change, told.append)
    await put(office, "out_1", "a")
    await sending.send_due()
    office.clock.advance(timedelta(minutes=16))
    await sending.send_due()
    assert told == ["пароль не принят", None]
    health = Health("mail", "email", "email", "Почта")
    health.sending = told[0]
    health.report(HealthState.UP, office.clock.now(), None, None)
    assert (health.state, health.error) == (HealthState.DEGRADED, "пароль не принят")
