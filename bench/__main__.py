"""`python -m bench [--only NAME …] [--quick]`: run the measurements in turn, print the table, write the JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import baseline, growth, intake, live, mail, onec, search, tables
from bench.baseline import Limits
from bench.report import Row, save, table

Measurement = Callable[[Path, Limits], Awaitable[list[Row]]]

OUTPUT = Path("artifacts/bench.json")
LONG = ("search-million",)
"""Only when asked for: filling the store and its index takes a quarter of an hour."""


def measurements(quick: bool) -> Mapping[str, Measurement]:
    """Everything that is measured, in order: the limits first."""
    return {
        "noop": baseline.noop,
        "commits": baseline.commits,
        "intake": intake.intake,
        "distribute": intake.distribute,
        "stream": live.stream,
        "ring": live.ring,
        "mail": mail.mail,
        "growth": partial(growth.growth, many=100_000 if quick else 1_000_000),
        "search": partial(search.search, many=30_000 if quick else 100_000),
        "tables": partial(tables.tables, many=5_000 if quick else 50_000),
        "onec": partial(onec.onec, many=2_000 if quick else 20_000),
        **{name: partial(search.search, many=1_000_000) for name in LONG},
    }


async def run(names: list[str], quick: bool) -> list[Row]:
    """The chosen measurements in a temporary folder."""
    rows: list[Row] = []
    limits = Limits()
    with tempfile.TemporaryDirectory(prefix="firstline-bench-") as folder:
        for name, measure in measurements(quick).items():
            if name not in names:
                continue
            print(f"… {name}", file=sys.stderr, flush=True)
            try:
                rows += await measure(Path(folder), limits)
            except Exception as error:  # the other measurements are worth their time all the same
                traceback.print_exc()
                rows.append(Row(f"{name}: не измерено ({type(error).__name__})", 0, "", mark="измерено", ok=False))
    return rows


def main() -> int:
    """Exit status 1 when a mark is missed."""
    every = list(measurements(quick=True))
    parser = argparse.ArgumentParser(prog="bench", description="Скорость и память хаба рядом с пределами этой машины")
    parser.add_argument("--only", action="append", choices=every, help="только это измерение (и пределы)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="рост хранилища и поиск на 100 000 лидов вместо 1 000 000, таблицы и 1С на десятой части",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="куда записать JSON")
    chosen = parser.parse_args()
    names = [*every[:2], *chosen.only] if chosen.only else [name for name in every if name not in LONG]
    started = time.monotonic()
    rows = asyncio.run(run(names, chosen.quick))
    save(chosen.output, rows, datetime.now(UTC), time.monotonic() - started)
    print(table(rows))
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
