"""A 1C base at the other end of the wire: what «Обмен с сайтом» does, request by request."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from crm_core.accounts import create_token
from crm_core.actor import SYSTEM
from firstline.settings import load_settings
from firstline.wiring import Hub, start_hub
from tests.api.hub import Ticking
from web.api.running import show_health

DATA = Path(__file__).parent / "data"
LOGIN, PASSWORD = "Обмен", "пароль обмена 1"
CONFIG = f"""
[server]
port = 0
public_url = "http://127.0.0.1"

[company]
preset = "equipment"

[connectors.1c]
type = "onec"
username = "{LOGIN}"
password = "{PASSWORD}"
price_type = "Розничная"
order_stages = ["equipment/contract"]
file_limit_kb = FILE_LIMIT
max_upload_mb = MAX_UPLOAD

[connectors.other]
type = "onec"
username = "other"
password = "another password"
encoding = "windows-1251"
"""


def basic(login: str = LOGIN, password: str = PASSWORD, charset: str = "utf-8") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode(charset)).decode()}


def packed(**files: bytes) -> bytes:
    """An archive; `__` in a name stands for a slash, `_xml` for `.xml`."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return target.getvalue()


@dataclass
class Base:
    folder: Path
    clock: Ticking
    hub: Hub
    http: aiohttp.ClientSession
    connector: str = "1c"
    cookie: dict[str, str] = field(default_factory=dict)
    status: int = 0

    async def ask(
        self, kind: str, mode: str, body: bytes = b"", headers: dict[str, str] | None = None, **query: str
    ) -> str:
        """One request; the answer as text. Its status is kept."""
        address = f"{self.hub.url}/in/hooks/{self.connector}"
        given = {"type": kind, "mode": mode, **query}
        method = "POST" if body or mode == "file" else "GET"
        async with self.http.request(
            method, address, params=given, data=body, headers={**self.cookie, **(headers or {})}
        ) as answer:
            self.status = answer.status
            return await answer.text()

    async def begin(self, kind: str = "catalog") -> None:
        word, name, value = (await self.ask(kind, "checkauth", headers=basic())).split("\n")
        assert word == "success"
        self.cookie = {"Cookie": f"{name}={value}"}
        assert (await self.ask(kind, "init")).startswith("zip=yes\nfile_limit=")

    async def upload(self, name: str, content: bytes, kind: str = "catalog", limit: int = 65536) -> None:
        for start in range(0, len(content), limit):
            assert await self.ask(kind, "file", content[start : start + limit], filename=name) == "success"

    async def run_import(self, name: str, kind: str = "catalog") -> str:
        """Ask until it is no longer under way."""
        while (answer := await self.ask(kind, "import", filename=name)).startswith("progress"):
            pass
        return answer

    async def send(self, name: str, content: bytes | None = None) -> str:
        """Upload and import a file of a catalogue, as recorded unless given."""
        await self.upload(name, (DATA / name).read_bytes() if content is None else content)
        return await self.run_import(name)

    async def read(self, fn: Any, *args: Any) -> Any:
        return await self.hub.store.read(fn, *args)

    async def api(self, path: str) -> Any:
        headers = {"Authorization": "Bearer root-token"}
        async with self.http.get(f"{self.hub.url}/api/v1{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def last(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api("/onec/exchanges"))["items"][0]
        return found

    def health(self) -> Any:
        found = next(each for each in self.hub.supervisor.health() if each.name == self.connector)
        return show_health(found, self.clock.now())

    async def restart(self) -> None:
        await self.hub.stop()
        self.hub = await start_hub(load_settings(self.folder / "firstline.toml", {}), self.folder, clock=self.clock.now)

    async def close(self) -> None:
        await self.http.close()
        await self.hub.stop()


async def open_base(folder: Path, *, file_limit_kb: int = 64, max_upload_mb: int = 2) -> Base:
    config = folder / "firstline.toml"
    limits = CONFIG.replace("FILE_LIMIT", str(file_limit_kb)).replace("MAX_UPLOAD", str(max_upload_mb))
    config.write_text(limits, encoding="utf-8")
    clock = Ticking(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
    hub = await start_hub(load_settings(config, {}), folder, clock=clock.now)
    await hub.store.write(create_token, SYSTEM, "root", "admin", "root-token")
    return Base(folder, clock, hub, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
