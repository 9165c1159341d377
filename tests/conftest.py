"""What every test of the project shares: no way out of this machine, free ports, and what to do without a server.

Firstline talks to many services, so a test that forgets a fake would quietly ask the real one. Here that is an error:
an audit hook, which sees every connection and every name look-up of this process whatever library makes it, refuses
what is not loopback, and the test fails even when the code under test caught the refusal.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

settings.register_profile("firstline", deadline=None)  # a busy machine is not a fault
settings.load_profile("firstline")

refused: list[str] = []


class OutsideNetworkError(RuntimeError):
    """A test tried to reach something outside loopback."""


def is_inside(host: object) -> bool:
    """Whether an address or a host name stays on this machine. Names are not looked up."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def host_of_peer(arguments: tuple[object, ...]) -> object:
    """Host of `(socket, address, …)`; None for a Unix socket and for a socket that is connected already."""
    address = arguments[1]
    return address[0] if isinstance(address, tuple) else None


def host_of_lookup(arguments: tuple[object, ...]) -> object:
    """Host of `(host, port, …)`."""
    return arguments[0]


WATCHED: dict[str, Callable[[tuple[object, ...]], object]] = {
    "socket.connect": host_of_peer,
    "socket.sendto": host_of_peer,
    "socket.sendmsg": host_of_peer,
    "socket.getaddrinfo": host_of_lookup,
    "socket.gethostbyname": host_of_lookup,
}


def guard(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook. Python calls it for every event of the interpreter, so it decides fast."""
    host_of = WATCHED.get(event)
    if host_of is None or is_inside(host := host_of(arguments)):
        return
    attempt = f"{event} to {host!r}"
    refused.append(attempt)
    raise OutsideNetworkError(f"{attempt}: tests stay on loopback; start a private server or a fake on 127.0.0.1")


sys.addaudithook(guard)


@pytest.fixture(autouse=True)
def stays_on_loopback() -> Iterator[list[str]]:
    """Fails a test that tried to leave loopback, also when the program took the refusal for a dead service."""
    yield refused
    attempts = ", ".join(refused)
    refused.clear()
    if attempts:
        pytest.fail(f"Outside loopback: {attempts}. Start a private server or a fake on 127.0.0.1 instead.")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_server(name: str, found: object) -> None:
    """Go on only when a server or browser is there: without it the test is skipped, or fails where CI=true.

    `found` is what the search for it gave: `require_server("Dovecot", shutil.which("dovecot"))`.
    """
    if found:
        return
    reason = f"{name} is not installed: run tools/install_test_servers.sh"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)
