"""Letters: from a full mailbox of a real Dovecot to leads, beside the mere fetching of the same letters.

At the same time the place where memory at rest is looked at: all three channels are connected here.
"""

from __future__ import annotations

import asyncio
import random
import time
from email.message import EmailMessage
from pathlib import Path

from pydantic import SecretStr

from bench.baseline import Limits
from bench.company import MAIL, PHONE, found
from bench.intake import drained, records
from bench.report import Limit, Row
from connectors.email.intake import GROUP_COUNT
from connectors.email.mailbox import BATCH, open_mailbox
from connectors.email.settings import ImapSettings
from crm_core.leads import LEADS
from router.journal import JOURNAL
from storage import ReadTx
from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.email.dovecot import Dovecot, find_dovecot

LETTERS = 3000
REST = 3.0
"""Seconds until a started hub is at rest."""
WITHIN = 90.0
WORDS = "насос скважина договор поставка счёт монтаж станок цена доставка гарантия чертёж вопрос".split()  # noqa: SIM905


async def mail(folder: Path, limits: Limits) -> list[Row]:
    """Memory with three idle channels, then 3,000 letters at once."""
    if find_dovecot() is None:
        raise RuntimeError("Dovecot is not installed: run tools/install_test_servers.sh")
    letters = [letter(number) for number in range(LETTERS)]
    with Dovecot() as dovecot:
        async with AmiServer() as exchange:
            box = MAIL.format(port=dovecot.port, user=dovecot.user, password=dovecot.password)
            company = await found(folder / "mail", PHONE.format(port=exchange.port), box)
            async with company.hub() as hub:
                await asyncio.sleep(REST)
                rest, _ = hub.memory()
            for raw in letters:
                dovecot.deliver(raw)
            fetched = await _fetch(dovecot)
            async with company.hub() as hub:
                async with asyncio.timeout(WITHIN):
                    while await company.look(lambda tx: tx.count(JOURNAL)) < LETTERS:
                        await asyncio.sleep(0.1)
                await drained(company)
                _, peak = hub.memory()
    leads = await company.look(lambda tx: tx.count(LEADS))
    if leads != LETTERS:
        raise RuntimeError(f"{LETTERS} letters made {leads} leads")
    rate = await company.look(pace)
    return [
        Row("память в покое, три канала подключены", rest, "МБ", limits.memory, "< 120", rest < 120),
        Row("письма из ящика до лида", rate, "писем/с", Limit("забрать из ящика", fetched), "≥ 300", rate >= 300),
        Row("память на пике при разборе почты", peak, "МБ", limits.memory, "< 300", peak < 300),
    ]


def pace(tx: ReadTx) -> float:
    """Letters per second from the commit of the first group, which is not counted, to the last lead."""
    moments = [(record.received_at, record.done_at) for record in records(tx) if record.done_at]
    span = max(done for _, done in moments) - min(received for received, _ in moments)
    return (len(moments) - GROUP_COUNT) / span.total_seconds()


def letter(number: int) -> bytes:
    """2–5 kB of a customer's usual words; with an HTML form, as mail programs send it."""
    chance = random.Random(number)
    text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(60, 180)))
    message = EmailMessage()
    message["From"] = f"Клиент {number} <client{number}@client.example>"
    message["To"] = "sales@firstline.example"
    message["Subject"] = f"Запрос № {number}: {chance.choice(WORDS)}"
    message["Message-ID"] = f"<{number}.bench@client.example>"
    message["Date"] = "Fri, 20 Nov 2026 14:05:00 +0300"
    message.set_content(text, cte="8bit")
    if number % 2:
        message.add_alternative(f"<html><body><p>{text[:600]}</p></body></html>", subtype="html", cte="8bit")
    return message.as_bytes()


async def _fetch(dovecot: Dovecot) -> float:
    """Letters per second when they are fetched and nothing is done with them."""
    settings = ImapSettings(
        host="127.0.0.1", port=dovecot.port, tls="none", username=dovecot.user, password=SecretStr(dovecot.password)
    )
    mailbox = await open_mailbox(settings)
    try:
        await mailbox.select("INBOX")
        started, taken = time.perf_counter(), 0
        uids = await mailbox.search_after(0)
        for start in range(0, len(uids), BATCH):
            taken += len(await mailbox.letters(uids[start : start + BATCH]))
        return taken / (time.perf_counter() - started)
    finally:
        await mailbox.close()
