"""How long a catalogue of 1C takes: whole sessions through the public door of a hub in this process, import.xml and
offers.xml in pieces, then the same again unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from bench.baseline import Limits
from bench.report import Row, number
from tests.connectors.onec.base import Base, open_base

HEAD = '<?xml version="1.0" encoding="UTF-8"?><КоммерческаяИнформация xmlns="urn:1C.ru:commerceml_2">'
PIECE = 1 << 20


def products(number: int) -> Iterator[str]:
    yield f"{HEAD}<Каталог><Товары>"
    for each in range(number):
        yield (
            f"<Товар><Ид>{UUID(int=each)}</Ид><Артикул>А-{each}</Артикул><Наименование>Станок {each}</Наименование>"
            f"<БазоваяЕдиница Код='796'>шт</БазоваяЕдиница><Описание>{'Описание станка. ' * 40}</Описание>"
            + "<ЗначенияРеквизитов>"
            + "".join(
                f"<ЗначениеРеквизита><Наименование>Р{n}</Наименование><Значение>{n}</Значение></ЗначениеРеквизита>"
                for n in range(8)
            )
            + "</ЗначенияРеквизитов></Товар>"
        )
    yield "</Товары></Каталог></КоммерческаяИнформация>"


def offers(number: int) -> Iterator[str]:
    yield f"{HEAD}<ПакетПредложений><Предложения>"
    for each in range(number):
        yield (
            f"<Предложение><Ид>{UUID(int=each)}</Ид><Цены><Цена><ИдТипаЦены>t</ИдТипаЦены><ЦенаЗаЕдиницу>{each}.50"
            "</ЦенаЗаЕдиницу><Валюта>руб</Валюта></Цена></Цены><Количество>3</Количество></Предложение>"
        )
    yield "</Предложения></ПакетПредложений></КоммерческаяИнформация>"


async def session(base: Base, files: dict[str, Path]) -> None:
    await base.begin()
    for name, path in files.items():
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                assert await base.ask("catalog", "file", piece, filename=name) == "success"
        assert await base.run_import(name) == "success"


async def onec(folder: Path, limits: Limits, many: int) -> list[Row]:
    """Items per second: a catalogue that is new, and one that 1C sends again."""
    place = folder / "onec"
    place.mkdir()
    files = {"import.xml": place / "import.xml", "offers.xml": place / "offers.xml"}
    for path, make in zip(files.values(), (products, offers), strict=True):
        with path.open("w", encoding="utf-8") as file:
            file.writelines(make(many))
    base = await open_base(place, file_limit_kb=1024, max_upload_mb=4096)
    rows = []
    try:
        for what in ("новый", "тот же снова"):
            began = time.perf_counter()
            await session(base, files)
            rate = (await base.last())["taken"] / (time.perf_counter() - began)
            rows.append(Row(f"каталог 1С, {number(many)} товаров, {what}", rate, "записей/с"))
    finally:
        await base.close()
    return rows
