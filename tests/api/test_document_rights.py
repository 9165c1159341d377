"""A document is read by those who may read the record that it was made for, at every door."""

from __future__ import annotations

from typing import Any

from crm_core.actor import Actor
from crm_core.changes import last_seq
from crm_core.documents.data import DocumentData
from crm_core.documents.issued import MOST_SIFTED, documents_page
from crm_core.documents.links import Links
from crm_core.rights import parse_grant
from tests.api.hub import Bench, Caller
from tests.api.test_deals import a_deal
from tests.api.test_documents import works
from tests.api.test_rights_table import heard


def narrow(bench: Bench, entity: str, **actions: str) -> None:
    """Give consultants other rights to this kind of record than the preset does."""
    grants: Any = bench.hub.settings.company.rights.grants["consultant"]
    grants[entity] = {action: parse_grant(words) for action, words in actions.items()}


async def a_paper(bench: Bench, **links: str) -> str:
    who = Actor(id="anna", name="Анна", roles=frozenset({"admin"}), rights=bench.hub.settings.company.rights)
    made = await works(bench).generate(who, "offer-equipment", DocumentData(), Links(**links), leave_blanks=True)
    return made.id


async def statuses(caller: Caller, id: str) -> list[int]:
    path = f"/api/v1/documents/{id}"
    void = await caller.post(f"{path}/void", {"reason": " "})
    return [(await caller.get(path)).status, (await caller.get(f"{path}/file")).status, void.status]


async def test_who_may_not_read_the_deal_reads_no_document_of_it(bench: Bench) -> None:
    narrow(bench, "deal", read="own")
    narrow(bench, "document", read="all", update="all")
    boris = await bench.hire("boris", "consultant")
    admin, seller = await bench.token("admin"), await bench.sign_in("boris")
    mine = await a_deal(admin, pipeline="equipment", owner_id=boris.id)
    foreign = await a_deal(admin, pipeline="equipment")
    own, hidden = await a_paper(bench, deal_id=mine["id"]), await a_paper(bench, deal_id=foreign["id"])
    assert await statuses(seller, own) == [200, 200, 422]
    assert await statuses(seller, hidden) == [403, 403, 403]
    assert [each["id"] for each in await seller.items("/api/v1/documents")] == [own]
    assert await seller.items(f"/api/v1/documents?deal_id={foreign['id']}") == []
    assert (await seller.get(f"/api/v1/deals/{foreign['id']}/documents")).status == 403


async def test_a_document_of_a_lead_a_company_or_nothing_goes_by_that(bench: Bench) -> None:
    narrow(bench, "lead", read="own")
    seller, admin = await bench.token("consultant"), await bench.token("admin")
    lead = (await admin.post("/api/v1/leads", {"phone": "+79161234567"})).json
    firm = (await admin.post("/api/v1/companies", {"name": "Ромашка"})).json
    deal = await a_deal(admin, pipeline="service")
    assert await statuses(seller, await a_paper(bench, lead_id=lead["id"])) == [403, 403, 403]
    assert (await statuses(seller, await a_paper(bench, deal_id=deal["id"], lead_id=lead["id"])))[:2] == [200, 200]
    assert (await statuses(seller, await a_paper(bench, company_id=firm["id"])))[:2] == [200, 200]
    assert (await statuses(seller, await a_paper(bench)))[:2] == [200, 200]
    narrow(bench, "company", read="own")
    assert (await statuses(seller, await a_paper(bench, company_id=firm["id"])))[:2] == [403, 403]
    assert (await statuses(seller, await a_paper(bench, deal_id="gone")))[:2] == [200, 200]
    narrow(bench, "deal", read="own")
    assert (await statuses(seller, await a_paper(bench, deal_id="gone")))[:2] == [403, 403]


async def test_the_documents_of_a_deal_are_refused_without_the_right_to_documents(bench: Bench) -> None:
    deal = await a_deal(await bench.token("admin"), pipeline="equipment")
    path = f"/api/v1/deals/{deal['id']}/documents"
    assert (await (await bench.token("first_line")).get(path)).status == 403
    assert (await (await bench.token("service_seller")).get(path)).status == 200


async def test_a_list_goes_on_behind_documents_that_are_not_the_readers(bench: Bench) -> None:
    narrow(bench, "deal", read="own")
    boris = await bench.hire("boris", "consultant")
    admin, seller = await bench.token("admin"), await bench.sign_in("boris")
    mine = await a_deal(admin, pipeline="equipment", owner_id=boris.id)
    foreign = await a_deal(admin, pipeline="equipment")
    of = [mine, foreign, foreign, mine, foreign, mine]
    made = [await a_paper(bench, deal_id=deal["id"]) for deal in of]
    first = (await seller.get("/api/v1/documents?limit=2")).json
    assert [each["id"] for each in first["items"]] == [made[5], made[3]]
    second = (await seller.get(f"/api/v1/documents?limit=2&cursor={first['next']}")).json
    assert ([each["id"] for each in second["items"]], second["next"]) == ([made[0]], None)


async def test_a_page_of_documents_looks_at_a_bounded_number(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr("crm_core.documents.issued.AT_ONCE", 2)
    monkeypatch.setattr("crm_core.documents.issued.MOST_SIFTED", 2)
    assert MOST_SIFTED == 5000
    narrow(bench, "deal", read="own")
    rights = bench.hub.settings.company.rights
    admin = await bench.token("admin")
    foreign = await a_deal(admin, pipeline="equipment")
    for _ in range(3):
        await a_paper(bench, deal_id=foreign["id"])
    seller = Actor(id="boris", name="Борис", roles=frozenset({"consultant"}), rights=rights)
    rows, cursor = await bench.hub.store.read(documents_page, seller, {})
    assert (rows, cursor is None) == ([], False)
    assert await bench.hub.store.read(lambda tx: documents_page(tx, seller, {}, after=cursor)) == ([], None)


async def found(caller: Caller, text: str) -> list[str]:
    answer = await caller.get("/api/v1/search", params={"q": text})
    return [each["id"] for each in answer.json["documents"]]


async def test_a_document_is_found_by_number_kind_and_customer_by_those_who_may_read_it(bench: Bench) -> None:
    narrow(bench, "deal", read="own")
    boris = await bench.hire("boris", "consultant")
    admin, seller = await bench.token("admin"), await bench.sign_in("boris")
    firm = (await admin.post("/api/v1/companies", {"name": "ООО «Василёк»"})).json
    mine = await a_deal(admin, pipeline="equipment", owner_id=boris.id, company_id=firm["id"])
    foreign = await a_deal(admin, pipeline="equipment", company_id=firm["id"])
    body = {"template": "offer-equipment", "leave_blanks": True}
    own = (await admin.post(f"/api/v1/deals/{mine['id']}/documents", body)).json
    hidden = (await admin.post(f"/api/v1/deals/{foreign['id']}/documents", body)).json
    for text in ("василёк", "коммерческое", "кп-2026"):
        assert set(await found(admin, text)) == {own["id"], hidden["id"]}, text
        assert await found(seller, text) == [own["id"]], text
    assert (await found(admin, f"№ {hidden['number'].lower()}"))[0] == hidden["id"]
    assert await found(seller, hidden["number"]) == []
    assert await found(await bench.token("first_line"), "василёк") == []


async def test_the_stream_tells_of_a_document_only_those_who_may_read_its_deal(bench: Bench) -> None:
    narrow(bench, "deal", read="own")
    boris = await bench.hire("boris", "consultant")
    admin, seller = await bench.token("admin"), await bench.sign_in("boris")
    start = await bench.hub.store.read(last_seq)
    mine = await a_deal(admin, pipeline="equipment", owner_id=boris.id)
    foreign = await a_deal(admin, pipeline="equipment")
    hidden, own = await a_paper(bench, deal_id=foreign["id"]), await a_paper(bench, deal_id=mine["id"])
    end = await bench.hub.store.read(last_seq)
    got = {each["id"] for each in await heard(seller, start, end) if each["entity"] == "document"}
    assert got == {own}
    assert {hidden, own} <= {each["id"] for each in await heard(admin, start, end)}
