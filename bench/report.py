"""What a measurement gives: rows of one table, and the same as JSON.

A row stands beside the limit of the same run, because a figure alone says more about the machine than about the hub.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Limit:
    """What the machine could do at best in the same run."""

    what: str
    value: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `mark` is the sentence that `ok` answers; without a mark the row only informs."""

    what: str
    value: float
    unit: str
    limit: Limit | None = None
    mark: str = ""
    ok: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Measured as a part of the limit."""
        return self.value / self.limit.value if self.limit and self.limit.value else None


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0…1) of the values lie; infinite when there are none, so that no mark is met."""
    if not values:
        return float("inf")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def number(value: float) -> str:
    """Three figures are enough to compare."""
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 100 else f"{value:.3g}"


def _cells(row: Row) -> list[str]:
    limit = f"{number(row.limit.value)} {row.unit} ({row.limit.what})" if row.limit else "—"
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else "—"
    verdict = {True: "да", False: "НЕТ", None: ""}[row.ok]
    return [row.what, f"{number(row.value)} {row.unit}", limit, ratio, row.mark, verdict]


HEAD = ["что", "измерено", "предел того же прогона", "доля", "отметка", "ок"]


def table(rows: Sequence[Row]) -> str:
    """The rows as text, columns aligned."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(HEAD))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def machine() -> dict[str, Any]:
    """The machine in the few words that matter."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages * size / 2**30),
        "python": platform.python_version(),
    }


def save(path: Path, rows: Sequence[Row], at: datetime, seconds: float) -> None:
    """Write the run for other programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {
        "at": at.isoformat(),
        "seconds": round(seconds, 1),
        "machine": machine(),
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2))
