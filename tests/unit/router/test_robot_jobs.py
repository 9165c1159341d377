"""What robots do outside of transactions: once as far as that can be, again after trouble, and given up with a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.automation import Automation
from crm_core.automation_commands import drop_automation
from crm_core.documents.issued import DOCUMENTS, Document
from crm_core.robot_jobs import ATTEMPTS, JOBS, LEASE, MAX_PAUSE, RobotJob, claim_jobs, end_job, postpone_job
from crm_core.webhooks import Webhooks
from distribution.desk import Desk
from router.robot_jobs import Later, Refused, RobotJobs, post
from tests.conftest import free_port
from tests.unit.crm_core.robot_bench import COMPANY, Robots, automation, comment, step
from web.api.automations import record_shown
from web.documents import Documents
from web.pdf import Pdf

BLANK = step("make_document", template="offer-service", leave_blanks="yes")


@pytest.fixture
async def robots(tmp_path: Path) -> AsyncIterator[Robots]:
    bench = Robots(tmp_path)
    yield bench
    await bench.store.close()


async def with_job(robots: Robots, *steps: Any) -> Automation:
    return await robots.keep(automation("created", BLANK, *steps))


def worker(robots: Robots, generate: Any = None) -> RobotJobs:
    documents = Documents(robots.store, COMPANY, Pdf())
    return RobotJobs(robots.store, Desk(COMPANY, {}), generate or documents.generate, record_shown)


async def jobs(robots: Robots) -> list[RobotJob]:
    return await robots.store.read(lambda tx: tx.find(JOBS))


async def test_what_one_worker_has_taken_no_other_takes_before_the_lease_is_over(robots: Robots) -> None:
    await with_job(robots)
    await robots.deal()
    assert len(await robots.store.write(claim_jobs, 10)) == 1
    assert await robots.store.write(claim_jobs, 10) == []
    robots.clock.advance(LEASE)
    assert len(await robots.store.write(claim_jobs, 10)) == 1


async def test_trouble_is_tried_again_longer_and_longer_apart_and_given_up_with_a_word(robots: Robots) -> None:
    await with_job(robots, comment("Готово"))
    deal = await robots.deal()
    pauses: list[timedelta] = []
    for _ in range(ATTEMPTS):
        (job,) = await robots.store.write(claim_jobs, 10)
        await robots.store.write(postpone_job, COMPANY, job, "не отвечает")
        for waiting in await jobs(robots):
            pauses.append(waiting.due_at - robots.clock.now())
            robots.clock.set(waiting.due_at)
    assert pauses == sorted(pauses)
    assert (len(pauses), pauses[-1]) == (ATTEMPTS - 1, MAX_PAUSE)
    last = (await robots.runs(deal))[-1]
    assert (last.outcome, "не отвечает; попыток: 15" in last.text) == ("failed", True)
    assert await jobs(robots) == []
    assert (await robots.look(deal)).comment == ""


async def test_a_document_that_was_made_before_the_trouble_is_not_made_again(robots: Robots) -> None:
    await with_job(robots, comment("Готово"))
    deal = await robots.deal()
    documents = Documents(robots.store, COMPANY, Pdf())

    async def made_but_not_told(*args: Any, **kwargs: Any) -> Document:
        await documents.generate(*args, **kwargs)
        raise OSError("связь пропала")

    assert await worker(robots, made_but_not_told).work_once() == 1
    robots.clock.advance(LEASE)
    assert await worker(robots).work_once() == 1
    await robots.settle()
    (document,) = await robots.store.read(lambda tx: tx.find(DOCUMENTS))
    assert any(document.number in run.text for run in await robots.runs(deal))
    assert (await robots.look(deal)).comment == "Готово"


async def test_a_job_that_was_ended_meanwhile_changes_nothing(robots: Robots) -> None:
    await with_job(robots)
    deal = await robots.deal()
    (job,) = await robots.store.write(claim_jobs, 10)
    for _ in range(2):
        await robots.store.write(end_job, COMPANY, job, "done", "готово")
    await robots.store.write(postpone_job, COMPANY, job, "поздно")
    assert [run.text for run in await robots.runs(deal)].count("готово") == 1


async def test_a_robot_that_is_gone_makes_no_document(robots: Robots) -> None:
    robot = await with_job(robots)
    await robots.deal()
    await robots.store.write(drop_automation, SYSTEM, COMPANY, robot.id)
    assert await worker(robots).work_once() == 1
    assert await robots.store.read(lambda tx: tx.find(DOCUMENTS)) == []
    assert await jobs(robots) == []


async def test_a_name_that_leads_into_the_own_network_is_not_called() -> None:
    with pytest.raises(Refused, match="внутренней сети"):
        await post("http://localhost:9/", b"{}", {}, Webhooks("secret"))


async def test_nobody_at_the_other_end_is_a_matter_of_time() -> None:
    with pytest.raises(Later, match="не ответил"):
        await post(f"http://localhost:{free_port()}/", b"{}", {}, Webhooks("secret", ("127.0.0.0/8", "::1/128")))
