"""Calls to other systems: where they may go, and how they are signed.

An address inside of the company's own network is refused unless the configuration allows it: whoever may make a robot
must not reach through the hub what only the hub's machine can reach.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`[webhooks]` of the configuration."""

    secret: str = field(repr=False)
    """What calls are signed with."""
    networks: tuple[str, ...] = ()
    """Private networks that may be called, as `10.0.0.0/8`."""


def signature(secret: str, body: bytes) -> str:
    """Value of the header `X-Firstline-Signature`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def url_problem(url: str, webhooks: Webhooks | None) -> str | None:
    """What is wrong with an address, None when it may be called. What a name resolves to is seen when it is called."""
    if webhooks is None:
        return "Вебхуки не настроены: укажите в firstline.toml раздел [webhooks] с ключом secret"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "Нужен адрес: https://example.ru/hook"
    if parts.scheme not in ("http", "https") or not host or len(url) > MAX_URL or not url.isprintable() or " " in url:
        return "Нужен адрес: https://example.ru/hook"
    if parts.username is not None:
        return "Имя и пароль в адресе не годятся: вызов подписан"
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if is_allowed(address, webhooks) else PRIVATE


PRIVATE = "Адрес внутренней сети: разрешите его в firstline.toml, [webhooks] networks"


def is_allowed(address: IPv4Address | IPv6Address, webhooks: Webhooks) -> bool:
    """Whether this machine may be called."""
    inner = _inside(address)
    if any(each.version == net.version and each in net for each in (address, inner) for net in _networks(webhooks)):
        return True
    return all(each.is_global and not each.is_multicast for each in (address, inner))


def _networks(webhooks: Webhooks) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text, strict=False) for text in webhooks.networks]


NAT64 = ip_network("64:ff9b::/96")


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def shown_url(url: str) -> str:
    """For logs: without the query, where secrets stand."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
