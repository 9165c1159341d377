"""The shared mailbox against a real Dovecot: arriving, catching up, breaking and coming back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.contract import AuthFailed, Connector, HealthState, Misconfigured, NotReady, Sends
from connectors.email.connector import EmailConnector
from connectors.email.mailbox import open_mailbox
from connectors.email.settings import EmailSettings, ImapSettings
from tests.conftest import require_server
from tests.connectors.email.dovecot import Dovecot, find_dovecot, free_port
from tests.connectors.email.hub import Hub, running
from tests.waiting import until

pytestmark = pytest.mark.server


def letter(subject: str, text: str = "Нужен станок", sender: str = "ivan@client.example") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "sales@example.ru", subject
    message["Message-ID"] = f"<{subject.replace(' ', '.')}@client.example>"
    message["Date"] = "Fri, 20 Nov 2026 14:05:00 +0300"
    message.set_content(text)
    return message.as_bytes()


def mailbox(server: Dovecot, **changes: Any) -> EmailConnector:
    imap = {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": server.user, "password": "secret"}
    imap |= changes.pop("imap", {})
    return EmailConnector(
        "sales-mail", EmailSettings.model_validate({"address": "sales@example.ru", "imap": imap, **changes})
    )


def test_connector_keeps_the_contract() -> None:
    settings = EmailSettings.model_validate(
        {"address": "sales@example.ru", "imap": {"host": "127.0.0.1", "username": "u", "password": "p"}}
    )
    connector = EmailConnector("sales-mail", settings)
    assert isinstance(connector, Connector)
    assert isinstance(connector, Sends)
    assert not connector.capabilities.can_reply


async def test_letters_that_lay_in_the_box_before_the_start_are_taken(dovecot: Dovecot, hub: Hub) -> None:
    for number in range(3):
        dovecot.deliver(letter(f"old {number}"))
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting)
    assert hub.subjects == ["old 0", "old 1", "old 2"]
    assert dovecot.flags() == ["", "", ""], "nothing is marked in the box"


async def test_several_letters_at_once_during_idle_all_arrive(dovecot: Dovecot, hub: Hub) -> None:
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting)
        for number in range(25):
            dovecot.deliver(letter(f"burst {number}"))
        await until(lambda: len(hub.inbounds) == 25)
    assert sorted(hub.subjects, key=str) == sorted(f"burst {number}" for number in range(25))
    assert hub.duplicates == 0


async def test_letters_arriving_at_any_moment_are_never_slept_over(dovecot: Dovecot, hub: Hub) -> None:
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting)
        for number in range(60):
            dovecot.deliver(letter(f"drip {number}"))
            await asyncio.sleep(0.004 * (number % 7))
        await until(lambda: len(hub.inbounds) == 60, 15)


async def test_announcement_inside_another_answer_ends_the_next_wait_at_once(dovecot: Dovecot) -> None:
    """The server says it once; a client that listens only during IDLE would sleep for five minutes."""
    box = await open_mailbox(mailbox(dovecot).settings.imap)
    await box.select("INBOX")
    assert await box.search_after(0) == []
    dovecot.deliver(letter("between"))
    await box._client.noop()
    await asyncio.wait_for(box.wait_for_news(), 0.3)
    assert await box.search_after(0) == [1]
    await box.close()


async def test_new_letter_arrives_within_two_seconds(dovecot: Dovecot, hub: Hub) -> None:
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting)
        begin = time.monotonic()
        dovecot.deliver(letter("quick"))
        await until(lambda: hub.inbounds)
    assert time.monotonic() - begin < 2


async def test_backlog_of_two_thousand_is_taken_at_speed(dovecot: Dovecot, hub: Hub) -> None:
    for number in range(2000):
        dovecot.deliver(letter(f"backlog {number}", "Здравствуйте! Нужна цена на станок.\n" * 20))
    begin = time.monotonic()
    async with running(mailbox(dovecot), hub):
        await until(lambda: len(hub.inbounds) == 2000, 60)
    seconds = time.monotonic() - begin
    print(f"\n2,000 letters from Dovecot to accept: {seconds:.2f} s, {2000 / seconds:.0f} letters/s")
    assert max(hub.commits) <= 200
    assert hub.duplicates == 0
    assert 2000 / seconds > 100, "far below the mark of 300 letters/s even for a busy machine"


async def test_reading_a_backlog_leaves_the_event_loop_to_others(dovecot: Dovecot, hub: Hub) -> None:
    for number in range(300):
        dovecot.deliver(letter(f"mail {number}", "Здравствуйте! Нужна цена на станок.\n" * 20))
    gaps: list[float] = []

    async def heartbeat() -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - begin)

    beat = asyncio.create_task(heartbeat())
    async with running(mailbox(dovecot), hub):
        await until(lambda: len(hub.inbounds) == 300, 30)
    beat.cancel()
    gaps.sort()
    print(f"\nlongest pauses of the loop: {[round(gap * 1000) for gap in gaps[-5:]]} ms")
    assert gaps[len(gaps) * 95 // 100] < 0.1


async def test_connection_lost_and_server_back_goes_on_where_it_was(dovecot: Dovecot, hub: Hub) -> None:
    async with running(mailbox(dovecot), hub):
        dovecot.deliver(letter("before"))
        await until(lambda: hub.is_waiting and hub.inbounds)
        dovecot.stop()
        await until(lambda: hub.reports[-1][0] is HealthState.DOWN)
        assert "пробуем снова" in str(hub.reports[-1][1]) or "подключаемся снова" in str(hub.reports[-1][1])
        dovecot.deliver(letter("while away"))
        dovecot.start()
        await until(lambda: len(hub.inbounds) == 2)
        await until(lambda: hub.is_waiting)
        dovecot.deliver(letter("after"))
        await until(lambda: len(hub.inbounds) == 3)
    assert hub.subjects == ["before", "while away", "after"]
    assert hub.duplicates == 0, "the cursor spared what was known"


async def test_new_uidvalidity_brings_no_letter_twice_and_loses_none(dovecot: Dovecot, hub: Hub) -> None:
    for number in range(5):
        dovecot.deliver(letter(f"kept {number}"))
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting)
        before = await hub.load_cursor("imap")
        dovecot.forget_uids()
        dovecot.deliver(letter("fresh"))
        await until(lambda: len(hub.inbounds) == 6)
    after = await hub.load_cursor("imap")
    assert after["uidvalidity"] != before["uidvalidity"]
    assert hub.duplicates == 5
    assert hub.counts == ["uidvalidity_change"]


async def test_nothing_moves_while_the_store_cannot_write(dovecot: Dovecot, hub: Hub) -> None:
    hub.refuse = NotReady("Нет места на диске.")
    dovecot.deliver(letter("patient"))
    async with running(mailbox(dovecot, mark_seen=True), hub):
        await until(lambda: (HealthState.DOWN, "Нет места на диске.", None) in hub.reports)
        assert (await hub.load_cursor("imap"))["uid"] == 0
        assert dovecot.flags() == [""]
        hub.refuse = None
        await until(lambda: hub.subjects == ["patient"])


async def test_letters_are_marked_as_read_when_that_is_wished(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("one"))
    async with running(mailbox(dovecot, mark_seen=True), hub):
        await until(lambda: dovecot.flags() == ["S"])


async def test_since_now_leaves_the_old_letters_alone_also_after_new_uidvalidity(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("old"))
    await asyncio.sleep(1.1)  # INTERNALDATE knows whole seconds
    async with running(mailbox(dovecot, since="now"), hub):
        await until(lambda: hub.is_waiting)
        await asyncio.sleep(1.1)
        dovecot.deliver(letter("new"))
        await until(lambda: hub.inbounds)
        dovecot.forget_uids()
        dovecot.deliver(letter("newer"))
        await until(lambda: "newer" in hub.subjects)
    assert hub.subjects == ["new", "newer"]


async def test_since_a_day_takes_what_arrived_from_then_on(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("today"))
    tomorrow = (hub.now() + timedelta(days=1)).date()
    async with running(mailbox(dovecot, since=tomorrow), hub):
        await until(lambda: hub.is_waiting)
    assert hub.subjects == []
    other = Hub(hub.files.folder)
    async with running(mailbox(dovecot, since=hub.now().date()), other):
        await until(lambda: other.is_waiting)
    assert other.subjects == ["today"]


async def test_wrong_password_stops_the_box_with_a_hint(dovecot: Dovecot, hub: Hub) -> None:
    error = await error_of(mailbox(dovecot, imap={"password": "wrong"}), hub)
    assert isinstance(error, AuthFailed)
    assert "imap.password" in str(error)
    assert "wrong" not in str(error)


async def test_missing_folder_names_those_that_exist(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("x"), folder="&BBcEMARPBDIEOgQ4-")
    error = await error_of(mailbox(dovecot, imap={"folder": "Нет такой"}), hub)
    assert isinstance(error, Misconfigured)
    assert "«Нет такой»" in str(error)
    assert "INBOX" in str(error)
    assert "Заявки" in str(error)


async def test_cyrillic_folder_is_read(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("in folder"), folder="&BBcEMARPBDIEOgQ4-")
    async with running(mailbox(dovecot, imap={"folder": "Заявки"}), hub):
        await until(lambda: hub.subjects == ["in folder"])


@pytest.mark.parametrize(("tls", "port"), [("starttls", "port"), ("ssl", "tls_port")])
async def test_letters_come_over_tls(dovecot: Dovecot, hub: Hub, tls: str, port: str) -> None:
    dovecot.deliver(letter("secret"))
    imap = {"tls": tls, "port": getattr(dovecot, port), "ca_file": str(dovecot.certificate)}
    async with running(mailbox(dovecot, imap=imap), hub):
        await until(lambda: hub.subjects == ["secret"])


async def test_strange_certificate_is_refused(dovecot: Dovecot, hub: Hub) -> None:
    imap = {"tls": "ssl", "port": dovecot.tls_port, "verify": True}
    error = await error_of(mailbox(dovecot, imap=imap), hub)
    assert isinstance(error, Misconfigured)
    assert "imap.ca_file" in str(error)


async def test_tls_towards_a_port_without_tls_names_the_keys(dovecot: Dovecot, hub: Hub) -> None:
    error = await error_of(mailbox(dovecot, imap={"tls": "ssl"}), hub)
    assert isinstance(error, Misconfigured)
    assert "imap.tls" in str(error)


async def test_server_that_is_away_is_tried_again(hub: Hub) -> None:
    settings = ImapSettings(host="127.0.0.1", port=free_port(), tls="none", username="u", password=SecretStr("p"))
    with pytest.raises(NotReady, match="не принимает соединения"):
        await open_mailbox(settings)


async def test_letter_larger_than_the_limit_leaves_its_header_and_a_note(dovecot: Dovecot, hub: Hub) -> None:
    dovecot.deliver(letter("small"))
    dovecot.deliver(letter("giant", "x" * 70 + "\n", "big@client.example") + b"y" * 2_000_000)
    dovecot.deliver(letter("next"))
    async with running(mailbox(dovecot, max_size="1MB"), hub):
        await until(lambda: len(hub.inbounds) == 3)
    giant = list(hub.inbounds.values())[1]
    assert hub.subjects == ["small", "giant", "next"]
    assert giant.sender.emails == ("big@client.example",)
    assert "больше предела" in giant.text
    assert giant.mail is not None
    assert giant.mail.defects[0].startswith("письмо на 2 МБ больше предела")


async def test_bad_letters_do_not_stop_the_box(dovecot: Dovecot, hub: Hub) -> None:
    bad = [b"", b"\x00" * 500, b"\xff\xfe" * 300, b'Content-Type: multipart/mixed; boundary=""\n\n--\n', b"(" * 2000]
    for number, raw in enumerate(bad):
        dovecot.deliver(raw)
        dovecot.deliver(letter(f"good {number}"))
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting, 20)
    good = [subject for subject in hub.subjects if subject]
    assert good == [f"good {number}" for number in range(len(bad))]
    assert len(hub.inbounds) == 2 * len(bad)


async def test_letter_deleted_by_a_colleague_is_no_trouble(dovecot: Dovecot, hub: Hub) -> None:
    for number in range(1200):
        dovecot.deliver(letter(f"mail {number}", "x"))
    async with running(mailbox(dovecot), hub):
        await until(lambda: hub.is_waiting, 30)
        other = await open_mailbox(mailbox(dovecot).settings.imap)
        await other.select("INBOX")
        await other._client.store("1:1200", r"+FLAGS.SILENT (\Deleted)")
        await other._client.expunge()
        await other.close()
        await asyncio.sleep(1.5)  # the 1,200 EXPUNGE lines reach the waiting session
        dovecot.deliver(letter("after"))
        await until(lambda: "after" in hub.subjects)
    assert [state for state, _, _ in hub.reports].count(HealthState.DOWN) == 0


@pytest.fixture
def server_without_idle() -> Iterator[Dovecot]:
    require_server("Dovecot", find_dovecot())
    with Dovecot(capability="IMAP4rev1") as server:
        yield server


async def test_server_without_idle_is_polled(
    server_without_idle: Dovecot, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.email.mailbox.POLL_SECONDS", 0.1)
    async with running(mailbox(server_without_idle), hub):
        await until(lambda: hub.is_waiting)
        server_without_idle.deliver(letter("polled"))
        await until(lambda: hub.subjects == ["polled"])


async def test_check_says_what_it_found(dovecot: Dovecot) -> None:
    dovecot.deliver(letter("one"))
    assert await mailbox(dovecot).check() == "Почта на связи: в папке «INBOX» писем: 1; отправка не настроена."


async def error_of(connector: EmailConnector, hub: Hub) -> BaseException | None:
    """What a connector stops with."""
    try:
        await asyncio.wait_for(connector.run(hub), 15)
    except Exception as error:
        return error
    return None
