"""A company with its browser. Every test ends with the question whether the browser complained of anything."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from crm_core.users import User
from tests.browser.office import DESKTOP, Office, Seat, Sink, mail_sink, open_office, silent, sit_down
from tests.conftest import free_port, require_server

FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
Sit = Callable[..., Awaitable[Seat]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require_server("Chromium", program)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        await browser.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    sink, port = Sink(), free_port()
    controller = mail_sink(sink, port)
    controller.start()
    box = await asyncio.start_server(silent, "127.0.0.1", 0)
    office = await open_office(tmp_path, box.sockets[0].getsockname()[1], port, sink)
    yield office
    await office.hub.stop()
    controller.stop()
    box.close()
    await box.wait_closed()


@pytest.fixture
async def sit(browser: Browser, office: Office) -> AsyncIterator[Sit]:
    """`await sit(user)`: an employee at work; at the end no browser may have complained."""
    seats: list[Seat] = []

    async def take_a_seat(user: User, size: tuple[int, int] = DESKTOP) -> Seat:
        seats.append(await sit_down(browser, office, user, size))
        return seats[-1]

    yield take_a_seat
    assert [each for seat in seats for each in seat.complaints] == []
