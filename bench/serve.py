"""A hub without its router, for one measurement: how fast is the intake when nothing competes with it?

`firstline serve` refuses single parts on SQLite, because one process owns the file; here that one process is enough.

    python -m bench.serve CONFIG DATA PORT web,connectors
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from firstline.serve import run
from firstline.settings import load_settings


def main(config: str, data: str, port: str, roles: str) -> None:
    """Serve until interrupted."""
    settings = load_settings(Path(config)).at(None, int(port))
    asyncio.run(run(settings, Path(data), roles=frozenset(roles.split(","))))


if __name__ == "__main__":
    main(*sys.argv[1:])
