"""An exchange, a hub and the connector between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors.asterisk.connector import AsteriskConnector
from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.asterisk.hub import Hub, settings_for


@pytest.fixture
async def server() -> AsyncIterator[AmiServer]:
    async with AmiServer() as started:
        yield started


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def connector(server: AmiServer) -> AsteriskConnector:
    return AsteriskConnector("office-phone", settings_for(server, ping_interval=0.2))
