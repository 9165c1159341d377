"""How fast is an answer when a million people and their leads are in the index, and how long does building it take?

Questions are what people type: a few letters of a name that thousands bear, a full name, digits of a phone, the wrong
keyboard layout, something that is not there. Each is asked as the API asks it: every kind, twenty records of each.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from random import Random

import structlog

from bench.baseline import Limits
from bench.company import found, open_company_store
from bench.growth import fill
from bench.report import Row, number, percentile
from crm_core.actor import SYSTEM
from crm_core.people import PEOPLE, Person
from crm_core.search import Question
from crm_core.search_words import TO_LATIN
from crm_core.searchable import KINDS
from router.indexer import Indexer
from storage import ReadTx, Store

QUESTIONS = 400
SHOWN = 20
WITHIN_MS = 100.0
"""What feels like at once."""
_ROOTS = """
Иван Петр Сидор Кузнец Смирн Попов Васильев Соколов Михайлов Новиков Фёдор Мороз Волк Алексеев Лебед Семён Егор Павл
Козл Степан Никола Орл Андре Макар Никит Захар Зайц Соловьёв Борис Яковл Григор Роман Воробь Сергеев Кузьм Фрол Гус
Александр Дмитри Корол Кисел Ильин Максим Поляк Сорок Виноград Ковал Бел Медвед Антон Тарас Жук Баран
"""
_ENDINGS = "ов ова ев ева ин ина енко ский ская ко ук ян ченко цев цева"
_NAMES = """
Анна Мария Елена Дмитрий Алексей Максим Сергей Андрей Иван Артём Илья Кирилл Михаил Никита Матвей Роман Егор Ольга
Арсений Пётр Татьяна Наталья Ирина Светлана Юлия Екатерина Дарья Полина Ксения Вера Надежда Любовь Семён
"""
_WORK = "Станки Насосы Пищемаш Агро Строй Мебель Упаковка Металл Лес Хлеб Молоко Сервис Торг Пром Техно Эко"
ROOTS, ENDINGS, NAMES, WORK = (text.split() for text in (_ROOTS, _ENDINGS, _NAMES, _WORK))


async def search(folder: Path, limits: Limits, many: int) -> list[Row]:
    """Time to the answer, time to build the index, and its size."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    company = await found(folder / "search")
    fill(company, many, _name)
    store = open_company_store(company.data)
    try:
        before, started = store.size(), time.monotonic()
        await Indexer(store, KINDS).rebuild()
        built, grown = time.monotonic() - started, store.size() - before
        spent = await _ask(store)
    finally:
        await store.close()
    what = f"поиск, {number(many)} людей и лидов"
    return [
        Row(f"{what}: ответ, p50", percentile(spent, 0.5), "мс"),
        Row(f"{what}: ответ, p99", p99 := percentile(spent, 0.99), "мс", None, "до 100 мс", p99 <= WITHIN_MS),
        Row(f"{what}: указатель построен за", built, "с"),
        Row(f"{what}: указатель на запись", grown / many / 2, "байт"),
    ]


def _name(index: int, mobile: str) -> str:
    """Names repeat as they do in life: some forty thousand full names, each with a company's word."""
    dice = Random(index)
    return f"{dice.choice(ROOTS)}{dice.choice(ENDINGS)} {dice.choice(NAMES)}, {dice.choice(WORK)}-{index % 977}"


async def _ask(store: Store) -> list[float]:
    dice = Random(7)
    people = await store.read(lambda tx: tx.find(PEOPLE, sort="id", limit=5000))
    questions = [_question(dice, dice.choice(people)) for _ in range(QUESTIONS)]
    for text in questions[:20]:
        await store.read(_answer, text)
    spent = []
    for text in questions:
        started = time.perf_counter()
        await store.read(_answer, text)
        spent.append((time.perf_counter() - started) * 1000)
    return spent


def _question(dice: Random, person: Person) -> str:
    name, phone = (person.name or "").split(), person.phones[0]
    surname, first = name[0], name[1].strip(",")
    return dice.choice(
        [
            surname[: dice.randint(2, 4)], surname, f"{surname} {first[:3]}", first[:3], phone, phone[-4:], phone[-7:],
            f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:10]}-{phone[10:]}", surname.translate(TO_LATIN), "Зингельшухер",
            name[2], str(dice.randint(1, 1000)),
        ]
    )  # fmt: skip


def _answer(tx: ReadTx, text: str) -> int:
    question = Question(tx, KINDS, text)
    return sum(len(question.records(kind, SYSTEM, SHOWN)) for kind in KINDS.values())
