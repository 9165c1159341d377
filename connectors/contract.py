"""The connector contract: the few types that a channel and the rest of the hub share.

A connector turns a native event into an `Inbound` and hands it to `ConnectorContext.accept`. When that returns, the
event is durable, and only then may the channel be acknowledged or a cursor moved. What goes to a customer comes back
as an `Outbound` that `Connector.send` delivers once; order, retries and states are the outbox sender's business.
Errors are values with a policy: `AuthFailed` stops the connector until somebody mends it, `NotReady` is retried with
backoff, `SendRejected` says by itself whether trying again can help.

All moments are aware datetimes in UTC. Phones, emails and names are handed over as the channel gave them: the router
normalizes.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the immutable values that cross the border of this room."""


class InboundKind(enum.StrEnum):
    MESSAGE = "message"
    MAIL = "mail"
    FORM = "form"
    ORDER = "order"
    CALL = "call"
    CALLBACK = "callback"
    STATUS = "status"
    """What became of a message we sent earlier; creates no lead."""


class Attachment(Part, frozen=True, kw_only=True):
    """A file that is already stored as a blob."""

    blob: str
    """Content address in the blob store: lower-case SHA-256 hex."""
    name: str
    type: str
    """MIME type as declared by the sender; never trusted for serving."""
    size: int
    """Bytes."""
    content_id: str | None = None
    """For pictures inside an HTML letter: Content-ID without angle brackets."""


class Messenger(Part, frozen=True, kw_only=True):
    """A person's account in a messenger or on the site widget."""

    network: str
    """`telegram`, `vk`, `whatsapp`, `widget`, …"""
    id: str
    username: str | None = None


class Sender(Part, frozen=True, kw_only=True):
    """What the channel knows about who made the contact. Everything may be absent (withheld number)."""

    name: str | None = None
    company: str | None = None
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    messengers: tuple[Messenger, ...] = ()


class SourceHints(Part, frozen=True, kw_only=True):
    """Where the contact came from, as far as the channel can tell. The router's source rules read this."""

    page: str | None = None
    referrer: str | None = None
    utm: dict[str, str] = {}
    """Keys without the prefix: `source`, `medium`, `campaign`, `term`, `content`."""
    did: str | None = None
    """The dialled company number."""
    mailbox: str | None = None
    community: str | None = None
    listing: str | None = None


class RobotKind(enum.StrEnum):
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    MAILING_LIST = "mailing_list"
    SPAM = "spam"
    OWN = "own"
    """Our own letter that came back to us."""


class MailFacts(Part, frozen=True, kw_only=True):
    """What is special about a letter."""

    message_id: str | None = None
    """Without angle brackets."""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    """Message ids of the thread, oldest first, without angle brackets."""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    reply_to: str | None = None
    html: str | None = None
    """Sanitized HTML, safe to show; `Inbound.text` always holds the plain form."""
    robot: RobotKind | None = None
    robot_reason: str | None = None
    """The header or rule that told, for the decision trace."""
    bounced_message_id: str | None = None
    """For a bounce: Message-ID of our letter that could not be delivered."""
    defects: tuple[str, ...] = ()
    """Plain words about broken MIME that was mended."""


class CallPhase(enum.StrEnum):
    STARTED = "started"
    """An outside caller arrived (or an outgoing or internal call began)."""
    RINGING = "ringing"
    """The phones in `CallFacts.ringing` ring now."""
    ANSWERED = "answered"
    """A human of ours (outgoing: the customer) picked up; after a transfer again, with the new `agent`."""
    ENDED = "ended"


class CallDirection(enum.StrEnum):
    IN = "in"
    OUT = "out"
    INTERNAL = "internal"


class CallOutcome(enum.StrEnum):
    ANSWERED = "answered"
    MISSED = "missed"
    """In, and no human answered: abandoned, hung up in the greeting, voicemail, out of hours."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The exchange crashed before anybody answered, so nobody knows."""


class CallFacts(Part, frozen=True, kw_only=True):
    """A call as known at the moment of this phase; each phase repeats what the earlier ones said."""

    call_id: str
    """Id of the call within the connector: Asterisk's Linkedid plus the start of its numbering epoch where needed."""
    linkedid: str
    phase: CallPhase
    direction: CallDirection
    number: str | None = None
    """The outside party as the exchange gave it; None when withheld. Internal calls: the callee's extension."""
    did: str | None = None
    outcome: CallOutcome | None = None
    """Only in the ENDED phase."""
    reason: str | None = None
    """Finer than `outcome`: `abandoned`, `greeting`, `voicemail`, `out_of_hours`, `agent_no_answer`, `crash`, …"""
    ringing: tuple[str, ...] = ()
    """Extensions that ring at this moment."""
    rang: tuple[str, ...] = ()
    """Extensions that rang at any time, in order."""
    answered_by: str | None = None
    """Extension of the first human that answered; of an outgoing call: who called."""
    last_agent: str | None = None
    """Extension that talked last (after transfers)."""
    queue: str | None = None
    """Queue of the exchange."""
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    wait_seconds: float | None = None
    """From the first ring to a human's answer, or to the end of waiting."""
    talk_seconds: float | None = None
    voicemail: bool = False
    recording: str | None = None
    """Link to the recording."""
    request_id: str | None = None
    """For click-to-call: id of the `CallRequest`."""


class MessageState(enum.StrEnum):
    """States of an outgoing message."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryFacts(Part, frozen=True, kw_only=True):
    """What a channel says about an earlier message of ours."""

    state: MessageState
    outbound_id: str | None = None
    external_id: str | None = None
    error: str | None = None


class Inbound(Part, frozen=True, kw_only=True):
    """One native event, normalized in shape but not in content. `(connector, external_id)` makes it unique for ever."""

    connector: str
    channel: str
    """`form`, `email`, `phone`, `telegram`, …: what the customer used, for reports and sources."""
    external_id: str
    kind: InboundKind
    occurred_at: datetime
    sender: Sender = Sender()
    conversation: str | None = None
    """Native thread or chat key, within the connector."""
    text: str = ""
    subject: str | None = None
    attachments: tuple[Attachment, ...] = ()
    source: SourceHints = SourceHints()
    fields: dict[str, str] = {}
    """What a form asked besides the contact itself, by the site's own field names."""
    owner_id: str | None = None
    """Personal mailboxes: the employee whose contact this is."""
    mail: MailFacts | None = None
    call: CallFacts | None = None
    delivery: DeliveryFacts | None = None
    raw: str | None = None
    """Blob with the native event, kept for ops and replay after a parser fix."""

    @property
    def id(self) -> str:
        """Deterministic id: the same native event always has the same one."""
        return inbound_id(self.connector, self.external_id)


def inbound_id(connector: str, external_id: str) -> str:
    """`in_` and 128 bits of SHA-256 over connector and native id."""
    digest = hashlib.sha256(f"{connector}\0{external_id}".encode("utf-8", "surrogatepass"))
    return "in_" + digest.hexdigest()[:32]


class Receipt(Part, frozen=True, kw_only=True):
    """Proof that an inbound is durable."""

    id: str
    duplicate: bool


class Outbound(Part, frozen=True, kw_only=True):
    """A message to a customer, ready to be rendered for its channel."""

    id: str
    connector: str
    recipient: str
    """Native address: email address, chat id, phone in E.164."""
    conversation: str | None = None
    text: str
    subject: str | None = None
    attachments: tuple[Attachment, ...] = ()
    author: str | None = None
    """Name of the employee, None for automatic answers."""
    automatic: bool = False
    """Written by the hub itself: mail marks it `Auto-Submitted: auto-replied` (RFC 3834)."""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    quote: str | None = None
    created_at: datetime


class SendResult(Part, frozen=True, kw_only=True):
    """The channel took the message."""

    external_id: str | None = None
    state: MessageState = MessageState.SENT


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
