"""Does a lead cost the same when a million lie in the store already?

The router runs in this process over two stores, one small and one large, in turns, so that a change of the machine's
mood hits both. What is counted is processor time of the writer thread: it does all the work of a lead's transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import structlog

from bench.baseline import Limits
from bench.company import Company, Seller, found, open_company_store
from bench.load import phone
from bench.report import Limit, Row, number, percentile
from connectors.contract import Inbound, InboundKind, Sender, SourceHints
from crm_core.leads import LEADS, Lead, Source
from crm_core.people import IDENTITIES, PEOPLE, Identity, IdentityKind, Person, identity_id
from distribution.desk import Desk
from firstline.settings import load_settings
from router.journal import accept
from router.worker import Router
from storage import Collection, IdSource, Store

FEW = 1000
ROUNDS = 7
LEADS_PER_ROUND = 1500
BATCH = 20_000
FIRST_DAY = datetime(2023, 1, 9, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
"""In which the old leads came, in order."""
OPEN_EVERY = 100
"""One of so many old leads is still in work."""
TOLERANCE = 1.15


async def growth(folder: Path, limits: Limits, many: int) -> list[Row]:
    """Processor time per lead with few and with many leads in the store."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    stores = [await _filled(folder / "few", FEW), await _filled(folder / "many", many)]
    costs: list[list[float]] = [[], []]
    for turn in range(ROUNDS + 1):
        for (company, store), cost in zip(stores, costs, strict=True):
            spent = await _round(company, store)
            if turn:  # the first one warms up
                cost.append(spent)
    for _, store in stores:
        await store.close()
    few, full = (percentile(each, 0.5) for each in costs)
    return [
        Row(f"цена лида, в хранилище {number(FEW)}", few, "мкс"),
        Row(
            f"цена лида, в хранилище {number(many)}",
            full,
            "мкс",
            Limit("малое хранилище", few),
            "в пределах 15 %",
            full <= few * TOLERANCE,
        ),
    ]


async def _filled(folder: Path, count: int) -> tuple[Company, Store]:
    company = await found(folder)
    fill(company, count)
    return company, open_company_store(company.data)


async def _round(company: Company, store: Store) -> float:
    """Microseconds of the writer thread per lead, claim and commit included, acceptance not."""
    settings = load_settings(company.config)
    router = Router(store, Desk(settings.company, settings.queues))
    forms = [_form() for _ in range(LEADS_PER_ROUND)]
    for start in range(0, len(forms), 100):
        await store.write(accept, forms[start : start + 100])
    before = await store.write(_thread_time)
    while await router.work_once():
        pass
    return (await store.write(_thread_time) - before) / LEADS_PER_ROUND * 1e6


def _thread_time(tx: object) -> float:
    """Processor seconds of the thread that runs transactions."""
    return time.thread_time()


def _form() -> Inbound:
    mobile = phone()
    return Inbound(
        connector="site",
        channel="form",
        external_id=mobile,
        kind=InboundKind.FORM,
        occurred_at=datetime.now(UTC),
        sender=Sender(name=f"Клиент {mobile}", phones=(mobile,), emails=(f"{mobile[1:]}@client.example",)),
        text="Нужен насос для скважины 40 метров",
        source=SourceHints(page="https://shop.example/pumps", utm={"source": "yandex"}),
    )


def _plain_name(index: int, mobile: str) -> str:
    return f"Клиент {mobile}"


def fill(company: Company, count: int, name: Callable[[int, str], str] = _plain_name) -> None:
    """Old leads, their people and identities, written past the store's interface: a million in a minute. `name` makes
    one of the customer's place and phone."""
    db = apsw.Connection(str(company.data / "firstline.db"))
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -200000")
    ids = IdSource()
    try:
        for start in range(0, count, BATCH):
            old = [_old(ids, company.sellers, n, count, name) for n in range(start, min(count, start + BATCH))]
            with db:
                for place, collection in enumerate(_FILLED):
                    db.executemany(_insert(collection), _rows(collection, [each[place] for each in old]))
        with db:
            db.execute("INSERT INTO _counters VALUES ('lead', ?)", (count,))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()


def _old(
    ids: IdSource, sellers: Sequence[Seller], index: int, count: int, name: Callable[[int, str], str]
) -> tuple[Lead, Person, Identity]:
    """One of `count` customers of the past years."""
    at = FIRST_DAY + SPAN * (index / count)
    mobile, is_open = phone(), index % OPEN_EVERY == 0
    person = Person(
        id="per_" + ids.new(at), name=name(index, mobile), phones=(mobile,), created_at=at, last_activity_at=at
    )
    lead = Lead(
        id="lead_" + ids.new(at),
        number=index + 1,
        title=f"Заявка с сайта: {person.name}",
        stage="qualification" if is_open else "converted",
        stage_since=at,
        open=is_open,
        person_id=person.id,
        source=_SOURCE,
        first_touch=_SOURCE,
        last_touch=_SOURCE,
        queue="first-line",
        owner_id=sellers[index % len(sellers)].id,
        waiting_since=at,
        accepted_at=at,
        first_response_at=at,
        due_at=at,
        last_activity_at=at,
        created_at=at,
        updated_at=at,
    )
    key = identity_id(IdentityKind.PHONE, mobile)
    return lead, person, Identity(id=key, person_id=person.id, kind=IdentityKind.PHONE, value=mobile, created_at=at)


_FILLED: tuple[Collection[Any], ...] = (LEADS, PEOPLE, IDENTITIES)
_SOURCE = Source(channel="form", connector="site", key="site", label="Сайт", utm={"source": "yandex"})


def _insert(collection: Collection[Any]) -> str:
    names = ["id", "version", "_doc", *collection.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{collection.name}" ({quoted}) VALUES ({", ".join("?" * len(names))})'


def _rows(collection: Collection[Any], entities: Sequence[Any]) -> Iterator[list[Any]]:
    for entity in entities:
        stored, document, columns = collection.encode(entity)
        yield [stored.id, stored.version, document, *columns]
