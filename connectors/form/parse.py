"""From pairs of a post to a checked application, or to every wrong field at once.

Pure and quick: this runs for each post of each visitor. Plain Russian phone numbers are recognised by their digits
alone; `phonenumbers`, which is an order of magnitude slower, decides about all others. Phones and names are kept as
they were typed, because the router normalizes. What the site asked besides the known fields is kept under the site's
own names.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
import phonenumbers

from connectors.contract import Attachment, Inbound, InboundKind, Sender, SourceHints
from connectors.form.body import Body
from connectors.form.refusal import FieldErrors, Refusal
from connectors.form.settings import FormSettings
from connectors.form.texts import Message

MAX_NAME, MAX_COMMENT, MAX_OTHER, MAX_KEY, MAX_FIELD_NAME = 200, 10_000, 2_000, 200, 64
KNOWN = frozenset({"name", "phone", "email", "equipment", "comment", "consent", "page", "referrer", "submission_id"})
TECHNICAL = frozenset({"_charset_", "_redirect", "_token", "_robot"})
"""Of the form itself, never kept. `_robot` is ours: a visitor cannot set it."""

SHORT = 200
"""Characters that every field may have."""
_LIMITS = {"name": MAX_NAME, "comment": MAX_COMMENT, "submission_id": MAX_KEY}
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BROKEN = re.compile("[\x00\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}")
_PUNCTUATION = str.maketrans("", "", " -()+.\u00a0\u2011\u2013")
_YES = frozenset({"true", "1", "on", "yes", "y", "да", "согласен", "согласна", "agree", "agreed", "checked"})
_NO = frozenset({"", "false", "0", "off", "no", "n", "нет"})


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor sent, checked. Empty strings mean that the field was left empty."""

    name: str = ""
    phone: str = ""
    email: str = ""
    comment: str = ""
    page: str = ""
    referrer: str = ""
    submission_id: str = ""
    utm: dict[str, str] = {}
    fields: dict[str, str] = {}
    """Equipment type, consent, and what the site asked besides."""


class Technical(msgspec.Struct, frozen=True):
    """What the form itself says about how it was sent."""

    token: str = ""
    redirect: str = ""
    honeypot: str = ""


_NOT_TECHNICAL = Technical()


def parse(body: Body, settings: FormSettings) -> Application:
    """The checked application. Raises `Refusal` 422 with every wrong field."""
    errors: FieldErrors = {}
    known, utm, values = _clean(body, settings, errors)
    consent, equipment = known.pop("consent", None), known.pop("equipment", "")
    if settings.required_extra:
        given = {**values, **known, "equipment": equipment, **{file.field: file.name for file in body.files}}
        errors |= {name: Message("required") for name in settings.required_extra if not given.get(name)} | errors
    _check_contact(known, settings, errors)
    if equipment:
        values["equipment"] = _equipment(equipment, settings, errors)
    _check_consent(consent, values, settings, errors)
    if errors:
        raise Refusal(422, "wrong_fields", fields=errors)
    return Application(**known, utm=utm, fields=values)


def technical(body: Body, settings: FormSettings) -> Technical:
    """The fields that belong to the form and not to the application."""
    names = {"_token": "token", "_redirect": "redirect", settings.honeypot: "honeypot"}
    found = {names[k]: v[:2000] for k, v in body.pairs if k in names and isinstance(v, str)}
    return Technical(**found) if found else _NOT_TECHNICAL


def _clean(
    body: Body, settings: FormSettings, errors: FieldErrors
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Texts in their final shape: known fields, UTM without its prefix, what the site asked besides. Technical fields
    are left out; what is wrong goes to `errors`."""
    known: dict[str, str] = {}
    utm: dict[str, str] = {}
    values: dict[str, str] = {}
    limit, trap = settings.max_fields, settings.honeypot
    if len(body.pairs) > limit:
        errors[printable_name(body.pairs[limit][0])] = Message("too_many_fields", limit)
    for name, value in body.pairs[:limit]:
        folded = name if name in KNOWN else name.lower()
        if folded in KNOWN:
            place, key = known, folded
        elif name in TECHNICAL or name == trap:
            continue
        elif problem := _wrong_name(name):
            errors[printable_name(name)] = problem
            continue
        elif folded.startswith("utm_"):
            place, key = utm, folded[4:]
        else:
            place, key = values, name
        # Nearly every text is short and of one line: three quick questions.
        if type(value) is str and len(value) <= SHORT and value.isprintable():
            text = value.strip()
        else:
            text = _text(name if place is values else folded, value, errors)
        if body.is_form and key in place:
            text = _repeated(name, place[key], text, errors) if place is values else text or place[key]
        place[key] = text
    return known, utm, values


def _wrong_name(name: str) -> Message | None:
    if len(name) > MAX_FIELD_NAME:
        return Message("name_too_long", MAX_FIELD_NAME)
    if not name.strip():
        return Message("required")
    return Message("broken") if not name.isprintable() and _ODD.search(name) else None


def printable_name(name: str) -> str:
    """A field's name as an answer can hold it: short, without broken or control characters."""
    return _ODD.sub("\ufffd", name[:MAX_FIELD_NAME])


def _text(name: str, value: object, errors: FieldErrors) -> str:
    if type(value) is not str:
        value = _scalar(name, value, errors)
    if not value.isprintable() and _ODD.search(value):
        if _BROKEN.search(value):
            errors[name] = Message("broken")
            return ""
        # The other control characters come with text pasted from office programs; they say nothing.
        value = _ODD.sub(" ", value)
    value = value.strip()
    limit = _LIMITS.get(name, MAX_OTHER)
    if len(value) > limit:
        errors[name] = Message("too_long", limit)
    return value


def _scalar(name: str, value: object, errors: FieldErrors) -> str:
    """JSON values that are not strings: phones and further fields may be numbers, consent and further ones may be
    true or false."""
    if value is None:
        return ""
    if isinstance(value, bool) and (name == "consent" or name not in KNOWN):
        return "true" if value else "false"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        if name in ("phone", "submission_id", "comment", "consent") or name not in KNOWN:
            return str(value)
    elif isinstance(value, float) and math.isfinite(value) and name not in KNOWN:
        return repr(value)
    errors[name] = Message("nested" if isinstance(value, dict | list) else "not_text")
    return ""


def _repeated(name: str, before: str, now: str, errors: FieldErrors) -> str:
    """The same name twice: a group of boxes. JSON keeps the last one, as browsers do; of a known field, as of a hidden
    «0» before a box, the last that says anything counts."""
    both = f"{before}, {now}" if before and now else before or now
    if len(both) > MAX_OTHER:
        errors[name] = Message("too_long", MAX_OTHER)
    return both


def _check_contact(known: dict[str, str], settings: FormSettings, errors: FieldErrors) -> None:
    name, phone, email = known.get("name", ""), known.get("phone", ""), known.get("email", "")
    if "\n" in name or "\r" in name:
        known["name"] = _SPACES.sub(" ", name)
    if not name:
        errors.setdefault("name", Message("required"))
    if phone:
        if "phone" not in errors and not is_phone(phone):
            errors["phone"] = Message("phone")
    elif settings.phone_required:
        errors.setdefault("phone", Message("required"))
    elif not email:
        errors.setdefault("phone", Message("phone_or_email"))
    if email and "email" not in errors and not _EMAIL.fullmatch(email):
        errors["email"] = Message("email")


def is_phone(text: str) -> bool:
    """Whether this can be a telephone number, read in Russia: by length and form, not by the numbering plan."""
    digits = text.translate(_PUNCTUATION)
    if digits.isascii() and digits.isdigit():
        national = digits[1:] if len(digits) == 11 and digits[0] in "78" else digits
        if len(national) == 10 and national[0] in "3489":
            return True
    if len(text) > 100:
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, "RU"))
    except phonenumbers.NumberParseException:
        return False


def _equipment(text: str, settings: FormSettings, errors: FieldErrors) -> str:
    key = settings.equipment_names.get(text.casefold())
    if key is None:
        errors.setdefault("equipment", Message("choice", ", ".join(settings.equipment)))
        return ""
    return key


def _check_consent(text: str | None, values: dict[str, str], settings: FormSettings, errors: FieldErrors) -> None:
    given = (text or "").lower()
    if given not in _YES and given not in _NO:
        errors.setdefault("consent", Message("consent_value"))
    elif settings.consent == "required" and given in _NO:
        errors.setdefault("consent", Message("consent"))
    elif text is not None:
        values["consent"] = "true" if given in _YES else "false"


def to_inbound(
    application: Application,
    *,
    connector: str,
    external_id: str,
    now: datetime,
    visited: str | None,
    attachments: tuple[Attachment, ...] = (),
    robot: str | None = None,
) -> Inbound:
    """The application for the intake. `visited` is the page by the request's own headers, for forms that do not name
    it; `robot` says why a machine seems to have sent this, and the router files it without a lead."""
    fields = application.fields | {"_robot": robot} if robot else application.fields
    return Inbound(
        connector=connector,
        channel="form",
        external_id=external_id,
        kind=InboundKind.FORM,
        occurred_at=now,
        sender=Sender(
            name=application.name,
            phones=(application.phone,) if application.phone else (),
            emails=(application.email,) if application.email else (),
        ),
        text=application.comment,
        attachments=attachments,
        source=_source_hints(application, visited),
        fields=fields,
    )


def _source_hints(application: Application, visited: str | None) -> SourceHints:
    """Page, referrer and UTM; a form that sends no UTM has it in its page's address."""
    page = _web_address(application.page) or visited
    utm = application.utm
    if not utm and page is not None and "utm_" in page:
        query = parse_qsl(page.partition("?")[2].partition("#")[0], errors="replace")
        utm = {key[4:]: value for key, value in query if key.startswith("utm_") and key != "utm_"}
    return SourceHints(page=page, referrer=_web_address(application.referrer), utm=utm)


def _web_address(text: str) -> str | None:
    """Addresses are shown as links later, so nothing but the web gets through (`javascript:` above all)."""
    return text if text[:8].lower().startswith(("http://", "https://")) and not _SPACES.search(text) else None
