"""`Outbound` → a letter in the customer's thread. Pure: files are handed in.

The Message-ID is made of the outbound's id, so a retry after a lost acknowledgement is the same letter, and mail
programs show it once. Automatic answers carry what keeps two machines from answering each other (RFC 3834, 3.1.7):
`Auto-Submitted: auto-replied`, and Exchange's own header. `Precedence: bulk` is left out: RFC 3834 does not ask for it
and spam filters hold it against the sender.

Header injection is impossible twice over: every value is made one clean line here, and the policy refuses line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from html import escape
from typing import Any

from connectors.contract import Attachment, Outbound, SendRejected
from connectors.email.charset import clean, clean_line
from connectors.email.robots import MARKER
from connectors.email.settings import EmailSettings

MAX_REFERENCES = 20
"""The first and the latest: long threads would grow the header without end."""
REPLY_PREFIX = re.compile(r"^\s*(re|aw|sv|ответ|отв|на)(\[\d+\])?\s*:", re.IGNORECASE)
NO_SUBJECT = "Ваше обращение"


class _Policy(EmailPolicy):
    """Message ids are folded between them and never encoded: the standard folding breaks ids longer than a line."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in ("message-id", "in-reply-to", "references"):
            return f"{name}: " + f"{self.linesep} ".join(str(value).split()) + self.linesep
        return str(super().fold(name, value))


POLICY = _Policy(linesep="\r\n", cte_type="7bit")


def render(
    outbound: Outbound, settings: EmailSettings, connector: str, files: Sequence[tuple[Attachment, bytes]] = ()
) -> EmailMessage:
    """The letter. Raises `SendRejected` when the recipient is no address."""
    letter = EmailMessage(policy=POLICY)
    letter["From"] = _address(settings.address, _author(outbound, settings))
    letter["To"] = _recipient(outbound.recipient)
    letter["Subject"] = _subject(outbound)
    letter["Date"] = outbound.created_at
    letter["Message-ID"] = f"<{message_id(outbound, settings)}>"
    _thread(letter, outbound)
    letter[MARKER] = f"{clean_line(connector)}; {settings.address}"
    if outbound.automatic:
        letter["Auto-Submitted"] = "auto-replied"
        letter["X-Auto-Response-Suppress"] = "All"
    signature = _signature(outbound, settings)
    letter.set_content(plain(outbound, signature))
    letter.add_alternative(rich(outbound, signature), subtype="html")
    for attachment, data in files:
        _attach(letter, attachment, data)
    return letter


def message_id(outbound: Outbound, settings: EmailSettings) -> str:
    """The same for every attempt to send this outbound, without angle brackets."""
    return f"{_token(outbound.id)}@{_ascii_domain(settings.domain)}"


def _token(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "", value) or "message"


def _author(outbound: Outbound, settings: EmailSettings) -> str:
    names = (clean_line(outbound.author or ""), clean_line(settings.sender_name or ""))
    return ", ".join(filter(None, names))[:120]


def _recipient(value: str) -> Address:
    try:
        return _address(clean_line(value), "")
    except (ValueError, IndexError, UnicodeError) as error:
        raise SendRejected("Адрес получателя написан неверно.", retryable=False, code="bad_address") from error


def _address(value: str, name: str) -> Address:
    local, at, domain = value.strip().rpartition("@")
    if not (at and local and "." in domain + "." and re.fullmatch(r"[^\s<>,;:\"\\]+", value.strip())):
        raise ValueError("not an address")
    return Address(display_name=name, addr_spec=f"{local}@{_ascii_domain(domain)}")


def _ascii_domain(domain: str) -> str:
    return domain if domain.isascii() else domain.encode("idna").decode("ascii")


def _subject(outbound: Outbound) -> str:
    subject = clean_line(outbound.subject or "")[:500] or NO_SUBJECT
    is_answer = outbound.in_reply_to is not None or bool(outbound.references)
    return subject if not is_answer or REPLY_PREFIX.match(subject) else f"Re: {subject}"


def _thread(letter: EmailMessage, outbound: Outbound) -> None:
    parent = _id(outbound.in_reply_to or "") or next(map(_id, reversed(outbound.references)), "")
    ids = list(dict.fromkeys(filter(None, map(_id, (*outbound.references, parent)))))
    if parent:
        letter["In-Reply-To"] = f"<{parent}>"
    if ids:
        kept = ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]]
        letter["References"] = " ".join(f"<{item}>" for item in kept)


def _id(value: str) -> str:
    """A message id that is safe in a header, or nothing: ids come from strangers' letters."""
    value = value.strip().strip("<>")
    return value if re.fullmatch(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}", value) else ""


def _signature(outbound: Outbound, settings: EmailSettings) -> str:
    return "\n".join(filter(None, (clean_line(outbound.author or ""), clean(settings.signature).strip())))


def plain(outbound: Outbound, signature: str) -> str:
    """Text, signature behind `-- `, the original with `> `."""
    pieces = [clean(outbound.text).rstrip()]
    if signature:
        pieces.append(f"-- \n{signature}")
    if outbound.quote:
        pieces.append("\n".join(f"> {line}".rstrip() for line in clean(outbound.quote).strip().split("\n")))
    return "\n\n".join(pieces) + "\n"


def rich(outbound: Outbound, signature: str) -> str:
    """The same as simple HTML that every mail program shows alike."""
    pieces = [f"<div>{_lines(outbound.text.rstrip())}</div>"]
    if signature:
        pieces.append(f'<div style="color:#666"><br>-- <br>{_lines(signature)}</div>')
    if outbound.quote:
        style = "margin:1em 0 0;padding-left:1em;border-left:2px solid #ccc"
        pieces.append(f'<blockquote type="cite" style="{style}">{_lines(outbound.quote.strip())}</blockquote>')
    return f"<!DOCTYPE html>\n<html><body>\n{chr(10).join(pieces)}\n</body></html>\n"


def _lines(text: str) -> str:
    return escape(clean(text), quote=False).replace("\n", "<br>\n")


def _attach(letter: EmailMessage, attachment: Attachment, data: bytes) -> None:
    main, slash, sub = clean_line(attachment.type).lower().partition("/")
    if not (slash and re.fullmatch(r"[\w.+-]+", main) and re.fullmatch(r"[\w.+-]+", sub)) or main == "multipart":
        main, sub = "application", "octet-stream"
    if main == "message":
        main, sub = "application", "octet-stream"  # only 7bit may be a message part (RFC 2046, 5.2.1)
    name = clean_line(attachment.name).replace("/", "_").replace("\\", "_") or "file"
    letter.add_attachment(data, maintype=main, subtype=sub, filename=name)
