"""The whole table of rights against the whole API: every role, every kind of record, every action, every state.

All differences are told at once. The records stand in one hub; calls that change nothing come first.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from crm_core.changes import last_seq, tell
from crm_core.rights import Action
from tests.api.hub import ROLES, Answer, Caller, open_bench
from tests.api.rights_table import ENTITIES, Case, Reader, granted, may_ever
from tests.api.rights_world import HEADS, MATES, WORD, WORDS, World, furnish
from tests.api.test_bad_input import RIGHT, path_of, records
from web.api.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {"lead": "leads", "deal": "deals", "contact": "contacts", "company": "companies", "task": "tasks",
         "product": "products", "document": "documents"}  # fmt: skip
REFUSED = (403, 404)
"""Statuses that say no."""
NEVER = 999_999
"""A version that no record has: a change in its name is refused after the rights were asked, and changes nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("rights")
    bench = await open_bench(folder)
    yield await furnish(bench)
    await bench.close()


def asked(world: World, reader: Reader, entity: str) -> Iterator[Case]:
    """His own records, those of colleagues of his and of other departments, and of a stranger."""
    stranger = world.ids["ceo" if reader.role != "ceo" else "deputy"]
    whose = {reader.id, stranger, *(world.ids[name] for name in MATES.values())}
    for case in world.of(entity):
        if not case.owners or case.owners & whose:
            yield case


def compare(wrong: list[str], reader: Reader, call: str, case: Case, expected: bool, answer: Answer) -> None:
    """Note a difference, and any status that is neither yes nor no."""
    allowed = answer.status not in REFUSED
    if allowed != expected or answer.status >= 500 or answer.status == 401:
        word = "grants" if allowed else "refuses"
        wrong.append(f"{reader.role}: {call} {case.entity} {case.what}: the API {word} ({answer.status})")


def settle(wrong: list[str], asked: int, least: int) -> None:
    assert asked >= least, f"only {asked} questions were asked"
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong)


async def test_lists_hold_exactly_what_the_reader_may_see(world: World) -> None:
    wrong, number = [], 0
    for role, reader in world.readers.items():
        for entity in ENTITIES:
            expected = {case.id for case in world.of(entity) if granted(reader, "read", case)}
            got = await listed(world.callers[role], f"/api/v1/{PATHS[entity]}")
            number += 1
            seen = set() if got is None else got & {case.id for case in world.of(entity)}
            what = {case.id: case.what for case in world.cases}
            wrong += [f"{role}: list shows {entity} {what[id]}" for id in seen - expected]
            wrong += [f"{role}: list hides {entity} {what[id]}" for id in expected - seen]
            if (got is None) == may_ever(reader, "read", entity):
                wrong.append(f"{role}: list of {entity}: {'refused' if got is None else 'answered'}")
    settle(wrong, number, len(ROLES) * len(ENTITIES))


async def listed(caller: Caller, path: str) -> set[str] | None:
    """Every id of a list; None when it is refused."""
    ids: set[str] = set()
    cursor = ""
    while True:
        answer = await caller.get(f"{path}?limit=200{cursor}")
        if answer.status != 200:
            assert answer.status == 403, answer.body
            return None
        ids |= {each["id"] for each in answer.json["items"]}
        if not answer.json["next"]:
            return ids
        cursor = f"&cursor={answer.json['next']}"


async def test_cards_open_and_change_for_whom_the_table_says(world: World) -> None:
    wrong, number = [], 0
    for role, reader in world.readers.items():
        for entity in ENTITIES:
            for case in asked(world, reader, entity):
                for call, action, method, path, body in calls(case):
                    headers = {} if method == "GET" else {"If-Match": str(NEVER)}
                    answer = await world.callers[role](method, f"/api/v1{path}", body, headers=headers)
                    compare(wrong, reader, call, case, granted(reader, action, case), answer)
                    number += 1
    settle(wrong, number, 1500)


def calls(case: Case) -> Iterator[tuple[str, str, str, str, Any]]:
    """What can be asked of one record without changing it: name, action, method, path, body."""
    card = f"/{PATHS[case.entity]}/{case.id}"
    yield "read", "read", "GET", card, None
    match case.entity:
        case "document":
            yield "void", "update", "POST", f"{card}/void", {"reason": " "}
            yield "read the letter of", "read", "GET", f"{card}/letter", None
            yield "send", "update", "POST", f"{card}/send", {"to": "nobody", "format": "docx"}
            return
        case "contact" | "company":
            yield "read duplicates of", "read", "GET", f"{card}/duplicates", None
            yield "merge", "update", "POST", f"{card}/merge", {"into": case.id}
            yield "dismiss a duplicate of", "update", "POST", f"{card}/duplicates/dismiss", {"other_id": case.id}
        case "lead" | "deal":
            yield "read robot runs of", "read", "GET", f"{card}/robot-runs", None
            yield "read the timeline of", "read", "GET", f"{card}/timeline", None
            yield "move", "update", "POST", f"{card}/move", {"stage": "new"}
        case "task":
            yield "read comments of", "read", "GET", f"{card}/comments", None
            yield "reopen", "update", "POST", f"{card}/reopen", None
            yield "delegate", "update", "POST", f"{card}/delegate", {"user_id": "nobody"}
    if case.entity == "lead":
        yield "convert", "update", "POST", f"{card}/convert", {"pipeline": "equipment"}
    if case.entity == "deal":
        yield "read gates of", "read", "GET", f"{card}/gates", None
        yield "set products of", "update", "PUT", f"{card}/products", {"lines": []}
        yield "ask for an approval of", "update", "POST", f"{card}/ask", {"role": "nobody"}
        yield "note on", "update", "POST", f"{card}/notes", {"text": " "}
    if case.entity == "contact":
        yield "read consents of", "read", "GET", f"{card}/consents", None
        yield "export data of", "delete", "GET", f"{card}/personal-data", None
    if case.entity == "company":
        yield "delete", "delete", "DELETE", card, None
    name = "name" if case.entity in ("contact", "company", "product") else "title"
    yield "change", "update", "PATCH", card, {name: "Х"}


async def test_search_finds_exactly_what_the_reader_may_see(world: World) -> None:
    wrong: list[str] = []
    for role, reader in world.readers.items():
        answers = [
            (await world.callers[role].get(f"/api/v1/search?q={WORD} {word}&limit=200")).json
            for word in ("", *WORDS.values())
        ]
        for entity in ENTITIES:
            expected = {case.id for case in world.of(entity) if granted(reader, "read", case)}
            seen = {each["id"] for found in answers for each in found[PATHS[entity]]}
            if foreign := (seen & {case.id for case in world.of(entity)}) - expected:
                wrong.append(f"{role}: search shows {len(foreign)} {entity} too many")
            if missing := expected - seen:
                wrong.append(f"{role}: search hides {len(missing)} {entity}")
    settle(wrong, len(world.readers), len(ROLES))


async def test_deals_name_the_people_of_the_customer_only_to_readers_of_contacts(world: World) -> None:
    wrong: list[str] = []
    asked, id = 0, world.linked["deal"]
    for role, reader in world.readers.items():
        sees = granted(reader, "read", Case("contact"))
        caller = world.callers[role]
        card = await caller.get(f"/api/v1/deals/{id}")
        found = [card.json] if card.status == 200 else []
        for path, name in (
            ("/deals?limit=200&person_id=" + world.linked["contact"], "items"),
            ("/search?q=Пётр", "deals"),
        ):
            answer = await caller.get("/api/v1" + path)
            rows = answer.json[name] if answer.status == 200 else []
            found += [each for each in rows if each["id"] == id]
        asked += len(found)
        wrong += [f"{role}: {each['person']}" for each in found if (each["person"] is not None) != sees]
    settle(wrong, asked, 20)


async def test_exports_and_imports_are_for_whom_the_table_says(world: World) -> None:
    wrong: list[str] = []
    for role, reader in world.readers.items():
        for entity in ("lead", "contact", "company", "deal", "product"):
            case = Case(entity)
            answer = await world.callers[role].get(f"/api/v1/{PATHS[entity]}/export")
            compare(wrong, reader, "export", case, may_ever(reader, "export", entity), answer)
            if answer.status == 200:
                rows = sum(WORD in line for line in answer.body.decode().splitlines())
                if rows != (right := sum(granted(reader, "export", each) for each in world.of(entity))):
                    wrong.append(f"{role}: export of {entity}: {rows} rows instead of {right}")
            form = aiohttp.FormData({"kind": PATHS[entity]}, default_to_multipart=True)
            answer = await world.callers[role].post("/api/v1/imports", data=form)
            compare(wrong, reader, "import", case, may_ever(reader, "import", entity), answer)
    settle(wrong, len(world.readers), len(ROLES))


def readable_texts(world: World, reader: Reader) -> set[str]:
    """Texts of the items of the timeline that are for this reader."""
    deal = Case("deal", pipeline="equipment", stage="commissioning")
    task = Case("task", owners=frozenset({world.linked["responsible"]}))
    sees = {case.entity: granted(reader, "read", case) for case in (Case("lead"), deal, Case("contact"), task)}
    texts = {
        "lead": sees["lead"], "deal": sees["deal"], "contact": sees["contact"], "task: secret": sees["task"],
        "lead+deal": sees["lead"] or sees["deal"],
    }  # fmt: skip
    return {text for text, is_seen in texts.items() if is_seen}


TIMELINES = {"lead": "leads", "deal": "deals", "contact": "contacts", "company": "companies"}


async def test_no_timeline_tells_of_records_that_the_reader_may_not_see(world: World) -> None:
    wrong: list[str] = []
    linked = world.linked
    for role, reader in world.readers.items():
        visible = readable_texts(world, reader)
        own = {"lead": {"lead", "lead+deal", "task: secret"}, "deal": {"lead", "deal", "lead+deal", "task: secret"}}
        for entity, path in TIMELINES.items():
            answer = await world.callers[role].get(f"/api/v1/{path}/{linked[entity]}/timeline?limit=200")
            expected = may_ever(reader, "read", entity) if entity == "company" else entity in visible
            compare(wrong, reader, "timeline", Case(entity), expected, answer)
            if answer.status == 200:
                got = {each["text"] for each in answer.json["items"]} & {*world.items.values()}
                if got != (right := visible & own.get(entity, visible)):
                    wrong.append(f"{role}: timeline of {entity}: {sorted(got)} instead of {sorted(right)}")
    settle(wrong, len(world.readers), len(ROLES))


NEWS = ("lead", "deal", "task", "contact", "company", "product", "document")


async def test_the_stream_sends_what_the_reader_may_see_and_nothing_else(world: World) -> None:
    store = world.bench.hub.store
    await store.write(lambda tx: tell(tx, "user", "marker", "updated"))
    end = await store.read(last_seq)
    cases = {case.id: case for case in world.cases}
    everything = await heard(world.callers["admin"], world.start, end)
    wrong: list[str] = []
    kinds = set()
    for role, reader in world.readers.items():
        got = {each["seq"] for each in await heard(world.callers[role], world.start, end)}
        items = [each for each in everything if each["entity"] == "timeline" and each["id"] in world.items]
        assert len(items) == len(world.items)
        for each in items:
            text = world.items[each["id"]]
            if (each["seq"] in got) != (text in readable_texts(world, reader)):
                wrong.append(f"{role} {'is sent' if each['seq'] in got else 'is not sent'}: timeline {text}")
        for each in everything:
            case = cases.get(each["id"])
            if case is None or each["entity"] not in NEWS:
                continue
            kinds.add(each["entity"])
            data = each["data"]
            then = replace(case, stage=data.get("stage"))
            if (each["seq"] in got) != granted(reader, "read", then):
                word = "is sent" if each["seq"] in got else "is not sent"
                wrong.append(f"{role} {word}: {each['entity']} {each['event']} {case.what}")
    assert kinds == set(NEWS)
    settle(wrong, len(everything), 100)


async def heard(caller: Caller, start: int, end: int) -> list[dict[str, Any]]:
    """The news between two places in the feed, as this reader gets them. The last one must be for everybody."""
    found = []
    headers = caller.headers | {"Last-Event-ID": str(start)}
    async with caller.http.get(caller.url + "/api/v1/events", headers=headers) as response:
        assert response.status == 200
        async for line in response.content:
            if line.startswith(b"data: ") and line != b"data: {}\n":
                found.append(json.loads(line[6:]))
                if found[-1]["seq"] >= end:
                    break
    return found


async def test_records_are_made_by_whom_the_table_says(world: World) -> None:
    wrong, number = [], 0
    for number_, (role, reader) in enumerate(world.readers.items()):
        for call, case, body in births(world, reader, number_):
            answer = await world.callers[role].post(f"/api/v1/{PATHS[case.entity]}", body)
            compare(wrong, reader, call, case, granted(reader, "create", case), answer)
            if granted(reader, "create", case) and answer.status != 201:
                wrong.append(f"{role}: {call} {case.entity}: {answer.status} {answer.body.decode()}")
            number += 1
    settle(wrong, number, len(ROLES) * 8)


def births(world: World, reader: Reader, number: int) -> Iterator[tuple[str, Case, dict[str, Any]]]:
    """Bodies of new records."""
    for pipeline in ("equipment", "service"):
        for name in (reader.role, *MATES.values()):
            owner = world.ids[name]
            case = Case("deal", what=f"{pipeline} for {name}", owners=frozenset({owner}), pipeline=pipeline)
            yield "create", case, {"pipeline": pipeline, "owner_id": owner}
    phone = f"+7916100{number:04}"
    yield "create", Case("lead"), {"phone": phone}
    yield "create", Case("contact"), {"name": f"Новый {number}", "emails": [f"new{number}@example.ru"]}
    yield "create", Case("company"), {"name": f"Новая {number}"}
    yield "create", Case("product"), {"name": f"Новый товар {number}"}
    yield "create", Case("task"), {"title": "Новая", "responsible_id": world.ids[HEADS["service"]]}


async def test_only_those_who_may_delete_contacts_erase_them(world: World) -> None:
    wrong: list[str] = []
    admin = world.callers["admin"]
    for number, (role, reader) in enumerate(world.readers.items()):
        guest = await admin.post("/api/v1/contacts", {"name": "Гость", "emails": [f"e{number}@example.ru"]})
        path = f"/api/v1/contacts/{guest.json['id']}/erase"
        answer = await world.callers[role].post(path, {"ground": "Заявление"})
        compare(wrong, reader, "erase", Case("contact"), may_ever(reader, "delete", "contact"), answer)
    settle(wrong, len(world.readers), len(ROLES))


async def test_every_call_without_a_record_needs_the_right_that_its_route_names(world: World) -> None:
    """Without it a call is refused, a list too; bodies may be found wrong first."""
    wrong, number = [], 0
    rights = world.bench.hub.settings.company.rights
    for route in ROUTES:
        named = re.findall(r"([a-z]+)\.([a-z]+)", route.rights)
        if "{" in route.path or not named or route.accepts != "application/json":
            continue
        held = all if " и " in route.rights else any
        for role in ROLES:
            allowed = held(rights.granted([role], entity, Action(action)) for entity, action in named)
            if allowed and route.method != "GET":
                continue
            answer = await world.callers[role](route.method, f"/api/v1{route.path}", RIGHT.get(route.path))
            number += 1
            refused = (403,) if route.method == "GET" else (403, 404, 409, 415, 422)
            if answer.status == 403 if allowed else answer.status not in refused:
                wrong.append(f"{role}: {route.method} {route.path} ({route.rights}): {answer.status}")
    settle(wrong, number, 300)


async def test_every_change_of_a_record_needs_the_right_that_its_route_names(world: World) -> None:
    """Segments, imports, robots, templates and the rest: without the right, a change of a real record is refused."""
    wrong, number = [], 0
    rights = world.bench.hub.settings.company.rights
    ids = await records(world.bench, world.callers["admin"])
    for route in ROUTES:
        named = re.findall(r"([a-z]+)\.([a-z]+)", route.rights)
        if "{" not in route.path or route.method == "GET" or not named or route.accepts != "application/json":
            continue
        path = path_of(route, ids.get(route.path.split("/")[1], "nobody"), item=ids["item"])
        for role in ROLES:
            if any(rights.granted([role], entity, Action(action)) for entity, action in named):
                continue
            answer = await world.callers[role](route.method, path, RIGHT.get(route.path))
            number += 1
            if answer.status not in (403, 404, 415, 422):
                wrong.append(f"{role}: {route.method} {route.path} ({route.rights}): {answer.status}")
    settle(wrong, number, 300)
