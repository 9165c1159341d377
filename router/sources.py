"""The configured rules: which source of the reference list a contact belongs to, and where it goes.

In both lists the first rule whose conditions all hold decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from connectors.contract import Inbound
from crm_core.company import Company, RoutingRule
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


def routing_rule(company: Company, inbound: Inbound) -> RoutingRule | None:
    """The routing rule that fits, None when the connector's own queue shall have it."""
    if not company.routing:
        return None
    facts = {**_facts(inbound), **_content(inbound)}
    for rule in company.routing:
        if all(_fits(facts.get(name), pattern) for name, pattern in rule.when.items()):
            return rule
    return None


def _content(inbound: Inbound) -> Mapping[str, str | None]:
    emails = inbound.sender.emails
    return {
        "kind": inbound.kind,
        "subject": inbound.subject,
        "text": inbound.text,
        "email_domain": emails[0].rpartition("@")[2] if emails else None,
        **{f"field.{name}": value for name, value in inbound.fields.items()},
    }


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
