"""Made-up calls in the exchange's words, for load and for cases that no recording holds.

    calls = [IncomingCall(n, number=f"+7916{n:07}", did="74952280001", extension="101") for n in range(50)]
    await server.emit(*(event for call in calls for event in call.ring()))

The order and the headers are those of the recordings; headers that nobody reads are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

Event = dict[str, str]


@dataclass(frozen=True)
class IncomingCall:
    """A customer who is put into the queue and rings one phone. `index` keeps the ids of several calls apart."""

    index: int
    number: str
    did: str = "74952280001"
    extension: str = "101"
    queue: str = "firstline"
    name: str = ""
    epoch: int = 1795350000
    """Second in which the calls begin, part of the ids. Without `timestamps` the events carry no time of their own."""
    timestamps: bool = False

    @property
    def linkedid(self) -> str:
        return f"{self.epoch}.{self.index * 2}"

    @property
    def agent_uid(self) -> str:
        return f"{self.epoch}.{self.index * 2 + 1}"

    def ring(self, after: float = 0.0) -> list[Event]:
        """From the first sign of the call to the ringing phone."""
        return [*self.arrive(after), *self.ring_phone(after + 0.01)]

    def arrive(self, after: float = 0.0) -> list[Event]:
        """The caller comes in and joins the queue."""
        caller = {**self._caller(state=4), "Context": "from-trunk", "Exten": self.did}
        return [
            self._at(after, {"Event": "Newchannel", **caller}),
            self._at(after, {"Event": "Newstate", **self._caller()}),
            self._at(after, {"Event": "QueueCallerJoin", **self._caller(), "Queue": self.queue, "Position": "1"}),
        ]

    def ring_phone(self, after: float = 0.01) -> list[Event]:
        """The phone rings."""
        member = {"Queue": self.queue, "Interface": f"PJSIP/{self.extension}", "MemberName": self.extension}
        return [
            self._at(after, {"Event": "Newchannel", **self._agent(0)}),
            self._at(after, {"Event": "AgentCalled", **self._caller(), **_dest(self._agent(0)), **member}),
            self._at(after, {"Event": "DialBegin", **self._caller(), **_dest(self._agent(0)), "DialString": "PJSIP"}),
            self._at(after, {"Event": "Newstate", **self._agent(5)}),
        ]

    def answer(self, after: float = 2.0) -> list[Event]:
        """The seller picks up."""
        bridge = {"BridgeUniqueid": f"bridge-{self.index}"}
        return [
            self._at(after, {"Event": "Newstate", **self._agent(6)}),
            self._at(after, {"Event": "DialEnd", **self._caller(), **_dest(self._agent(6)), "DialStatus": "ANSWER"}),
            self._at(after, {"Event": "BridgeEnter", **bridge, **self._agent(6)}),
            self._at(after, {"Event": "BridgeEnter", **bridge, **self._caller()}),
        ]

    def hang_up(self, after: float = 5.0) -> list[Event]:
        """The caller hangs up."""
        return [
            self._at(after, {"Event": "HangupRequest", **self._caller()}),
            self._at(after, {"Event": "Hangup", **self._caller(), "Cause": "16", "Cause-txt": "Normal Clearing"}),
            self._at(after, {"Event": "Hangup", **self._agent(6), "Cause": "16", "Cause-txt": "Normal Clearing"}),
        ]

    def channels(self, *, answered: bool) -> list[Event]:
        """The rows of CoreShowChannels while the call is alive."""
        bridge = {"BridgeId": f"bridge-{self.index}" if answered else "", "Duration": "00:00:07"}
        return [{**self._caller(), **bridge}, {**self._agent(6 if answered else 5), **bridge}]

    def _at(self, after: float, event: Event) -> Event:
        return {**event, "Timestamp": f"{self.epoch + after:.6f}"} if self.timestamps else event

    def _caller(self, *, state: int = 6) -> Event:
        return {
            "Channel": f"PJSIP/trunk-{self.index * 2:08x}",
            "ChannelState": str(state),
            "CallerIDNum": self.number,
            "CallerIDName": self.name or "<unknown>",
            "Context": "day",
            "Exten": "s",
            "Uniqueid": self.linkedid,
            "Linkedid": self.linkedid,
        }

    def _agent(self, state: int) -> Event:
        return {
            "Channel": f"PJSIP/{self.extension}-{self.index * 2 + 1:08x}",
            "ChannelState": str(state),
            "CallerIDNum": self.extension,
            "CallerIDName": "<unknown>",
            "Context": "from-internal",
            "Exten": "s",
            "Uniqueid": self.agent_uid,
            "Linkedid": self.linkedid,
        }


def _dest(event: Event) -> Event:
    return {f"Dest{name}": value for name, value in event.items()}
