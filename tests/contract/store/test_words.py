"""Words of a document: found by their beginnings, newest first, on every engine alike."""

from __future__ import annotations

from typing import Any

import pytest

from storage import Collection, Entity, InvalidValue, QueryError, Schema, Store
from tests.contract.store.conftest import Engine


class Page(Entity, frozen=True, kw_only=True):
    words: tuple[str, ...] = ()
    title: str = ""


PAGES = Collection("pages", Page, words="words")
BARE = Collection("bare", Page)
SCHEMA = Schema((PAGES, BARE))


@pytest.fixture
def pages(engine: Engine) -> Store:
    return engine.open(SCHEMA)


def found(tx: Any, *beginnings: str) -> list[str]:
    return [page.id for page in tx.find_words(PAGES, [(each,) for each in beginnings], limit=10)]


async def put(store: Store, **pages: str) -> None:
    def write(tx: Any) -> None:
        for name, words in pages.items():
            tx.insert(PAGES, Page(id=name, words=tuple(words.split())))

    await store.write(write)


async def look(store: Store, *beginnings: str) -> list[str]:
    return await store.read(found, *beginnings)


@pytest.mark.parametrize(
    ("beginnings", "expected"),
    [
        (("иванов",), ["c", "a"]),
        (("и",), ["c", "b", "a"]),
        (("ива", "пет"), ["a"]),
        (("пет", "ива"), ["a"]),
        (("ванов",), []),
        (("иванов", "сидоров"), []),
        (("й",), []),
        (("79",), ["b"]),
        (("𐌀",), ["c"]),
        (("or",), ["b"]),
        ((), []),
    ],
)
async def test_all_beginnings_must_be_there_and_the_newest_come_first(
    pages: Store, beginnings: tuple[str, ...], expected: list[str]
) -> None:
    await put(pages, a="иванов пётр петр", b="игорь 79161234567 or", c="иванова 𐌀")
    assert await look(pages, *beginnings) == expected


async def test_any_of_several_beginnings_will_do(pages: Store) -> None:
    await put(pages, a="иванов 162", b="иванова ъ162", c="иванченко 16", d="162")

    def ask(tx: Any, *beginnings: tuple[str, ...]) -> list[str]:
        return [page.id for page in tx.find_words(PAGES, beginnings, limit=10)]

    assert await pages.read(ask, ("иван",), ("162", "ъ162")) == ["b", "a"]
    assert await pages.read(ask, ("162", "иванч")) == ["d", "c", "a"]
    assert await pages.read(ask, ("иван",), ()) == []


async def test_a_replaced_document_keeps_its_place_and_is_found_by_its_new_words_only(pages: Store) -> None:
    await put(pages, a="ель сосна", b="ель")
    await pages.write(lambda tx: tx.update(PAGES, tx.require(PAGES, "a"), words=("ель", "дуб")))
    assert await look(pages, "ель") == ["b", "a"]
    assert (await look(pages, "дуб"), await look(pages, "сосна")) == (["a"], [])


async def test_a_deleted_document_is_found_no_more(pages: Store) -> None:
    await put(pages, a="ель", b="ель")
    await pages.write(lambda tx: tx.delete(PAGES, tx.require(PAGES, "b")))
    assert await look(pages, "ель") == ["a"]


async def test_what_was_rolled_back_is_not_found(pages: Store) -> None:
    def fail(tx: Any) -> None:
        tx.insert(PAGES, Page(id="a", words=("ель",)))
        assert found(tx, "ель") == ["a"]
        raise LookupError

    with pytest.raises(LookupError):
        await pages.write(fail)
    assert await look(pages, "ель") == []


async def test_known_documents_are_not_indexed_again(pages: Store) -> None:
    await put(pages, a="ель")
    twice = [Page(id="a", words=("дуб",)), Page(id="b", words=("клён",)), Page(id="b", words=("ива",))]
    assert await pages.write(lambda tx: tx.insert_unknown(PAGES, twice)) == [False, True, False]
    assert [await look(pages, word) for word in ("ель", "дуб", "клён", "ива")] == [["a"], [], ["b"], []]


async def test_an_answer_is_continued_behind_its_last_document(pages: Store) -> None:
    await put(pages, **{f"p{n}": "ель" for n in range(5)})

    def pieces(tx: Any) -> list[list[str]]:
        first = tx.find_words(PAGES, [("ель",)], limit=2)
        second = tx.find_words(PAGES, [("ель",)], limit=2, after=first[-1])
        return [[page.id for page in piece] for piece in (first, second)]

    assert await pages.read(pieces) == [["p4", "p3"], ["p2", "p1"]]


@pytest.mark.parametrize("word", ["", "Ель", "две части", 'a"b', "a*", "a-b"])
async def test_what_is_no_word_is_refused(pages: Store, word: str) -> None:
    with pytest.raises(InvalidValue):
        await pages.write(lambda tx: tx.insert(PAGES, Page(id="a", words=(word,))))
    with pytest.raises(InvalidValue):
        await look(pages, word)


async def test_a_collection_without_words_cannot_be_asked(pages: Store) -> None:
    with pytest.raises(QueryError):
        await pages.read(lambda tx: tx.find_words(BARE, [("a",)], limit=1))


async def test_words_declared_later_are_found_at_once(engine: Engine) -> None:
    store = engine.open(Schema((Collection("pages", Page),)))
    await store.write(lambda tx: tx.insert(Collection("pages", Page), Page(id="a", words=("ель",))))
    store = await engine.reopen(store, SCHEMA)
    assert await look(store, "ель") == ["a"]
