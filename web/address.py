"""Who is at the other end: the peer, or what a reverse proxy on this very machine says about its own peer.

`X-Forwarded-For` is text that anybody may send, so it counts only when the connection comes from loopback, and of its
hops only the last one: the proxy itself has added that.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from aiohttp import web


def remote_of(request: web.BaseRequest) -> str:
    """Address of the visitor; empty for a Unix socket."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For")
    if forwarded and _is_loopback(peer):
        return _address(forwarded.rpartition(",")[2].strip()) or peer
    return peer


@lru_cache(maxsize=64)
def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return not peer


def _address(text: str) -> str | None:
    """The address in its one written form, so that a visitor cannot multiply by spelling it differently."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
