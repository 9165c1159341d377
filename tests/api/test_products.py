"""The catalogue over HTTP: money as decimal strings, prices with their history, pictures, sums while somebody types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.api.hub import Bench, Caller

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.fixture
async def head(bench: Bench) -> Caller:
    return await bench.token("head_equipment")


async def add(head: Caller, **values: Any) -> dict[str, Any]:
    answer = await head.post("/api/v1/products", {"name": "Станок"} | values)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


async def test_a_product_is_made_found_changed_and_put_away(bench: Bench, head: Caller) -> None:
    category = (await head.post("/api/v1/product-categories", {"name": "Станки"})).json
    made = await add(
        head, sku="СТ-400", category_id=category["id"], prices={"retail": {"amount": "1 250 000,50 ₽"}},
        fields={"Мощность": "15 кВт"},
    )  # fmt: skip
    assert made["prices"] == {"retail": {"amount": "1250000.50", "currency": "RUB"}}
    assert (made["unit"], made["unit_title"], made["vat"], made["active"]) == ("796", "шт", None, True)
    path = f"/api/v1/products/{made['id']}"
    seller = await bench.token("first_line")
    assert [each["id"] for each in await seller.items("/api/v1/products?q=ст-4")] == [made["id"]]
    assert [each["id"] for each in await seller.items(f"/api/v1/products?category_id={category['id']}")] == [made["id"]]
    assert await seller.items("/api/v1/products?category_id=nowhere") == []
    renamed = await head("PATCH", path, {"name": "Станок 2", "sku": None}, headers={"If-Match": "1"})
    assert (renamed.json["name"], renamed.json["sku"], renamed.json["version"]) == ("Станок 2", None, 2)
    assert (await head("PATCH", path, {"name": "Опоздал"}, headers={"If-Match": "1"})).status == 409
    assert (await head.post(f"{path}/archive")).json["active"] is False
    assert await seller.items("/api/v1/products") == []
    assert len(await seller.items("/api/v1/products?active=false")) == 1
    assert (await head.post(f"{path}/restore")).json["active"] is True
    trail = await head.items(f"/api/v1/audit?entity_id={made['id']}")
    assert {each["action"] for each in trail} == {"created", "updated", "archived", "restored"}


async def test_wrong_fields_are_named_one_by_one(head: Caller) -> None:
    await add(head, sku="A-1")
    wrong = await head.post(
        "/api/v1/products", {"name": "x", "sku": "a-1", "unit": "0", "vat": "vat20", "category_id": "nowhere"}
    )
    assert (wrong.status, set(wrong.fields)) == (422, {"unit", "vat", "category_id"})
    taken = await head.post("/api/v1/products", {"name": "x", "sku": "a-1"})
    assert taken.fields == {"sku": "Артикул «a-1» уже занят у товара «Станок»"}
    prices = {"retail": {"amount": "12 тыс"}, "wholesale": {"amount": "5", "currency": "XXX"}}
    refused = await head.post("/api/v1/products", {"name": "x", "prices": prices})
    assert set(refused.fields) == {"prices.retail", "prices.wholesale"}
    number = await head.post("/api/v1/products", {"name": "x", "prices": {"retail": {"amount": 12.5}}})
    assert number.fields == {"prices.retail.amount": "Нужен текст"}


async def test_it_can_be_told_what_a_product_cost_at_any_moment(bench: Bench, head: Caller) -> None:
    path = f"/api/v1/products/{(await add(head, prices={'retail': {'amount': '100'}}))['id']}"
    bench.clock.push(timedelta(days=1))
    changed = await head.post(f"{path}/prices", {"price_type": "retail", "price": {"amount": "120"}})
    assert (changed.status, changed.json["prices"]["retail"]["amount"]) == (201, "120.00")
    rows = await head.items(f"{path}/prices?price_type=retail")
    assert [each["amount"] for each in rows] == ["120.00", "100.00"]
    old = await head.get(f"{path}/prices/held?price_type=retail&at=2026-11-23T12:00:00Z")
    assert old.json == {"price": {"amount": "100.00", "currency": "RUB"}}
    none = await head.get(f"{path}/prices/held?price_type=retail&at=2020-01-01T00:00:00Z")
    assert none.json == {"price": None}
    gone = await head.post(f"{path}/prices", {"price_type": "retail", "price": None})
    assert gone.json["prices"] == {}
    wrong = await head.post(f"{path}/prices", {"price_type": "secret", "price": {"amount": "1"}})
    assert set(wrong.fields) == {"prices.secret"}


async def test_pictures_are_pictures_and_come_back_as_they_were(bench: Bench, head: Caller) -> None:
    async def upload(content: bytes, name: str) -> str:
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type="image/png")
        answer = await head.post("/api/v1/files", data=form)
        assert answer.status == 201
        found: str = answer.json["id"]
        return found

    good, bad = await upload(PNG, "станок.png"), await upload(b"<script>", "x.png")
    made = await add(head, pictures=[good])
    (picture,) = made["pictures"]
    shown = await (await bench.token("first_line")).get(picture["url"])
    assert (shown.status, shown.body, shown.headers["Content-Type"]) == (200, PNG, "image/png")
    assert (await (await bench.token("ops")).get(picture["url"])).status == 403
    path = f"/api/v1/products/{made['id']}"
    refused = await head("PATCH", path, {"pictures": [picture["id"], bad]})
    assert set(refused.fields) == {"pictures[1]"}
    stranger = await (await bench.token("admin"))("PATCH", path, {"pictures": [good]})
    assert stranger.status == 422
    kept = await head("PATCH", path, {"pictures": [picture["id"]]})
    assert kept.json["pictures"] == made["pictures"]
    assert (await head("PATCH", path, {"pictures": []})).json["pictures"] == []
    assert (await head.get(picture["url"])).status == 404


async def test_the_tree_of_categories_cannot_be_tied_into_a_knot(head: Caller) -> None:
    top = (await head.post("/api/v1/product-categories", {"name": "Крупное"})).json
    below = (await head.post("/api/v1/product-categories", {"name": "Прессы", "parent_id": top["id"]})).json
    path = f"/api/v1/product-categories/{top['id']}"
    knot = await head("PATCH", path, {"parent_id": below["id"]})
    assert knot.fields == {"parent_id": "Категория не может лежать в самой себе: выберите другую"}
    assert (await head.post(f"{path}/archive")).status == 409
    assert [each["name"] for each in await head.items("/api/v1/product-categories")] == ["Крупное", "Прессы"]
    under = await head.items(f"/api/v1/product-categories?parent_id={top['id']}")
    assert [each["id"] for each in under] == [below["id"]]


async def test_lines_are_summed_while_somebody_types(head: Caller) -> None:
    product = await add(head, prices={"retail": {"amount": "122"}, "wholesale": {"amount": "61"}})
    body: dict[str, Any] = {
        "lines": [
            {"product_id": product["id"], "quantity": "2", "discount": {"kind": "percent", "value": "50 %"}},
            {"name": "Доставка", "price": "1 000,50", "vat": "none"},
            {"name": "Монтаж", "price": "100", "vat": "vat22", "vat_included": False, "quantity": "1,5"},
        ]
    }
    answer = (await head.post("/api/v1/calculate/lines", body)).json
    assert [line["total"] for line in answer["lines"]] == ["122.00", "1000.50", "183.00"]
    assert (answer["lines"][0]["name"], answer["lines"][0]["vat_percent"]) == ("Станок", "22")
    totals = answer["totals"]
    assert (totals["total"], totals["vat"], totals["net"], totals["discount"]) == (
        "1305.50", "55.00", "1250.50", "122.00",
    )  # fmt: skip
    assert [(each["key"], each["vat"]) for each in totals["by_rate"]] == [("none", "0.00"), ("vat22", "55.00")]
    cheap = await head.post("/api/v1/calculate/lines", body | {"price_type": "wholesale"})
    assert cheap.json["lines"][0]["total"] == "61.00"


async def test_each_wrong_line_is_named(head: Caller) -> None:
    lines = [
        {"price": "12 тыс"},
        {"price": "100", "quantity": "0"},
        {"price": "100", "discount": {"kind": "sum", "value": "101"}},
        {"product_id": "nobody", "price": "1"},
        {},
    ]
    answer = await head.post("/api/v1/calculate/lines", {"lines": lines})
    assert (answer.status, set(answer.fields)) == (
        422, {"lines[0].price", "lines[1].quantity", "lines[3].product_id", "lines[4].price"},
    )  # fmt: skip
    more = await head.post("/api/v1/calculate/lines", {"lines": [lines[2], {"price": "1", "vat": "vat20"}]})
    assert more.fields == {
        "lines[0].discount": "Скидка больше суммы строки: можно не больше 100\u00a0₽",
        "lines[1].vat": "Ставка «20 %» на 23.11.2026 не действует; действуют vat22, vat10, vat7, vat5, vat0, none",
    }
    mixed = await head.post("/api/v1/calculate/lines", {"lines": [{"price": "1 $"}, {"price": "1"}]})
    assert set(mixed.fields) == {"lines"}


async def test_the_options_of_a_line_are_those_of_today(head: Caller) -> None:
    options = (await head.get("/api/v1/calculate/options")).json
    assert options["usual_vat"] == "vat22"
    assert [each["key"] for each in options["vat"]] == ["vat22", "vat10", "vat7", "vat5", "vat0", "none"]
    assert options["units"][0] == {"code": "796", "title": "шт", "name": "Штука"}
    assert [each["key"] for each in options["price_types"]] == ["retail", "wholesale"]
