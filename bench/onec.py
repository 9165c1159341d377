"""How long a catalogue of 1C takes and how much memory: `python -m bench.onec [products]`.

Plays whole sessions through the public door of a hub in this process: import.xml and offers.xml in pieces, then the
same again unchanged. Memory is the peak of the process beyond what it needed before.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

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


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = {"import.xml": Path(folder) / "import.xml", "offers.xml": Path(folder) / "offers.xml"}
        for path, make in zip(files.values(), (products, offers), strict=True):
            with path.open("w", encoding="utf-8") as file:
                file.writelines(make(number))
        base = await open_base(Path(folder), file_limit_kb=1024, max_upload_mb=4096)
        before = megabytes()
        for what in ("first", "again"):
            began = time.perf_counter()
            await session(base, files)
            seconds, last = time.perf_counter() - began, await base.last()
            size = sum(path.stat().st_size for path in files.values()) / 2**20
            print(
                f"{what}: {size:.0f} MB, {last['taken']} items, {last['changed']} changed, {seconds:.1f} s, "
                f"{last['taken'] / seconds:.0f} items/s, peak +{megabytes() - before:.0f} MB"
            )
        await base.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
