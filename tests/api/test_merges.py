"""Merging through the API: find the duplicate, merge, follow the old address, take it back."""

from __future__ import annotations

from typing import Any

from tests.api.hub import Bench, Caller, until


async def two_leads(bench: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    first = await bench.lead_of(await bench.form())
    other = await bench.lead_of(await bench.form(phone="+79037654321", name="Петров Иван"))
    return first, other


async def state_of(root: Caller, merge: dict[str, Any], state: str) -> bool:
    return bool((await root.get(f"/api/v1/merges/{merge['id']}")).json["state"] == state)


async def test_a_duplicate_is_found_merged_and_taken_apart(bench: Bench) -> None:
    root = await bench.token("consultant")
    first, other = await two_leads(bench)
    gone, into = first["person"]["id"], other["person"]["id"]
    found = (await root.get(f"/api/v1/contacts/{gone}/duplicates")).json["items"]
    assert [(each["contact"]["id"], each["reasons"]) for each in found] == [(into, ["Похожее название или имя"])]

    asked = await root.post(f"/api/v1/contacts/{gone}/merge", {"into": into})
    assert (asked.status, "keep_lead" in asked.json["detail"]) == (409, True)
    body = {"into": into, "fields": {"name": "from"}, "keep_lead": other["id"], "close_stage": "mistaken"}
    merge = (await root.post(f"/api/v1/contacts/{gone}/merge", body)).json
    await until(lambda: state_of(root, merge, "done"))
    assert (merge["from_id"], merge["into_id"], merge["closed_lead"]) == (gone, into, first["id"])

    shown = (await root.get(f"/api/v1/contacts/{gone}")).json
    assert (shown["id"], shown["name"], shown["phones"]) == (into, "Иван Петров", ["+79037654321", "+79161234567"])
    timeline = await root.items(f"/api/v1/contacts/{gone}/timeline")
    assert {each["lead_id"] for each in timeline} == {first["id"], other["id"], None}
    assert (await root.get(f"/api/v1/leads/{first['id']}")).json["person"]["id"] == into
    assert len(await root.items("/api/v1/contacts")) == 1
    again = await bench.lead_of(await bench.form(comment="Снова"))
    assert again["id"] == other["id"], "whoever writes from the old phone continues the lead that is open"

    undone = (await root.post(f"/api/v1/merges/{merge['id']}/undo")).json
    assert undone["state"] in ("undoing", "undone")
    await until(lambda: state_of(root, merge, "undone"))
    assert (await root.get(f"/api/v1/contacts/{gone}")).json["phones"] == ["+79161234567"]
    assert (await root.get(f"/api/v1/contacts/{into}")).json["phones"] == ["+79037654321"]
    reopened = (await root.get(f"/api/v1/leads/{first['id']}")).json
    assert (reopened["open"], reopened["person"]["id"]) == (True, gone)
    assert (await root.post(f"/api/v1/merges/{merge['id']}/undo")).status == 409


async def test_a_pair_that_is_none_is_shown_no_more(bench: Bench) -> None:
    root = await bench.token("admin")
    first, other = await two_leads(bench)
    path = f"/api/v1/contacts/{first['person']['id']}/duplicates"
    taken = {"phones": ["+79161234567", "+79037654321"]}
    assert (await root("PATCH", f"/api/v1/contacts/{first['person']['id']}", taken)).status == 422
    assert len(await root.items("/api/v1/duplicates")) == 1
    assert len((await root.get(path)).json["items"][0]["reasons"]) == 2
    assert (await root.post(f"{path}/dismiss", {"other_id": other["person"]["id"]})).status == 204
    assert (await root.get(path)).json["items"] == []
    assert await root.items("/api/v1/duplicates") == []
    assert len(await root.items("/api/v1/duplicates?state=dismissed")) == 1


async def test_a_filed_pair_is_settled_by_the_merge(bench: Bench) -> None:
    root = await bench.token("admin")
    first, other = await two_leads(bench)
    taken = {"phones": ["+79161234567", "+79037654321"]}
    await root("PATCH", f"/api/v1/contacts/{first['person']['id']}", taken)
    await root.post(f"/api/v1/leads/{first['id']}/move", {"stage": "mistaken"})
    answer = await root.post(f"/api/v1/contacts/{first['person']['id']}/merge", {"into": other["person"]["id"]})
    assert answer.status == 200, answer.body
    assert await root.items("/api/v1/duplicates") == []
    (pair,) = await root.items("/api/v1/duplicates?state=merged")
    assert pair["first"]["id"] == pair["second"]["id"] == other["person"]["id"]


async def test_companies_merge_and_wrong_choices_are_named(bench: Bench) -> None:
    root = await bench.token("admin")
    one = (await root.post("/api/v1/companies", {"name": "Ромашка", "site": "romashka.ru"})).json
    other = (await root.post("/api/v1/companies", {"name": "ООО Ромашка", "inn": "7707083893"})).json
    path = f"/api/v1/companies/{one['id']}"
    assert set((await root.post(f"{path}/merge", {"into": one["id"]})).fields) == {"into"}
    assert set((await root.post(f"{path}/merge", {"into": "nobody"})).fields) == {"into"}
    wrong = await root.post(f"{path}/merge", {"into": other["id"], "fields": {"colour": "from", "name": "mine"}})
    assert set(wrong.fields) == {"fields.name"}
    merge = (await root.post(f"{path}/merge", {"into": other["id"]})).json
    shown = (await root.get(path)).json
    assert (shown["id"], shown["site"], shown["inn"]) == (other["id"], "romashka.ru", "7707083893")
    assert (await root.post(f"/api/v1/merges/{merge['id']}/undo")).json["state"] == "undone"
    assert {each["id"] for each in await root.items("/api/v1/companies")} == {one["id"], other["id"]}
    assert (await (await bench.token("first_line")).post(f"/api/v1/merges/{merge['id']}/undo")).status == 403
