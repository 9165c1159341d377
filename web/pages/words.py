"""What records are called on the pages: calls, channels, presence, states; and which part of a message is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crm_core.calls import CallRecord
from crm_core.company import FieldRule
from web.pages.format import phone, talk
from web.pages.i18n import _, mark

Call = CallRecord | Mapping[str, Any]

OUTCOMES = {
    ("in", "answered"): mark("Входящий звонок"),
    ("in", "missed"): mark("Пропущенный звонок"),
    ("in", "busy"): mark("Пропущенный звонок"),
    ("out", "answered"): mark("Исходящий звонок"),
    ("out", "no_answer"): mark("Исходящий: не ответили"),
    ("out", "busy"): mark("Исходящий: занято"),
    ("out", "failed"): mark("Исходящий: не удался"),
}
DIRECTIONS = {"in": mark("Звонит сейчас"), "out": mark("Исходящий: идёт вызов"), "internal": mark("Внутренний звонок")}
REASONS = {
    "abandoned": mark("не дождался ответа"),
    "greeting": mark("положил трубку на приветствии"),
    "voicemail": mark("оставил голосовое сообщение"),
    "out_of_hours": mark("в нерабочее время"),
    "agent_no_answer": mark("сотрудник не снял трубку"),
    "crash": mark("телефония перезапустилась"),
}
CHANNELS = {
    "email": mark("Почта"),
    "phone": mark("Телефон"),
    "form": mark("Форма на сайте"),
    "order": mark("Заказ"),
    "widget": mark("Чат на сайте"),
    "telegram": "Telegram",
    "vk": mark("ВКонтакте"),
}
FIELDS = {
    "consent": mark("Согласие на обработку данных"),
    "equipment": mark("Категория оборудования"),
    "phone": mark("Телефон"),
}
"""Fields that the form itself knows besides those of the card."""
YES_NO = {"true": mark("да"), "false": mark("нет"), "on": mark("да"), "yes": mark("да"), "no": mark("нет")}
PRESENCE = {"online": mark("В сети"), "break": mark("Перерыв"), "offline": mark("Не в сети")}
MESSAGE_STATES = {
    "queued": mark("в очереди"),
    "sending": mark("отправляется"),
    "sent": mark("отправлено"),
    "delivered": mark("доставлено"),
    "read": mark("прочитано"),
    "failed": mark("не отправлено"),
    "cancelled": mark("отменено"),
}
MAX_LINES = 5000
"""A longer message is shown whole: looking for its quotation is not worth the time."""


def _get(call: Call, name: str) -> Any:
    return call.get(name) if isinstance(call, Mapping) else getattr(call, name)


def call_title(call: Call) -> str:
    """«Пропущенный звонок», «Идёт разговор», …"""
    direction, outcome = str(_get(call, "direction") or "in"), _get(call, "outcome")
    ongoing = DIRECTIONS[direction]
    if direction == "internal":
        return _(ongoing)
    if outcome:
        return _(OUTCOMES.get((direction, str(outcome)), mark("Звонок прервался")))
    return _("Идёт разговор") if _get(call, "answered_at") else _(ongoing)


def call_facts(call: Call, staff: Mapping[str, str]) -> list[str]:
    """Who, how long, why not: the second line of a call."""
    facts = []
    if agent := _get(call, "answered_by"):
        facts.append(staff.get(agent, agent))
    elif rang := _get(call, "rang"):
        facts.append(_("звонил телефон: %(who)s") % {"who": ", ".join(staff.get(each, each) for each in rang)})
    if seconds := _get(call, "talk_seconds"):
        facts.append(_("разговор %(time)s") % {"time": talk(seconds)})
    if seconds := _get(call, "wait_seconds"):
        facts.append(_("ожидание %(time)s") % {"time": talk(seconds)})
    if (reason := _get(call, "reason")) and _get(call, "outcome") != "answered":
        facts.append(_(REASONS.get(str(reason), str(reason))))
    if did := _get(call, "did"):
        facts.append(_("на линию %(did)s") % {"did": phone(str(did))})
    return facts


def call_icon(call: Call) -> str:
    """Name of the picture."""
    if _get(call, "direction") == "out":
        return "phone-out"
    return "phone-missed" if _get(call, "outcome") in ("missed", "busy") else "phone-in"


def channel_name(channel: str) -> str:
    return _(CHANNELS.get(channel, channel))


def field_title(key: str, rules: Sequence[FieldRule]) -> str:
    """Title of a form's field: the card's, our own, or as the site calls it."""
    return next((rule.title for rule in rules if rule.key == _card_key(key)), _(FIELDS.get(key, key)))


def field_value(value: str, key: str, rules: Sequence[FieldRule]) -> str:
    """A choice by its title, a check mark in words, anything else as it is."""
    choices = next((rule.choices for rule in rules if rule.key == _card_key(key)), {})
    return choices.get(value) or _(YES_NO.get(value.lower(), value))


def _card_key(key: str) -> str:
    return "equipment_category" if key == "equipment" else key


def presence_name(presence: str) -> str:
    return _(PRESENCE[presence])


def state_name(state: str) -> str:
    return _(MESSAGE_STATES.get(state, state))


def unquoted(text: str) -> tuple[str, str]:
    """A message's own words, and the quotation or signature at its end that is folded away."""
    lines = text.strip().split("\n")
    if len(lines) > MAX_LINES:
        return text, ""
    cut = len(lines)
    while cut and (lines[cut - 1].startswith(">") or not lines[cut - 1].strip()):
        cut -= 1
    if not any(line.startswith(">") for line in lines[cut:]):
        cut = next((number for number, line in enumerate(lines) if line.rstrip() == "--"), len(lines))
    if not cut:
        return text, ""
    return "\n".join(lines[:cut]).strip(), "\n".join(lines[cut:]).strip()


FILTERS: dict[str, Callable[..., Any]] = {
    "call_title": call_title,
    "call_facts": call_facts,
    "call_icon": call_icon,
    "channel_name": channel_name,
    "field_title": field_title,
    "field_value": field_value,
    "presence_name": presence_name,
    "state_name": state_name,
    "unquoted": unquoted,
}
