"""Whose turn it is.

Turns are start-time fair queuing: each member has a virtual service that grows by `STEP / weight` with every contact;
whoever has received least is next, among equals whoever waited longest. Members who could not take contacts for a while
return level with the last one served, so nobody is flooded to catch up; a new day starts level. Members with equal
weights who are always available thus differ by at most one contact, across restarts too, because the state is a row
that changes in the same transaction as the lead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date

import msgspec

from crm_core.users import User
from distribution.queues import Queue, QueueState, Strategy, Turn

STEP = 27_720
"""Divisible by every weight from 1 to 12, so that shares are exact."""

_NEW = Turn()


def shift_of(state: QueueState | None, queue: Queue, day: date) -> QueueState:
    """The state for this day: a new day keeps the order of turns and forgets how much each received."""
    if state is None:
        return QueueState(id=queue.name, shift=day)
    if state.shift == day:
        return state
    turns = {user_id: Turn(last=turn.last) for user_id, turn in state.turns.items()}
    return msgspec.structs.replace(state, shift=day, floor=0, turns=turns)


def in_turn(
    queue: Queue,
    state: QueueState,
    members: Sequence[User],
    load: Callable[[User], int],
    first: Iterable[str] = (),
) -> list[User]:
    """Members in the order in which they are to be asked; `first` are put in front (the former owner)."""
    preferred = list(first)

    def key(user: User) -> tuple[int, int, int, int]:
        turn = state.turns.get(user.id)
        rank = preferred.index(user.id) if user.id in preferred else len(preferred)
        busy = load(user) if queue.strategy is Strategy.LEAST_BUSY else 0
        return rank, busy, served(state, turn), turn.last if turn else 0

    return sorted(members, key=key)


def served(state: QueueState, turn: Turn | None) -> int:
    """Virtual service of a member; one who was away or is new here stands level with the last one served."""
    if turn is None:
        return state.floor
    return max(turn.served, state.floor) if turn.away else turn.served


def share(queue: Queue, user: User) -> int:
    """The member's weight in this queue; equal shares unless the queue is weighted."""
    if queue.strategy is not Strategy.WEIGHTED:
        return 1
    return max(1, queue.weights.get(user.email, user.weight))


def serve(queue: Queue, state: QueueState, user: User, away: Iterable[str] = (), *, in_turn: bool = True) -> QueueState:
    """The state after this member got a contact, and `away` were passed over because they could not.

    A contact that came past the turns (`in_turn` false: former owner, by hand, by phone) counts for the member and
    does not raise the floor: else whoever returns would start behind those who only waited for their turn.
    """
    turns = dict(state.turns)
    for user_id in away:
        turns[user_id] = msgspec.structs.replace(turns.get(user_id, _NEW), away=True)
    level = served(state, turns.get(user.id))
    given = state.given + 1
    turns[user.id] = Turn(served=level + max(1, STEP // share(queue, user)), last=given)
    floor = max(state.floor, level) if in_turn else state.floor
    return msgspec.structs.replace(state, given=given, floor=floor, turns=turns)
