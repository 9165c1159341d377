"""Files that are broken, hostile or odd: refused in words, and the next exchange goes through."""

from __future__ import annotations

import io
import zipfile

import pytest

from crm_core.errors import Invalid
from crm_core.onec import ITEMS, OnecItem, compose, find_item
from router.onec import Exchange
from storage import Tx
from tests.connectors.onec.base import DATA, Base, packed

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
XXE = (
    HEAD + '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><КоммерческаяИнформация>&e;</КоммерческаяИнформация>'
)
LAUGHS = (
    HEAD
    + '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + ']><КоммерческаяИнформация a="&m;">&m;</КоммерческаяИнформация>'
)
HIDDEN = (
    f"{HEAD}<!--{'x' * 70_000}--><!DOCTYPE x><КоммерческаяИнформация><Каталог><Товары><Товар/></Товары></Каталог>"
    "</КоммерческаяИнформация>"
)


def catalogue(*products: str) -> bytes:
    inside = "".join(products)
    return (
        f'{HEAD}<КоммерческаяИнформация xmlns="urn:1C.ru:commerceml_2"><Каталог><Товары>{inside}</Товары></Каталог>'
        "</КоммерческаяИнформация>"
    ).encode()


def product(number: int, more: str = "") -> str:
    return f"<Товар><Ид>p-{number}</Ид><Наименование>Станок {number}</Наименование>{more}</Товар>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (XXE.encode(), "DOCTYPE"),
        (LAUGHS.encode(), "DOCTYPE"),
        (HIDDEN.encode(), "DOCTYPE"),
        (XXE.replace("UTF-8", "UTF-16").encode("utf-16"), "DOCTYPE"),
        ((DATA / "import.xml").read_bytes()[:-300], "не целиком"),
        (b"PK\x03\x04 not an archive", "не XML"),
        (b"\x00\x01\x02" * 1000, "не XML"),
        (b"<a>" * 2000, "не XML"),
        (b"<html><body>404</body></html>", "не CommerceML"),
        ("<КоммерческаяИнформация/>".encode("cp1251"), "не XML"),
    ],
    ids=["xxe", "laughs", "hidden", "utf16", "cut", "zip", "zeros", "deep", "html", "encoding"],
)
async def test_a_file_that_cannot_be_read_is_a_failure_in_words(base: Base, content: bytes, words: str) -> None:
    await base.begin()
    answer = await base.send("import.xml", content)
    assert (answer.split("\n")[0], words in answer) == ("failure", True), answer
    assert "root:" not in answer
    last = await base.last()
    assert (last["state"], words in last["error"]) == ("failed", True)
    health = base.health()
    assert (health.state, words in health.error) == ("degraded", True)
    await base.begin()
    assert await base.send("import.xml") == "success"
    assert base.health().state == "up"


async def test_what_came_before_the_break_is_kept(base: Base) -> None:
    await base.begin()
    whole = catalogue(*(product(number) for number in range(500)))
    assert (await base.send("import.xml", whole[:-40])).startswith("failure")
    last = await base.last()
    assert (last["state"], last["changed"]) == ("failed", 500)


async def test_a_document_type_inside_of_a_description_is_only_text(base: Base) -> None:
    await base.begin()
    more = "<Описание><![CDATA[<!DOCTYPE html><p>Станок</p>]]></Описание>"
    assert await base.send("import.xml", catalogue(product(1, more))) == "success"
    found = await base.read(find_item, "1c", "product", "p-1")
    assert found.data["description"] == "<!DOCTYPE html><p>Станок</p>"


def bomb() -> bytes:
    return packed(import_xml=b"<a>" + b" " * (300 << 20))


def too_many_megabytes() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("import.xml", b"<a>" + b" " * (1 << 20))
        archive.writestr("offers.xml", b"<a>" + b" " * (1 << 20))
    return target.getvalue()


def liar() -> bytes:
    """An archive whose directory says that a member is small."""
    content = packed(import_xml=catalogue(product(1)) + b" " * 5000)
    size = (len(catalogue(product(1))) + 5000).to_bytes(4, "little")
    return content.replace(size, (300).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (bomb(), "больше 2 МБ"),
        (too_many_megabytes(), "больше 2 МБ"),
        (liar(), "failure"),
        (packed(**{"..__..__etc__import_xml": catalogue(product(1))}), "имя файла"),
        (packed(__etc__import_xml=catalogue(product(1))), "имя файла"),
        (packed(other_xml=catalogue(product(1))), "не загружен"),
        (packed(import_xml=catalogue(product(1)))[:-30], "Архив повреждён"),
        (b"PK", "Архив повреждён"),
    ],
    ids=["bomb", "sum", "liar", "traversal", "absolute", "other", "cut", "nothing"],
)
async def test_a_hostile_archive_is_refused(base: Base, archive: bytes, words: str) -> None:
    await base.begin()
    await base.upload("import.zip", archive)
    answer = await base.run_import("import.xml")
    assert (answer.split("\n")[0], words in answer) == ("failure", True), answer
    assert await base.read(lambda tx: tx.count(ITEMS)) == 0
    assert [each.name for each in base.folder.iterdir() if each.suffix == ".xml"] == []


@pytest.mark.parametrize(
    "name",
    ["", "../../etc/cron.d/x", "/etc/passwd", "C:\\x.xml", "a/../b.xml", "a\x00b.xml", "x" * 300, "a//b.xml", ".."],
)
async def test_a_name_that_leads_elsewhere_is_refused(base: Base, name: str) -> None:
    await base.begin()
    for mode, body in (("file", b"<a/>"), ("import", b"")):
        answer = await base.ask("catalog", mode, body, filename=name)
        assert (base.status, answer.split("\n")[0]) == (200, "failure")


async def test_more_than_the_limit_is_not_taken(base: Base) -> None:
    await base.begin()
    for number in range(32):
        assert await base.ask("catalog", "file", bytes([number]) * 65536, filename="import.xml") == "success"
    assert "max_upload_mb" in await base.ask("catalog", "file", b"x", filename="import.xml")
    await base.ask("catalog", "file", b"x" * (1 << 20), filename="other.xml")
    assert base.status == 413
    assert "пустым" in await base.ask("catalog", "file", b"", filename="empty.xml")


async def test_a_file_that_was_never_sent_is_named(base: Base) -> None:
    await base.begin()
    assert "Файл offers.xml не загружен" in await base.ask("catalog", "import", filename="offers.xml")
    assert (await base.last())["state"] == "failed"


async def test_an_item_that_a_handler_refuses_holds_up_nobody_and_is_tried_again(base: Base) -> None:
    refuse = [True]

    def handler(tx: Tx, item: OnecItem) -> None:
        if item.external_id == "p-150" and refuse[0]:
            raise Invalid({"sku": "Такой артикул уже есть"})

    door = Exchange(base.hub.store, base.hub.desk, "1c")
    door.handlers = compose(door.handlers, {"product": handler})
    base.hub.supervisor.exchanges = lambda name: door
    content = catalogue(*(product(number) for number in range(300)))
    await base.begin()
    assert await base.send("import.xml", content) == "success"
    last = await base.last()
    assert (last["taken"], last["changed"], last["failed"]) == (300, 299, 1)
    (error,) = (await base.api(f"/onec/exchanges/{last['id']}/errors"))["items"]
    assert (error["external_id"], error["text"]) == ("p-150", "sku: Такой артикул уже есть")
    refuse.clear()
    refuse.append(False)
    await base.begin()
    assert await base.send("import.xml", content) == "success"
    last = await base.last()
    assert (last["changed"], last["unchanged"], last["failed"]) == (1, 299, 0)


async def test_values_that_make_no_sense_spoil_their_own_item_alone(base: Base) -> None:
    offers = "".join(
        f"<Предложение><Ид>o-{number}</Ид><Количество>{quantity}</Количество></Предложение>"
        for number, quantity in enumerate(("1e999", "NaN", "1_0", "5", "9" * 50, "-3", "1,5", "١"))
    )
    content = f"{HEAD}<КоммерческаяИнформация><ПакетПредложений><Предложения>{offers}</Предложения></ПакетПредложений>"
    content += "</КоммерческаяИнформация>"
    await base.begin()
    assert await base.send("offers.xml", content.encode()) == "success"
    last = await base.last()
    assert (last["changed"], last["failed"]) == (3, 5)
    assert (await base.read(find_item, "1c", "stock", "o-6")).data["quantity"] == "1.5"
