"""The search over everything: one index that any kind of record registers with.

An entry holds the words of one record. It is written shortly after the record by a worker that follows the change feed
(`plan`, then `apply`), so that whoever takes a lead waits for nothing. Of what the worker has not reached yet, a search
reads the newest `FRESH` changes itself and makes the words of up to `MOST_FRESH` records: what was just committed is
found at once. A rush (an import, the first build) leaves the worker further behind than that; then the older part of it
is found when the worker has come to it. Rights are applied to the records themselves, whatever the index says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from crm_core.actor import Actor
from crm_core.changes import CHANGES, Change
from crm_core.search_words import SIGNS, Reading, indexed, readings, words
from storage import AllOf, Collection, Entity, Filter, Gt, In, ReadTx, Tx

FORMAT = 2
"""Grows when words are made in another way: every store then builds its index anew."""
AT_ONCE = 100
"""Records in one piece of the build, and entries in one look at the index."""
NEWS_AT_ONCE = 500
"""Pieces of news in one piece of work; several of them are about one record."""
FRESH = 500
"""Pieces of news that a search reads beyond the index."""
MOST_FRESH = 200
"""Records that a search makes the words of itself."""
CANDIDATES = 100
"""Hits, newest first, among which the best are chosen."""
MOST_SIFTED = 5000
"""Hits that are looked at for a reader who may see few of them."""


class Entry(Entity, frozen=True, kw_only=True):
    """`id` is `kind:record`."""

    words: tuple[str, ...]


class SearchState(Entity, frozen=True, kw_only=True):
    """How far the index has come; one row."""

    seq: int
    """Of the last piece of news that it holds."""
    format: int = FORMAT
    kinds: tuple[str, ...] = ()
    """Of records that it holds: with another one it is built anew."""
    building: str | None = None
    """The kind that the first build is at; None when it is complete."""
    after: str | None = None
    """The record that the build has reached."""
    begun_at: datetime


ENTRIES = Collection("search", Entry, words="words")
STATE = Collection("search_state", SearchState)
STATE_ID = "index"


@dataclass(frozen=True, slots=True)
class Texts:
    """What a record is found by."""

    texts: tuple[str | None, ...]
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record that can be found. Its name is what the change feed calls it."""

    name: str
    collection: Collection[Any]
    title: Callable[[Any], str | None]
    """Its name: who bears what was asked for comes before who is found by something else."""
    texts: Callable[[ReadTx, Any], Texts]
    scope: Callable[[Actor], Filter | None]
    """What the reader may see, as `access.visible` says it."""
    exact: Callable[[ReadTx, str], Iterable[str]] = lambda tx, text: ()
    """Ids of records that the question names: by number, phone, email."""
    touches: Callable[[ReadTx, str], Iterable[tuple[str, str]]] = lambda tx, id: ()
    """Records, as (kind, id), that are found by texts of this one."""
    readable: Callable[[ReadTx, Actor, Any], bool] = lambda tx, actor, record: True
    """What `scope` leaves open, because it stands in no field of the store."""

    @property
    def sign(self) -> str:
        """Begins each of its words in the index."""
        return SIGNS[self.name]


Kinds = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Plan:
    """Work for `apply`: words by entry (None: gone), and the state afterwards."""

    entries: tuple[tuple[str, tuple[str, ...] | None], ...]
    state: SearchState
    done: bool
    """Nothing is left after it, for now."""
    is_idle: bool = False
    """There is nothing to write at all."""


def plan(tx: ReadTx, kinds: Kinds) -> Plan:
    """The next piece of work: of the build as long as it lasts, then of the change feed."""
    state = tx.get(STATE, STATE_ID)
    if state is None or (state.format, state.kinds) != (FORMAT, tuple(kinds)) or _has_missed(tx, state):
        state = _beginning(tx, kinds, state)
    if state.building is not None:
        return _plan_build(tx, kinds, state)
    news = tx.find(CHANGES, {"seq": Gt(state.seq)}, sort="seq", limit=NEWS_AT_ONCE)
    if not news:
        return Plan((), state, True, is_idle=True)
    wanted = _words_of(tx, kinds, dict.fromkeys(_concerned(tx, kinds, news)))
    changed = tuple((id, words) for id, words in wanted.items() if _stored(tx, id) != words)
    return Plan(changed, _with(state, seq=news[-1].seq), len(news) < NEWS_AT_ONCE)


def apply(tx: Tx, planned: Plan) -> bool:
    """Write a piece; False when the index went on without it, or was begun anew meanwhile."""
    state = tx.get(STATE, STATE_ID)
    if state is not None and state.version != planned.state.version:
        return False
    for id, found in planned.entries:
        entry = tx.get(ENTRIES, id)
        if entry is not None and found is None:
            tx.delete(ENTRIES, entry)
        elif entry is not None and found is not None:
            tx.update(ENTRIES, entry, words=found)
        elif found is not None:
            tx.insert(ENTRIES, Entry(id=id, words=found))
    if state is None:
        tx.insert(STATE, planned.state)
    elif state != planned.state:
        tx.replace(STATE, planned.state)
    return True


def is_caught_up(tx: ReadTx) -> bool:
    """The index is complete and holds all news."""
    state = tx.get(STATE, STATE_ID)
    return state is not None and state.building is None and state.seq >= tx.last_number("change")


def begin_anew(tx: Tx, kinds: Kinds) -> None:
    """Build the index again; until it is complete, the former entries are found."""
    state = tx.get(STATE, STATE_ID)
    fresh = _beginning(tx, kinds, state)
    if state is not None:
        tx.replace(STATE, fresh)
    else:
        tx.insert(STATE, fresh)


def forget(tx: Tx, kind: str, id: str) -> None:
    """Drop what a record is found by, at once."""
    entry = tx.get(ENTRIES, f"{kind}:{id}")
    if entry is not None:
        tx.delete(ENTRIES, entry)


def _beginning(tx: ReadTx, kinds: Kinds, former: SearchState | None) -> SearchState:
    version = former.version if former is not None else 1
    return SearchState(
        id=STATE_ID, version=version, seq=tx.last_number("change"), kinds=tuple(kinds),
        building=next(iter(kinds), None), begun_at=tx.now,
    )  # fmt: skip


def _has_missed(tx: ReadTx, state: SearchState) -> bool:
    """The news that it should read next was thrown away: nobody followed the feed for too long."""
    oldest = tx.first(CHANGES, sort="seq") if state.building is None else None
    return oldest is not None and oldest.seq > state.seq + 1


def _plan_build(tx: ReadTx, kinds: Kinds, state: SearchState) -> Plan:
    """Oldest records first: the index gives those inserted last first."""
    kind = kinds.get(state.building or "")
    records = []
    if kind is not None:
        where = {"id": Gt(state.after)} if state.after is not None else {}
        records = tx.find(kind.collection, where, sort="id", limit=AT_ONCE)
    if kind is None or len(records) < AT_ONCE:
        following = _after(kinds, state.building)
        moved = _with(state, building=following, after=None)
    else:
        moved = _with(state, after=records[-1].id)
    entries = tuple((f"{kind.name}:{each.id}", _indexed(tx, kind, each)) for each in records) if kind else ()
    return Plan(entries, moved, False)


def _after(kinds: Kinds, name: str | None) -> str | None:
    names = [*kinds, None]
    return names[names.index(name) + 1] if name in names else None


def _with(state: SearchState, **changes: Any) -> SearchState:
    values = {name: getattr(state, name) for name in state.__struct_fields__}
    return SearchState(**{**values, **changes})


def _concerned(tx: ReadTx, kinds: Kinds, news: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """Records that the news is about, in its order: first all of those, then whatever is found by their texts."""
    named: dict[tuple[str, str], None] = {}
    for change in news:
        named[change.entity, change.entity_id] = None
        if change.lead_id is not None:
            named["lead", change.lead_id] = None
    known = [(name, id) for name, id in named if name in kinds]
    yield from known
    for name, id in known:
        yield from (pair for pair in kinds[name].touches(tx, id) if pair[0] in kinds)


def _words_of(tx: ReadTx, kinds: Kinds, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...] | None]:
    found: dict[str, tuple[str, ...] | None] = {}
    for name, id in pairs:
        record = tx.get(kinds[name].collection, id)
        found[f"{name}:{id}"] = _indexed(tx, kinds[name], record) if record is not None else None
    return found


def _indexed(tx: ReadTx, kind: Kind, record: Any) -> tuple[str, ...]:
    texts = kind.texts(tx, record)
    return tuple(kind.sign + word for word in indexed(texts.texts, texts.phones))


def _stored(tx: ReadTx, id: str) -> tuple[str, ...] | None:
    entry = tx.get(ENTRIES, id)
    return entry.words if entry is not None else None


class Question:
    """One question to the index; what is fresh is read once for all kinds."""

    def __init__(self, tx: ReadTx, kinds: Kinds, text: str) -> None:
        self._tx = tx
        self._kinds = kinds
        self.text = " ".join(text.split())
        self._readings = readings(self.text)
        self.fresh = self._unindexed() if self._readings else {}
        """Words of what the index does not hold yet, by entry."""

    def _unindexed(self) -> dict[str, tuple[str, ...] | None]:
        """What the index does not hold yet, newest first."""
        state = self._tx.get(STATE, STATE_ID)
        where = {"seq": Gt(state.seq)} if state is not None else {}
        news = self._tx.find(CHANGES, where, sort="-seq", limit=FRESH)
        concerned = dict.fromkeys(islice(_concerned(self._tx, self._kinds, news), MOST_FRESH))
        return _words_of(self._tx, self._kinds, concerned)

    def ids(self, kind: Kind) -> Iterator[str]:
        """Ids of records of this kind, whoever may see them: those that the question names, then the newest."""
        seen: set[str] = set()
        for id in self._all_ids(kind):
            if id not in seen:
                seen.add(id)
                yield id

    def _all_ids(self, kind: Kind) -> Iterator[str]:
        if not self.text:
            return
        yield from kind.exact(self._tx, self.text)
        start = f"{kind.name}:"
        asked = [tuple(tuple(kind.sign + each for each in word) for word in reading) for reading in self._readings]
        for id, held in self.fresh.items():
            if id.startswith(start) and held is not None and any(_fits(held, each) for each in asked):
                yield id.removeprefix(start)
        for reading in asked:
            last: Entry | None = None
            while found := self._tx.find_words(ENTRIES, reading, limit=AT_ONCE, after=last):
                for entry in found:
                    if entry.id not in self.fresh:
                        yield entry.id.removeprefix(start)
                last = found[-1]

    def visible_ids(self, kind: Kind, actor: Actor, limit: int, where: Filter | None = None) -> list[str]:
        """The same, of those that the reader may see and that `where` lets through."""
        scope = kind.scope(actor)
        if scope is None:
            return []
        if where:
            scope = AllOf((where, scope))
        if scope == {}:
            return list(islice(self.ids(kind), limit))
        found: list[str] = []
        candidates = islice(self.ids(kind), MOST_SIFTED)
        while len(found) < limit and (piece := list(islice(candidates, AT_ONCE))):
            readable = self._tx.find(kind.collection, AllOf(({"id": In(piece)}, scope)))
            visible = {record.id for record in readable if kind.readable(self._tx, actor, record)}
            found += [id for id in piece if id in visible]
        return found[:limit]

    def records(self, kind: Kind, actor: Actor, limit: int) -> list[Any]:
        """The best records that the reader may see: those that the question names, then those whose name begins with
        it, then those that hold its words; each group newest first."""
        ids = self.visible_ids(kind, actor, CANDIDATES)
        found = {record.id: record for record in self._tx.find(kind.collection, {"id": In(ids)})}
        named = set(kind.exact(self._tx, self.text)) if self.text else set()
        records = [found[id] for id in ids if id in found]
        return sorted(records, key=lambda record: self._rank(kind, record, record.id in named))[:limit]

    def _rank(self, kind: Kind, record: Any, is_named: bool) -> int:
        if is_named:
            return 0
        name = words(kind.title(record) or "")
        return 1 if any(_begins(name, reading) for reading in self._readings) else 2


def _fits(held: tuple[str, ...], reading: Reading) -> bool:
    return all(any(word.startswith(each) for word in held) for each in reading)


def _begins(name: list[str], reading: Reading) -> bool:
    return len(name) >= len(reading) and all(map(str.startswith, name, reading))


def matching(
    tx: ReadTx, kinds: Kinds, actor: Actor, name: str, text: str, limit: int = 1000, where: Filter | None = None
) -> Filter:
    """The filter of a list's `q`: the newest `limit` hits that the reader may see and that the list's other filters
    (`where`) let through."""
    return {"id": In(Question(tx, kinds, text).visible_ids(kinds[name], actor, limit, where))}
