"""The site form: a visitor's post becomes an `Inbound`, and he is told honestly what happens next.

The web room hands over requests to `/in/forms/NAME` and `/forms/NAME` that are already limited in size. A post passes
origin, rate and field checks, in this order, is made durable by the intake, and only then acknowledged: `202` for
scripts and servers, `303` back to the page for a plain form. Nothing here waits for anything but the intake.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import datetime, time, timedelta

import msgspec
import structlog

from connectors.contract import (
    Attachment,
    Capabilities,
    ConnectorContext,
    HealthState,
    HttpReply,
    HttpRequest,
    NotReady,
    OpenState,
)
from connectors.form import pages, replies
from connectors.form.body import Body, read_body
from connectors.form.guard import DoubleClicks, RateLimit, TimeToken, content_digest, robot_reason
from connectors.form.parse import MAX_KEY, Application, parse, technical, to_inbound
from connectors.form.refusal import Refusal
from connectors.form.settings import FormSettings
from connectors.form.texts import Language, Message, choose_language, thanks
from storage.errors import StoreUnavailable

CALENDAR_KEPT = timedelta(seconds=10)
"""How long an answer of the calendar is used again; never past midnight, the next opening or closing."""
RETRY_AFTER = 5
"""Seconds after which a visitor may try again when the store cannot write."""

MAX_ECHO = 20_000
"""Characters of a field that come back in the form after a mistake."""

log = structlog.get_logger(__name__)


class FormConnector:
    """One site form."""

    type = "form"
    channel = "form"
    capabilities = Capabilities()

    def __init__(self, name: str, settings: FormSettings) -> None:
        self.name = name
        self.settings = settings
        self.max_upload = (settings.max_file_mb + 1) << 20
        """Bytes of a form with its files; the web room reads no further."""
        self._sites = replies.Sites(settings)
        self._rate = RateLimit(*settings.rate) if settings.rate else None
        self._clicks = DoubleClicks(settings.double_click_seconds)
        self._token = TimeToken(settings.secret.encode() if settings.secret else secrets.token_bytes(32))
        self._context: ConnectorContext | None = None
        self._calendar: tuple[datetime, OpenState] | None = None
        self._sentences: dict[Language, str] = {}
        """Thanks that hold as long as the answer of the calendar does."""

    async def run(self, context: ConnectorContext) -> None:
        """Open the form; nothing to connect to, so it is up at once."""
        self._context = context
        context.report(HealthState.UP)
        try:
            await asyncio.Event().wait()
        finally:
            self._context = None

    async def receive(self, request: HttpRequest) -> HttpReply:
        """Answer a request to the form's address. Never raises for what a visitor sent."""
        language = self._language(request)
        try:
            if request.method in ("GET", "HEAD") and not request.path.startswith("/in/"):
                return await self._page(request, language)
            reply = await self._dispatch(request, language)
        except Refusal as refusal:
            reply = self._refused(request, refusal, language)
        if reply.status == 204:
            return reply
        return msgspec.structs.replace(reply, headers={**reply.headers, **self._sites.cors(request.headers)})

    async def _dispatch(self, request: HttpRequest, language: Language) -> HttpReply:
        if request.method not in ("POST", "OPTIONS"):
            raise Refusal(405, "method")
        if not self._sites.admits(request.headers):
            raise Refusal(403, "foreign_origin")
        if request.method == "OPTIONS":
            return self._sites.preflight(request.headers)
        context = self._ready()
        self._check_rate(context, request.remote)
        return await self._post(context, request, language)

    async def _post(self, context: ConnectorContext, request: HttpRequest, language: Language) -> HttpReply:
        headers = request.headers
        body = read_body(headers.get("content-type", ""), request.body, self.settings.max_fields)
        try:
            application = parse(body, self.settings)
            self._check_files(body)
        except Refusal as refusal:
            if replies.is_plain_form(request) and replies.wants_html(headers):
                return self._form_again(context, request, body, refusal, language)
            raise
        id = await self._hand_in(context, request, body, application)
        if replies.is_plain_form(request):
            wished = technical(body, self.settings).redirect
            target = self._sites.way_back(headers, wished, application.page)
            if target is not None:
                return replies.see_other(target)
            if replies.wants_html(headers):
                return pages.thanks_page(self.settings, await self._thanks(language), language)
        return replies.accepted(id, await self._thanks(language))

    async def _hand_in(
        self, context: ConnectorContext, request: HttpRequest, body: Body, application: Application
    ) -> str:
        """Make the post durable; its id. Files of robots are not kept."""
        now = context.now()
        signs = technical(body, self.settings)
        age = self._token.age(signs.token, now.timestamp()) if signs.token else None
        robot = robot_reason(application, signs, self.settings, age)
        if robot:
            context.count("robot")
        try:
            attachments = () if robot else await self._store_files(context, body)
            inbound = to_inbound(
                application,
                connector=self.name,
                external_id=self._external_id(request, body, application, now),
                now=now,
                visited=self._sites.visited(request.headers),
                attachments=attachments,
                robot=robot,
            )
            receipts = await context.accept(inbound)
        except (NotReady, StoreUnavailable):
            raise Refusal(503, "unavailable", retry_after=RETRY_AFTER) from None
        return receipts[0].id

    def _external_id(self, request: HttpRequest, body: Body, application: Application, now: datetime) -> str:
        """The site's own key makes posts equal for ever; without it, only a double click makes them so."""
        key = request.headers.get("idempotency-key", "").strip()
        if len(key) > MAX_KEY:
            fields = {"Idempotency-Key": Message("key_too_long", MAX_KEY)}
            raise Refusal(422, "wrong_fields", fields=fields)
        key = key or application.submission_id
        if key:
            return "key-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        agent = request.headers.get("user-agent", "")
        digest = content_digest(request.remote, agent, application, body.files)
        return self._clicks.external_id(digest, now.timestamp())

    async def _store_files(self, context: ConnectorContext, body: Body) -> tuple[Attachment, ...]:
        stored = []
        for file in body.files:
            blob, size = await context.blobs.put(file.data)
            stored.append(Attachment(blob=blob, name=pages.file_name(file.name), type=file.type, size=size))
        return tuple(stored)

    def _check_files(self, body: Body) -> None:
        if not body.files:
            return
        limit = self.settings.max_file_mb
        fields = {file.field: Message("file_too_large", limit) for file in body.files if len(file.data) > limit << 20}
        if len(body.files) > self.settings.max_files:
            fields[body.files[-1].field] = Message("too_many_files", self.settings.max_files)
        if fields:
            raise Refusal(422, "wrong_fields", fields=fields)

    def _check_rate(self, context: ConnectorContext, remote: str) -> None:
        wait = self._rate.wait(remote, context.now().timestamp()) if self._rate else 0
        if wait:
            context.count("rate_limited")
            raise Refusal(429, "too_many", retry_after=wait)

    def _refused(self, request: HttpRequest, refusal: Refusal, language: Language) -> HttpReply:
        if replies.is_plain_form(request) and replies.wants_html(request.headers):
            back = self._sites.way_back(request.headers, "", "")
            return pages.refusal_page(self.settings, refusal, language, back)
        return replies.problem(refusal, language)

    def _form_again(
        self, context: ConnectorContext, request: HttpRequest, body: Body, refusal: Refusal, language: Language
    ) -> HttpReply:
        """The generated form comes back with what was typed; a form of the site's own gets a page with the mistakes."""
        token = technical(body, self.settings).token
        if self._token.age(token, context.now().timestamp()) is None:
            return self._refused(request, refusal, language)
        values = {
            name: text[:MAX_ECHO] for name, text in body.pairs[: self.settings.max_fields] if isinstance(text, str)
        }
        return pages.form_page(self.name, self.settings, language, token, values, refusal)

    async def _page(self, request: HttpRequest, language: Language) -> HttpReply:
        """`GET /forms/NAME`, and the same page with thanks after a post."""
        context = self._ready()
        if request.query.get("firstline") == "ok":
            return pages.thanks_page(self.settings, await self._thanks(language), language)
        values = pages.source_values(request.query, self._sites.visited(request.headers))
        return pages.form_page(self.name, self.settings, language, self._token.issue(context.now().timestamp()), values)

    async def _thanks(self, language: Language) -> str:
        context = self._ready()
        now = context.now()
        if self._calendar is not None and now < self._calendar[0]:
            known = self._sentences.get(language)
            if known is not None:
                return known
        state = await self._open_state(context, now)
        sentence = thanks(language, state, now, self.settings.zone, self.settings.texts.thanks)
        if state is not None:
            self._sentences[language] = sentence
        return sentence

    async def _open_state(self, context: ConnectorContext, now: datetime) -> OpenState | None:
        if self._calendar is not None and now < self._calendar[0]:
            return self._calendar[1]
        self._sentences.clear()
        try:
            state = await context.calendar()
        except Exception:
            # The application is durable by now: a calendar out of order must not make the visitor send it again.
            log.exception("form.calendar_failed", connector=self.name)
            return None
        changes = [moment for moment in (state.next_open, state.next_close) if moment is not None and moment > now]
        self._calendar = (min([now + CALENDAR_KEPT, self._midnight(now), *changes]), state)
        return state

    def _midnight(self, now: datetime) -> datetime:
        """When «tomorrow» becomes «today» in the company."""
        today = now.astimezone(self.settings.zone).date()
        return datetime.combine(today + timedelta(days=1), time(), self.settings.zone)

    def _ready(self) -> ConnectorContext:
        if self._context is None:
            raise Refusal(503, "unavailable", retry_after=RETRY_AFTER)
        return self._context

    def _language(self, request: HttpRequest) -> Language:
        if self.settings.language != "auto":
            return self.settings.language
        accepted = request.headers.get("accept-language", "")
        return choose_language(accepted) if accepted else "ru"
