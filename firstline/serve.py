"""`firstline serve`: run until Ctrl-C or SIGTERM, then stop cleanly."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

from firstline.bootstrap import prepare
from firstline.logs import configure_logs
from firstline.settings import Settings
from firstline.wiring import ROLES, start_hub

SWITCH_INTERVAL = 0.002
"""Seconds between switches of Python threads: short, so that the writer thread never waits long for a busy loop."""

COLLECT_AFTER = (20_000, 20, 100)
"""Thresholds of the garbage collector, see `gc.set_threshold`. A busy intake makes objects by the hundred thousand a
second and drops them in the right order: Python's own thresholds would look through all of them again and again."""


async def run(settings: Settings, data: Path, *, roles: frozenset[str] = ROLES) -> None:
    """Serve these parts until a signal asks to stop. Raises the typed errors of the store and of the network."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECT_AFTER)
    configure_logs()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    hub = await start_hub(settings, data, prepare=lambda store: prepare(store, settings), roles=roles)
    gc.freeze()  # what was imported stays for ever
    try:
        print(welcome(settings, hub.url), flush=True)
        await stop.wait()
    finally:
        await hub.stop()


def welcome(settings: Settings, url: str) -> str:
    """What the operator reads when the hub is up."""
    lines = [f"Первая линия работает: {url}"]
    if settings.demo is not None:
        lines.append(f"Демонстрация. Пароль у всех: {settings.demo.password}. Войти можно как:")
        lines += [f"  {user.email:<28} {user.name}" for user in settings.demo.users]
    lines.append("Как попробовать каналы:")
    for name, section in settings.connectors.items():
        lines.append(f"  {_HOW_TO_TRY[section.type].format(url=url, name=name)}")
    lines.append("Ctrl-C — остановить")
    return "\n".join(lines)


_HOW_TO_TRY = {
    "form": "форма сайта:  {url}/forms/{name}  или  curl -d name=Иван -d phone=+79161234567 {url}/in/forms/{name}",
    "email": "почта «{name}»:  напишите письмо на её адрес; состояние — {url}/ops",
    "onec": "обмен с 1С «{name}»:  адрес сайта в настройке обмена 1С — {url}/in/hooks/{name}",
    "asterisk": "телефония «{name}»:  позвоните на номер; состояние — {url}/ops",
}
