"""The connector contract: the few types that a channel and the rest of the hub share.

A connector turns a native event into an `Inbound` and hands it to `ConnectorContext.accept`. When that returns, the
event is durable, and only then may the channel be acknowledged or a cursor moved. What goes to a customer comes back
as an `Outbound` that `Connector.send` delivers once; order, retries and states are the outbox sender's business.
Errors are values with a policy: `AuthFailed` stops the connector until somebody mends it, `NotReady` is retried with
backoff, `SendRejected` says by itself whether trying again can help.

The values themselves are declared in `messages.py` and belong to the contract; import both from here.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from connectors.messages import (
    Attachment,
    CallDirection,
    CallFacts,
    CallOutcome,
    CallPhase,
    DeliveryFacts,
    Inbound,
    InboundKind,
    MailFacts,
    MessageState,
    Messenger,
    Outbound,
    Part,
    Receipt,
    RobotKind,
    Sender,
    SendResult,
    SourceHints,
    inbound_id,
)

__all__ = [
    "Attachment",
    "AuthFailed",
    "BlobWriter",
    "CallDirection",
    "CallFacts",
    "CallOutcome",
    "CallPhase",
    "CallRequest",
    "Capabilities",
    "Connector",
    "ConnectorContext",
    "ConnectorError",
    "DeliveryFacts",
    "HealthState",
    "HttpReply",
    "HttpRequest",
    "Inbound",
    "InboundKind",
    "MailFacts",
    "MessageState",
    "Messenger",
    "Misconfigured",
    "NotReady",
    "OpenState",
    "Originates",
    "Outbound",
    "Part",
    "Receipt",
    "Receives",
    "RobotKind",
    "SendRejected",
    "SendResult",
    "Sender",
    "Sends",
    "SourceHints",
    "Tests",
    "inbound_id",
]


class Capabilities(Part, frozen=True, kw_only=True):
    """What a channel can do; the composer and the outbox read it."""

    can_reply: bool = False
    can_call: bool = False
    max_text: int | None = None
    """Characters of one message."""
    attachments: bool = False
    max_attachment: int | None = None
    """Bytes of one file."""
    reply_window_hours: int | None = None
    typing: bool = False
    read_receipts: bool = False
    subject: bool = False


class HealthState(enum.StrEnum):
    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    MISCONFIGURED = "misconfigured"
    DISABLED = "disabled"
    PAUSED = "paused"


class OpenState(Part, frozen=True, kw_only=True):
    """A calendar at a moment."""

    open: bool
    next_open: datetime | None
    next_close: datetime | None


class CallRequest(Part, frozen=True, kw_only=True):
    """Click-to-call: the seller's phone first, then the customer's."""

    id: str
    extension: str
    number: str
    """E.164."""
    caller_name: str | None = None


class HttpRequest(Part, frozen=True, kw_only=True):
    """A request that a customer's system made to a connector's public address, already limited in size."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    remote: str
    """Address of the visitor, the first untrusted hop."""


class HttpReply(Part, frozen=True, kw_only=True):
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = {}


class ConnectorError(Exception):
    """Base of what a connector may raise on purpose. The text is one plain sentence for ops, free of secrets."""


class AuthFailed(ConnectorError):
    """The other side refuses our name or secret: stop and tell ops; trying again would lock the account."""


class Misconfigured(ConnectorError):
    """A setting cannot work (no such folder, host name unknown): stop and tell ops which one."""


class NotReady(ConnectorError):
    """The other side is away: retry with backoff."""


class SendRejected(ConnectorError):
    """The channel did not take a message."""

    def __init__(
        self, text: str, *, retryable: bool, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.code = code
        self.retry_after = retry_after
        """Seconds that the channel asked us to wait."""


class BlobWriter(Protocol):
    """Stores files by content; the returned address is durable when the call returns."""

    async def put(self, data: bytes | AsyncIterable[bytes]) -> tuple[str, int]:
        """Store and return (SHA-256 hex, size in bytes)."""

    async def get(self, blob: str) -> bytes: ...

    def path(self, blob: str) -> str:
        """Local file that holds the blob; for streaming large ones."""


class ConnectorContext(Protocol):
    """What the hub offers to a running connector."""

    blobs: BlobWriter

    def now(self) -> datetime:
        """The hub's clock, UTC."""

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        """Make the inbounds durable, all in one commit, together with `cursor = (key, value)`. Duplicates are receipts
        too. Raises `NotReady` when the store cannot write (full disk): do not acknowledge, try again later."""

    async def load_cursor(self, key: str) -> Any:
        """The JSON value last committed under this key by this connector, or None."""

    async def save_cursor(self, key: str, value: Any) -> None:
        """Commit a cursor without an inbound (nothing new was there)."""

    def report(self, state: HealthState, error: str | None = None, *, detail: str | None = None) -> None:
        """Tell ops. `error` is one plain sentence in Russian with what to do."""

    def count(self, event: str) -> None:
        """Count something for the metrics, for example `reconnect`."""

    async def calendar(self) -> OpenState:
        """The connector's calendar now: open or not, and when that changes."""


@runtime_checkable
class Connector(Protocol):
    """One configured instance of a channel. The constructor takes its settings and does no I/O."""

    name: str
    type: str
    channel: str
    capabilities: Capabilities

    async def run(self, context: ConnectorContext) -> None:
        """Receive until cancelled. Returning or raising `NotReady` means: restart me with backoff. Receivers that are
        driven by HTTP report UP and wait for ever."""


@runtime_checkable
class Sends(Protocol):
    """A channel through which we can answer."""

    async def send(self, outbound: Outbound) -> SendResult:
        """Deliver once. Raises `SendRejected` or `NotReady`. The same `outbound.id` may come again after a crash: use
        it to make the retry harmless where the channel allows."""


@runtime_checkable
class Receives(Protocol):
    """A channel that is driven by HTTP requests of customers' systems."""

    async def receive(self, request: HttpRequest) -> HttpReply:
        """Answer what the platform expects, after the event is durable. Called only while `run` is running."""


@runtime_checkable
class Originates(Protocol):
    """A channel that can place calls."""

    async def originate(self, request: CallRequest) -> None:
        """Ask the exchange to call the seller, then the customer. `NotReady`: it is away; `SendRejected`: it refused.
        Never placed late: when the exchange is away now, the request is refused."""


@runtime_checkable
class Tests(Protocol):
    """A connector that can try itself."""

    async def check(self) -> str:
        """Try to reach the other side with the settings; one sentence of what was found, or a `ConnectorError`."""
