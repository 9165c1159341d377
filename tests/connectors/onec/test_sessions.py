"""Whole sessions of 1C through the public door."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from crm_core.actor import SYSTEM
from crm_core.onec import FILES, ITEMS, find_item
from crm_core.onec_orders import OrderCustomer, OrderLine, find_order, orders_to_send, queue_order
from crm_core.onec_payments import PAYMENTS, paid_amount, payments_of
from tests.connectors.onec.base import DATA, Base, basic, packed

LATHE = "22222222-0000-11e6-80c9-00155d000001"
CHUCK = "22222222-0000-11e6-80c9-00155d000003#55555555-0000-11e6-80c9-00155d000001"
LOWER = "{urn:1C.ru:commerceml_2}"


async def item(base: Base, kind: str, external_id: str) -> dict[str, Any]:
    found = await base.read(find_item, "1c", kind, external_id)
    assert found is not None
    data: dict[str, Any] = found.data
    return data


async def test_a_catalogue_with_prices_arrives_and_the_bad_items_are_named(base: Base) -> None:
    await base.begin()
    assert await base.send("import.xml") == "success"
    assert await base.send("offers.xml") == "success"
    lathe = await item(base, "product", LATHE)
    assert (lathe["sku"], lathe["vat"], lathe["unit"]["name"]) == ("ТВ-16К20", "20", "шт")
    assert lathe["full_name"].startswith("Станок токарно-винторезный")
    assert (await item(base, "product", "22222222-0000-11e6-80c9-00155d000004"))["deleted"] is True
    turning = await item(base, "category", "11111111-0000-11e6-80c9-00155d000002")
    assert turning == {"name": "Токарные", "parent": "11111111-0000-11e6-80c9-00155d000001", "deleted": False}
    price = await item(base, "price", LATHE)
    assert (price["price"], [each["price"] for each in price["prices"]]) == ("1250000.50", ["980000", "1250000.50"])
    assert (await item(base, "price", CHUCK))["price"] == "18900.00"
    stock = await item(base, "stock", LATHE)
    assert (stock["quantity"], len(stock["stores"])) == ("3", 2)
    assert (await item(base, "stock", CHUCK))["quantity"] == "12.5"
    last = await base.last()
    assert (last["state"], last["taken"], last["changed"], last["failed"]) == ("done", 16, 14, 2)
    errors = (await base.api(f"/onec/exchanges/{last['id']}/errors"))["items"]
    assert [each["text"] for each in errors] == [
        "Товар без идентификатора: Нет Ид: проверьте выгрузку в 1С",
        "Станок фрезерный 6Р12: ЦенаЗаЕдиницу: «по запросу» — не число; исправьте в 1С",
    ]
    health = base.health()
    assert (health.state, "принято 16, изменилось 14, с ошибками 2" in health.detail) == ("up", True)


async def test_a_repeated_exchange_changes_nothing(base: Base) -> None:
    for _ in range(2):
        await base.begin()
        assert await base.send("import.xml") == "success"
    last = await base.last()
    assert (last["taken"], last["changed"], last["unchanged"], last["failed"]) == (9, 0, 8, 1)
    assert await base.ask("catalog", "import", filename="import.xml") == "success"
    assert (await base.last())["taken"] == 9, "an import that is done is not done again"


async def test_a_large_file_comes_in_pieces_and_a_piece_told_twice_counts_once(base: Base) -> None:
    content = (DATA / "import.xml").read_bytes().replace(b"</", b"\n" * 4000 + b"</")
    await base.begin()
    assert len(content) > 65536
    pieces = [content[start : start + 65536] for start in range(0, len(content), 65536)]
    for piece in pieces:
        for _ in range(2):
            assert await base.ask("catalog", "file", piece, filename="import.xml") == "success"
    assert await base.run_import("import.xml") == "success"
    assert (await base.last())["changed"] == 8


async def test_an_archive_is_read_without_unpacking(base: Base) -> None:
    files = {name: (DATA / name).read_bytes() for name in ("import.xml", "offers.xml")}
    archive = packed(import0_1_xml=files["import.xml"], webdata__offers0_1_xml=files["offers.xml"])
    await base.begin()
    await base.upload("v8_1C.zip", archive, limit=500)
    assert await base.run_import("import0_1.xml") == "success"
    assert await base.run_import("offers0_1.xml") == "success"
    assert (await base.last())["taken"] == 16
    assert (await item(base, "price", LATHE))["price"] == "1250000.50"
    await base.upload("v8_1C.zip", packed(import0_1_xml=files["import.xml"].replace("16К20".encode("cp1251"), b"17")))
    assert await base.run_import("import0_1.xml") == "success"
    assert (await item(base, "product", LATHE))["sku"] == "ТВ-17", "a second archive of the same name is another one"


async def test_who_has_no_password_or_no_session_gets_nowhere(base: Base) -> None:
    assert (await base.ask("catalog", "checkauth")).split("\n")[0] == "failure"
    assert base.status == 401
    assert "проверьте" in await base.ask("catalog", "checkauth", headers=basic(password="wrong"))
    assert base.status == 401
    for header in ("Basic", "Basic %%%", "Bearer x", "Basic " + "A" * 5000, "Basic /////w=="):
        assert (await base.ask("catalog", "checkauth", headers={"Authorization": header})).startswith("failure")
    for cookie in ("", "firstline_1c=x", "firstline_1c=" + "a" * 32, "other=1"):
        assert (await base.ask("sale", "query", headers={"Cookie": cookie})).startswith("failure")
        assert base.status == 401
    assert (await base.ask("catalog", "checkauth", headers=basic(charset="cp1251"))).startswith("success")


async def test_a_guesser_is_braked(base: Base) -> None:
    for _ in range(10):
        await base.ask("catalog", "checkauth", headers=basic(password="wrong"))
    assert (await base.ask("catalog", "checkauth", headers=basic())).startswith("failure")
    assert base.status == 429
    base.clock.push(timedelta(minutes=6))
    assert (await base.ask("catalog", "checkauth", headers=basic())).startswith("success")


async def test_a_session_of_one_base_is_none_of_another_and_ends_in_time(base: Base) -> None:
    await base.begin()
    base.connector = "other"
    assert (await base.ask("catalog", "init")).startswith("failure")
    base.connector = "1c"
    assert (await base.ask("catalog", "init")).startswith("zip")
    base.clock.push(timedelta(hours=13))
    assert "mode=checkauth" in await base.ask("catalog", "init")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("crm", "checkauth"), ("", ""), ("catalog", "dance"), ("sale", "deactivate"), ("catalog", "query")],
)
async def test_what_is_not_spoken_is_a_failure_in_words(base: Base, kind: str, mode: str) -> None:
    await base.begin()
    answer = await base.ask(kind, mode)
    assert (base.status, answer.split("\n")[0], "Неизвестный" in answer) == (200, "failure", True)


async def test_what_was_uploaded_before_a_restart_is_imported_after_it(base: Base) -> None:
    await base.begin()
    await base.upload("import.xml", (DATA / "import.xml").read_bytes())
    await base.restart()
    assert await base.run_import("import.xml") == "success"
    assert (await base.last())["changed"] == 8


async def test_an_import_that_a_stop_interrupted_goes_on_where_it_was(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.onec.reading.PIECE", 3)
    taken = []
    real = type(base.hub.supervisor.exchanges("1c")).take  # type: ignore[misc]

    async def dies(door: Any, file: Any, start: int, items: Any) -> Any:
        if start >= 6 and not taken:
            taken.append(start)
            raise RuntimeError("the power is gone")
        return await real(door, file, start, items)

    monkeypatch.setattr("router.onec.Exchange.take", dies)
    await base.begin()
    await base.upload("import.xml", (DATA / "import.xml").read_bytes())
    await base.ask("catalog", "import", filename="import.xml")
    assert base.status == 500
    assert ((await base.last())["state"], (await base.last())["taken"]) == ("importing", 6)
    await base.restart()
    assert await base.run_import("import.xml") == "success"
    last = await base.last()
    assert (last["state"], last["taken"], last["changed"], last["failed"]) == ("done", 9, 8, 1)


async def queue(base: Base, number: str = "Д-17", comment: str = "Срочно\x0b") -> None:
    await base.hub.store.write(
        queue_order,
        SYSTEM,
        connector="1c",
        number=number,
        deal_number="D-1",
        customer=OrderCustomer(id="co_1", name="Завод «Металл»", inn="7107654321", phone="+74872123456"),
        lines=[OrderLine(name="Станок <16К20> & патрон", quantity=Decimal(2), price=Decimal("10.50"),
                         amount=Decimal("21.00"), product_id=LATHE, vat="20")],
        comment=comment,
    )  # fmt: skip


async def test_orders_are_fetched_until_they_are_confirmed_and_no_longer(base: Base) -> None:
    await queue(base)
    for _ in range(2):
        await base.begin("sale")
        answer = await base.ask("sale", "query")
        document = etree.fromstring(answer.encode())
        assert [each.text for each in document.iter(f"{LOWER}Номер")] == ["Д-17"]
    assert [each.text for each in document.iter(f"{LOWER}ИНН")] == ["7107654321"]
    assert [each.text for each in document.iter(f"{LOWER}Сумма")] == ["21.00", "21.00"]
    assert [each.text for each in document.iter(f"{LOWER}Комментарий")] == ["Срочно"]
    await queue(base, comment="Уже не срочно")
    assert await base.ask("sale", "success") == "success"
    assert len(await base.read(orders_to_send, "1c")) == 1, "it was changed after 1C had fetched it"
    await base.ask("sale", "query")
    assert await base.ask("sale", "success") == "success"
    assert await base.ask("sale", "success") == "success"
    assert await base.read(orders_to_send, "1c") == []
    assert f"{LOWER}Документ" not in await base.ask("sale", "query")
    assert (await base.last())["sent"] == 1


async def test_a_payment_told_by_requisites_of_the_order_reaches_its_deal(base: Base) -> None:
    await queue(base)
    await base.begin("sale")
    await base.upload("orders.xml", (DATA / "orders_203.xml").read_bytes(), "sale")
    (payment,) = await base.read(payments_of, "D-1")
    assert (payment.amount, payment.number, payment.payer_inn) == (Decimal("1250000.50"), "ТДЦБ-000301", "7107654321")
    assert (payment.assumed, payment.currency) == (True, "RUB")
    assert payment.paid_at.isoformat() == "2026-11-20T11:00:00+00:00", "14:00 in Moscow"
    order = await base.read(find_order, "1c", "Д-17")
    assert (order.status, order.onec_number) == ("К обеспечению", "ТДЦБ-000017")
    customer = await item(base, "customer", "88888888-0000-11e6-80c9-00155d000001")
    assert (customer["kpp"], customer["emails"]) == ("710701001", ["snab@metall.example"])
    assert await base.ask("sale", "import", filename="orders.xml") == "success"


async def test_documents_of_payments_count_instead_with_refunds_taken_off(base: Base) -> None:
    await queue(base)
    for name in ("orders_203.xml", "orders_210.xml", "orders_210.xml"):
        await base.begin("sale")
        await base.upload(name, (DATA / name).read_bytes(), "sale")
    payments = await base.read(payments_of, "D-1")
    assert {each.number: each.amount for each in payments} == {
        "ТДЦБ-000302": Decimal("500000.25"),
        "ТДЦБ-000303": Decimal(-100000),
    }
    assert await base.read(paid_amount, "D-1") == Decimal("400000.25")
    assert (await item(base, "shipment", "aaaaaaaa-0000-11e6-80c9-00155d000001"))["lines"][0]["quantity"] == "1"
    last = await base.last()
    errors = (await base.api(f"/onec/exchanges/{last['id']}/errors"))["items"]
    assert [each["text"] for each in errors] == ["ТДЦБ-000304: У оплаты ТДЦБ-000304 нет суммы: проверьте документ в 1С"]
    assert (await base.read(find_order, "1c", "Д-17")).status == "Закрыт"
    assert len(await base.read(lambda tx: tx.find(PAYMENTS))) == 3


async def test_a_payment_of_an_order_that_is_known_later_finds_its_deal(base: Base) -> None:
    await base.begin("sale")
    await base.upload("orders.xml", (DATA / "orders_210.xml").read_bytes(), "sale")
    assert await base.read(lambda tx: [each.deal_number for each in tx.find(PAYMENTS)]) == [None, None]
    await queue(base)
    await base.upload("again.xml", (DATA / "orders_203.xml").read_bytes(), "sale")
    assert len(await base.read(payments_of, "D-1")) == 2


async def test_pictures_are_taken_and_not_kept_and_old_files_are_removed(base: Base) -> None:
    await base.begin()
    assert await base.ask("catalog", "file", b"\xff\xd8picture", filename="import_files/22/a.jpg") == "success"
    assert await base.send("import.xml") == "success"
    blobs = [each for each in (base.folder / "blobs").rglob("*") if each.is_file()]
    assert (len(blobs), len(await base.read(lambda tx: tx.find(FILES)))) == (1, 1)
    base.clock.push(timedelta(hours=2))
    await base.begin()
    assert [each for each in (base.folder / "blobs").rglob("*") if each.is_file()] == []
    assert await base.read(lambda tx: tx.count(ITEMS)) == 8
