"""Tells letters of machines from letters of people, by a table of rules with the reason of each.

What a machine wrote never becomes a lead and never gets an automatic answer: that is how mail loops start. The first
rule that applies decides. Rules look at headers only, since words («автоответ») are used by people too; a subject
counts only together with a header. Sources: RFC 3834 (automatic responses), RFC 3464 and 6522 (delivery reports),
RFC 2919 and 2369 (lists), headers of Exchange, Exim, SpamAssassin, rspamd and Yandex.

A customer's CRM may put `List-Unsubscribe` on a personal answer, so the list rules do not apply to a letter that
answers one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from connectors.contract import RobotKind
from connectors.email.headers import Headers

MARKER = "X-Firstline-Connector"
"""Our answers carry it with our address as value: `sales-mail; sales@example.ru`."""

OUT_OF_OFFICE = re.compile(
    r"^(automatic reply|auto(matic)?[- ]?response|out of (the )?office|автоматический ответ|автоответ|автоответчик"
    r"|нет на рабочем месте|abwesenheit)\b",
    re.IGNORECASE,
)
DAEMONS = re.compile(r"^(mailer-daemon|mail-daemon|mailerdaemon|postmaster|bounces?(\+.*)?)@", re.IGNORECASE)
NOREPLY = re.compile(
    r"^(no-?_?reply|do-?not-?reply|robot|wordpress|www-data|bitrix|forms?|mailer|notify|notifications?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at."""

    headers: Headers
    type: str
    """MIME type of the whole letter."""
    sender: str
    """Address in From, lower case; empty without one."""
    own: Collection[str]
    """Our addresses in lower case."""
    is_form: bool = False
    """Our own site sent it in the name of a visitor: From is ours, Reply-To is not."""

    def value(self, name: str) -> str:
        return (self.headers.get(name) or "").strip().lower()

    @property
    def answers_ours(self) -> bool:
        """In-Reply-To or References name a letter with a Message-ID of our domain."""
        domains = {address.rpartition("@")[2] for address in self.own}
        ids = (*self.headers.ids("in-reply-to"), *self.headers.ids("references"))
        return any(item.rpartition("@")[2].lower() in domains for item in ids)


@dataclass(frozen=True, slots=True)
class Rule:
    kind: RobotKind
    reason: str
    """Shown in the decision trace."""
    applies: Callable[[Facts], bool]


def _report(facts: Facts) -> str:
    is_report = facts.type == "multipart/report"
    return (facts.headers.param("content-type", "report-type") or "?").lower() if is_report else ""


def _is_marked_ours(facts: Facts) -> bool:
    address = facts.value(MARKER.lower()).rpartition(";")[2].strip()
    return address in facts.own


def _null_return_path(facts: Facts) -> bool:
    return facts.value("return-path").replace(" ", "") == "<>"


def _spam_score(facts: Facts) -> bool:
    return facts.value("x-spam-status").startswith("yes") or facts.value("x-spam") in ("yes", "true")


def _suppresses(facts: Facts) -> bool:
    return any(word in facts.value("x-auto-response-suppress") for word in ("all", "oof", "autoreply"))


def _out_of_office(facts: Facts) -> bool:
    from_exchange = facts.headers.has_prefix("x-ms-exchange") or facts.headers.has_prefix("x-auto")
    return from_exchange and OUT_OF_OFFICE.match(facts.headers.text("subject") or "") is not None


def _list(name: str) -> Callable[[Facts], bool]:
    return lambda facts: bool(facts.value(name)) and not facts.answers_ours


def _posts(facts: Facts) -> bool:
    """`List-Post: NO` marks announcements, which still have List-Id or List-Unsubscribe."""
    return facts.value("list-post") not in ("", "no") and not facts.answers_ours


def _precedence(*words: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.value("precedence") in words and not facts.answers_ours


OWN, BOUNCE, SPAM = RobotKind.OWN, RobotKind.BOUNCE, RobotKind.SPAM
REPLY, LIST = RobotKind.AUTO_REPLY, RobotKind.MAILING_LIST

RULES: tuple[Rule, ...] = (
    Rule(OWN, f"{MARKER}: наш ответ вернулся к нам", _is_marked_ours),
    Rule(BOUNCE, "Content-Type: отчёт о доставке (multipart/report)", lambda f: _report(f) == "delivery-status"),
    Rule(REPLY, "Content-Type: уведомление о прочтении", lambda f: _report(f) == "disposition-notification"),
    Rule(REPLY, "Content-Type: отчёт почтовой системы", lambda f: bool(_report(f))),
    Rule(BOUNCE, "X-Failed-Recipients: письмо не доставлено", lambda f: bool(f.value("x-failed-recipients"))),
    Rule(BOUNCE, "From: почтовый робот (mailer-daemon)", lambda f: DAEMONS.match(f.sender) is not None),
    Rule(SPAM, "X-Spam-Flag: YES", lambda f: f.value("x-spam-flag").startswith("yes")),
    Rule(SPAM, "X-Spam-Status: Yes", _spam_score),
    Rule(SPAM, "X-Yandex-Spam: 4", lambda f: f.value("x-yandex-spam") == "4"),
    Rule(OWN, "From: один из наших адресов", lambda f: f.sender in f.own and not f.is_form),
    Rule(LIST, "List-Id: список рассылки (RFC 2919)", _list("list-id")),
    Rule(LIST, "List-Post: список рассылки (RFC 2369)", _posts),
    Rule(
        REPLY,
        "Auto-Submitted: автоматическое письмо (RFC 3834)",
        lambda f: f.value("auto-submitted").partition(";")[0].strip() not in ("", "no"),
    ),
    Rule(REPLY, "X-Autoreply: автоответ", lambda f: f.value("x-autoreply") not in ("", "no")),
    Rule(REPLY, "X-Autorespond: автоответ", lambda f: bool(f.value("x-autorespond") or f.value("x-autoresponder"))),
    Rule(REPLY, "X-Auto-Response-Suppress: автоматическое письмо", _suppresses),
    Rule(REPLY, "тема автоответа вместе с заголовком Exchange", _out_of_office),
    Rule(LIST, "List-Unsubscribe: рассылка (RFC 2369)", _list("list-unsubscribe")),
    Rule(LIST, "Precedence: list", _precedence("list")),
    Rule(REPLY, "Precedence: автоматическое письмо", _precedence("bulk", "junk", "auto_reply", "auto-reply")),
    Rule(REPLY, "Return-Path: <>, на письмо нельзя ответить", _null_return_path),
)


def judge(facts: Facts) -> tuple[RobotKind, str] | None:
    """What kind of machine wrote the letter and how that shows; None for a person."""
    for rule in RULES:
        if rule.applies(facts):
            return rule.kind, rule.reason
    return None
