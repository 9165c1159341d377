"""The limit of a form: an aiohttp handler that decodes JSON, does nothing, and answers 202 with an id."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from aiohttp import web


async def accept(request: web.Request) -> web.Response:
    """What every hub in Python has to do at least."""
    body = msgspec.json.decode(await request.read())
    return web.Response(status=202, body=msgspec.json.encode({"id": body["name"]}), content_type="application/json")


async def main() -> None:
    """Serve on a free port until interrupted."""
    app = web.Application()
    app.router.add_post("/in/forms/{connector}", accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
