"""The guard of the tests themselves: it refuses the outside, lets loopback through, and cannot be talked out of it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.conftest import OutsideNetworkError, free_port, is_inside, require_server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", None, "", b"127.0.0.1", "127.8.0.1"])
def test_loopback_is_inside(host: object) -> None:
    assert is_inside(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.ru", b"example.ru", "10.0.0.1"])
def test_everything_else_is_outside(host: object) -> None:
    assert not is_inside(host)


async def test_a_connection_outside_is_refused_and_remembered(stays_on_loopback: list[str]) -> None:
    with pytest.raises(OutsideNetworkError, match="stay on loopback"):
        await asyncio.open_connection("192.0.2.1", 9)
    assert "192.0.2.1" in " ".join(stays_on_loopback)
    stays_on_loopback.clear()


def test_a_name_is_not_looked_up(stays_on_loopback: list[str]) -> None:
    with pytest.raises(OutsideNetworkError):
        socket.getaddrinfo("example.ru", 443)
    assert len(stays_on_loopback) == 1
    stays_on_loopback.clear()


async def test_a_private_server_is_reached() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    port = free_port()
    async with await asyncio.start_server(greet, "127.0.0.1", port):
        reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


def test_a_missing_server_skips_the_test_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Dovecot is not installed"):
        require_server("Dovecot", None)


def test_a_missing_server_fails_the_test_where_everything_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Dovecot is not installed"):
        require_server("Dovecot", None)


def test_a_server_that_is_there_lets_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require_server("Dovecot", "/usr/sbin/dovecot")
