"""Source rules: the first whose conditions all hold names the source; what the channel told is kept beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.contract import Inbound, InboundKind, SourceHints
from crm_core.company import Company, ConnectorInfo, SourceRule
from crm_core.rights import Rights
from router.sources import source_of

RULES = (
    SourceRule("direct", "Яндекс Директ", {"utm_source": "yandex*", "utm_medium": "cpc"}),
    SourceRule("landing", "Посадочная", {"page": "https://shop.example/promo*"}),
    SourceRule("search", "Поиск", {"referrer": "*.google.*"}),
    SourceRule("main-line", "Главный номер", {"did": "74952280001"}),
    SourceRule("site", "Сайт", {"channel": "form", "connector": "site"}),
)
COMPANY = Company(
    timezone="Europe/Moscow",
    language="ru",
    calendars={},
    stages=(),
    rights=Rights({}),
    sources=RULES,
    connectors={"mail": ConnectorInfo("mail", "email", "email", "Общая почта", "q", "office")},
)


def contact(connector: str = "site", channel: str = "form", **hints: Any) -> Inbound:
    return Inbound(
        connector=connector,
        channel=channel,
        external_id="1",
        kind=InboundKind.FORM,
        occurred_at=datetime(2026, 11, 23, tzinfo=UTC),
        source=SourceHints(**hints),
    )


@pytest.mark.parametrize(
    ("inbound", "key"),
    [
        (contact(utm={"source": "yandex_direct", "medium": "cpc"}), "direct"),
        (contact(utm={"source": "YANDEX", "medium": "CPC"}), "direct"),
        (contact(utm={"source": "yandex_direct"}), "site"),
        (contact(utm={"source": "yandex", "medium": "cpc"}, page="https://shop.example/promo/1"), "direct"),
        (contact(page="https://shop.example/promo/1?a=b"), "landing"),
        (contact(referrer="https://www.google.ru/search?q=x"), "search"),
        (contact(referrer="https://evil.example/?r=www.google.ru"), "site"),
        (contact(referrer="http://[broken"), "site"),
        (contact("phone", "phone", did="74952280001"), "main-line"),
        (contact("phone", "phone"), "other"),
        (contact("other-site", "form"), "other"),
    ],
)
def test_the_first_rule_that_fits_names_the_source(inbound: Inbound, key: str) -> None:
    assert source_of(COMPANY, inbound).key == key


def test_without_a_rule_the_connector_names_the_source() -> None:
    assert source_of(COMPANY, contact("mail", "email")).label == "Общая почта"
    assert source_of(COMPANY, contact("gone", "email")).label == "gone", "gone from the configuration"


def test_what_the_channel_told_is_kept() -> None:
    source = source_of(COMPANY, contact(page="p", referrer="r", utm={"term": "насос"}))
    assert (source.page, source.referrer, source.utm, source.connector) == ("p", "r", {"term": "насос"}, "site")
