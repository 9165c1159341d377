"""Answers of the form's address: problems (RFC 9457), acknowledgements, ways back to the page, and CORS.

A browser that sent a plain form gets a page or a way back; a script or a server gets JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from connectors.contract import HttpReply, HttpRequest
from connectors.form.body import is_form_type
from connectors.form.parse import MAX_OTHER, printable_name
from connectors.form.refusal import Refusal
from connectors.form.settings import FormSettings, origin_of
from connectors.form.texts import TEXTS, Language, Message, say

PROBLEM = "application/problem+json; charset=utf-8"
_encode = msgspec.json.Encoder().encode


def problem(refusal: Refusal, language: Language) -> HttpReply:
    """`type, title, status, detail`, and `fields` where fields are wrong."""
    content: dict[str, object] = {
        "type": f"urn:firstline:problem:{refusal.code.replace('_', '-')}",
        "title": TEXTS[language][refusal.code],
        "status": refusal.status,
        "detail": detail_of(refusal, language),
    }
    if refusal.fields:
        content["fields"] = {printable_name(name): say(language, message) for name, message in refusal.fields.items()}
    return HttpReply(
        status=refusal.status, body=_encode(content), content_type=PROBLEM, headers=refusal_headers(refusal)
    )


def detail_of(refusal: Refusal, language: Language) -> str:
    return say(language, Message(refusal.code + "_detail", refusal.retry_after or ""))


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 405:
        headers["Allow"] = "POST, OPTIONS"
    return headers


def accepted(id: str, message: str) -> HttpReply:
    """`202`: the application is durable."""
    return HttpReply(status=202, body=_encode({"id": id, "message": message}), headers={"Cache-Control": "no-store"})


def see_other(target: str) -> HttpReply:
    """`303` to the page, marked so that it can say thanks."""
    parts = urlsplit(target)
    pairs = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "firstline"]
    query = urlencode([*pairs, ("firstline", "ok")])
    path = quote(urlunsplit(("", "", parts.path, query, parts.fragment)), safe="/%?&=+:@!$'()*,;~#-._")
    location = (origin_of(target) or "") + path
    return HttpReply(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def wants_html(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("accept", "")


def is_plain_form(request: HttpRequest) -> bool:
    """Sent by a form itself and not by a script of the page: the browser is about to show what we answer."""
    headers = request.headers
    if not is_form_type(headers.get("content-type", "")) or "x-requested-with" in headers:
        return False
    if "application/json" in headers.get("accept", ""):
        return False
    return headers.get("sec-fetch-mode", "navigate") == "navigate"


class Sites:
    """Which pages may post here, and where a visitor may be sent back to."""

    def __init__(self, settings: FormSettings) -> None:
        self._allowed = settings.allowed_origins
        self._any = "*" in settings.allowed_origins
        self._redirect = settings.redirect

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Browsers name the page's origin with every POST; without `Origin` a server or a program speaks. The hub's own
        pages are told by the host alone: a proxy in front may have ended TLS."""
        origin = headers.get("origin")
        return origin is None or self._any or origin in self._allowed or self._is_own(origin, headers)

    def cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers that let the page read the answer; without cookies, which this address never uses."""
        origin = headers.get("origin")
        if origin is None or not self.admits(headers):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": "*" if self._any else origin,
            "Access-Control-Expose-Headers": "Retry-After",
        }

    def preflight(self, headers: Mapping[str, str]) -> HttpReply:
        """The browser's question before a JSON post (Fetch standard, CORS-preflight)."""
        allow = {
            "Allow": "POST, OPTIONS",
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, X-Requested-With",
            "Access-Control-Max-Age": "600",
        }
        return HttpReply(status=204, headers=allow | self.cors(headers))

    def way_back(self, headers: Mapping[str, str], wished: str, page: str) -> str | None:
        """Where a plain form post ends: the form's `_redirect`, the settings, the page it names, the page the browser
        names. A page of a foreign site is never a target, so that this address is no open redirect."""
        for target in (wished, self._redirect or "", page, headers.get("referer", "")):
            if target == self._redirect or self._is_target(target, headers):
                return target
        return None

    def visited(self, headers: Mapping[str, str]) -> str | None:
        """The site's page that held the form, by the browser's word; the hub's own pages tell nothing of the source."""
        referer = headers.get("referer", "")
        if not referer or len(referer) > MAX_OTHER or not (referer.isascii() and referer.isprintable()):
            return None
        origin = origin_of(referer)
        return None if origin is None or self._is_own(origin, headers) else referer

    def _is_target(self, target: str, headers: Mapping[str, str]) -> bool:
        if not target or not target.isprintable() or "\\" in target:
            return False
        if target.startswith("/") and not target.startswith("//"):
            return urljoin("http://hub.invalid", target).startswith("http://hub.invalid/")
        origin = origin_of(target)
        if origin is None:
            return False
        if self._any:
            # Any site may post, but each only gets its own visitors back.
            return origin in (headers.get("origin"), origin_of(headers.get("referer", "")))
        return origin in self._allowed or self._is_own(origin, headers)

    @staticmethod
    def _is_own(origin: str, headers: Mapping[str, str]) -> bool:
        return origin.partition("://")[2] == headers.get("host", "").lower() != ""
