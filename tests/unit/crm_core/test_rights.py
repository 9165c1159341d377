"""The rights table: how grants are written, which of them a role holds, and what a reader may see."""

from __future__ import annotations

import re

import pytest

from crm_core.access import Facts, check, may, visible
from crm_core.actor import SYSTEM, Actor
from crm_core.errors import Forbidden
from crm_core.rights import Action, Grant, GrantError, Rights, Scope, parse_grant
from storage import AnyOf, In


@pytest.mark.parametrize(
    ("words", "grant"),
    [
        ("all", Grant(Scope.ALL)),
        ("own", Grant(Scope.OWN)),
        ("department", Grant(Scope.DEPARTMENT)),
        ("all open", Grant(Scope.ALL, only_open=True)),
        ("open own", Grant(Scope.OWN, only_open=True)),
        ("  own   open ", Grant(Scope.OWN, only_open=True)),
        ("stage contract", Grant(Scope.STAGE, frozenset({"contract"}))),
        ("stage contract delivery open", Grant(Scope.STAGE, frozenset({"contract", "delivery"}), only_open=True)),
    ],
)
def test_a_grant_is_written_in_words(words: str, grant: Grant) -> None:
    assert parse_grant(words) == grant


@pytest.mark.parametrize("words", ["", "open", "everything", "ALL", "stage", "stage open", "own contract", "all all"])
def test_words_that_make_no_sense_are_refused(words: str) -> None:
    with pytest.raises(GrantError, match="«"):
        parse_grant(words)


def test_a_wrong_table_names_its_place() -> None:
    with pytest.raises(GrantError, match=r"seller\.lead\.reed"):
        Rights.parse({"seller": {"lead": {"reed": "all"}}})
    with pytest.raises(GrantError, match=r"seller\.lead\.read: «some»"):
        Rights.parse({"seller": {"lead": {"read": "some"}}})


RIGHTS = Rights.parse(
    {
        "seller": {"lead": {"read": "own", "update": "own open"}, "task": {"*": "own"}},
        "head": {"*": {"read": "all"}, "lead": {"update": "department"}},
        "buyer": {"lead": {"read": "stage check delivery"}},
        "admin": {"*": {"*": "all"}},
        "reader": {"lead": {"read": "all open"}},
    }
)


def actor(*roles: str, id: str | None = "me", department: frozenset[str] = frozenset({"me"})) -> Actor:
    return Actor(id=id, name="Я", roles=frozenset(roles), rights=RIGHTS, department=department)


@pytest.mark.parametrize(
    ("roles", "entity", "action", "granted"),
    [
        (("seller",), "lead", Action.READ, [Scope.OWN]),
        (("seller",), "lead", Action.DELETE, []),
        (("seller",), "call", Action.READ, []),
        (("seller",), "task", Action.DELETE, [Scope.OWN]),
        (("head",), "call", Action.READ, [Scope.ALL]),
        (("head",), "lead", Action.READ, [Scope.ALL]),
        (("head",), "lead", Action.UPDATE, [Scope.DEPARTMENT]),
        (("head",), "call", Action.UPDATE, []),
        (("admin",), "anything", Action.MANAGE, [Scope.ALL]),
        (("nobody",), "lead", Action.READ, []),
        ((), "lead", Action.READ, []),
    ],
)
def test_what_is_not_granted_is_refused(
    roles: tuple[str, ...], entity: str, action: Action, granted: list[Scope]
) -> None:
    assert [grant.scope for grant in RIGHTS.granted(roles, entity, action)] == granted


def test_several_roles_give_the_widest_of_their_grants() -> None:
    foreign = Facts(owners=frozenset({"other"}))
    assert not may(actor("seller"), "lead", Action.READ, foreign)
    assert may(actor("seller", "head"), "lead", Action.READ, foreign)


@pytest.mark.parametrize(
    ("role", "action", "facts", "allowed"),
    [
        ("seller", Action.READ, Facts(frozenset({"me", None})), True),
        ("seller", Action.READ, Facts(frozenset({None})), False),
        ("seller", Action.UPDATE, Facts(frozenset({"me"})), True),
        ("seller", Action.UPDATE, Facts(frozenset({"me"}), open=False), False),
        ("head", Action.UPDATE, Facts(frozenset({"below"})), True),
        ("head", Action.UPDATE, Facts(frozenset({"beside"})), False),
        ("buyer", Action.READ, Facts(stage="check"), True),
        ("buyer", Action.READ, Facts(stage="new"), False),
        ("buyer", Action.READ, Facts(), False),
        ("admin", Action.EXPORT, Facts(), True),
    ],
)
def test_scopes_decide_by_the_facts_of_the_record(role: str, action: Action, facts: Facts, allowed: bool) -> None:
    someone = actor(role, department=frozenset({"me", "below"}))
    assert may(someone, "lead", action, facts) is allowed


def test_a_token_without_a_user_owns_nothing() -> None:
    token = actor("seller", id=None, department=frozenset())
    assert not may(token, "lead", Action.READ, Facts(frozenset({None})))
    assert visible(token, "lead", owner_fields=("owner_id",)) is None


def test_a_refusal_names_what_was_refused() -> None:
    with pytest.raises(Forbidden, match="«delete» с лидами"):
        check(actor("seller"), "lead", Action.DELETE)
    check(SYSTEM, "lead", Action.DELETE)


FIELDS = ("owner_id", "offered_to")


def test_a_list_shows_what_its_reader_may_read() -> None:
    assert visible(actor("admin"), "lead", owner_fields=FIELDS) == {}
    assert visible(actor("nobody"), "lead", owner_fields=FIELDS) is None
    assert visible(actor("seller"), "lead", owner_fields=FIELDS) == AnyOf(({"owner_id": "me"}, {"offered_to": "me"}))
    assert visible(actor("reader"), "lead", owner_fields=FIELDS) == AnyOf(({"open": True},))
    by_stage = visible(actor("buyer"), "lead", owner_fields=FIELDS, has_stage=True)
    assert by_stage == AnyOf(({"stage": In(["check", "delivery"])},))
    assert visible(actor("buyer"), "lead", owner_fields=FIELDS) is None
    assert visible(actor("seller", "admin"), "lead", owner_fields=FIELDS) == {}


def test_a_department_sees_its_people() -> None:
    rights = Rights.parse({"head": {"lead": {"read": "department"}}})
    head = Actor(id="me", name="Я", roles=frozenset({"head"}), rights=rights, department=frozenset({"me", "below"}))
    assert visible(head, "lead", owner_fields=("owner_id",)) == AnyOf(({"owner_id": In(["below", "me"])},))


@pytest.mark.parametrize(
    ("entity", "words", "named"),
    [
        ("contact", "all open", "open"),
        ("company", "own in service", "in"),
        ("document", "stage contract", "stage"),
        ("product", "own", "own"),
        ("lead", "own in service", "in"),
        ("*", "own", "own"),
    ],
)
def test_a_grant_asks_only_for_what_its_records_have(entity: str, words: str, named: str) -> None:
    with pytest.raises(
        GrantError, match=rf"seller\.{re.escape(entity)}\.read: «{named}» .* не имеет смысла; можно: all"
    ):
        Rights.parse({"seller": {entity: {"read": words}}})


def test_every_condition_that_records_have_may_be_asked_for() -> None:
    Rights.parse({"seller": {"deal": {"read": "stage contract open in service"}, "task": {"read": "department open"}}})
