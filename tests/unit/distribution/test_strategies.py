"""Turns as pure arithmetic: shares by weight, equality within one, and how whoever was away comes back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crm_core.users import User
from distribution.queues import Queue, QueueState, Strategy, Turn
from distribution.strategies import STEP, in_turn, serve, served, share, shift_of

DAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def queue(**changes: Any) -> Queue:
    return Queue(**{"name": "q", "title": "Q", "members": ("role:seller",), **changes})


def users(number: int, weights: tuple[int, ...] = ()) -> list[User]:
    shares = weights or (1,) * number
    return [
        User(id=f"u{n}", email=f"u{n}@firstline.example", name=f"u{n}", weight=shares[n], created_at=NOW)
        for n in range(number)
    ]


def nobody_busy(user: User) -> int:
    return 0


def fresh() -> QueueState:
    return shift_of(None, queue(), DAY)


def give(
    rules: Queue, state: QueueState, team: list[User], away: frozenset[str] = frozenset()
) -> tuple[str, QueueState]:
    """One contact to the first who can take it, those in front of him passed over."""
    passed = []
    for user in in_turn(rules, state, team, nobody_busy):
        if user.id not in away:
            return user.id, serve(rules, state, user, passed)
        passed.append(user.id)
    raise AssertionError("somebody is there")


def play(rules: Queue, team: list[User], contacts: int) -> tuple[Counter[str], QueueState]:
    state, got = fresh(), Counter[str]()
    for _ in range(contacts):
        user_id, state = give(rules, state, team)
        got[user_id] += 1
    return got, state


@given(number=st.integers(1, 7), contacts=st.integers(0, 60))
def test_equal_members_differ_by_at_most_one(number: int, contacts: int) -> None:
    team = users(number)
    got, state = play(queue(), team, contacts)
    shares = [got[user.id] for user in team]
    assert max(shares) - min(shares) <= 1
    assert state.given == contacts


@given(weights=st.lists(st.integers(1, 12), min_size=2, max_size=5), rounds=st.integers(1, 4))
def test_shares_are_exact_after_each_full_round(weights: list[int], rounds: int) -> None:
    team = users(len(weights), tuple(weights))
    got, _ = play(queue(strategy=Strategy.WEIGHTED), team, sum(weights) * rounds)
    assert [got[user.id] for user in team] == [weight * rounds for weight in weights]


@given(data=st.data(), number=st.integers(2, 5))
def test_whoever_was_there_all_the_time_differs_by_one_whoever_came_and_went(data: st.DataObject, number: int) -> None:
    team = users(number)
    steady = frozenset({"u0", "u1"})
    guests = sorted(user.id for user in team if user.id not in steady)
    state, got = fresh(), Counter[str]()
    for _ in range(data.draw(st.integers(1, 40))):
        away = frozenset(data.draw(st.sets(st.sampled_from(guests)))) if guests else frozenset()
        user_id, state = give(queue(), state, team, away)
        got[user_id] += 1
    assert abs(got["u0"] - got["u1"]) <= 1
    assert all(got[guest] <= min(got["u0"], got["u1"]) + 1 for guest in guests), "nobody catches up at others' cost"


@given(before=st.integers(0, 20), after=st.integers(1, 20))
def test_a_new_member_starts_level_and_not_behind(before: int, after: int) -> None:
    team = users(3)
    state = play(queue(), team[:2], before)[1]
    got = Counter[str]()
    for _ in range(after):
        user_id, state = give(queue(), state, team)
        got[user_id] += 1
    assert abs(got["u2"] - after / 3) <= 1.5, "a third of what came since"


@given(by_hand=st.integers(1, 15))
def test_contacts_past_the_turns_move_only_those_who_got_them(by_hand: int) -> None:
    team = users(3)
    state = fresh()
    for _ in range(by_hand):
        state = serve(queue(), state, team[0], in_turn=False)
    assert state.floor == 0
    state = serve(queue(), state, team[1], ("u2",))
    order = [user.id for user in in_turn(queue(), state, team, nobody_busy)]
    assert order[0] == "u2"
    assert state.turns["u0"].served == by_hand * STEP


def test_the_former_owner_is_asked_first_and_the_rest_keep_their_turns() -> None:
    team = users(3)
    state = serve(queue(), fresh(), team[0])
    assert [user.id for user in in_turn(queue(), state, team, nobody_busy, ("u2",))] == ["u2", "u1", "u0"]
    assert [user.id for user in in_turn(queue(), state, team, nobody_busy, ("gone",))] == ["u1", "u2", "u0"]


def test_least_busy_looks_at_the_load_and_then_at_the_turn() -> None:
    team = users(3)
    rules = queue(strategy=Strategy.LEAST_BUSY)
    load = {"u0": 2, "u1": 0, "u2": 0}
    state = serve(rules, fresh(), team[1])
    assert [user.id for user in in_turn(rules, state, team, lambda user: load[user.id])] == ["u2", "u1", "u0"]


@given(weight=st.integers(-5, 10**9))
def test_whatever_the_weight_each_contact_counts(weight: int) -> None:
    (user,) = users(1, (weight,))
    rules = queue(strategy=Strategy.WEIGHTED)
    state = serve(rules, fresh(), user)
    assert state.turns["u0"].served > 0
    assert share(rules, user) == max(1, weight)
    assert share(queue(), user) == 1, "weights count in weighted queues only"


def test_the_queues_own_weight_goes_before_the_employees() -> None:
    (user,) = users(1, (2,))
    assert share(queue(strategy=Strategy.WEIGHTED, weights={user.email: 5}), user) == 5


def test_a_new_day_keeps_the_order_and_forgets_the_amounts() -> None:
    team = users(2)
    state = fresh()
    for user in (team[0], team[0], team[1]):
        state = serve(queue(), state, user)
    assert shift_of(state, queue(), DAY) is state
    morning = shift_of(state, queue(), DAY + timedelta(days=1))
    assert (morning.shift, morning.floor, morning.given) == (DAY + timedelta(days=1), 0, 3)
    assert [turn.served for turn in morning.turns.values()] == [0, 0]
    assert [user.id for user in in_turn(queue(), morning, team, nobody_busy)] == ["u0", "u1"]


def test_whoever_was_away_stands_level_with_the_last_one_served() -> None:
    state = QueueState(id="q", shift=DAY, floor=10 * STEP)
    assert served(state, Turn(served=3 * STEP, away=True)) == 10 * STEP
    assert served(state, Turn(served=12 * STEP, away=True)) == 12 * STEP
    assert served(state, Turn(served=3 * STEP)) == 3 * STEP
    assert served(state, None) == 10 * STEP
