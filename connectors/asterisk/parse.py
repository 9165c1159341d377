"""A phase of a call as the inbound that the hub takes in. Pure.

The external id is made of the call's id and of what the phase says, never of a counter or the time, so the same phase
told twice (two connections, a restart of the hub in the middle of a call) is one inbound.
"""

from __future__ import annotations

import unicodedata

from connectors.asterisk.calls import CallNews
from connectors.contract import CallDirection, Inbound, InboundKind, Sender, SourceHints

CHANNEL = "phone"
_MAX_NAME = 120
_MAX_NUMBER = 64


def to_inbound(connector: str, news: CallNews) -> Inbound:
    """The inbound of one phase. The sender is the outside party; of internal calls nobody."""
    facts = news.facts
    outside = facts.direction is not CallDirection.INTERNAL
    number = plain(facts.number or "", _MAX_NUMBER) if outside else ""
    return Inbound(
        connector=connector,
        channel=CHANNEL,
        external_id=f"{facts.call_id}:{news.key}",
        kind=InboundKind.CALL,
        occurred_at=news.at,
        sender=Sender(
            name=(plain(news.caller_name or "", _MAX_NAME) or None) if outside else None,
            phones=(number,) if number else (),
        ),
        conversation=facts.call_id,
        source=SourceHints(did=facts.did),
        call=facts,
    )


def plain(text: str, limit: int) -> str:
    """Without control, format and private characters, blanks squeezed, at most `limit` characters: what an operator
    or a caller puts into a name or number must not steer a terminal, a page or the exchange."""
    visible = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)
    return " ".join(visible.split())[:limit].rstrip()
