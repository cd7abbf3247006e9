"""AsyncIndex has what Index has, and cancelling or closing it breaks nothing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hybrid import AsyncIndex, Document, Index, Searcher
from hybrid.async_index import AsyncSearcher
from hybrid.errors import IndexClosed, IndexLocked, IndexNotFound, QueryError
from tests.contracts.index import PRODUCTS

_R = TypeVar("_R")


def public(kind: type[Any]) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(PRODUCTS)
    return tmp_path / "idx"


def opened(path: Path, work: Callable[[AsyncIndex], Coroutine[Any, Any, _R]]) -> _R:
    async def main() -> _R:
        async with await AsyncIndex.open(path) as index:
            return await work(index)

    return asyncio.run(main())


class Gate:
    """Documents that come once the gate opens."""

    def __init__(self, *documents: Document) -> None:
        self.documents, self.begun, self.open = documents, threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Document]:
        self.begun.set()
        assert self.open.wait(30)
        yield from self.documents


# -- the same methods


def test_it_has_the_methods_of_an_index() -> None:
    assert set(public(AsyncIndex)) == set(public(Index))


@pytest.mark.parametrize(
    "name", sorted(set(public(Index)) - {"searcher", "profiles", "synonyms", "user_words"})
)
def test_signatures_are_those_of_an_index(name: str) -> None:
    mine, its = getattr(AsyncIndex, name), getattr(Index, name)
    assert inspect.signature(mine).parameters == inspect.signature(its).parameters
    assert mine.__doc__ is not None


def test_a_searcher_has_what_an_index_and_its_searcher_share() -> None:
    assert set(public(AsyncSearcher)) == set(public(Searcher)) & set(public(Index))


def test_answers_are_those_of_an_index(path: Path) -> None:
    async def ask(index: AsyncIndex) -> list[Any]:
        return [
            (await index.search("kettle")).hits,
            await index.context("kettle"),
            await index.get("2"),
            await index.count(filter={"brand": "Aria"}),
            await index.range("price"),
            await index.search_many(["kettle"]),
            await index.run({"a": "kettle"}),
            [one async for one in index.documents()],
            (await index.profiles).serves,
            await index.verify(),
        ]

    found = opened(path, ask)
    with Index.open(path) as index:
        assert found[0] == index.search("kettle").hits
        assert found[1] == index.context("kettle")
        assert found[2:5] == [PRODUCTS[1], 2, index.range("price")]
        assert [one.hits for one in found[5]] == [index.search("kettle").hits]
        assert found[6:] == [index.run({"a": "kettle"}), PRODUCTS, index.profiles.serves, []]


def test_it_is_created_and_written_to(tmp_path: Path) -> None:
    async def main() -> None:
        async with await AsyncIndex.create(tmp_path / "idx", encoder=None) as index:
            assert await index.add(PRODUCTS) == 4
            assert await index.delete(["1"]) == 1
            assert await index.load(Document(f"n{n}", "kettle") for n in range(250)) == 250
            assert len([one async for one in index.documents()]) == 253
            with pytest.raises(QueryError):
                await index.search("x", k=0)
        with pytest.raises(IndexNotFound):
            await AsyncIndex.open(tmp_path / "nowhere")

    asyncio.run(main())


def test_a_searcher_stays_in_its_state(path: Path) -> None:
    async def ask(index: AsyncIndex) -> tuple[int, int, int]:
        async with index.searcher() as searcher:
            await index.delete(["3"])
            before = len(await searcher.search("kettle")), len([one async for one in searcher.documents()])
        with pytest.raises(IndexClosed):
            await searcher.get("1")
        return *before, len(await index.search("kettle"))

    assert opened(path, ask) == (1, 4, 0)


def test_an_iteration_may_be_left(path: Path) -> None:
    async def ask(index: AsyncIndex) -> None:
        everyone = index.documents()
        async for one in everyone:
            assert one == PRODUCTS[0]
            break
        await everyone.aclose()

    opened(path, ask)


# -- cancelling and closing


def test_a_commit_that_has_begun_is_whole_though_the_call_is_cancelled(path: Path) -> None:
    gate = Gate(Document("a", "teapot"), Document("b", "teapot"))

    async def ask(index: AsyncIndex) -> None:
        adding = asyncio.create_task(index.add(gate))
        await asyncio.to_thread(gate.begun.wait)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        assert len(await index.search("teapot")) == 0
        assert len(await index.search("kettle")) == 1  # reading goes on meanwhile
        waiting = asyncio.create_task(index.delete(everything=True))
        await asyncio.sleep(0.01)
        waiting.cancel()  # before its turn: it is not made
        gate.open.set()
        await index.flush()
        assert len(await index.search("teapot")) == 2

    opened(path, ask)
    with Index.open(path) as index:
        assert (len(index), index.verify()) == (6, [])


def test_closing_waits_for_what_is_under_way(path: Path) -> None:
    gate = Gate(Document("a", "teapot"))

    async def main() -> None:
        index = await AsyncIndex.open(path)
        adding = asyncio.create_task(index.add(gate))
        await asyncio.to_thread(gate.begun.wait)
        closing = asyncio.create_task(index.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        with pytest.raises(IndexClosed):
            await index.search("kettle")
        with pytest.raises(IndexClosed):
            await index.add([])
        closing.cancel()  # it goes on all the same
        gate.open.set()
        assert await adding == 1
        await index.close()
        await index.close()

    asyncio.run(main())
    with Index.open(path) as index:
        assert index.get("a") == Document("a", "teapot")


def test_an_index_whose_opening_is_cancelled_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    store = Index.__init__

    def slow(self: Index, *given: Any) -> None:
        begun.set()
        assert go_on.wait(30)
        store(self, *given)

    async def main() -> None:
        monkeypatch.setattr(Index, "__init__", slow)
        opening = asyncio.create_task(AsyncIndex.open(path))
        await asyncio.to_thread(begun.wait)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        monkeypatch.undo()
        with pytest.raises(IndexLocked):
            Index.open(path)
        go_on.set()

    asyncio.run(main())
    for _ in range(600):  # the thread closes it soon
        try:
            Index.open(path).close()
            return
        except IndexLocked:
            threading.Event().wait(0.05)
    pytest.fail("still locked")


def test_an_error_in_the_block_is_passed_on(path: Path) -> None:
    async def main() -> None:
        async with await AsyncIndex.open(path) as index:
            assert repr(index).startswith("<hybrid.AsyncIndex ")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(main())
    with Index.open(path) as index:
        assert len(index) == 4
