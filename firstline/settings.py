"""The settings of a hub: typed, complete, checked. `load_settings` is the way from files and environment to them.

Without a configuration file the reference company of the bundled preset runs with its demo connectors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connectors.settings import ConnectorSettings
from crm_core.company import Company
from distribution.queues import Queue
from firstline.build_channels import read_alerts, read_connectors, read_queues
from firstline.build_company import read_calendars, read_company
from firstline.build_people import Department, Person, read_departments, read_people
from firstline.build_trade import read_demo_categories, read_demo_products
from firstline.draft import Draft
from firstline.preset import PRESET_TABLES, check_tables, find_preset, overlay, read_preset
from firstline.problems import ConfigError
from firstline.settings_models import (
    AlertsSection,
    BusSection,
    CompanySection,
    DemoCategory,
    DemoProduct,
    ServerSection,
    StorageSection,
    UpdatesSection,
)
from firstline.sources import override, read_toml, resolve

PRESET_VARIABLE = "FIRSTLINE_COMPANY__PRESET"
DEMO_KEYS = frozenset({"password", "users", "connectors", "categories", "products"})


@dataclass(frozen=True, slots=True)
class Server:
    """Where the hub listens and how it is reached."""

    host: str
    port: int
    public_url: str
    """Without a slash at the end."""
    trusted_proxies: tuple[str, ...] = ()
    has_own_url: bool = False
    """`public_url` was configured, not derived from host and port."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The employees and the catalogue of the demo."""

    password: str
    users: tuple[Person, ...]
    categories: tuple[DemoCategory, ...] = ()
    """Parents before children."""
    products: tuple[DemoProduct, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `firstline.toml`, the preset and the environment say."""

    server: Server
    storage_url: str
    bus_url: str
    company_name: str
    company: Company
    queues: Mapping[str, Queue]
    connectors: Mapping[str, ConnectorSettings]
    """Disabled ones included."""
    alerts: AlertsSection
    departments: tuple[Department, ...]
    """Parents before children."""
    demo: Demo | None
    """Only when the reference company runs without a configuration file."""
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The tables of the preset as they were written, with what the configuration says over them; no secrets."""
    folder: Path = Path()
    """Of the preset, where files that it names lie."""

    def at(self, host: str | None, port: int | None) -> Settings:
        """The same with another address; `public_url` follows unless it was configured."""
        server = replace(self.server, host=host or self.server.host, port=self.server.port if port is None else port)
        if not server.has_own_url:
            server = replace(server, public_url=_url(server.host, server.port))
        return replace(self, server=server)


def load_settings(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read, merge and check everything. Raises `ConfigError` with all mistakes that were found."""
    environ = os.environ if environ is None else environ
    draft, folder = Draft(), config.parent if config else Path()
    _fill(draft, config, folder, environ)
    settings = _settings(draft, folder, is_demo=config is None) if draft.tables else None
    if settings is None or draft.problems:
        raise ConfigError(draft.problems)
    return settings


def _fill(draft: Draft, config: Path | None, folder: Path, environ: Mapping[str, str]) -> None:
    """Preset, then configuration, then environment. Leaves no tables when a whole file could not be read."""
    written = read_toml(config, draft, config.name) if config else {}
    if draft.problems:
        return
    written = resolve(written, (), folder, environ, draft)
    check_tables(draft, written)
    company = written.get("company")
    named = company.get("preset", "equipment") if isinstance(company, dict) else "equipment"
    preset = find_preset(str(environ.get(PRESET_VARIABLE, named)), folder, draft)
    if preset is None:
        return
    read_preset(preset, draft)
    if config is None:
        draft.labels["connectors",] = draft.labels.get(("demo",), "")
        draft.tables["connectors"] = draft.table("demo").get("connectors", {})
    overlay(draft, written)
    override(draft, folder, environ)


def _settings(draft: Draft, folder: Path, *, is_demo: bool) -> Settings | None:
    server = draft.read(ServerSection, draft.table("server"), ("server",))
    storage = draft.read(StorageSection, draft.table("storage"), ("storage",))
    bus = draft.read(BusSection, draft.table("bus"), ("bus",))
    section = draft.read(CompanySection, draft.table("company"), ("company",))
    updates = None
    if "workhours_updates" in draft.tables:
        updates = draft.read(UpdatesSection, draft.table("workhours_updates"), ("workhours_updates",))
    basis = section or CompanySection()
    calendars = read_calendars(draft, basis, folder / updates.file if updates else None)
    departments = read_departments(draft)
    demo = _demo(draft)
    queues = read_queues(draft, basis)
    connectors = read_connectors(draft, basis)
    company = read_company(draft, basis, calendars, connectors)
    alerts = read_alerts(draft, connectors)
    if server is None or storage is None or bus is None or section is None or company is None:
        return None
    return Settings(
        server=Server(
            server.host,
            server.port,
            server.public_url or _url(server.host, server.port),
            server.trusted_proxies,
            server.public_url is not None,
        ),
        storage_url=storage.url,
        bus_url=bus.url,
        company_name=section.name,
        company=company,
        queues=queues,
        connectors=connectors,
        alerts=alerts,
        departments=departments,
        demo=demo if is_demo else None,
        tables={name: draft.tables[name] for name in PRESET_TABLES if name in draft.tables and name != "demo"},
        folder=draft.preset or Path(),
    )


def _demo(draft: Draft) -> Demo:
    table = draft.table("demo")
    for key in table.keys() - DEMO_KEYS:
        draft.report(("demo", key), "такого ключа нет", f"есть: {', '.join(sorted(DEMO_KEYS))}")
    password = table.get("password", "demo")
    if not isinstance(password, str) or not password:
        draft.report(("demo", "password"), "нужен текст", "в кавычках")
    categories = read_demo_categories(draft)
    return Demo(str(password), read_people(draft), categories, read_demo_products(draft, categories))


def _url(host: str, port: int) -> str:
    """How this machine reaches the port; an address that means «all of them» becomes loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
