"""The site that 1C exchanges with: `type=catalog|sale` and `mode=…` in, plain text out.

    checkauth → init → file (piece by piece) → import (progress… success)      catalogue, prices, stock
    checkauth → init → query → success, then file [→ import]                   orders out; statuses and payments in

What was uploaded is durable before `success`. An import runs as a task of its own: it answers `progress` while it
works, goes on when 1C goes away, and is continued after a restart at the item where it stopped. One import at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import structlog

from connectors.contract import Capabilities, ConnectorContext, HealthState, HttpReply, HttpRequest, NotReady
from connectors.exchange import ExchangeDoor, Refused, SessionInfo, StoredFile, StoredPart, door_of
from connectors.onec.auth import COOKIE, Guesses, digest, knows_password, token_of
from connectors.onec.parse import BrokenFile
from connectors.onec.reading import Pieces
from connectors.onec.render import render
from connectors.onec.settings import OnecSettings
from connectors.onec.uploads import NONCE, BadUpload, Joined, is_archive, is_picture, is_whole, members, safe_name
from storage.errors import StoreUnavailable

TIDY_EVERY = 600.0
"""Seconds."""
WAIT = 20.0
"""Seconds that 1C waits for an import before it is told `progress` and asks again."""
SLACK = 1 << 16
"""Bytes above `file_limit`: 1C counts its pieces generously."""
KINDS = ("catalog", "sale")
_KIND_TITLES = {"catalog": "товары", "sale": "заказы"}

log = structlog.get_logger("onec")


class Denied(Exception):
    """The request is refused with this status of HTTP and this sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class OnecConnector:
    """One 1C base. `Connector` and `Receives` of the contract."""

    type = "onec"
    channel = "onec"
    capabilities = Capabilities()

    def __init__(self, name: str, settings: OnecSettings) -> None:
        self.name = name
        self.settings = settings
        self.max_body = settings.file_limit + SLACK
        """Bytes of one request; the web room reads no further."""
        self._context: ConnectorContext | None = None
        self._guesses = Guesses()
        self._imports: dict[str, asyncio.Task[SessionInfo]] = {}
        self._turn = asyncio.Lock()

    async def run(self, context: ConnectorContext) -> None:
        """Continue what a stop interrupted, then wait for 1C."""
        door = door_of(context)
        self._context = context
        try:
            last = await door.last()
            self._report(context, last)
            for file in await door.unfinished():
                self._start(context, file)
            while True:
                await door.tidy()
                await asyncio.sleep(TIDY_EVERY)
        except StoreUnavailable as error:
            raise NotReady("хранилище не отвечает") from error
        finally:
            self._context = None
            running = list(self._imports.values())
            self._imports.clear()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def receive(self, request: HttpRequest) -> HttpReply:
        """Answer one request of 1C. Never raises for what 1C sent."""
        context = self._context
        try:
            if context is None:
                raise NotReady("обмен ещё не запущен")
            return await self._answer(context, request)
        except Denied as error:
            return self._failure(str(error), error.status)
        except (Refused, BadUpload, BrokenFile) as error:
            return self._failure(str(error))
        except (NotReady, StoreUnavailable):
            return self._failure("Сейчас данные не сохранить: повторите обмен через минуту", 503)

    async def _answer(self, context: ConnectorContext, request: HttpRequest) -> HttpReply:
        kind, mode = request.query.get("type", ""), request.query.get("mode", "")
        if kind not in KINDS:
            raise Denied(200, f"Неизвестный type «{kind[:40]}»: поддерживаются {' и '.join(KINDS)}")
        door = door_of(context)
        if mode == "checkauth":
            return await self._checkauth(context, door, request, kind)
        step = STEPS[kind].get(mode)
        if step is None:
            raise Denied(200, f"Неизвестный mode «{mode[:40]}» для type={kind}")
        token = token_of(request.headers.get("cookie", ""))
        session = await door.session(token) if token else None
        if session is None:
            raise Denied(401, "Сессия не начата или закончилась: начните обмен заново (mode=checkauth)")
        return await step(self, context, session, request)

    async def _checkauth(
        self, context: ConnectorContext, door: ExchangeDoor, request: HttpRequest, kind: str
    ) -> HttpReply:
        now = context.now().timestamp()
        if self._guesses.are_too_many(request.remote, now):
            raise Denied(429, "Слишком много неверных паролей: попробуйте через пять минут")
        if not knows_password(request.headers.get("authorization", ""), self.settings):
            self._guesses.note(request.remote, now)
            context.count("wrong_password")
            raise Denied(401, "Неверное имя пользователя или пароль: проверьте их в настройке обмена 1С")
        secret = secrets.token_urlsafe(24)
        await door.begin(kind, digest(secret))
        context.count("session")
        for file in await door.unfinished():
            self._start(context, file)
        await door.tidy()
        return self._text("success", COOKIE, secret)

    async def _init(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        return self._text(f"zip={'yes' if self.settings.zip else 'no'}", f"file_limit={self.settings.file_limit}")

    async def _catalog_file(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        await self._keep(context, session, request)
        return self._text("success")

    async def _sale_file(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        """The protocol has no `import` for orders, newer configurations send it all the same: begin when the file has
        its end, and when a piece is smaller than the limit, which only a last one is."""
        file = await self._keep(context, session, request)
        if file is None:
            return self._text("success")
        whole = await asyncio.to_thread(is_whole, self._joined(context, file), file.name)
        if not whole and len(request.body) >= self.settings.file_limit:
            return self._text("success")
        started = await self._begin(context, session, file.name)
        await self._wait(started)
        self._raise_failed(await self._states(context, session, started))
        return self._text("success")

    async def _keep(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> StoredFile | None:
        """Make a piece durable; None for a picture, which is taken and not kept."""
        name = safe_name(request.query.get("filename", ""))
        if not request.body:
            raise BadUpload(f"Файл {name} пришёл пустым")
        if is_picture(name):
            return None
        door = door_of(context)
        uploaded = sum(file.size for file in await door.files(session.id) if file.archive is None)
        if uploaded + len(request.body) > self.settings.max_upload:
            raise BadUpload(f"За один обмен можно загрузить {self.settings.max_upload_mb} МБ: увеличьте max_upload_mb")
        blob, _ = await context.blobs.put(secrets.token_bytes(NONCE) + request.body)
        part = StoredPart(blob=blob, size=len(request.body), digest=hashlib.sha256(request.body).hexdigest())
        return await door.add_part(session.id, name, part)

    async def _import(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        try:
            started = await self._begin(context, session, safe_name(request.query.get("filename", "")))
        except (BadUpload, Refused) as error:
            self._report(context, await door_of(context).fail(session.id, str(error)))
            raise
        finished = await self._wait(started)
        states = await self._states(context, session, started)
        self._raise_failed(states)
        if not finished:
            return self._text("progress", f"Принято записей: {sum(file.position for file in states)}")
        return self._text("success")

    async def _begin(self, context: ConnectorContext, session: SessionInfo, name: str) -> list[StoredFile]:
        """Start the import of what 1C calls by this name: a file, a member of an archive, or a whole archive."""
        door = door_of(context)
        known = {file.name: file for file in await door.files(session.id)}
        wanted: list[tuple[str, str | None]] = [(name, None)]
        if is_archive(name) and name in known:
            inside = await asyncio.to_thread(members, self._joined(context, known[name]), self.settings.max_upload)
            wanted = [(each, name) for each in sorted(inside) if each.lower().endswith(".xml")]
        elif name not in known:
            wanted = [await self._in_archives(context, known, name)]
        started = [await door.start_import(session.id, each, archive) for each, archive in wanted]
        for file in started:
            if file.state == "importing":
                self._start(context, file)
        return started

    async def _in_archives(
        self, context: ConnectorContext, known: Mapping[str, StoredFile], name: str
    ) -> tuple[str, str | None]:
        for archive in known.values():
            if is_archive(archive.name):
                joined = self._joined(context, archive)
                for member in await asyncio.to_thread(members, joined, self.settings.max_upload):
                    if member == name or member.rpartition("/")[2] == name:
                        return member, archive.name
        return name, None

    def _start(self, context: ConnectorContext, file: StoredFile) -> None:
        running = self._imports.get(file.id)
        if running is None or running.done():
            task = asyncio.create_task(self._run_import(context, file), name=f"onec-{self.name}")
            task.add_done_callback(_note_failure)
            self._imports[file.id] = task

    async def _wait(self, files: list[StoredFile]) -> bool:
        """Whether all of them ended in time. Raises what an import raised."""
        tasks = [self._imports[file.id] for file in files if file.id in self._imports]
        if not tasks:
            return True
        done, pending = await asyncio.wait(tasks, timeout=WAIT)
        for task in done:
            if not task.cancelled():
                task.result()
        return not pending

    async def _states(
        self, context: ConnectorContext, session: SessionInfo, files: list[StoredFile]
    ) -> list[StoredFile]:
        wanted = {file.id for file in files}
        return [file for file in await door_of(context).files(session.id) if file.id in wanted]

    @staticmethod
    def _raise_failed(files: list[StoredFile]) -> None:
        failed = [f"{file.name}: {file.error}" for file in files if file.state == "failed"]
        if failed:
            raise BrokenFile("; ".join(failed))

    async def _run_import(self, context: ConnectorContext, file: StoredFile) -> SessionInfo:
        """Read a file to its end, piece by piece, each durable before the next."""
        door = door_of(context)
        async with self._turn:
            pieces = Pieces(file, self.settings, context.blobs.path)
            loop = asyncio.get_running_loop()
            thread = ThreadPoolExecutor(
                1, "onec"
            )  # lxml: a parser belongs to one thread from its first to its last byte
            problem: str | None = None
            try:
                at = 0
                while items := await loop.run_in_executor(thread, pieces.next):
                    if at + len(items) > file.position:
                        file = await door.take(file, at, items)
                    at += len(items)
            except (BrokenFile, BadUpload) as error:
                problem = str(error)
            finally:
                thread.submit(pieces.close)
                thread.shutdown(wait=False)
            info = await door.finish(file, problem)
            self._imports.pop(file.id, None)
        context.count("file_failed" if problem else "file")
        self._report(context, info)
        return info

    async def _query(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        orders = await door_of(context).orders(session.id, self.settings.order_stages)
        body = await asyncio.to_thread(render, orders, self.settings, context.now())
        return HttpReply(body=body, content_type=f"text/xml; charset={self.settings.encoding}")

    async def _confirm(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        door = door_of(context)
        await door.confirm(session.id)
        self._report(context, await door.last())
        return self._text("success")

    async def _nothing(self, context: ConnectorContext, session: SessionInfo, request: HttpRequest) -> HttpReply:
        """Steps of newer configurations that ask us to switch off what a full catalogue does not name: we keep it."""
        return self._text("success")

    def _report(self, context: ConnectorContext, last: SessionInfo | None) -> None:
        if last is None:
            context.report(HealthState.UP, detail="1С ещё не обращалась: впишите адрес и пароль в настройку обмена")
            return
        when = last.started_at.astimezone(self.settings.zone).strftime("%d.%m.%Y %H:%M")
        counts = f"принято {last.taken}, изменилось {last.changed}, с ошибками {last.failed}"
        detail = f"Последний обмен ({_KIND_TITLES.get(last.kind, last.kind)}): {when}, {counts}"
        if last.state == "failed":
            context.report(HealthState.DEGRADED, f"Обмен с 1С {when} не прошёл: {last.error}", detail=detail)
        else:
            context.report(HealthState.UP, detail=detail)

    def _joined(self, context: ConnectorContext, file: StoredFile) -> Joined:
        return Joined(file.parts, context.blobs.path)

    def _text(self, *lines: str) -> HttpReply:
        body = "\n".join(lines).encode(self.settings.encoding, "replace")
        return HttpReply(body=body, content_type=f"text/plain; charset={self.settings.encoding}")

    def _failure(self, text: str, status: int = 200) -> HttpReply:
        reply = self._text("failure", text)
        headers = {"WWW-Authenticate": 'Basic realm="1C"'} if status == 401 else {}
        return HttpReply(status=status, body=reply.body, content_type=reply.content_type, headers=headers)


def _note_failure(task: asyncio.Task[SessionInfo]) -> None:
    """An import that nobody waits for any more still says what went wrong; it is begun again by the next session."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("import interrupted", error=type(error).__name__, exc_info=error)


Step = Callable[[OnecConnector, ConnectorContext, SessionInfo, HttpRequest], Awaitable[HttpReply]]
STEPS: Mapping[str, Mapping[str, Step]] = MappingProxyType(
    {
        "catalog": {
            "init": OnecConnector._init,
            "file": OnecConnector._catalog_file,
            "import": OnecConnector._import,
            "deactivate": OnecConnector._nothing,
            "complete": OnecConnector._nothing,
        },
        "sale": {
            "init": OnecConnector._init,
            "query": OnecConnector._query,
            "success": OnecConnector._confirm,
            "file": OnecConnector._sale_file,
            "import": OnecConnector._import,
        },
    }
)
"""type → mode → step."""
