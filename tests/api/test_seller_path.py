"""The main job through public doors: a form becomes a lead, a seller takes it, answers, and finishes it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.hub import Bench, until


async def test_a_form_becomes_a_lead_that_the_seller_accepts(bench: Bench) -> None:
    await bench.hire("anna", extension="101")
    anna = await bench.sign_in("anna")
    lead = await bench.lead_of(await bench.form(comment="Нужен станок", utm_source="yandex"))
    me = (await anna.get("/api/v1/users/me")).json
    assert lead["offered_to"] == me["id"]
    assert lead["person"]["phones"] == ["+79161234567"]
    assert lead["source"]["utm"] == {"source": "yandex"}
    taken = await anna.post(f"/api/v1/leads/{lead['id']}/take")
    assert (taken.status, taken.json["owner_id"], taken.json["stage"]) == (200, me["id"], "qualification")
    seen = await anna.post(f"/api/v1/leads/{lead['id']}/seen")
    assert seen.json["unread"] == 0
    rules = [each["rule"] for each in await anna.items(f"/api/v1/leads/{lead['id']}/decisions")]
    assert {"new_lead", "offer", "accepted"} <= set(rules)


async def test_a_chat_message_is_answered_in_its_channel(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    assert (await bench.stranger.post("/in/hooks/chat", data="77:Здравствуйте")).body == b"ok"
    lead = (await until(lambda: anna.items("/api/v1/leads?channel=chat")))[0]
    answer = await anna.post(f"/api/v1/leads/{lead['id']}/messages", {"text": "Добрый день"})
    assert (answer.status, answer.json["state"], answer.json["direction"]) == (201, "queued", "out")

    async def states() -> Any:
        items = await anna.items(f"/api/v1/leads/{lead['id']}/timeline")
        return [each["state"] for each in items if each["direction"] == "out"] == ["sent"]

    await until(states)
    assert [(sent.recipient, sent.text) for sent in bench.chat.sent] == [("77", "Добрый день")]
    owned = (await anna.get(f"/api/v1/leads/{lead['id']}")).json
    assert owned["owner_id"] == (await anna.get("/api/v1/users/me")).json["id"]


async def test_a_lead_without_a_way_to_answer_says_so(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    lead = await bench.lead_of(await bench.form())
    answer = await anna.post(f"/api/v1/leads/{lead['id']}/messages", {"text": "Добрый день"})
    assert answer.status == 422
    assert "connector" in answer.fields


async def test_declining_passes_the_lead_on_and_needs_a_reason(bench: Bench) -> None:
    await bench.hire("anna")
    boris = await bench.hire("boris")
    anna = await bench.sign_in("anna")
    lead = await bench.lead_of(await bench.form())
    await bench.sign_in("boris")
    assert (await anna.post(f"/api/v1/leads/{lead['id']}/decline", {"reason": ""})).fields == {
        "reason": "Не может быть пустым"
    }
    passed = await anna.post(f"/api/v1/leads/{lead['id']}/decline", {"reason": "Ухожу на обед"})
    assert passed.json["offered_to"] == boris.id


async def test_a_lead_is_moved_with_its_version_and_a_gate_says_what_is_missing(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await bench.lead_of(await bench.form())
    path = f"/api/v1/leads/{lead['id']}"
    refused = await admin.post(f"{path}/move", {"stage": "converted"})
    assert refused.status == 422
    assert {(lack["kind"], lack["stage"]) for lack in refused.json["missing"]} == {("field", "converted")}
    assert all(lack["title"] for lack in refused.json["missing"])
    unknown = await admin.post(f"{path}/move", {"stage": "nowhere"})
    assert unknown.status == 422
    assert "missing" not in unknown.json
    spam = await admin.post(f"{path}/move", {"stage": "spam"}, headers={"If-Match": f'"{lead["version"]}"'})
    assert (spam.status, spam.json["stage"], spam.json["open"]) == (200, "spam", False)


async def test_changing_what_somebody_else_changed_is_a_conflict(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await bench.lead_of(await bench.form())
    path, seen = f"/api/v1/leads/{lead['id']}", {"If-Match": str(lead["version"])}
    first = await admin("PATCH", path, {"title": "Станок для Ивана"}, headers=seen)
    assert (first.status, first.headers["ETag"]) == (200, f'"{first.json["version"]}"')
    second = await admin("PATCH", path, {"title": "Другое"}, headers=seen)
    assert second.status == 409
    assert (await admin.get(path)).json["title"] == "Станок для Ивана"
    assert (await admin("PATCH", path, {"title": "Без версии"})).status == 200
    wrong = await admin("PATCH", path, {"title": "x"}, headers={"If-Match": "вчера".encode().decode("latin-1")})
    assert wrong.fields == {"If-Match": "Нужен номер версии записи, например 3"}


async def test_the_card_takes_fields_and_a_corrected_source(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await bench.lead_of(await bench.form(comment="Пресс"))
    path = f"/api/v1/leads/{lead['id']}"
    changed = await admin("PATCH", path, {"fields": {"comment": None, "note": "Срочно"}, "company": "ООО Ромашка"})
    assert changed.json["fields"].get("comment") is None
    assert (changed.json["fields"]["note"], changed.json["company"]) == ("Срочно", "ООО Ромашка")
    wrong = await admin("PATCH", path, {"source": "nowhere"})
    assert "source" in wrong.fields
    key = bench.hub.desk.company.sources[0].key
    right = await admin("PATCH", path, {"source": key})
    assert right.json["source"]["key"] == key
    assert right.json["first_touch"]["key"] == lead["first_touch"]["key"]


async def test_of_two_sellers_who_take_at_once_exactly_one_gets_the_lead(bench: Bench) -> None:
    for name in ("anna", "boris", "vera"):
        await bench.hire(name)
    lead = await bench.lead_of(await bench.form())
    sellers = [await bench.sign_in(name) for name in ("anna", "boris", "vera")]
    answers = await asyncio.gather(*(each.post(f"/api/v1/leads/{lead['id']}/take") for each in sellers))
    assert sorted(each.status for each in answers) == [200, 409, 409]
    loser = next(each for each in answers if each.status == 409)
    assert "уже в работе" in loser.json["detail"]
