"""Readers in threads and processes beside a writer: every answer is of one state of the index."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hybrid import Document, Hit, Index, Results
from hybrid.disk import failpoints
from hybrid.disk.failpoints import FailPoint
from hybrid.ledger.ledger import Ledger
from hybrid.store import store
from hybrid.store.snapshot import Snapshot
from hybrid.types import Mask
from hybrid.vector import leg
from tests.durability import soak
from tests.durability.history import History, Version
from tests.durability.load import Load, fill
from tests.durability.reader import Torn, Witness

SECONDS = 3.0


@pytest.fixture
def early_compaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction by itself as soon as some dozens are dead."""
    monkeypatch.setattr(store, "LEAST_DEAD", 40)
    monkeypatch.setattr(store, "DEAD_SHARE", 0.1)


@pytest.fixture
def history() -> History:
    return History(documents=300)


@pytest.fixture
def index(tmp_path: Path, history: History) -> Iterator[Index]:
    with fill(tmp_path / "idx", history) as index:
        yield index


@pytest.fixture
def early_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph over some hundred rows instead of some thousand."""
    monkeypatch.setattr(leg, "SEAL_AT", 150)
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 200)


def test_every_answer_is_of_one_state(tmp_path: Path, index: Index, history: History) -> None:
    load = Load(tmp_path / "idx", index, history, threads=2, processes=2)
    load.start()
    with load.crowd():
        load.wait(SECONDS)
    tallies = load.finish()
    assert load.complaints(tallies) == []
    assert load.steps.turns > 5
    assert len(tallies) == 5
    for tally in tallies[1:]:
        assert min(tally.turns, tally.wholes) > 0, tally.name
    assert sum(tally.pages for tally in tallies) > 5
    holds(index, history, load.clock.acked)


@pytest.mark.usefixtures("early_graph")
def test_and_while_the_graph_grows(tmp_path: Path, index: Index, history: History) -> None:
    load = Load(tmp_path / "idx", index, history, threads=3, processes=0)
    load.start()
    with load.crowd():
        load.wait(SECONDS / 2)
    assert load.complaints(load.finish()) == []
    assert index.stats()["vectors_in_graph"] > 200
    holds(index, history, load.clock.acked)


def test_and_while_the_index_is_compacted_again_and_again(
    tmp_path: Path, index: Index, history: History
) -> None:
    load = Load(tmp_path / "idx", index, history, threads=1, processes=1)
    load.start()
    with load.crowd():
        for _ in range(5):
            load.wait(SECONDS / 10)
            index.compact()
    assert load.complaints(load.finish()) == []
    holds(index, history, load.clock.acked)


def test_and_while_it_compacts_itself(
    early_compaction: None, tmp_path: Path, index: Index, history: History
) -> None:
    load = Load(tmp_path / "idx", index, history, threads=1, processes=1)
    load.start()
    end = time.monotonic() + 60  # a busy machine takes long to write as much as is due
    with load.crowd():
        load.wait(SECONDS)
        while index.stats()["generation"] == "g1" and time.monotonic() < end:
            load.wait(SECONDS / 10)
    assert load.complaints(load.finish()) == []
    assert index.stats()["generation"] != "g1"
    holds(index, history, load.clock.acked)


def test_a_reader_that_sees_the_dead_is_caught(
    tmp_path: Path, index: Index, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everybody(snapshot: Snapshot, where: object) -> Mask | None:
        return None

    monkeypatch.setattr(Snapshot, "allowed", everybody)
    load = Load(tmp_path / "idx", index, history, threads=1, processes=0)
    load.start()
    with load.crowd():
        load.wait(SECONDS / 3)
    assert any("Torn" in complaint for complaint in load.complaints(load.finish()))


def test_a_reader_shows_one_snapshot_in_one_way(tmp_path: Path) -> None:
    """Also while the writer is between its commits: BM25 counts the dead until tantivy lets them go."""
    seen: dict[int, set[tuple[float, ...]]] = {}

    def look() -> None:
        results = reader.search("apple pear", mode="lexical", k=50)
        seen.setdefault(results.sequence, set()).add(tuple(hit.score for hit in results))

    points: tuple[FailPoint, ...] = ("ledger.committed", "lexical.added", "lexical.committed")
    path = tmp_path / "idx"
    with Index.create(path, encoder=None) as writer, Index.open(path, read_only=True) as reader:
        writer.add([Document(f"a{i}", "apple") for i in range(20)])
        writer.add([Document(f"p{i}", "apple pear pear") for i in range(20)])
        for point in points:
            failpoints.arm(point, look)
        try:
            writer.delete([f"a{i}" for i in range(20)])
            writer.add([Document("new", "pear")])
        finally:
            failpoints.disarm()
        look()
    assert {snapshot: len(answers) for snapshot, answers in seen.items()} == dict.fromkeys(seen, 1)
    assert len(seen) == 2


def test_what_is_under_way_survives_a_compaction(
    index: Index, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = index.documents()
    first = next(documents)
    index.compact()
    assert len([first, *documents]) == history.size(history.filled)
    check = Ledger.check

    def checked_meanwhile(ledger: Ledger) -> Iterator[str]:
        index.compact()
        return check(ledger)

    monkeypatch.setattr(Ledger, "check", checked_meanwhile)
    assert index.verify() == []


def test_several_writing_threads_take_turns(index: Index, history: History) -> None:
    def write(name: str) -> None:
        for turn in range(10):
            index.add([Document(f"{name}{turn}", f"{name} {turn}"), Document("shared", name)])
            index.delete([f"{name}{turn - 1}"])

    before = len(index)
    writers = [threading.Thread(target=write, args=(name,), daemon=True) for name in ("ada", "bob", "eve")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert not any(writer.is_alive() for writer in writers)
    assert len(index) == before + 4
    found = index.search("ada bob eve", mode="lexical", k=10)
    shared = index.get("shared")
    assert shared is not None
    assert {hit.id for hit in found} == {"ada9", "bob9", "eve9", "shared"}
    assert index.verify() == []


@pytest.mark.usefixtures("early_graph")
def test_a_soak_in_miniature(tmp_path: Path) -> None:
    report = soak.run(tmp_path, History(documents=400, touched=100), minutes=0.04, pause=0.3)
    assert report["broken"] == []
    assert report["steps"] > 5
    assert report["start"]["recall_at_10"] > 0.95


def test_a_writer_lets_searches_go_first(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks: list[float] = []
    monkeypatch.setattr("hybrid.store.generation.time.sleep", breaks.append)
    some = [Document(f"b{i}", "word", vector=[1.0] * 16) for i in range(5)]
    index.add(some)
    assert breaks == []
    with index._store.reading():
        index.add(some)
    assert len(breaks) == len(some)
    with index._store.reading():
        index.compact()
    assert len(breaks) == len(some) + len(index)
    index.compact()
    assert len(breaks) == len(some) + len(index)


# -- the checks themselves


def answer(history: History, n: int, snapshot: int = 7) -> Results:
    """Everything in state ``n``."""
    versions = [Version(id, stamp) for id, stamp in history.state(n).items()]
    hits = [Hit(v.id, 1.0, rank, history.body(v)) for rank, v in enumerate(versions, 1)]
    return Results(tuple(hits), snapshot, 0.0, lambda: len(hits))


def without(results: Results, number: int) -> Results:
    return replace(results, hits=results.hits[:number] + results.hits[number + 1 :])


def changed(results: Results, hit: Hit) -> Results:
    return replace(results, hits=(hit, *results.hits[1:]))


AMONG = range(20, 31)


def test_the_witness_believes_a_state(history: History) -> None:
    witness = Witness(history)
    for n in (20, 25, 30):
        assert n in witness.check(answer(history, n, snapshot=n), AMONG, whole=True)
    witness.finish()


@pytest.mark.parametrize(
    ("what", "tear"),
    [
        ("lost", lambda history: without(answer(history, 25), 3)),
        ("stale", lambda history: answer(history, 19)),
        ("from nowhere", lambda history: answer(history, 31)),
        ("half", lambda history: half_a_step(history)),
        ("twice", lambda history: changed(answer(history, 25), answer(history, 25).hits[5])),
        ("another's body", lambda history: other_body(answer(history, 25))),
    ],
)
def test_the_witness_sees(history: History, what: str, tear: Callable[[History], Results]) -> None:
    with pytest.raises(Torn):
        Witness(history).check(tear(history), AMONG, whole=True)


def other_body(results: Results) -> Results:
    first, second = results.hits[:2]
    return changed(results, replace(first, document=replace(second.document, id=first.id)))


def half_a_step(history: History) -> Results:
    """One document as the last step before 25 that replaced any left it, the others as before."""
    n = next(n for n in range(25, 20, -1) if set(history.state(n)) == set(history.state(n - 1)))
    old, new = answer(history, n - 1), answer(history, n)
    fresh = next(hit for hit in new if hit.document.metadata["stamp"] == n)
    return replace(old, hits=tuple(fresh if hit.id == fresh.id else hit for hit in old))


def test_the_witness_wants_one_state_a_snapshot_and_time_to_go_on(history: History) -> None:
    witness = Witness(history)
    witness.check(answer(history, 25, snapshot=7), AMONG, whole=True)
    with pytest.raises(Torn, match="earlier answers"):
        witness.check(answer(history, 26, snapshot=7), AMONG, whole=True)
    witness.check(answer(history, 22, snapshot=8), AMONG, whole=True)
    with pytest.raises(Torn, match="before it"):
        witness.finish()


def holds(index: Index, history: History, n: int) -> None:
    """The index is in state ``n``, in all its parts."""
    assert index.verify() == []
    results = index.search("common", mode="lexical", k=2000)
    assert {hit.id: hit.document.metadata["stamp"] for hit in results} == history.state(n)
    assert len(index) == history.size(n)
