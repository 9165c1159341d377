"""Fixtures of the form connector: a hub, and forms that run in it for the length of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from connectors.form.connector import FormConnector
from connectors.form.settings import FormSettings
from tests.connectors.form.harness import Hub

OpenForm = Callable[..., Awaitable[FormConnector]]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
async def open_form(hub: Hub) -> AsyncIterator[OpenForm]:
    """Starts a form with these settings: `form = await open_form(rate_limit="5/s")`."""
    running: list[asyncio.Task[None]] = []

    async def start(**settings: Any) -> FormConnector:
        form = FormConnector("site", FormSettings(**settings))
        running.append(asyncio.create_task(form.run(hub)))
        await asyncio.sleep(0)
        return form

    yield start
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
async def form(open_form: OpenForm) -> FormConnector:
    """A form of https://shop.example without a rate limit."""
    return await open_form(origins=["https://shop.example"], rate_limit="off")
