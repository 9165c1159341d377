"""The company as configured: calendars, stages, sources, texts, rights. Immutable; made at start from files,
and anew whenever somebody changes the settings (`setting_commands.py`).

What depends on the configuration takes it as an argument, so tests and simulations hand in their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from crm_core.automation import Automation
from crm_core.customers import DEFAULT, Thresholds
from crm_core.documents.data import Party
from crm_core.documents.rules import TemplateRule
from crm_core.errors import Invalid
from crm_core.pipelines import Conversion, Pipeline
from crm_core.retention import Retention
from crm_core.rights import Rights
from crm_core.stages import Stage, find_stage, stage_title
from crm_core.task_groups import TaskGroup
from crm_core.trade import Trade
from crm_core.webhooks import Webhooks
from workhours import Calendar


@dataclass(frozen=True, slots=True)
class SourceRule:
    """All conditions that are given must hold; the first rule that fits names the source."""

    key: str
    label: str
    when: Mapping[str, str] = field(default_factory=dict)
    """`channel`, `connector`, `did`, `mailbox`, `community`, `listing`, `page`, `referrer`, `utm_source`, `utm_medium`,
    `utm_campaign` → a pattern with `*`; letter case does not matter."""


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Where contacts go that fit; the first rule whose conditions all hold decides."""

    title: str
    when: Mapping[str, str]
    """As for sources, and besides: `kind`, `subject`, `text`, `email_domain`, `field.NAME` of a form."""
    queue: str | None = None
    """The queue of the new lead; None: the contact is filed as ignored."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A field of the lead card, in the order of the card."""

    key: str
    title: str
    type: str = "text"
    """`text`, `textarea`, `choice`, `money`, `date`."""
    choices: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False
    """Not on the card any more; the values of records stay."""


@dataclass(frozen=True, slots=True)
class ConnectorInfo:
    """What the core and the router need to know of a configured connector."""

    name: str
    type: str
    channel: str
    title: str
    queue: str
    calendar: str
    can_reply: bool = False
    can_call: bool = False


@dataclass(frozen=True, slots=True)
class Texts:
    """Words that go out to customers by themselves; `{next_open}` becomes «в понедельник с 10:00».
    Those of a letter with a document are proposed and can be changed."""

    reply_subject: str = "Ваше обращение"
    """Of a first letter to somebody who did not write one himself."""
    closed_subject: str = "Мы получили ваше письмо"
    closed: str = "Здравствуйте! Сейчас мы не работаем. Мы получили ваше сообщение и ответим {next_open}."
    document_subject: str = "{title} № {number}"
    """Proposed for a letter with a document; `{date}` is its date, `{firm}` our name."""
    document_text: str = (
        "Здравствуйте!\n\nНаправляем вам документ «{title}» № {number} от {date}: он приложен к письму.\n\n{firm}"
    )


@dataclass(frozen=True, slots=True)
class Company:
    """Everything about the company that the core, distribution and router decide by."""

    timezone: str
    language: str
    calendars: Mapping[str, Calendar]
    stages: Sequence[Stage]
    rights: Rights
    sources: Sequence[SourceRule] = ()
    routing: Sequence[RoutingRule] = ()
    fields: Sequence[FieldRule] = ()
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    deal_fields: Sequence[FieldRule] = ()
    conversion: Conversion = field(default_factory=Conversion)
    automations: Mapping[str, Automation] = field(default_factory=dict)
    """Robots of the preset by key."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role key → title."""
    connectors: Mapping[str, ConnectorInfo] = field(default_factory=lambda: MappingProxyType({}))
    texts: Texts = Texts()
    task_groups: Mapping[str, TaskGroup] = field(default_factory=lambda: MappingProxyType({}))
    """In the order of the preset."""
    trade: Trade = field(default_factory=Trade)
    """VAT rates, units of measure, price types."""
    customers: Thresholds = DEFAULT
    """Where the classes of customers begin."""
    firm: Party = field(default_factory=Party)
    """Our own requisites, for documents."""
    documents: Sequence[TemplateRule] = ()
    """Templates of the preset."""
    retention: Retention = field(default_factory=Retention)
    """How long what is kept."""
    webhooks: Webhooks | None = None
    """None: other systems cannot be called."""
    default_calendar: str = "office"
    new_stage: str = "new"
    work_stage: str = "qualification"
    spam_stage: str = "spam"
    response_within: timedelta = timedelta(minutes=15)
    """Working time in which a customer must have an answer."""
    callback_within: timedelta = timedelta(minutes=30)
    """Working time in which a missed call must be called back."""

    def lead_stage(self, key: str) -> Stage:
        """The stage, or `Invalid` that names those there are."""
        return find_stage(self.stages, key)

    def stage_title(self, key: str) -> str:
        """For people; a stage that is gone from the configuration is called by its key."""
        return stage_title(self.stages, key)

    def pipeline(self, key: str) -> Pipeline:
        """The pipeline of deals, or `Invalid` that names those there are."""
        try:
            return self.pipelines[key]
        except KeyError:
            raise Invalid({"pipeline": f"Направления «{key}» нет; есть {', '.join(self.pipelines)}"}) from None

    @property
    def default_pipeline(self) -> Pipeline:
        """The first one, meant when nobody chose. `Invalid` when there is none."""
        if not self.pipelines:
            raise Invalid({"pipeline": "В настройках нет ни одного направления сделок: добавьте его в [pipelines]"})
        return next(iter(self.pipelines.values()))

    def calendar(self, name: str | None = None) -> Calendar:
        return self.calendars[name or self.default_calendar]
