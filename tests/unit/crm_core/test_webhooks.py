"""Where calls to other systems may go, and how they are signed."""

from __future__ import annotations

import pytest

from crm_core.webhooks import Webhooks, shown_url, signature, url_problem

OPEN = Webhooks("secret")
OFFICE = Webhooks("secret", ("10.1.0.0/16", "fd00::/8"))


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/", "http://127.0.0.1:8080/", "http://[::1]/", "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::]/", "http://224.0.0.1/",
        "ftp://example.ru/", "http://user:pass@example.ru/", "http:///", "http://example.ru:99999/", "не адрес", "",
        "https://example.ru/a b", "https://example.ru/" + "a" * 2000,
    ],
)  # fmt: skip
def test_an_address_where_calls_may_not_go_is_refused(url: str) -> None:
    assert url_problem(url, OPEN)


@pytest.mark.parametrize("url", ["https://example.ru/hook?key=1", "http://93.184.215.14:8080/", "https://пример.рф/"])
def test_an_address_outside_is_taken(url: str) -> None:
    assert url_problem(url, OPEN) is None


@pytest.mark.parametrize("url", ["http://10.1.2.3/", "http://[fd00::1]/", "http://[::ffff:10.1.2.3]/"])
def test_the_configuration_opens_a_network_of_its_own(url: str) -> None:
    assert url_problem(url, OPEN)
    assert url_problem(url, OFFICE) is None


def test_without_a_configuration_nobody_is_called() -> None:
    assert "[webhooks]" in str(url_problem("https://example.ru/", None))


def test_a_signature_is_that_of_the_body() -> None:
    assert signature("key", b"{}") == "sha256=a777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032"


def test_what_stands_in_a_query_is_not_shown() -> None:
    assert shown_url("https://example.ru/hook?token=secret#x") == "https://example.ru/hook"


def test_the_secret_is_not_in_the_words_of_the_settings() -> None:
    assert "secret" not in repr(OPEN).replace("secret=", "")
