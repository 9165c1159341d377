"""Tables through the API: from the upload to the undo, as a person at the page would do it."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import openpyxl

from tests.api.hub import Answer, Bench, Caller, until

CONTACTS = (
    "ФИО;Тел. моб.;E-mail;Организация;Цвет\nИван Петров;8 (916) 123-45-67;ivan@example.ru;ООО «Ромашка»;красный\n"
)
SETTLED = ("draft", "checked", "done", "cancelled", "failed", "undone")


async def upload(caller: Caller, kind: str, content: str | bytes, name: str = "клиенты.csv") -> Answer:
    form = aiohttp.FormData()
    form.add_field("kind", kind)
    form.add_field("file", content.encode() if isinstance(content, str) else content, filename=name)
    return await caller.post("/api/v1/imports", data=form)


async def settled(caller: Caller, id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        job: dict[str, Any] = (await caller.get(f"/api/v1/imports/{id}")).json
        return job if job["state"] in SETTLED else None

    found: dict[str, Any] = await until(look)
    return found


async def imported(caller: Caller, kind: str, content: str | bytes, rule: str = "skip", **more: Any) -> dict[str, Any]:
    job = (await upload(caller, kind, content, **more)).json
    body = {"rule": {"on_duplicate": rule, "by": list(job["duplicates"])}}
    changed = await caller("PATCH", f"/api/v1/imports/{job['id']}", body)
    assert changed.status == 200, changed.body
    assert (await caller.post(f"/api/v1/imports/{job['id']}/start")).status == 200
    return await settled(caller, job["id"])


def counts(job: dict[str, Any]) -> tuple[int, int, int, int]:
    return job["created"], job["updated"], job["skipped"], job["failed"]


async def test_a_table_is_understood_before_anything_is_written(bench: Bench) -> None:
    admin = await bench.token("admin")
    answer = await upload(admin, "contacts", CONTACTS.encode("cp1251"))
    assert answer.status == 201, answer.body
    job = answer.json
    assert job["mapping"] == ["name", "phones", "emails", "company", None]
    assert (job["layout"]["encoding"], job["layout"]["separator"], job["total"]) == ("cp1251", ";", 1)
    assert "Windows-1251" in job["layout"]["encoding_reason"]
    assert all(column["reason"] for column in job["columns"])
    (row,) = job["preview"]
    assert row["values"]["phones"] == ["+79161234567"]
    assert await admin.items("/api/v1/contacts") == []


async def test_a_dry_run_tells_what_will_happen_and_keeps_nothing(bench: Bench) -> None:
    admin = await bench.token("admin")
    table = CONTACTS + "Без телефона;12;;;\nПовтор;+79161234567;;;\n"
    job = (await upload(admin, "contacts", table)).json
    assert (await admin.post(f"/api/v1/imports/{job['id']}/dry-run")).status == 200
    job = await settled(admin, job["id"])
    assert (job["state"], *counts(job)) == ("checked", 1, 0, 1, 1)
    assert job["errors"][0]["row"] == 3
    assert job["errors"][0]["errors"][0]["column"] == "Тел. моб."
    assert await admin.items("/api/v1/contacts") == []
    assert (await admin.post(f"/api/v1/imports/{job['id']}/start")).status == 200
    assert counts(await settled(admin, job["id"])) == (1, 0, 1, 1)
    assert len(await admin.items("/api/v1/contacts")) == 1


async def test_refused_rows_come_back_as_a_file_with_the_reason(bench: Bench) -> None:
    admin = await bench.token("admin")
    job = await imported(admin, "contacts", CONTACTS + "Ольга;12;;=2+2;синий\n")
    answer = await admin.get(f"/api/v1/imports/{job['id']}/errors")
    lines = answer.body.decode("utf-8-sig").splitlines()
    assert lines[0] == "ФИО;Тел. моб.;E-mail;Организация;Цвет;Ошибка"
    assert lines[1].startswith("Ольга;12;;'=2+2;синий;")
    assert "номер телефона" in lines[1]
    assert len(lines) == 2
    as_book = await admin.get(f"/api/v1/imports/{job['id']}/errors?format=xlsx")
    cell = openpyxl.load_workbook(io.BytesIO(as_book.body)).active["D2"]
    assert (cell.value, cell.data_type) == ("=2+2", "s")


async def test_duplicates_are_updated_when_asked_and_undo_gives_the_former_values_back(bench: Bench) -> None:
    admin = await bench.token("admin")
    await imported(admin, "contacts", CONTACTS)
    table = "Имя,Телефон,Почта\nИван Сидоров,89161234567,new@example.ru\nПётр,89035556677,\n"
    job = await imported(admin, "contacts", table, rule="update")
    assert counts(job) == (1, 1, 0, 0)
    (ivan,) = await admin.items("/api/v1/contacts?phone=89161234567")
    assert (ivan["name"], ivan["emails"]) == ("Иван Сидоров", ["ivan@example.ru", "new@example.ru"])
    assert (await admin.post(f"/api/v1/imports/{job['id']}/undo")).status == 200
    job = await settled(admin, job["id"])
    assert (job["state"], job["undone"], job["kept"]) == ("undone", 2, 0)
    (ivan,) = await admin.items("/api/v1/contacts")
    assert (ivan["name"], ivan["emails"]) == ("Иван Петров", ["ivan@example.ru"])


async def test_undo_leaves_what_somebody_has_touched_and_says_so(bench: Bench) -> None:
    admin = await bench.token("admin")
    job = await imported(admin, "contacts", CONTACTS + "Ольга;89035556677;;;\n")
    (olga,) = await admin.items("/api/v1/contacts?phone=89035556677")
    assert (await admin("PATCH", f"/api/v1/contacts/{olga['id']}", {"name": "Ольга Ивановна"})).status == 200
    await admin.post(f"/api/v1/imports/{job['id']}/undo")
    job = await settled(admin, job["id"])
    assert (job["undone"], job["kept"]) == (1, 1)
    assert job["kept_rows"] == [
        {"row": 3, "errors": [{"column": "", "value": "", "message": "С контактом уже работали: он оставлен"}]}
    ]
    assert [each["name"] for each in await admin.items("/api/v1/contacts")] == ["Ольга Ивановна"]


async def test_leads_go_to_their_owner_or_to_distribution_and_can_be_undone(bench: Bench) -> None:
    anna = await bench.hire("anna")
    admin = await bench.token("admin")
    table = (
        "Тема;Клиент;Телефон;Ответственный;Стадия;Категория оборудования;Дата создания\n"
        "Пресс;Иван;89161234567;anna@firstline.example;Квалификация;Крупное;01.10.2026 12:00\n"
        "Станок;Пётр;89035556677;;;;\n"
        "Ещё;Иван;89161234567;nobody@x.ru;;;\n"
        "Чужая стадия;Ольга;89165554433;;Небывалая;;\n"
    )
    job = await imported(admin, "leads", table, rule="create")
    assert counts(job) == (2, 0, 0, 2), job["errors"]
    leads = {each["title"]: each for each in await admin.items("/api/v1/leads")}
    press = leads["Пресс"]
    (why,) = await admin.items(f"/api/v1/leads/{press['id']}/decisions")
    assert (why["rule"], why["text"].startswith("Загружен из таблицы")) == ("import", True)
    assert (press["owner_id"], press["stage"]) == (anna.id, "qualification")
    assert press["fields"] == {"equipment_category": "large"}
    assert press["created_at"] == "2026-10-01T09:00:00Z"

    async def placed() -> bool:
        lead = (await admin.get(f"/api/v1/leads/{leads['Станок']['id']}")).json
        return bool(lead["waiting"] or lead["offered_to"])

    await until(placed)
    await admin.post(f"/api/v1/imports/{job['id']}/undo")
    job = await settled(admin, job["id"])
    assert (job["undone"], job["kept"]) == (2, 0), job["kept_rows"]
    assert await admin.items("/api/v1/leads") == []
    assert await admin.items("/api/v1/contacts") == []


async def test_what_is_exported_can_be_imported_again(bench: Bench) -> None:
    admin = await bench.token("admin")
    await imported(admin, "contacts", "ID;Имя;Телефон\nA-1;=Иван;89161234567\n")
    answer = await admin.get("/api/v1/contacts/export")
    assert answer.status == 200
    lines = answer.body.decode("utf-8-sig").splitlines()
    assert lines == [
        "Имя;Телефоны;Почта;Компания;Должность;День рождения;Ответственный;Комментарий;Внешний код",
        "'=Иван;'+79161234567;;;;;;;A-1",
    ]
    again = await imported(admin, "contacts", answer.body)
    assert counts(again) == (0, 0, 1, 0)
    book = await admin.get("/api/v1/contacts/export?format=xlsx")
    again = await imported(admin, "contacts", book.body, rule="update", name="клиенты.xlsx")
    assert counts(again) == (0, 0, 1, 0)


async def test_an_export_shows_only_what_its_reader_may_see(bench: Bench) -> None:
    await bench.lead_of(await bench.form())
    seller, head = await bench.token("first_line"), await bench.token("head_equipment")
    assert (await seller.get("/api/v1/leads/export")).status == 403
    lines = (await head.get("/api/v1/leads/export?open=true")).body.decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "+79161234567" in lines[1]
    assert len((await head.get("/api/v1/leads/export?open=false")).body.decode("utf-8-sig").splitlines()) == 1


async def test_an_import_is_prepared_by_whoever_may_import(bench: Bench) -> None:
    seller, head = await bench.token("first_line"), await bench.token("head_equipment")
    assert (await upload(seller, "contacts", CONTACTS)).status == 403
    job = (await upload(head, "contacts", CONTACTS)).json
    assert (await seller.get(f"/api/v1/imports/{job['id']}")).status == 403
    assert (await seller.get("/api/v1/imports")).status == 403
    assert [each["id"] for each in await head.items("/api/v1/imports")] == [job["id"]]


async def test_a_wrong_table_or_mapping_is_refused_by_name(bench: Bench) -> None:
    admin = await bench.token("admin")
    assert (await upload(admin, "spoons", CONTACTS)).fields == {
        "kind": "Загрузки «spoons» нет; есть leads, contacts, companies, deals, products"
    }
    assert set((await upload(admin, "contacts", "x", name="x.pdf")).fields) == {"file"}
    assert set((await upload(admin, "contacts", b"PK\x03\x04junk", name="x.xlsx")).fields) == {"file"}
    assert set((await upload(admin, "contacts", "Имя;Телефон\n")).fields) == {"file"}
    job = (await upload(admin, "contacts", CONTACTS)).json
    path = f"/api/v1/imports/{job['id']}"
    assert set((await admin("PATCH", path, {"mapping": ["name"]})).fields) == {"mapping"}
    wrong = await admin("PATCH", path, {"mapping": ["name", "name", "colour", None, None], "rule": {"by": ["colour"]}})
    assert set(wrong.fields) == {"mapping[1]", "mapping[2]", "rule.by"}
    assert (await admin("PATCH", path, {"mapping": [None] * 5})).status == 200
    assert set((await admin.post(f"{path}/start")).fields) == {"mapping"}
    assert (await admin.post(f"{path}/undo")).status == 409
    assert (await admin("PATCH", path, {}, headers={"If-Match": "1"})).status == 409
    again = await admin("PATCH", path, {"separator": ",", "encoding": "utf-8"})
    assert again.json["columns"][0]["heading"].startswith("ФИО;Тел")


async def test_exports_keep_to_the_filters_of_their_lists_and_leave_a_trace(bench: Bench) -> None:
    admin = await bench.token("admin")
    await imported(admin, "products", "Артикул;Название;Раздел;Цена\nА-1;=Болт;Метизы;1,50\nБ-1;Гайка;;2\n")
    await imported(admin, "deals", "Название;Стадия;Сумма\nПресс;Новая;100\nПила;Завершена;50,5\n")
    await imported(admin, "companies", "Название;ИНН\nРомашка;7707083893\nЛютик;\n")
    category = (await admin.items("/api/v1/product-categories"))[0]["id"]
    for address, expected in (
        (f"products/export?category_id={category}", ["А-1;'=Болт;Метизы;шт;;RUB;;1,50;;"]),
        ("products/export?q=гай", ["Б-1;Гайка;;шт;;RUB;;2,00;;"]),
        ("companies/export?inn=7707083893", ["Ромашка;7707083893;"]),
        ("deals/export?stage=won", ["2;Пила;Оборудование;Завершена;50,50;RUB;"]),
        ("deals/export?pipeline=service", []),
    ):
        lines = (await admin.get(f"/api/v1/{address}")).body.decode("utf-8-sig").splitlines()[1:]
        assert len(lines) == len(expected), address
        assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True)), lines
    book = await admin.get("/api/v1/deals/export?format=xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(book.body)).active
    assert sheet["E1"].value == "Сумма"
    assert sorted(cell.value for cell in sheet["E"][1:]) == [50.5, 100]
    trail = await admin.items("/api/v1/audit")
    assert {each["entity"] for each in trail if each["action"] == "exported"} == {"product", "company", "deal"}
