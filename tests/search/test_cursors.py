"""Rankings that are kept for the next page: nothing twice, nothing passed over, and bounded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.errors import CursorExpired
from hybrid.limits import CURSOR_SECONDS, MAX_CURSOR_HITS
from hybrid.search import cursors
from hybrid.search.cursors import Cursors

HITS = 1_000


def document(number: int) -> Document:
    text = "kettle " * (1 + number % 7) + f"number {number}"
    return Document(f"d{number}", text, metadata={"n": number}, vector=[1.0, number / HITS])


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
def test_beside_a_writer_nothing_comes_twice_or_is_missed(tmp_path: Path, mode: Any) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(map(document, range(HITS)))
        begun, done, deleted = threading.Event(), threading.Event(), set[str]()

        def write() -> None:
            for step in range(10_000):
                index.add([document(HITS + step), document(step % HITS)])
                if step % 3 == 0 and (gone := f"d{step * 7 % HITS}") not in deleted:
                    index.delete([gone])
                    deleted.add(gone)
                begun.set()
                if done.is_set():
                    break

        whole = [hit.id for hit in index.search("kettle", vector=[1.0, 0.5], mode=mode, k=HITS)]
        page = index.search("kettle", vector=[1.0, 0.5], mode=mode, k=20, cursor=True)
        writer = threading.Thread(target=write)
        writer.start()
        begun.wait(30)
        found = [(hit.id, hit.rank) for hit in page]
        while page.cursor is not None:
            page = index.next_page(page.cursor)
            found += [(hit.id, hit.rank) for hit in page]
        done.set()
        writer.join()
    ids = [id for id, _ in found]
    assert len(whole) == HITS
    assert len(set(ids)) == len(ids)
    assert set(whole) - deleted <= set(ids) <= set(whole)
    assert all(whole[rank - 1] == id for id, rank in found)
    assert len(deleted) > 0


def kept(index: MemoryIndex, query: str = "kettle") -> str:
    cursor = index.search(query, k=1, cursor=True).cursor
    assert cursor is not None
    return cursor


@pytest.fixture
def memory() -> MemoryIndex:
    made = MemoryIndex()
    made.add([Document(f"d{i}", "kettle") for i in range(20)])
    return made


def test_cursors_expire_after_their_last_use(memory: MemoryIndex) -> None:
    now = [0.0]
    memory._cursors = Cursors(lambda: now[0])
    used, unused = kept(memory), kept(memory)
    now[0] += CURSOR_SECONDS - 1
    memory.next_page(used)
    now[0] += 2
    memory.next_page(used)
    with pytest.raises(CursorExpired, match="10 minutes"):
        memory.next_page(unused)
    assert len(memory._cursors._entries) == 1


@pytest.mark.parametrize(("limit", "value"), [("MAX_CURSORS", 3), ("MAX_CURSOR_BYTES", 8_000)])
def test_the_least_recently_used_go_first(
    memory: MemoryIndex, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(cursors, limit, value)
    first, second, third = kept(memory), kept(memory), kept(memory)
    memory.next_page(first)
    fourth = kept(memory)
    for there in (first, third, fourth):
        memory.next_page(there)
    with pytest.raises(CursorExpired):
        memory.next_page(second)
    monkeypatch.setattr(cursors, "MAX_CURSOR_BYTES", 1)
    memory.next_page(kept(memory))
    assert len(memory._cursors._entries) == 1


def test_a_cursor_goes_as_deep_as_it_says(memory: MemoryIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CURSOR_HITS == 10_000
    monkeypatch.setattr(cursors, "MAX_CURSOR_HITS", 5)
    page = memory.search("kettle", k=3, cursor=True)
    assert page.cursor is not None
    last = memory.next_page(page.cursor)
    assert (len(last), last.cursor) == (2, None)


def test_cursors_are_not_to_be_guessed(memory: MemoryIndex) -> None:
    names = {kept(memory).rpartition(".")[0] for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) >= 22 for name in names)


def test_a_cursor_survives_another_encoder(tmp_path: Path) -> None:
    with Index.create(
        tmp_path / "idx", encoder=lambda texts: [[1.0, 2.0, len(text)] for text in texts]
    ) as index:
        index.add([Document(f"d{i}", "kettle") for i in range(5)])
        cursor = index.search("kettle", k=2, cursor=True).cursor
        index.reindex(encoder=lambda texts: [[1.0, len(text)] for text in texts])
        assert cursor is not None
        assert len(index.next_page(cursor)) == 2
