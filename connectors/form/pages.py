"""Pages of the form channel: the generated form, its thanks, and what a visitor reads when a plain form was refused.

One template without scripts. The form may stand in a frame on the company's sites, so the page itself says by its
Content-Security-Policy who may frame it; its only style is allowed by hash, so that nothing injected can be styled or
run. Referrer-Policy stays at the browsers' usual one: `no-referrer` would make them post the form with `Origin: null`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup

from connectors.contract import HttpReply
from connectors.form.parse import MAX_COMMENT, MAX_NAME, MAX_OTHER, printable_name
from connectors.form.refusal import Refusal
from connectors.form.replies import detail_of, refusal_headers
from connectors.form.settings import FormField, FormSettings, origin_of
from connectors.form.texts import TEXTS, Language, say

_HERE = Path(__file__).parent
_CSS = Markup((_HERE / "form.css").read_text("utf-8"))  # noqa: S704  our own file
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_HIDDEN = ("page", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_BUILT_IN = (("name", "text"), ("phone", "tel"), ("email", "email"), ("equipment", "select"), ("comment", "textarea"))
_LABELS = {"phone": "phone_label", "email": "email_label"}
_AUTOCOMPLETE = {"name": "name", "phone": "tel", "email": "email"}
_LIMITS = {"name": MAX_NAME, "comment": MAX_COMMENT}


class Control(msgspec.Struct, kw_only=True):
    """One field of the page."""

    name: str
    label: str
    type: str
    required: bool = False
    value: str = ""
    error: str = ""
    options: list[tuple[str, str]] = []
    autocomplete: str = ""
    limit: int = MAX_OTHER
    link: str = ""


def form_page(
    name: str,
    settings: FormSettings,
    language: Language,
    token: str,
    values: Mapping[str, str],
    refusal: Refusal | None = None,
) -> HttpReply:
    """The generated form; after a refused post with what was typed and what is wrong."""
    controls = _controls(settings, language)
    for control in controls:
        control.value = values.get(control.name, "")
        if refusal is not None and control.name in refusal.fields:
            control.error = say(language, refusal.fields[control.name])
    hidden = [(key, values[key]) for key in _HIDDEN if values.get(key)]
    hidden.append(("_token", token))
    if settings.redirect is None:
        hidden.append(("_redirect", f"/forms/{quote(name, safe='')}"))
    return _page(
        settings,
        language,
        refusal,
        kind="form",
        heading=settings.texts.title or TEXTS[language]["title"],
        intro=settings.texts.intro,
        action=f"/in/forms/{quote(name, safe='')}",
        redirect=settings.redirect,
        controls=controls,
        control_names={control.name for control in controls},
        has_file=any(control.type == "file" for control in controls),
        trap=settings.honeypot,
        hidden=hidden,
        submit=settings.texts.submit or TEXTS[language]["submit"],
    )


def thanks_page(settings: FormSettings, message: str, language: Language) -> HttpReply:
    """What a visitor reads after sending, when there is no page of the site to go back to."""
    return _page(settings, language, None, kind="thanks", heading=TEXTS[language]["sent"], message=message)


def refusal_page(settings: FormSettings, refusal: Refusal, language: Language, back: str | None) -> HttpReply:
    """What is wrong with a plain form of the site, and the way back to it."""
    heading = TEXTS[language][refusal.code]
    return _page(settings, language, refusal, kind="problem", heading=heading, back=back, control_names=set())


def source_values(query: Mapping[str, str], visited: str | None) -> dict[str, str]:
    """Hidden fields of the generated form from the address of its frame; the framing page when it is not named."""
    values = {key: query[key][:MAX_OTHER] for key in _HIDDEN if query.get(key)}
    if visited is not None:
        values.setdefault("page", visited)
    return values


def file_name(name: str) -> str:
    """A file's own name, without folders and without characters that no file should have."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "_" for letter in base)[-200:].strip() or "file"


def _controls(settings: FormSettings, language: Language) -> list[Control]:
    own = {field.name: field for field in settings.fields}
    words = TEXTS[language]
    required = {"name"} | ({"phone"} if settings.phone_required else set())
    controls = []
    for name, type_ in _BUILT_IN:
        field = own.pop(name, None)
        if field is not None and field.hide and name not in required:
            continue
        controls.append(
            Control(
                name=name,
                label=(field.label if field else None) or words[_LABELS.get(name, name)],
                type=type_,
                required=name in required or (field is not None and field.required),
                options=[(key, _option(key, labels, language)) for key, labels in settings.equipment.items()],
                autocomplete=_AUTOCOMPLETE.get(name, ""),
                limit=_LIMITS.get(name, MAX_OTHER),
            )
        )
    return [*controls, *map(_own_control, own.values()), _consent(settings, words)]


def _option(key: str, labels: tuple[str, ...], language: Language) -> str:
    return labels[0] if labels and language == "ru" else key.capitalize()


def _own_control(field: FormField) -> Control:
    options = [(option, option) for option in field.options]
    label = field.label or field.name
    return Control(name=field.name, label=label, type=field.type, required=field.required, options=options)


def _consent(settings: FormSettings, words: dict[str, str]) -> Control:
    return Control(
        name="consent",
        label=settings.texts.consent or words["agree"],
        type="checkbox",
        required=settings.consent == "required",
        link=settings.privacy_url or "",
    )


def _page(
    settings: FormSettings, language: Language, refusal: Refusal | None, *, heading: str, **values: object
) -> HttpReply:
    words = TEXTS[language]
    problem = None if refusal is None else _problem(settings, refusal, language)
    text = _TEMPLATES.get_template("form.html").render(
        language=language, words=words, css=_CSS, heading=heading, problem=problem, **values
    )
    headers = {"Cache-Control": "no-store"} if refusal is None else refusal_headers(refusal)
    headers |= {
        "Content-Security-Policy": _policy(settings),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Language",
    }
    return HttpReply(
        status=200 if refusal is None else refusal.status,
        body=text.encode("utf-8", "replace"),
        content_type="text/html; charset=utf-8",
        headers=headers,
    )


def _problem(settings: FormSettings, refusal: Refusal, language: Language) -> dict[str, object]:
    labels = {control.name: control.label for control in _controls(settings, language)}
    return {
        "title": TEXTS[language][refusal.code],
        "detail": detail_of(refusal, language),
        "fields": [
            (name, labels.get(name, printable_name(name)), say(language, message))
            for name, message in refusal.fields.items()
        ],
    }


def _policy(settings: FormSettings) -> str:
    """Who may frame the page and where its form may end: Chromium holds redirects after a post to `form-action` too."""
    redirect = origin_of(settings.redirect) if settings.redirect else None
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_CSS_HASH}'",
            "base-uri 'none'",
            " ".join(("form-action 'self'", *filter(None, [redirect]))),
            " ".join(("frame-ancestors 'self'", *settings.origins)),
        )
    )
