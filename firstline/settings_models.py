"""The tables of `firstline.toml` and of a preset, one model each: keys, types, limits. Unknown keys are errors.

What refers to something else (a queue's calendar, a member's role) is checked where all tables are known: `build.py`.
Connector sections have their models in the channels' own folders, calendars are read by `workhours`.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from crm_core.customers import DEFAULT
from distribution.queues import Strategy
from workhours import parse_duration
from workhours.parse import parse_zone

EMBEDDED_STORE = re.compile(r"sqlite:[\w-][\w.-]*")
"""A file of the data folder; not elsewhere, so that the folder is all there is to back up and restore."""


class Section(BaseModel):
    """Base of the tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError('длительность пишется текстом; например "5m", "1h30m" или "0"')
    return parse_duration(value)


def _zone(value: str) -> str:
    parse_zone(value)
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ValueError("это не адрес и не сеть; пишите так: 127.0.0.1 или 10.0.0.0/8") from error
    return value


def _store(value: str) -> str:
    if value.startswith("mongodb"):
        raise ValueError('MongoDB пока не поддерживается; укажите "sqlite:firstline.db"')
    if not EMBEDDED_STORE.fullmatch(value):
        raise ValueError('нужно имя файла в папке данных; укажите "sqlite:firstline.db"')
    return value


def _bus(value: str) -> str:
    if value.startswith("nats:"):
        raise ValueError('NATS пока не поддерживается; укажите "local:"')
    if value != "local:":
        raise ValueError('такой шины нет; укажите "local:"')
    return value


def _public_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        raise ValueError("нужен адрес, по которому открывают страницы; пишите так: https://crm.example.ru")
    return value.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class ServerSection(Section):
    """`[server]`: the one HTTP port."""

    host: str = Field(default="127.0.0.1", pattern=r"^\S+$")
    port: int = Field(default=8080, ge=0, le=65535)
    """0: any free port."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """How people and channels reach it from outside; unless given: host and port."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Networks whose `X-Forwarded-For` is believed."""


class StorageSection(Section):
    url: Annotated[str, AfterValidator(_store)] = "sqlite:firstline.db"


class BusSection(Section):
    url: Annotated[str, AfterValidator(_bus)] = "local:"


class CompanySection(Section):
    """`[company]` of both the preset and the configuration."""

    preset: str = Field(default="equipment", min_length=1)
    name: str = Field(default="Компания", min_length=1, max_length=200)
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Moscow"
    language: Literal["ru", "en"] = "ru"
    response_within: Duration = timedelta(minutes=15)
    callback_within: Duration = timedelta(minutes=30)
    default_calendar: str = "office"
    new_stage: Key = "new"
    work_stage: Key = "qualification"
    spam_stage: Key = "spam"


class UpdatesSection(Section):
    """`[workhours_updates]`: the production calendar of years to come or of a region."""

    file: str = Field(min_length=1)


class TelegramAlerts(Section):
    """`[alerts] telegram`: a bot that may write to the chat of those on duty."""

    token: SecretStr
    chat_id: int | str
    api_base: str = "https://api.telegram.org"


class AlertsSection(Section):
    """`[alerts]`: where troubles are told besides the pages."""

    webhook: str | None = Field(default=None, pattern=r"^https?://")
    telegram: TelegramAlerts | None = None
    email: tuple[str, ...] = ()
    connector: str | None = None
    """The mail connector through which alerts to `email` are sent."""


class WebhooksSection(Section):
    """`[webhooks]`: calls to other systems."""

    secret: SecretStr = Field(min_length=16)
    """What they are signed with."""
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Private networks that may be called."""


class QueueSection(Section):
    """`[queues.NAME]`."""

    title: str | None = Field(default=None, min_length=1, max_length=80)
    members: tuple[str, ...] = Field(min_length=1)
    strategy: Strategy = Strategy.ROUND_ROBIN
    sticky: bool = True
    accept_within: Duration = timedelta(minutes=5)
    capacity: int = Field(default=20, ge=0)
    """0: no limit."""
    presence: Literal["required", "ignore"] = "required"
    calendar: str | None = None
    escalate_after: Duration = timedelta(minutes=15)
    heads: tuple[str, ...] = ()
    weights: dict[str, Annotated[int, Field(ge=1, le=1000)]] = {}
    skills: tuple[str, ...] = ("equipment_category",)


class StageRow(Section):
    """`[[stages]]`."""

    key: Key
    title: str = Field(min_length=1, max_length=80)
    kind: Literal["open", "won", "lost"] = "open"
    color: Literal["blue", "teal", "green", "amber", "red", "violet", "gray"] = "blue"
    archived: bool = False


class TaskStageRow(Section):
    key: Key
    title: str = Field(min_length=1, max_length=80)
    kind: Literal["open", "in_work", "waiting", "acceptance", "done"]


class TaskGroupRow(Section):
    """`[task_groups.KEY]`."""

    title: str = Field(min_length=1, max_length=80)
    stages: tuple[TaskStageRow, ...] = Field(min_length=1)


class SourceRow(Section):
    """`[[sources]]`."""

    key: Key
    label: str = Field(min_length=1, max_length=80)
    when: dict[str, str] = {}


class RoutingRow(Section):
    """`[[routing]]`."""

    title: str = Field(min_length=1, max_length=120)
    when: dict[str, str] = Field(min_length=1)
    queue: str | None = None
    ignore: bool = False


class FieldRow(Section):
    """`[[fields]]`: the lead card."""

    key: Key
    title: str = Field(min_length=1, max_length=80)
    type: Literal["text", "textarea", "choice", "money", "date"] = "text"
    choices: dict[str, str] = {}
    hidden: bool = False


class VatRow(Section):
    """`[[vat.rates]]`."""

    key: Key
    title: str = Field(min_length=1, max_length=80)
    percent: Annotated[Decimal, Field(ge=0, lt=100, decimal_places=2)] | None = None
    """Absent: without VAT, which is not 0 %."""
    since: date | None = None
    until: date | None = None


Roubles = Annotated[Decimal, Field(gt=0, lt=10**13, decimal_places=2)]


class CustomersSection(Section):
    """`[customers]`; sums in roubles."""

    regular_from: int = Field(default=DEFAULT.regular_from, ge=2, le=1000)
    fading_after_days: int = Field(default=DEFAULT.fading_after.days, ge=1, le=3650)
    a_from: Roubles = DEFAULT.a_from
    b_from: Roubles = DEFAULT.b_from


class UnitRow(Section):
    """`[[units]]`."""

    code: str = Field(pattern=r"^[0-9]{3,4}$")
    title: str = Field(min_length=1, max_length=20)
    name: str = Field(min_length=1, max_length=80)


class PriceTypeRow(Section):
    """`[[price_types]]`."""

    key: Key
    title: str = Field(min_length=1, max_length=80)
    vat_included: bool = True


class DemoCategory(Section):
    """`[[demo.categories]]`, parents first."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    parent: Key | None = None


class DemoProduct(Section):
    """`[[demo.products]]`."""

    sku: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=300)
    category: Key
    unit: str | None = None
    vat: str | None = None
    prices: dict[str, str]
    """Price type → sum as people write it."""
    description: str = Field(default="", max_length=20_000)
    fields: dict[str, str] = {}


class DepartmentRow(Section):
    """`[departments.KEY]`."""

    title: str = Field(min_length=1, max_length=200)
    parent: str | None = None


class DemoUser(Section):
    """`[[demo.users]]`."""

    email: str = Field(pattern=r"^[^\s@]+@[^\s@]+$")
    name: str = Field(min_length=1, max_length=200)
    roles: tuple[str, ...] = Field(min_length=1)
    extension: str | None = Field(default=None, pattern=r"^[0-9*#]+$")
    department: str | None = None
    heads: tuple[str, ...] = ()
    """Departments that this employee heads."""


class FirmSection(Section):
    """`[firm]`: our own requisites, for documents."""

    name: str = Field(default="", max_length=200)
    full_name: str = Field(default="", max_length=300)
    inn: str = Field(default="", pattern=r"^(\d{10}|\d{12})?$")
    kpp: str = Field(default="", pattern=r"^(\d{9})?$")
    ogrn: str = Field(default="", pattern=r"^(\d{13}|\d{15})?$")
    address: str = Field(default="", max_length=300)
    post_address: str = Field(default="", max_length=300)
    bank: str = Field(default="", max_length=200)
    bik: str = Field(default="", pattern=r"^(\d{9})?$")
    account: str = Field(default="", pattern=r"^(\d{20})?$")
    corr_account: str = Field(default="", pattern=r"^(\d{20})?$")
    phone: str = Field(default="", max_length=100)
    email: str = Field(default="", max_length=200)
    site: str = Field(default="", max_length=200)
    director: str = Field(default="", max_length=200)
    director_position: str = Field(default="", max_length=200)
    basis: str = Field(default="", max_length=200)


def _days(least: int, most: int, reason: str) -> BeforeValidator:
    """0, which is for ever, or whole days within these bounds."""

    def read(value: object) -> object:
        if type(value) is not int or not (value == 0 or least <= value <= most):
            raise ValueError(f"нужно число дней от {least} до {most} или 0 — хранить всегда; {reason}")
        return value

    return BeforeValidator(read)


AGE = 36_500


class RetentionSection(Section):
    """`[retention]`: days; 0: for ever."""

    journal_days: Annotated[int, _days(30, AGE, "за месяц карантин успевают разобрать")] = 0
    outbox_days: Annotated[int, _days(30, AGE, "за месяц приходят все отчёты о доставке")] = 0
    auto_answers_days: Annotated[int, _days(14, AGE, "столько длятся самые долгие каникулы")] = 30
    audit_days: Annotated[int, _days(365, AGE, "журнал изменений нужен, чтобы разобраться в спорах")] = 0
    closed_leads_days: Annotated[int, _days(30, AGE, "клиент может вернуться")] = 0
    withdrawn_consents_days: Annotated[int, _days(1, 30, "152-ФЗ (ст. 21) даёт на это не больше 30 дней")] = 0


class DocumentRow(Section):
    """`[[documents]]`: a template of the preset."""

    key: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)
    title: str = Field(min_length=1, max_length=200)
    kind: Literal["offer", "contract", "invoice", "act", "other"] = "other"
    entity: Literal["deal"] = "deal"
    numbering: str = Field(min_length=1, max_length=60)
    file: str = Field(min_length=1, max_length=200)
