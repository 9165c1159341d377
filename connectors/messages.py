"""What passes between a channel and the hub: one native event coming in, one message going out.

All moments are aware datetimes in UTC. Phones, emails and names are handed over as the channel gave them: the router
normalizes.
"""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime

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
