"""Templates and documents through the API, and the making of documents behind it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crm_core.actor import Actor
from crm_core.documents.data import DocumentData, Party
from crm_core.documents.issued import DOCUMENTS, Document, DocumentFile, DocumentState, NumberTaken, issue
from crm_core.documents.library import find_template
from crm_core.documents.links import Links
from crm_core.errors import Conflict, Forbidden, Invalid
from tests.api.hub import Answer, Bench, Caller
from tests.api.papers import data, docx, words_of
from web.documents import Documents
from web.pdf import Pdf

NEW = {"key": "act", "title": "Акт", "kind": "act", "numbering": "А-{year}-{number}"}


def works(bench: Bench, program: str | None = None) -> Documents:
    return Documents(bench.hub.store, bench.hub.settings.company, Pdf(program))


def full(bench: Bench) -> DocumentData:
    return data(bench.hub.settings.company.firm)


def actor(bench: Bench, role: str, id: str | None = None) -> Actor:
    return Actor(id=id, name="Анна", roles=frozenset({role}), rights=bench.hub.settings.company.rights)


async def made(bench: Bench, template: str = "offer-equipment", id: str | None = "anna", **links: str) -> Document:
    return await works(bench).generate(actor(bench, "admin", id), template, full(bench), Links(**links))


async def upload(caller: Caller, content: bytes, **fields: Any) -> Answer:
    form = aiohttp.FormData(fields)
    form.add_field("file", content, filename="шаблон.docx", content_type="application/octet-stream")
    return await caller.post("/api/v1/templates", data=form)


async def test_a_document_is_made_numbered_listed_and_downloaded(bench: Bench) -> None:
    admin = await bench.token("admin")
    first, second = await made(bench, deal_id="deal_1"), await made(bench, lead_id="lead_1")
    assert (first.number, second.number) == ("КП-2026-0001", "КП-2026-0002")
    assert (await made(bench, "contract-equipment")).number == "ДП-2026-0001"
    shown = (await admin.get(f"/api/v1/documents/{first.id}")).json
    assert (shown["number"], shown["state"], shown["versions"]) == ("КП-2026-0001", "ready", 1)
    assert shown["name"] == "Коммерческое предложение на оборудование КП-2026-0001 ООО Ромашка  Ко"
    assert [each["id"] for each in await admin.items("/api/v1/documents?deal_id=deal_1")] == [first.id]
    assert len(await admin.items("/api/v1/documents?kind=offer&sort=created_at")) == 2
    file = await admin.get(f"/api/v1/documents/{first.id}/file")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert "№ КП-2026-0001 от 23 ноября 2026 г." in words_of(file.body)
    assert (await admin.get("/api/v1/documents/nobody")).status == 404


async def test_missing_fields_are_named_and_take_no_number(bench: Bench) -> None:
    making, who = works(bench), actor(bench, "admin")
    empty = DocumentData(firm=Party(name="ООО «Мы»"))
    with pytest.raises(Invalid) as caught:
        await making.generate(who, "contract-service", empty, Links())
    assert caught.value.fields["customer.inn"] == "Заполните: Клиент: ИНН"
    blank = await making.generate(who, "contract-service", empty, Links(), leave_blanks=True)
    assert blank.number == "ДС-2026-0001"


async def test_numbers_have_no_gap_whatever_happens_at_once(bench: Bench) -> None:
    machines = [works(bench) for _ in range(4)]
    who, empty = actor(bench, "admin"), DocumentData()
    tries = [
        each.generate(who, "offer-service", whole, Links())
        for each in machines
        for whole in (full(bench), empty, full(bench))
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    numbers = sorted(each.serial for each in results if isinstance(each, Document))
    assert numbers == list(range(1, 9))
    assert sum(isinstance(each, Invalid) for each in results) == 4


async def test_a_number_that_was_taken_meanwhile_is_not_used_twice(bench: Bench) -> None:
    who, company = actor(bench, "admin"), bench.hub.settings.company
    document = await made(bench)
    found = await bench.hub.store.read(find_template, who, company, "offer-equipment")
    file = DocumentFile(blob=document.files[0].blob, size=1, created_at=document.created_at)
    with pytest.raises(NumberTaken):
        await bench.hub.store.write(
            issue, who, found, full(bench), Links(), file, serial=1, day=document.day
        )  # fmt: skip
    assert (await made(bench)).serial == 2


async def test_the_year_is_that_of_the_companys_time_zone(bench: Bench) -> None:
    await made(bench)
    bench.clock.push(datetime(2026, 12, 31, 20, 59, tzinfo=UTC) - bench.clock.now())
    assert (await made(bench)).number == "КП-2026-0002"
    bench.clock.push(datetime(2026, 12, 31, 21, 1, tzinfo=UTC) - bench.clock.now())
    new_year = await made(bench)
    assert (new_year.number, f"{new_year.day}") == ("КП-2027-0001", "2027-01-01")


async def test_a_document_made_anew_keeps_its_number_and_its_first_version(bench: Bench) -> None:
    admin = await bench.token("admin")
    document = await made(bench)
    sent = {"state": DocumentState.SENT, "sent_at": document.created_at, "sent_to": "ivan@example.ru"}
    await bench.hub.store.write(lambda tx: tx.update(DOCUMENTS, tx.require(DOCUMENTS, document.id), **sent))
    other = data(bench.hub.settings.company.firm, Party(name="АО «Лютик»"))
    bench.clock.push(datetime(2026, 12, 1, tzinfo=UTC) - bench.clock.now())
    again = await works(bench).regenerate(actor(bench, "admin"), document.id, other)
    assert (again.number, again.day, again.state, len(again.files)) == (document.number, document.day, "ready", 2)
    assert (again.sent_at, again.sent_to) == (None, None)
    path = f"/api/v1/documents/{document.id}/file"
    assert "АО «Лютик»" in words_of((await admin.get(path)).body)
    assert "ООО «Ромашка & Ко»" in words_of((await admin.get(f"{path}?revision=1")).body)
    assert (await admin.get(f"{path}?revision=3")).status == 404


async def test_void_keeps_the_number_and_ends_the_document(bench: Bench) -> None:
    admin = await bench.token("admin")
    document = await made(bench)
    path = f"/api/v1/documents/{document.id}"
    assert (await admin.post(f"{path}/void", {"reason": " "})).fields == {
        "reason": "Укажите причину, не длиннее 1000 знаков"
    }
    voided = (await admin.post(f"{path}/void", {"reason": "Ошибка в цене"})).json
    assert (voided["state"], voided["void_reason"]) == ("void", "Ошибка в цене")
    assert (await admin.post(f"{path}/void", {"reason": "Ещё раз"})).status == 409
    with pytest.raises(Conflict, match="аннулирован: Ошибка в цене"):
        await works(bench).regenerate(actor(bench, "admin"), document.id, full(bench))
    trail = await admin.items(f"/api/v1/audit?entity_id={document.id}")
    assert {each["action"] for each in trail} == {"created", "voided"}
    assert (await made(bench)).serial == 2


async def test_rights_hold_for_documents(bench: Bench) -> None:
    document = await made(bench, id="anna")
    consultant, first_line = await bench.token("consultant"), await bench.token("first_line")
    path = f"/api/v1/documents/{document.id}"
    assert (await consultant.get(path)).status == 200
    assert (await consultant.post(f"{path}/void", {"reason": "x"})).status == 403
    for hidden in (path, f"{path}/file", "/api/v1/documents", "/api/v1/templates"):
        assert (await first_line.get(hidden)).status == 403, hidden
    with pytest.raises(Forbidden):
        await works(bench).generate(actor(bench, "ceo"), "offer-equipment", full(bench), Links())
    own = await works(bench).generate(actor(bench, "consultant", "boris"), "offer-equipment", full(bench), Links())
    assert (await works(bench).regenerate(actor(bench, "consultant", "boris"), own.id, full(bench))).id == own.id


async def test_pdf_is_made_once_and_its_lack_is_told_in_words(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, document = await bench.token("admin"), await made(bench)
    path = f"/api/v1/documents/{document.id}/file?format=pdf"
    empty = tmp_path / "bin"
    empty.mkdir()
    usual = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(empty))
    refused = await admin.get(path)
    assert (refused.status, "apt install libreoffice-writer" in refused.fields["format"]) == (422, True)
    assert (await admin.get(f"/api/v1/documents/{document.id}/file")).status == 200
    fake, count = empty / "soffice", tmp_path / "count"
    fake.write_text(
        f'#!/bin/sh\necho >> {count}\nfor last; do :; done\nprintf "%%PDF-1.7" > "$(dirname "$last")/document.pdf"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{empty}:{usual}")
    for _ in range(2):
        answer = await admin.get(path)
        assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"%PDF-1.7", "application/pdf")
    assert count.read_text() == "\n"
    stored = await bench.hub.store.read(lambda tx: tx.require(DOCUMENTS, document.id))
    assert stored.files[0].pdf
    fake.write_text("#!/bin/sh\nexit 1\n")
    broken = await admin.get(f"/api/v1/documents/{(await made(bench)).id}/file?format=pdf")
    assert (broken.status, broken.headers["Retry-After"]) == (503, "5")


async def test_the_presets_templates_are_there_and_can_be_changed_and_brought_back(bench: Bench) -> None:
    admin = await bench.token("admin")
    listed = await admin.items("/api/v1/templates")
    assert {each["id"] for each in listed} == {
        "offer-equipment", "contract-equipment", "offer-service", "contract-service",
    }  # fmt: skip
    path = "/api/v1/templates/offer-service"
    fields = (await admin.get(f"{path}/fields")).json["fields"]
    assert {"path": "customer.name", "title": "Клиент: название", "required": True} in fields
    assert (await admin.get(f"{path}/file")).body.startswith(b"PK")
    changed = await admin("PATCH", path, {"title": "КП сервиса", "active": False}, headers={"If-Match": "0"})
    assert (changed.json["title"], changed.json["bundled"], changed.json["changed"]) == ("КП сервиса", True, True)
    assert (await admin("PATCH", path, {"title": "Опять"}, headers={"If-Match": "0"})).status == 409
    with pytest.raises(Conflict, match="отключён"):
        await made(bench, "offer-service")
    assert (await admin("DELETE", path)).status == 204
    assert (await admin.get(path)).json["title"] == "Коммерческое предложение на сервисное обслуживание"
    assert (await admin("DELETE", path)).status == 409
    assert (await made(bench, "offer-service")).serial == 1


async def test_an_own_template_is_checked_uploaded_used_and_replaced(bench: Bench) -> None:
    admin = await bench.token("admin")
    wrong = await upload(admin, docx("Клиент {{ customer.nane }}"), **NEW)
    assert wrong.fields == {"attachments[0]": "Поля «customer.nane» нет; похоже на «customer.name»"}
    assert (await upload(admin, b"junk", **NEW)).status == 422
    pattern = await upload(admin, docx("Текст"), **NEW | {"numbering": "А-{day}"})
    assert set(pattern.fields) == {"numbering"}
    created = await upload(admin, docx("Акт {{ number }}: {{ customer.name }}"), **NEW)
    assert (created.status, created.json["id"], created.json["bundled"]) == (201, "act", False)
    assert (await upload(admin, docx("Текст"), **NEW)).status == 409
    document = await made(bench, "act")
    assert (document.number, document.files[0].template_revision) == ("А-2026-1", 1)
    form = aiohttp.FormData()
    form.add_field("file", docx("Новый {{ number }}"), filename="x.docx")
    replaced = await admin("PATCH", "/api/v1/templates/act", data=form)
    assert (replaced.status, replaced.json["revision"]) == (200, 2)
    assert (await made(bench, "act")).files[0].template_revision == 2
    assert (await admin("DELETE", "/api/v1/templates/act")).status == 204
    assert (await admin.get("/api/v1/templates/act")).status == 404
    assert (await admin.get(f"/api/v1/documents/{document.id}/file")).status == 200


async def test_only_those_who_keep_the_templates_change_them(bench: Bench) -> None:
    consultant = await bench.token("consultant")
    assert (await upload(consultant, docx("Текст"), **NEW)).status == 403
    assert (await consultant("PATCH", "/api/v1/templates/offer-service", {"title": "x"})).status == 403
    assert (await consultant("DELETE", "/api/v1/templates/offer-service")).status == 403
    head = await bench.token("head_equipment")
    assert (await upload(head, docx("Текст"), **NEW)).status == 201


async def test_what_a_template_may_say_is_told(bench: Bench) -> None:
    guide = (await (await bench.token("consultant")).get("/api/v1/template-guide")).json
    assert {"path": "customer.inn", "title": "Клиент: ИНН", "write": "{{ customer.inn }}"} in guide["variables"]
    assert {"path": "lines[].name", "title": "Строки: наименование", "write": "{{ line.name }}"} in guide["variables"]
    assert "decline" in {each["name"] for each in guide["filters"]}
    assert (await (await bench.token("first_line")).get("/api/v1/template-guide")).status == 403
