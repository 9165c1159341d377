"""What may stand in a deal, whoever writes it: page, API, robot, import or another system. Lengths, people that exist,
money in a known currency, lines that add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from crm_core.companies import find_company
from crm_core.company import Company
from crm_core.dates import DAY_MEND, YEARS
from crm_core.deal_fields import checked
from crm_core.errors import Invalid
from crm_core.lines import Line, checked_lines, totals
from crm_core.money import CURRENCIES, AmountError, Money, check_money, parse_money
from crm_core.people import find_person
from crm_core.trade import local_day
from crm_core.users import USERS
from storage import ReadTx

MAX_TITLE = 300
MAX_COMMENT = 100_000
MAX_WORDS = 1000
"""Of a next step, a promise, a risk, a note to somebody's role."""
MAX_ROWS = 50
"""People and risks of one deal."""
COUNTED = "Сумма считается по товарам: измените товары или уберите их"

Wrong = dict[str, str]


def checked_values(
    tx: ReadTx, company: Company, changes: Mapping[str, Any], *, currency: str, lines: Sequence[Line] = ()
) -> dict[str, Any]:
    """Values in their final form. `currency` and `lines` are those that the deal has now. `amount` may be a text as
    people type it, a written currency included. `Invalid` names every wrong field."""
    values, wrong = dict(changes), Wrong()
    _check_words(values, wrong)
    _check_references(tx, values, wrong)
    _check_rows(values, wrong)
    _check_forecast(values, wrong)
    _gathered(wrong, lambda: _take_fields(company, values))
    _gathered(wrong, lambda: _take_lines(tx, company, values, lines))
    _check_money(values, wrong, currency)
    if not wrong:
        _check_total(values, wrong, values.get("lines", lines))
    if wrong:
        raise Invalid(wrong)
    return values


def _gathered(wrong: Wrong, take: Callable[[], None]) -> None:
    try:
        take()
    except Invalid as error:
        wrong |= error.fields


def _check_words(values: dict[str, Any], wrong: Wrong) -> None:
    if "title" in values:
        values["title"] = " ".join(str(values["title"] or "").split())
        if not values["title"]:
            wrong["title"] = "Название не может быть пустым"
        elif len(values["title"]) > MAX_TITLE:
            wrong["title"] = f"Название не длиннее {MAX_TITLE} знаков"
    if "comment" in values:
        values["comment"] = values["comment"] or ""
        if len(values["comment"]) > MAX_COMMENT:
            wrong["comment"] = f"Комментарий не длиннее {MAX_COMMENT} знаков"
    step = values.get("next_step")
    if step and not step.text.strip():
        wrong["next_step"] = "Назовите следующий шаг"
    elif step and max(len(step.text), len(step.commitment)) > MAX_WORDS:
        wrong["next_step"] = f"Следующий шаг и обещание клиента не длиннее {MAX_WORDS} знаков"
    elif step and step.at.year not in YEARS:
        wrong["next_step"] = f"Год следующего шага — от {YEARS[0]} до {YEARS[-1]}"


def _check_references(tx: ReadTx, values: Mapping[str, Any], wrong: Wrong) -> None:
    if values.get("owner_id"):
        owner = tx.get(USERS, values["owner_id"])
        if owner is None or not owner.active:
            wrong["owner_id"] = "Такого сотрудника нет, или он отключён"
    if values.get("company_id") and find_company(tx, values["company_id"]) is None:
        wrong["company_id"] = "Такой компании нет"
    if values.get("person_id") and find_person(tx, values["person_id"]) is None:
        wrong["person_id"] = "Такого контакта нет"
    named = {party.person_id for party in values.get("parties") or () if party.person_id}
    if any(find_person(tx, each) is None for each in named):
        wrong["parties"] = "Такого контакта нет"


def _check_rows(values: Mapping[str, Any], wrong: Wrong) -> None:
    parties, risks = values.get("parties") or (), values.get("risks") or ()
    if max(len(parties), len(risks)) > MAX_ROWS:
        wrong["parties" if len(parties) > MAX_ROWS else "risks"] = f"Не больше {MAX_ROWS} строк"
    if any(len(party.name) > MAX_TITLE or len(party.note) > MAX_WORDS for party in parties):
        wrong["parties"] = f"Имя не длиннее {MAX_TITLE} знаков, пометка — {MAX_WORDS}"
    if any(not risk.text.strip() or len(risk.text) > MAX_WORDS for risk in risks):
        wrong["risks"] = f"Опишите риск, не длиннее {MAX_WORDS} знаков"


def _check_forecast(values: Mapping[str, Any], wrong: Wrong) -> None:
    probability, close = values.get("probability"), values.get("expected_close")
    if probability is not None and not (isinstance(probability, int) and 0 <= probability <= 100):
        wrong["probability"] = "Нужно целое число процентов от 0 до 100"
    if close is not None and not isinstance(close, date):
        wrong["expected_close"] = DAY_MEND
    elif close is not None and close.year not in YEARS:
        wrong["expected_close"] = f"Год — от {YEARS[0]} до {YEARS[-1]}"


def _take_fields(company: Company, values: dict[str, Any]) -> None:
    if "fields" in values:
        values["fields"] = checked(company.deal_fields, values["fields"])


def _take_lines(tx: ReadTx, company: Company, values: dict[str, Any], was: Sequence[Line]) -> None:
    if "lines" in values:
        day = local_day(tx.now, company.timezone)
        values["lines"] = checked_lines(company.trade, values["lines"], day, was=was)


def _check_money(values: dict[str, Any], wrong: Wrong, currency: str) -> None:
    """One amount in one currency; what is written with the amount counts."""
    stated = values.get("currency")
    if "currency" in values and stated not in CURRENCIES:
        wrong["currency"] = f"Такой валюты нет; есть {', '.join(CURRENCIES)}"
        return
    if "amount" not in values:
        return
    amount = values["amount"]
    if amount is None or amount == "":
        values["amount"] = None
        return
    try:
        if isinstance(amount, str):
            money = parse_money(amount, stated or currency)
        else:
            money = check_money(Money(amount, stated or currency))
    except AmountError as error:
        wrong["amount"] = str(error)
        return
    if stated and money.currency != stated:
        wrong["amount"] = f"В сумме написана другая валюта, а выбрана {stated}: оставьте одну"
    values |= {"amount": money.amount} | ({"currency": money.currency} if money.currency != currency else {})


def _check_total(values: Mapping[str, Any], wrong: Wrong, lines: Sequence[Line]) -> None:
    """While there are lines, amount and currency follow from them; to repeat them is no change."""
    if not lines:
        return
    summed = totals(lines)
    if values.get("amount", summed.total) != summed.total:
        wrong["amount"] = COUNTED
    if values.get("currency", summed.currency) != summed.currency:
        wrong["currency"] = COUNTED
