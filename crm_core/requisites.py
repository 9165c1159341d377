"""Requisites of Russian companies and entrepreneurs, checked by the rules by which they are issued.

Pure functions over text: nothing is asked from outside, so a number that passes is well formed, not proven to exist.

- ИНН: order of the tax ministry of 03.03.2004 № БГ-3-09/178 and of the tax service of 29.06.2012 № ММВ-7-6/435@
  (10 digits of organisations, 12 of people), with its weights modulo 11.
- КПП: the same order of 2012: inspection (4 digits), reason (2 digits or Latin capitals), number (3 digits).
- ОГРН, ОГРНИП: rules of the registers, order of the ministry of finance of 30.10.2017 № 165н: the last digit is the
  remainder of the others by 11 (13 digits) or by 13 (15 digits), of which the last digit counts.
- БИК: nine digits of the Bank of Russia's directory.
- Accounts: «Порядок расчёта контрольного ключа в номере лицевого счёта», Bank of Russia, 08.09.1997 № 515.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_KPP = re.compile(r"[0-9]{4}[0-9A-Z]{2}[0-9]{3}")
_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_CLEARING = frozenset({"000", "001", "002"})
"""Last digits of the БИК of a clearing centre of the Bank of Russia: its accounts are keyed by its own number."""
COMPANY_INN, PERSON_INN = 10, 12
FIELDS = ("inn", "kpp", "ogrn", "bik", "account", "corr_account")


def clean(text: str | None) -> str | None:
    """Without the spaces that people put between groups; None when nothing is left. Letters in upper case."""
    return "".join((text or "").split()).upper() or None


def _inn_digit(digits: str) -> int:
    """The control digit that belongs behind these 9, 10 or 11 digits."""
    weights = _WEIGHTS[-len(digits) :]
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 11 % 10


def inn_error(inn: str) -> str | None:
    """What is wrong with an ИНН; None when it is right."""
    if not _digits(inn) or len(inn) not in (COMPANY_INN, PERSON_INN):
        return "ИНН — это 10 цифр у организации или 12 у предпринимателя"
    ends = (9,) if len(inn) == COMPANY_INN else (10, 11)
    if any(_inn_digit(inn[:end]) != int(inn[end]) for end in ends) or not inn.strip("0"):
        return "Не сходится контрольная цифра ИНН: проверьте, нет ли опечатки"
    return None


def kpp_error(kpp: str) -> str | None:
    """What is wrong with a КПП, which has no control digit."""
    if not _KPP.fullmatch(kpp):
        return "КПП — это 9 знаков: 4 цифры, 2 цифры или латинские буквы, 3 цифры"
    return None


def ogrn_error(ogrn: str) -> str | None:
    """What is wrong with an ОГРН (13 digits) or an ОГРНИП (15 digits)."""
    if not _digits(ogrn) or len(ogrn) not in (13, 15):
        return "ОГРН — это 13 цифр у организации или 15 (ОГРНИП) у предпринимателя"
    if int(ogrn[:-1]) % (len(ogrn) - 2) % 10 != int(ogrn[-1]):
        return "Не сходится контрольная цифра ОГРН: проверьте, нет ли опечатки"
    return None


def bik_error(bik: str) -> str | None:
    """What is wrong with a БИК, which has no control digit."""
    return None if _digits(bik) and len(bik) == 9 else "БИК — это 9 цифр"


def _key_fits(institution: str, account: str) -> bool:
    """Whether the control key of an account fits its bank: the last digits of the products with 7, 1, 3 add up to a
    multiple of 10."""
    digits = institution + account
    return sum(int(digit) * (7, 1, 3)[place % 3] % 10 for place, digit in enumerate(digits)) % 10 == 0


def account_error(account: str, bik: str | None) -> str | None:
    """What is wrong with a settlement account; its key is checked when the БИК is known to be a bank's."""
    if not _digits(account) or len(account) != 20:
        return "Расчётный счёт — это 20 цифр"
    if bik is None or not bik.startswith("04"):  # accounts of the treasury follow other rules
        return None
    institution = "0" + bik[4:6] if bik[6:] in _CLEARING else bik[6:]
    return None if _key_fits(institution, account) else "Расчётный счёт не подходит к БИК: проверьте оба"


def corr_account_error(account: str, bik: str | None) -> str | None:
    """What is wrong with a correspondent account, which is kept by the clearing centre of the bank's region."""
    if not _digits(account) or len(account) != 20:
        return "Корреспондентский счёт — это 20 цифр"
    if bik is None or not bik.startswith("04"):
        return None
    if not account.startswith("301") or account[-3:] != bik[6:] or not _key_fits("0" + bik[4:6], account):
        return "Корреспондентский счёт не подходит к БИК: проверьте оба"
    return None


_ALONE: dict[str, Callable[[str], str | None]] = {
    "inn": inn_error,
    "kpp": kpp_error,
    "ogrn": ogrn_error,
    "bik": bik_error,
}


def check_requisites(values: Mapping[str, str | None]) -> dict[str, str]:
    """Field → what is wrong, for `FIELDS` that are given; each by itself, then what does not go together."""
    given = {name: value for name in FIELDS if (value := values.get(name))}
    wrong = {name: error for name, look in _ALONE.items() if name in given and (error := look(given[name]))}
    bik = given.get("bik") if "bik" not in wrong else None
    for name, look in (("account", account_error), ("corr_account", corr_account_error)):
        if name in given and (error := look(given[name], bik)):
            wrong[name] = error
    return _together(given) | wrong


def _together(given: Mapping[str, str]) -> dict[str, str]:
    """Organisations have a КПП and 13 digits of ОГРН, entrepreneurs none and 15."""
    inn, ogrn = given.get("inn", ""), given.get("ogrn", "")
    wrong = {}
    if len(inn) == PERSON_INN and "kpp" in given:
        wrong["kpp"] = "У предпринимателя (ИНН из 12 цифр) КПП не бывает: уберите его или исправьте ИНН"
    if "kpp" in given and not inn:
        wrong["kpp"] = "КПП без ИНН ничего не значит: укажите ИНН"
    if (len(inn), len(ogrn)) in ((COMPANY_INN, 15), (PERSON_INN, 13)):
        wrong["ogrn"] = "ОГРН не подходит к ИНН: к 10 цифрам ИНН — 13 цифр, к 12 — 15"
    return wrong


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
