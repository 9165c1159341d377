"""Who is at the other end: the peer, or what a trusted reverse proxy says about its own peer.

`X-Forwarded-For` is text that anybody may send, so it counts only when the connection comes from this very machine or
from a network of `server.trusted_proxies`, and of its hops only the last one: the proxy itself has added that.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from aiohttp import web

from web.services import SERVICES


def remote_of(request: web.Request) -> str:
    """Address of the visitor; empty for a Unix socket."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For")
    if forwarded and _is_trusted(peer, request.app[SERVICES].proxies):
        return _address(forwarded.rpartition(",")[2].strip()) or peer
    return peer


@lru_cache(maxsize=256)
def _is_trusted(peer: str, proxies: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return not peer
    return address.is_loopback or any(address in ipaddress.ip_network(each, strict=False) for each in proxies)


def _address(text: str) -> str | None:
    """The address in its one written form, so that a visitor cannot multiply by spelling it differently."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
