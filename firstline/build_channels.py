"""Queues and connectors: their tables checked, and what they refer to found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.registry import PLANNED, REGISTRY
from connectors.settings import ConnectorSettings
from crm_core.external import NAME
from distribution.queues import Queue
from firstline.build_people import once, refers
from firstline.draft import Draft, Place
from firstline.problems import nearest
from firstline.settings_models import AlertsSection, CompanySection, QueueSection

ENDPOINTS: Mapping[str, Callable[[Any], str]] = {
    "email": lambda box: f"{box.imap.username}@{box.imap.host}/{box.imap.folder}",
    "asterisk": lambda exchange: f"{exchange.host}:{exchange.port}",
}
"""Type → what an instance of it listens to."""
MEMBER_KINDS = ("role", "department")


def read_queues(draft: Draft, company: CompanySection) -> dict[str, Queue]:
    """`[queues.*]`, with members and calendars that exist."""
    queues: dict[str, Queue] = {}
    for name, data in draft.table("queues").items():
        place: Place = ("queues", name)
        check_name(draft, place)
        section = draft.read(QueueSection, data, place)
        if section is not None:
            _check_members(draft, (*place, "members"), section.members)
            _check_members(draft, (*place, "heads"), section.heads)
            calendar = section.calendar or company.default_calendar
            refers(draft, (*place, "calendar"), "календаря", [calendar], draft.table("workhours"))
            queues[name] = _queue(name, section, calendar)
    return queues


def _queue(name: str, section: QueueSection, calendar: str) -> Queue:
    return Queue(
        name=name,
        title=section.title or name,
        members=section.members,
        strategy=section.strategy,
        sticky=section.sticky,
        accept_within=section.accept_within,
        capacity=section.capacity or None,
        presence_required=section.presence == "required",
        calendar=calendar,
        escalate_after=section.escalate_after,
        heads=section.heads,
        weights={email.lower(): weight for email, weight in section.weights.items()},
        skills=section.skills,
    )


def _check_members(draft: Draft, place: Place, members: tuple[str, ...]) -> None:
    tables = {"role": ("роли", draft.table("roles")), "department": ("отдела", draft.table("departments"))}
    for number, member in enumerate(members):
        kind, colon, name = member.partition(":")
        if colon and kind in MEMBER_KINDS:
            what, known = tables[kind]
            refers(draft, (*place, number), what, [name], known)
        elif not re.fullmatch(r"[^\s@:]+@[^\s@:]+", member):
            draft.report(
                (*place, number), "непонятно, кто это", "пишите role:РОЛЬ, department:ОТДЕЛ или почту сотрудника"
            )


def read_connectors(draft: Draft, company: CompanySection) -> dict[str, ConnectorSettings]:
    """`[connectors.*]`, each checked by the model of its type."""
    connectors: dict[str, ConnectorSettings] = {}
    for name in draft.table("connectors"):
        check_name(draft, ("connectors", name))
        data = draft.table("connectors", name)
        settings = _connector(draft, ("connectors", name), data, company)
        if settings is not None:
            refers(draft, ("connectors", name, "queue"), "очереди", [settings.queue], draft.table("queues"))
            refers(draft, ("connectors", name, "calendar"), "календаря", [settings.calendar], draft.table("workhours"))
            stages = getattr(settings, "order_stages", ())
            refers(draft, ("connectors", name, "order_stages"), "этапа", stages, _stages(draft))
            connectors[name] = settings
    _check_endpoints(draft, connectors)
    return connectors


def _stages(draft: Draft) -> list[str]:
    """Every stage of a deal, as `pipeline/stage`."""
    return [
        f"{name}/{stage.get('key')}"
        for name, pipeline in draft.table("pipelines").items()
        for stage in pipeline.get("stages", ())
    ]


def _check_endpoints(draft: Draft, connectors: Mapping[str, ConnectorSettings]) -> None:
    """Two connectors at one mailbox or exchange would take every event twice."""
    ends = [
        (("connectors", name), ENDPOINTS[settings.type](settings))
        for name, settings in connectors.items()
        if settings.enabled and settings.type in ENDPOINTS
    ]
    once(draft, ends, "источник")


def _connector(draft: Draft, place: Place, data: dict[str, Any], company: CompanySection) -> ConnectorSettings | None:
    kind = data.get("type")
    if not isinstance(kind, str):
        draft.report((*place, "type"), "не сказано, какой это канал", f"укажите type: {', '.join(sorted(REGISTRY))}")
        return None
    if kind not in REGISTRY:
        _unknown_type(draft, (*place, "type"), kind)
        return None
    model = REGISTRY[kind].settings
    usual = {"calendar": company.default_calendar, "timezone": company.timezone}
    return draft.read(model, {key: usual[key] for key in usual if key in model.model_fields} | data, place)


def _unknown_type(draft: Draft, place: Place, kind: str) -> None:
    if kind in PLANNED:
        draft.report(place, f"канал {kind} пока не поддержан", f"есть: {', '.join(sorted(REGISTRY))}")
    else:
        draft.report(place, f"канала {kind} нет", nearest(kind, REGISTRY))


def check_name(draft: Draft, place: Place) -> None:
    """Names of queues, connectors and calendars."""
    if not NAME.fullmatch(str(place[-1])):
        draft.report(place, "имя не годится", "латинские буквы, цифры, дефис и подчёркивание, не длиннее 63 знаков")


def read_alerts(draft: Draft, connectors: dict[str, ConnectorSettings]) -> AlertsSection:
    """`[alerts]`; letters need a mail connector that sends them."""
    section = draft.read(AlertsSection, draft.table("alerts"), ("alerts",)) or AlertsSection()
    mail = [name for name, each in connectors.items() if each.type == "email"]
    if section.email:
        refers(draft, ("alerts", "connector"), "почтового канала", [section.connector or ""], mail)
    return section
