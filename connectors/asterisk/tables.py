"""What names, numbers and codes of an exchange mean: the tables and shapes that the call-state machine reads.

Nothing here knows about calls. An installation that differs is met by settings (patterns of contexts, the look of an
extension); what is the same everywhere (channel states, hang-up causes, words for a withheld number) stands in tables.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import CallOutcome

DOWN, RING, RINGING, UP = 0, 4, 5, 6
"""Values of `ChannelState` (include/asterisk/channelstate.h). `RING` is a channel that called the exchange itself."""

NO_HUMAN_TECHS = frozenset({"Announcer", "CBAnn", "CBRec", "Message", "Recorder", "Snoop", "Surrogate", "Bridge"})
"""Channels that Asterisk makes for its own use."""

WITHHELD = frozenset(
    (
        *("anonymous", "anonymous.invalid", "<unknown>", "unknown", "restricted", "private", "unavailable", "withheld"),
        *("asterisk", "s", "none", "null", "номер_скрыт", "скрытый_номер", "аноним"),
    )
)
"""What stands in the place of a number when there is none, in lower case, blanks as `_`."""

DIAL_OUTCOMES = {
    "BUSY": CallOutcome.BUSY,
    "NOANSWER": CallOutcome.NO_ANSWER,
    "CANCEL": CallOutcome.NO_ANSWER,
    "CONGESTION": CallOutcome.FAILED,
    "CHANUNAVAIL": CallOutcome.FAILED,
}
"""`DialStatus` of a called party to the outcome."""

CAUSE_OUTCOMES = {
    17: CallOutcome.BUSY,
    18: CallOutcome.NO_ANSWER,
    19: CallOutcome.NO_ANSWER,
    **dict.fromkeys((1, 2, 3, 20, 21, 22, 27, 28, 29, 34, 38, 41, 42, 44, 50, 57, 58, 66), CallOutcome.FAILED),
}
"""Q.850 causes that say more than the dial status does (a rejected phone is reported as NOANSWER)."""

ORIGINATE_REASONS = {
    "0": "failed",
    "1": "agent_no_answer",
    "3": "agent_no_answer",
    "5": "agent_busy",
    "8": "congestion",
}
"""`Reason` of a failed OriginateResponse (control frame numbers)."""

_PHONE = re.compile(r"\+?\d{6,20}")
_DID = re.compile(r"\+?\d{3,20}")
_PEER = re.compile(r"^(?P<tech>[^/]+)/(?P<peer>.+?)(?:-[0-9A-Fa-f]+)?(?:;(?P<half>[12]))?$")


@dataclass(frozen=True, slots=True)
class ChannelName:
    """`PJSIP/101-0000001a` or `Local/102@from-queue-0000000b;2` taken apart."""

    tech: str
    peer: str
    """`101`; of a Local channel the dialled extension without its context."""
    half: str | None
    """`1` or `2` of a Local pair; the dialplan runs on 2."""

    @property
    def local(self) -> bool:
        return self.tech == "Local"


def channel_name(name: str) -> ChannelName:
    """Take a channel's name apart; a name of an unknown form becomes a peer of its own."""
    match = _PEER.match(name)
    if match is None:
        return ChannelName("", name, None)
    tech, peer = match["tech"], match["peer"]
    return ChannelName(tech, peer.split("@", 1)[0] if tech == "Local" else peer, match["half"])


def known_number(value: str | None) -> str | None:
    """The number, or None when the caller withheld it or the operator sent a word instead."""
    text = (value or "").strip()
    if not text or text.lower().replace(" ", "_") in WITHHELD:
        return None
    return text if any(char.isdigit() for char in text) else None


def dialled_phone(value: str) -> str | None:
    """The phone number inside a dial string such as `89161234567@trunk` or `trunk/+79161234567`."""
    match = _PHONE.search(value)
    return match[0] if match else None


def did_of(value: str) -> str | None:
    """The dialled company number, None for `s` and other words of the dialplan."""
    return value if _DID.fullmatch(value) else None


class Shapes:
    """The installation's patterns, compiled."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self._extension = re.compile(settings.extension_pattern)
        self._trunk = _globs(settings.trunk_contexts)
        self._internal = _globs(settings.internal_contexts)
        self._closed = _globs(settings.closed_contexts)
        self._voicemail = frozenset(app.lower() for app in settings.voicemail_apps)

    def is_trunk(self, context: str) -> bool:
        return self._trunk.match(context.lower()) is not None

    def is_internal(self, context: str) -> bool:
        return self._internal.match(context.lower()) is not None

    def is_closed(self, context: str) -> bool:
        return self._closed.match(context.lower()) is not None

    def is_voicemail(self, app: str) -> bool:
        return app.lower() in self._voicemail

    def extension(self, value: str) -> str | None:
        """The employee's extension if the whole value looks like one."""
        match = self._extension.fullmatch(value)
        if match is None:
            return None
        return match[1] if match.re.groups else match[0]

    def extension_of_interface(self, interface: str) -> str | None:
        """Extension of a queue member: `PJSIP/101`, `Local/102@from-queue/n`, `SIP/101`, `Agent/1001`."""
        return self.extension(interface.partition("/")[2].split("@", 1)[0].split("/", 1)[0])

    def extension_of_channel(self, name: ChannelName, context: str, caller: str) -> str | None:
        """Extension behind a channel; None when it is an operator's line or nothing of ours is recognisable."""
        if name.local:
            return self.extension(name.peer)
        if self.is_trunk(context):
            return None
        return self.extension(name.peer) or self.extension(caller)


def _globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or r"(?!)")
