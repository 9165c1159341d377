"""One question to everything, as employees and programs ask it."""

from __future__ import annotations

from typing import Any

import pytest

from crm_core.changes import tell
from crm_core.people import PEOPLE
from crm_core.search import ENTRIES, MOST_FRESH, STATE, STATE_ID, Question, begin_anew, is_caught_up
from crm_core.searchable import KINDS
from router.indexer import Indexer
from tests.api.hub import ROLES, Bench, until

CUSTOMERS = (
    {"name": "Пётр Петров-Водкин", "phone": "+79161234567", "email": "kuzma.petrov@mail.ru", "title": "Станок ЧПУ"},
    {"name": "Анна Иванова", "phone": "+79037654321", "company": "ООО «Ромашка» 7707083893", "title": "Насос"},
    {"name": "Иван Сидоров", "phone": "+74951112233", "title": "Пресс для Ивановой"},
)


async def fill(bench: Bench) -> None:
    admin = await bench.token("admin")
    for customer in CUSTOMERS:
        assert (await admin.post("/api/v1/leads", customer)).status == 201
    boss = (await bench.hire("boss")).id
    task = {"title": "Подготовить смету для Анны", "responsible_id": boss}
    assert (await admin.post("/api/v1/tasks", task)).status == 201


async def indexed(bench: Bench) -> None:
    """The worker has caught up."""
    await until(lambda: bench.hub.store.read(is_caught_up))


async def ask(bench: Bench, text: str, role: str = "admin") -> dict[str, list[str]]:
    answer = await (await bench.token(role)).get("/api/v1/search", params={"q": text})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return {
        "contacts": [each["name"] for each in found["contacts"]],
        "leads": [each["person"]["name"] for each in found["leads"]],
        "tasks": [each["title"] for each in found["tasks"]],
    }


PETR, ANNA, IVAN = (str(customer["name"]) for customer in CUSTOMERS)
QUESTIONS = [
    ("петров", [PETR]),
    ("ПЁТР", [PETR]),
    ("petrov", [PETR]),
    ("gtnhjd", [PETR]),
    ("водкин пет", [PETR]),
    ("kuzma", [PETR]),
    ("kuzma.petrov@mail.ru", [PETR]),
    ("8 (916) 123-45-67", [PETR]),
    ("4567", [PETR]),
    ("1112233", [IVAN]),
    ("7707083893", [ANNA]),
    ("ромаш", [ANNA]),
    ("иван", [IVAN, ANNA]),
    ("bdfy", [IVAN, ANNA]),
    ("анна насосы", []),
    ("в", []),
]


@pytest.mark.parametrize("fresh", [True, False], ids=["at once", "indexed"])
async def test_each_question_finds_whom_it_means(bench: Bench, fresh: bool) -> None:
    await fill(bench)
    if not fresh:
        await indexed(bench)
    for question, expected in QUESTIONS:
        assert (question, (await ask(bench, question))["contacts"]) == (question, expected)


async def test_leads_are_found_by_number_title_and_by_whatever_finds_their_person(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    for question, expected in (
        ("№2", [ANNA]), ("cnfyjr", [PETR]), ("прес", [IVAN]), ("ромашка", [ANNA]), ("станок 4567", [PETR]),
        ("ивановой", [IVAN]), ("903765", [ANNA]),
    ):  # fmt: skip
        assert (question, (await ask(bench, question))["leads"]) == (question, expected)
    assert (await ask(bench, "смету анн"))["tasks"] == ["Подготовить смету для Анны"]
    admin = await bench.token("admin")
    for path in ("/api/v1/leads?q=ромаш", "/api/v1/contacts?q=ромаш", "/api/v1/tasks?q=смет"):
        assert len(await admin.items(path)) == 1, path


async def test_what_was_corrected_is_found_by_its_new_words_only(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    admin = await bench.token("admin")
    person = (await admin.items("/api/v1/contacts?q=сидоров"))[0]
    assert (await admin("PATCH", f"/api/v1/contacts/{person['id']}", {"name": "Олег Кузнецов"})).status == 200
    for _ in range(2):
        assert (await ask(bench, "кузнец"))["contacts"] == ["Олег Кузнецов"]
        assert (await ask(bench, "кузнец"))["leads"] == ["Олег Кузнецов"]
        assert (await ask(bench, "сидоров"))["contacts"] == []
        await indexed(bench)


async def test_deals_are_found_by_what_their_customers_are_called_now(bench: Bench) -> None:
    admin = await bench.token("admin")
    person = (await admin.post("/api/v1/contacts", {"name": "Олег Фомин", "phones": ["+79160001122"]})).json
    company = (await admin.post("/api/v1/companies", {"name": "Ромашка"})).json
    for owner in ({"person_id": person["id"]}, {"company_id": company["id"]}):
        assert (await admin.post("/api/v1/deals", {"title": "Станок"} | owner)).status == 201
    await indexed(bench)
    assert (await admin("PATCH", f"/api/v1/contacts/{person['id']}", {"name": "Олег Кузнецов"})).status == 200
    assert (await admin("PATCH", f"/api/v1/companies/{company['id']}", {"name": "Василёк"})).status == 200
    for _ in range(2):
        for text, number in (("кузнец", 1), ("василек", 1), ("0001122", 1), ("фомин", 0), ("ромашка", 0)):
            found = (await admin.get("/api/v1/search", params={"q": text})).json["deals"]
            assert (text, len(found)) == (text, number)
        await indexed(bench)


async def test_a_search_does_not_do_the_work_of_an_index_that_is_far_behind(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    store = bench.hub.store

    def rush(tx: Any) -> int:
        person = tx.first(PEOPLE)
        for number in range(2 * MOST_FRESH):
            tell(tx, "task", f"gone-{number}", "updated")
        tell(tx, "contact", person.id, "updated")
        made = Question(tx, KINDS, "4567")
        return len(made.fresh)

    assert 0 < await store.write(rush) <= MOST_FRESH


async def test_an_index_of_other_kinds_is_built_anew(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    store = bench.hub.store
    fewer = {name: kind for name, kind in KINDS.items() if name != "task"}
    await Indexer(store, fewer).rebuild()
    while not await Indexer(store, KINDS).work_once():
        pass
    assert (await store.read(lambda tx: tx.require(STATE, STATE_ID))).kinds == tuple(KINDS)
    assert (await ask(bench, "смету анн"))["tasks"] == ["Подготовить смету для Анны"]


async def test_each_role_finds_only_what_it_may_read(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    for role in ROLES:
        token, found = await bench.token(role), await ask(bench, "анн", role)
        for kind, name in (("contacts", ANNA), ("leads", ANNA)):
            readable = (await token.get(f"/api/v1/{kind}")).status == 200
            assert (role, kind, found[kind]) == (role, kind, [name] if readable else [])
        tasks = [task["title"] for task in await token.items("/api/v1/tasks")]
        assert (role, found["tasks"]) == (role, tasks)
        assert len(await token.items("/api/v1/tasks?q=смету")) == len(tasks)


async def test_somebody_elses_task_is_not_found(bench: Bench) -> None:
    await bench.hire("anna")
    await bench.hire("boris")
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    await anna.post("/api/v1/tasks", {"title": "Тайная встреча"})
    assert len((await anna.get("/api/v1/search?q=тайна")).json["tasks"]) == 1
    assert (await boris.get("/api/v1/search?q=тайна")).json["tasks"] == []
    assert await boris.items("/api/v1/tasks?q=тайна") == []


async def test_the_index_is_built_for_what_was_there_before_it(bench: Bench) -> None:
    await fill(bench)
    await indexed(bench)
    store = bench.hub.store

    def lose(tx: Any) -> None:
        for entry in tx.find(ENTRIES):
            tx.delete(ENTRIES, entry)
        begin_anew(tx, KINDS)

    await store.write(lose)
    await Indexer(store, KINDS).rebuild()
    for question, expected in QUESTIONS:
        assert (question, (await ask(bench, question))["contacts"]) == (question, expected)
