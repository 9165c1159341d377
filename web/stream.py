"""The live stream: `GET /api/v1/events`, server-sent events of what its reader may see, resumable without loss.

One reader of the change feed per process (`Feed`) is woken by commits, reads what is new once, and hands it to every
open stream through a bounded queue. A stream that does not keep up is cut off: the browser connects again and resumes.

**Format.** `id:` is the number of the change, `event:` its entity (`lead`, `timeline`, `task`, `call`, `user`,
`notification`, `connector`, …), `data:` is `{"seq", "at", "entity", "id", "event", "lead_id", "data"}`. Comments
(`: ping`) come every `HEARTBEAT` seconds. `event: reload` says that the wanted place in the feed is gone: load the page
anew, and go on from its `id`.

**Resume.** `Last-Event-ID` or `?last_id=` names the last change seen. What came since is read from the store up to the
place at which the stream joined the feed, so nothing is lost or doubled between the two. Without either, the stream
begins now.

**Rights.** The same table as everywhere (`crm_core/access.py`). An employee's change ends his streams, so that a new
role counts at once, and a change of the rights ends them all; the end of the session is noticed at the next heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import structlog
from aiohttp import web

from crm_core.access import Facts, may
from crm_core.actor import Actor
from crm_core.changes import CHANGES, Change, last_seq, since
from crm_core.documents.links import ENTITIES, reads_news
from crm_core.rights import Action
from crm_core.tasks import CALLBACK
from storage import ReadTx, Store, StoreUnavailable
from web.auth import Signed, look_up, require
from web.problems import invalid
from web.services import SERVICES

log = structlog.get_logger("stream")

HEARTBEAT = 15.0
LOOK_EVERY = 2.0
"""Seconds between looks when there is no news of a commit."""
QUEUE = 1000
"""Changes that a stream may lag behind."""
PER_USER = 12
"""Streams of one employee or token: windows, not a flood. One more ends the oldest."""
BATCH = 500
RETRY_MS = 2000
MAX_SEQ = 1 << 62

ENTITY_RIGHTS = {
    "timeline": "lead", "quarantine": "journal", "duplicate": "contact", "absence": "user", "template": "document",
    "company_duplicate": "company",
}  # fmt: skip
"""Whose right to read tells whether news of this entity is seen; others have a right of their own name."""

_WHOLE = {"timeline": ("lead", "deal", "task", "contact"), "document": ("document", *ENTITIES)}
"""Entity → all that must be readable, so that all of its news is."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader gets of a change."""

    seq: int
    at: str
    entity: str
    id: str
    event: str
    lead_id: str | None
    data: dict[str, object]


def encode(change: Change) -> bytes:
    """One server-sent event."""
    news = News(
        seq=change.seq,
        at=change.at.isoformat().replace("+00:00", "Z"),
        entity=change.entity,
        id=change.entity_id,
        event=change.event,
        lead_id=change.lead_id,
        data=change.data,
    )
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (change.seq, change.entity.encode(), msgspec.json.encode(news))


def sees_all(actor: Actor, entity: str) -> bool:
    """Whether every change of this entity is for this reader. Timeline items and documents are of other records: of
    them all."""
    for each in _WHOLE.get(entity) or (ENTITY_RIGHTS.get(entity, entity),):
        grants = actor.rights.granted(actor.roles, each, Action.READ)
        if not any(grant.is_everything for grant in grants):
            return False
    return True


def sees(actor: Actor, change: Change) -> bool:
    """Whether this change is for this reader."""
    if change.to and actor.id not in change.to:
        return False
    if change.entity == "notification":
        return bool(change.to)
    entities = _records_of(change)
    stage, pipeline = (
        value if isinstance(value := change.data.get(key), str) else None for key in ("stage", "pipeline")
    )
    facts = Facts(frozenset(change.owners), stage, change.event != "closed", pipeline)
    if change.entity == "document" and not reads_news(actor, change.data):
        return False
    return any(may(actor, entity, Action.READ, facts) for entity in entities)


def _records_of(change: Change) -> tuple[str, ...]:
    """Whose right to read counts; any of them is enough. Callbacks are seen like their leads, items of the timeline
    like what they are of."""
    if change.entity == "task":
        return _task(change.data.get("kind"))
    if change.entity != "timeline":
        return (ENTITY_RIGHTS.get(change.entity, change.entity),)
    if change.data.get("task_id") or change.event in ("task", "comment"):
        return _task(change.data.get("task_kind"))
    linked = {"lead": change.lead_id, "deal": change.data.get("deal_id")}
    return tuple(entity for entity, id in linked.items() if id) or ("contact",)


def _task(kind: object) -> tuple[str, ...]:
    return ("task", "lead") if kind == CALLBACK else ("task",)


@dataclass(eq=False, slots=True)
class Subscriber:
    """One open stream."""

    actor: Actor
    transport: asyncio.Transport | None
    start: int
    """Its place in the feed: what came before is read from the store or known to the reader."""
    queue: asyncio.Queue[tuple[int, bytes] | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    """None: the end."""

    everything: dict[str, bool] = field(default_factory=dict)
    """Entities of which this reader sees all there is; rights stay the same as long as a stream lasts."""

    def sees(self, change: Change) -> bool:
        """Like `sees`, without looking up the table for readers who see everything of that entity."""
        if change.to or change.entity == "notification":
            return sees(self.actor, change)
        if change.entity not in self.everything:
            self.everything[change.entity] = sees_all(self.actor, change.entity)
        return self.everything[change.entity] or sees(self.actor, change)

    def put(self, seq: int, event: bytes) -> bool:
        try:
            self.queue.put_nowait((seq, event))
        except asyncio.QueueFull:
            return False
        return True

    def cut(self) -> None:
        """Too slow: the writer may be stuck, so the connection itself goes."""
        if self.transport is not None:
            self.transport.abort()
        self.end()

    def end(self) -> None:
        """Close from this side; whatever is queued is not sent any more but resumed by the reader."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Feed:
    """Reads the change feed once for all streams of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news = asyncio.Event()
        self._subscribers: dict[Subscriber, None] = {}
        """Oldest first."""
        self._seq = 0

    @property
    def streams(self) -> int:
        """How many are open now."""
        return len(self._subscribers)

    async def start(self) -> None:
        """Begin at the present end of the feed."""
        self._seq = await self._store.read(last_seq)

    def join(self, actor: Actor, transport: asyncio.Transport | None) -> Subscriber:
        """A new stream. The oldest of the same reader ends when there are too many: windows whose end nobody noticed
        (a lost network, a suspended laptop) must not keep him from opening another."""
        reader = (actor.id, actor.name)
        own = [each for each in self._subscribers if (each.actor.id, each.actor.name) == reader]
        for oldest in own[: max(0, len(own) - PER_USER + 1)]:
            self.leave(oldest)
            oldest.end()
        subscriber = Subscriber(actor, transport, self._seq)
        self._subscribers[subscriber] = None
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)

    def close(self) -> None:
        """End every stream: the process stops."""
        for each in list(self._subscribers):
            each.end()

    async def run(self) -> None:
        """Hand out news until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "changes" in touched else None)
        try:
            while True:
                self._news.clear()
                try:
                    busy = await self._hand_out()
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                    busy = False
                if not busy:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await self._news.wait()
        finally:
            stop()

    async def _hand_out(self) -> bool:
        if not self._subscribers:
            newest = await self._store.read(last_seq)
            if not self._subscribers:  # whoever joined meanwhile counts on everything after the old place
                self._seq = max(self._seq, newest)
                return False
        changes = await self._store.read(since, self._seq, BATCH)
        for change in changes:
            self._seq = change.seq
            self._send(change)
        return len(changes) == BATCH

    def _send(self, change: Change) -> None:
        event = b""
        for each in list(self._subscribers):
            if change.seq > each.start and each.sees(change):
                event = event or encode(change)
                if not each.put(change.seq, event):
                    log.warning("stream too slow", seq=change.seq)
                    each.cut()
            if _ends(change, each.actor):
                each.end()


def _ends(change: Change, reader: Actor) -> bool:
    """Whether rights may be others now: the reader was changed, or the tree of departments, or
    the table of rights."""
    if change.entity == "setting":
        return change.data.get("table") in ("rights", "roles")
    if change.entity == "department":
        return True
    return change.entity == "user" and change.entity_id == reader.id and change.event != "presence"


FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)


def add_stream(app: web.Application) -> None:
    """Register the address and run the feed while the application runs."""
    app[FEED] = Feed(app[SERVICES].store)
    app.router.add_get("/api/v1/events", events)
    app.cleanup_ctx.append(_run_feed)
    app.on_shutdown.append(_close)


async def _run_feed(app: web.Application) -> AsyncIterator[None]:
    await app[FEED].start()
    task = asyncio.create_task(app[FEED].run(), name="change-feed")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _close(app: web.Application) -> None:
    app[FEED].close()


async def events(request: web.Request) -> web.StreamResponse:
    """The stream of one reader."""
    signed = await require(request)
    last = _last_id(request)
    feed = request.app[FEED]
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    subscriber = feed.join(signed.actor, request.transport)
    try:
        await response.prepare(request)
        await response.write(b"retry: %d\n\n" % RETRY_MS)
        with contextlib.suppress(ConnectionError):
            await _catch_up(request, response, subscriber, last)
            await _follow(request, response, subscriber, signed)
    finally:
        feed.leave(subscriber)
    return response


def _last_id(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_id") or ""
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or int(text[:20]) > MAX_SEQ:
        raise invalid(last_id="Нужен номер последнего полученного события")
    return int(text)


async def _catch_up(
    request: web.Request, response: web.StreamResponse, subscriber: Subscriber, last: int | None
) -> None:
    """What happened between the reader's last event and the place where he joined the feed."""
    if last is None:
        return
    store = request.app[SERVICES].store
    if await store.read(_is_gone, last):
        await response.write(b"id: %d\nevent: reload\ndata: {}\n\n" % subscriber.start)
        return
    subscriber.start, joined = max(subscriber.start, last), subscriber.start
    while last < joined:
        changes = await store.read(since, last, BATCH)
        if not changes:
            return
        last = changes[-1].seq
        wanted = (each for each in changes if each.seq <= joined and sees(subscriber.actor, each))
        await response.write(b"".join(encode(each) for each in wanted))


def _is_gone(tx: ReadTx, last: int) -> bool:
    """Whether changes after this place were pruned already, or the place was never reached (a restored store)."""
    reached = tx.last_number("change")
    if last >= reached:
        return last > reached
    oldest = tx.first(CHANGES, sort="seq")
    return oldest is None or oldest.seq > last + 1


async def _follow(request: web.Request, response: web.StreamResponse, subscriber: Subscriber, signed: Signed) -> None:
    """Live news, a heartbeat when there is none, until either side ends it."""
    loop = asyncio.get_running_loop()
    beat = loop.time() + HEARTBEAT
    while True:
        try:
            async with asyncio.timeout_at(beat):
                item = await subscriber.queue.get()
        except TimeoutError:
            if await look_up(request) is None:
                return
            await response.write(b": ping\n\n")
            beat = loop.time() + HEARTBEAT
            continue
        if item is None:
            return
        await response.write(_drain(subscriber, item))


def _drain(subscriber: Subscriber, item: tuple[int, bytes]) -> bytes:
    """Everything that waits, in one write."""
    chunks = [item[1]]
    while not subscriber.queue.empty():
        following = subscriber.queue.get_nowait()
        if following is None:
            subscriber.queue.put_nowait(None)
            break
        chunks.append(following[1])
    return b"".join(chunks)
