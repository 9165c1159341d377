"""Fixtures of the mail tests: a hub to hand letters to, a real Dovecot, an SMTP server that can refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require_server
from tests.connectors.email.dovecot import Dovecot, find_dovecot
from tests.connectors.email.hub import Blobs, Hub


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[Dovecot]:
    require_server("Dovecot", find_dovecot())
    with Dovecot() as server:
        yield server


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Dovecot:
    """The running server with an empty mailbox of this test's own."""
    dovecot_server.new_user()
    return dovecot_server
