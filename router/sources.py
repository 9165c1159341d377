"""Which source of the reference list a contact belongs to: the first configured rule whose conditions all hold."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from connectors.contract import Inbound
from crm_core.company import Company
from crm_core.leads import Source


def source_of(company: Company, inbound: Inbound) -> Source:
    """The source, with everything that the channel told kept beside it."""
    hints = inbound.source
    facts = _facts(inbound)
    key, label = "other", _title(company, inbound)
    for rule in company.sources:
        if all(_fits(facts.get(name), pattern) for name, pattern in rule.when.items()):
            key, label = rule.key, rule.label
            break
    return Source(
        channel=inbound.channel,
        connector=inbound.connector,
        key=key,
        label=label,
        utm=hints.utm,
        page=hints.page,
        referrer=hints.referrer,
        did=hints.did,
        mailbox=hints.mailbox,
        community=hints.community,
        listing=hints.listing,
    )


def _title(company: Company, inbound: Inbound) -> str:
    info = company.connectors.get(inbound.connector)
    return info.title if info else inbound.connector


def _facts(inbound: Inbound) -> Mapping[str, str | None]:
    hints = inbound.source
    facts: dict[str, str | None] = {
        "channel": inbound.channel,
        "connector": inbound.connector,
        "did": hints.did,
        "mailbox": hints.mailbox,
        "community": hints.community,
        "listing": hints.listing,
        "page": hints.page,
        "referrer": _host(hints.referrer),
    }
    facts.update({f"utm_{key}": value for key, value in hints.utm.items()})
    return facts


def _host(url: str | None) -> str | None:
    if not url:
        return None
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _fits(value: str | None, pattern: str) -> bool:
    return value is not None and fnmatchcase(value.lower(), pattern.lower())
