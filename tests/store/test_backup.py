"""A backup, what is restored from it, and an export read back give the answers of the original."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import regex
from numpy.typing import NDArray

import hybrid
from hybrid import Document, Index, MemoryIndex, corpora
from hybrid.cli import copies
from hybrid.encoders import HashEncoder
from hybrid.errors import HybridError, IndexExists, StorageError
from hybrid.types import Encoder, Matrix, Metric

WORDS = ["kettle", "steel", "headphones", "iPhone15", "降噪", "耳机", "水壶", "手机壳", "c++", "running"]
Answers: TypeAlias = list[tuple[int, list[tuple[Any, ...]]]]


class Windows(HashEncoder):
    """Sees ten words at a time, so that a long text has several vectors."""

    max_tokens = 10

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        spans = [match.span() for match in regex.finditer(r"\w+", text)]
        return np.array(spans, np.int64).reshape(-1, 2)


class Silent(Windows):
    """The same, but not to be asked for documents: they are said to need no encoding."""

    def documents(self, texts: Sequence[str]) -> Matrix:
        raise AssertionError(f"asked to encode {len(texts)} texts")

    def queries(self, texts: Sequence[str]) -> Matrix:
        return Windows(self.dim).documents(texts)


class Case:
    """How an index is made: whether documents bring their vectors, or an encoder makes them."""

    def __init__(self, metric: Metric, encoded: bool) -> None:
        self.metric, self.encoded = metric, encoded

    @property
    def encoder(self) -> Encoder | None:
        return Windows(16) if self.encoded else None

    @property
    def silent(self) -> Encoder | None:
        return Silent(16) if self.encoded else None

    def document(self, id: str, random: np.random.Generator) -> Document:
        text = " ".join(random.choice(WORDS, random.integers(1, 40)))
        metadata = {"n": int(random.integers(4)), "text": {"_id": "not mine"}, "vector": [1]}
        made = Document(id, text, str(random.choice(WORDS)), metadata)
        if self.encoded:
            return made
        rows = int(random.integers(1, 4))
        half = len(text) // 2
        passages = [(0, half), (half, len(text)), (0, len(text))][:rows]
        vectors = random.normal(size=(rows, 16))
        return Document(id, text, made.title, metadata, vectors, passages)


CASES = [Case("cosine", True), Case("cosine", False), Case("ip", False), Case("l2", False)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.metric}-{'encoded' if case.encoded else 'ready'}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def original(case: Case, tmp_path: Path) -> Iterator[Index]:
    """An index with a past: documents added, replaced and deleted."""
    random = np.random.default_rng(3)
    with Index.create(tmp_path / "idx", encoder=case.encoder, metric=case.metric) as index:
        for start in range(0, 90, 30):
            index.add([case.document(f"d{i}", random) for i in range(start, start + 40)])
            index.delete([f"d{start + 5}", f"d{start + 25}"])
        if not case.encoded:
            index.add([Document("words", "only kettle words"), Document("vector", vector=[1.0] * 16)])
        yield index


def answers(index: Index | MemoryIndex) -> Answers:
    """To queries in all modes, with and without filters: totals, ids, scores, passages, documents."""
    random = np.random.default_rng(5)
    given: Answers = []
    for i in range(12):
        query = " ".join(random.choice(WORDS, 3))
        for mode in ("hybrid", "lexical", "vector"):
            vector = None if mode == "lexical" else random.normal(size=16)
            where = {"n": {"lt": 2}} if i % 3 == 0 else None
            results = index.search(query, vector=vector, mode=mode, filter=where, k=15)
            given.append((results.total, [(h.id, h.score, h.passage, h.document, h.rank) for h in results]))
    return given


def by_text(index: Index) -> list[list[tuple[str, float]]]:
    """Queries that the index's own encoder turns into vectors."""
    return [[(h.id, h.score) for h in index.search(word, k=9)] for word in WORDS]


def imported(file: Path, to: Path, encoder: Encoder | None, metric: Metric) -> Index:
    index = Index.create(to, encoder=encoder, metric=metric)
    documents = corpora.read_documents(file)
    while batch := list(islice(documents, 7)):
        index.add(batch)
    return index


# -- the same answers


def test_every_copy_answers_as_the_compacted_original(original: Index, case: Case, tmp_path: Path) -> None:
    copies.export(tmp_path / "idx", tmp_path / "old.jsonl")
    original.backup(tmp_path / "old")
    original.compact()
    copies.export(tmp_path / "idx", tmp_path / "new.jsonl")
    original.backup(tmp_path / "backup")
    hybrid.restore(tmp_path / "backup", tmp_path / "restored")
    expected = answers(original)
    assert sum(len(hits) for _, hits in expected) > 300
    for name in ("backup", "restored", "old"):
        with Index.open(tmp_path / name, encoder=case.encoder) as copy:
            if name == "old":  # it has the dead of then, which count for BM25
                copy.compact()
            assert answers(copy) == expected
            assert by_text(copy) == by_text(original)
            assert copy.verify() == []
    assert (tmp_path / "old.jsonl").read_bytes() == (tmp_path / "new.jsonl").read_bytes()
    with imported(tmp_path / "new.jsonl", tmp_path / "again", case.silent, case.metric) as copy:
        assert answers(copy) == expected
        assert by_text(copy) == by_text(original)
        assert copy.verify() == []
        copies.export(tmp_path / "again", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "new.jsonl").read_bytes()


def test_the_textbook_index_gives_out_the_same_documents(original: Index, case: Case) -> None:
    memory = MemoryIndex(encoder=case.silent, metric=case.metric)
    memory.add(original.documents())
    assert [copies.line(document) for document in memory.documents()] == [
        copies.line(document) for document in original.documents()
    ]
    original.compact()
    for (total, mine), (expected_total, its) in zip(answers(original), answers(memory), strict=True):
        assert total == expected_total
        assert np.allclose([hit[1] for hit in mine], [hit[1] for hit in its], rtol=1e-5, atol=1e-6)


def test_a_backup_is_an_index_of_its_own(original: Index, case: Case, tmp_path: Path) -> None:
    original.backup(tmp_path / "backup")
    before = answers(original)
    with Index.open(tmp_path / "backup", encoder=case.encoder) as copy:
        copy.add([Document("new", "kettle", vector=[1.0] * 16)])
        copy.delete([next(copy.documents()).id])
        assert copy.verify() == []
    assert original.get("new") is None
    assert answers(original) == before
    with Index.open(tmp_path / "backup", read_only=True) as reader:
        assert reader.get("new") is not None
        assert len(reader) == len(original)


def test_nothing_is_written_over(original: Index, tmp_path: Path) -> None:
    original.backup(tmp_path / "backup")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").write_text("mine")
    for to in (tmp_path / "backup", tmp_path / "idx", taken):
        with pytest.raises(IndexExists):
            original.backup(to)
        with pytest.raises(IndexExists):
            hybrid.restore(tmp_path / "backup", to)
    with pytest.raises(HybridError):
        hybrid.restore(taken, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "idx", "taken"]
    assert [path.name for path in taken.iterdir()] == ["file"]


def test_a_damaged_backup_is_not_restored(original: Index, tmp_path: Path) -> None:
    original.backup(tmp_path / "backup")
    (file,) = (tmp_path / "backup").rglob("text.f32")
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 4
    file.write_bytes(damaged)
    with pytest.raises(StorageError):
        hybrid.restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_progress_adds_up_to_the_documents(original: Index, tmp_path: Path) -> None:
    told: list[float] = []
    original.backup(tmp_path / "backup", progress=told.append)
    assert sum(told) == pytest.approx(len(original))
    told.clear()
    original.compact(progress=told.append)
    assert sum(told) == pytest.approx(len(original))


# -- beside a writer


@contextlib.contextmanager
def writing(index: Index, batches: Callable[[int], list[Document]]) -> Iterator[threading.Event]:
    """Somebody adds one batch after another; the event is set when there are some."""
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        for i in range(10_000):
            index.add(batches(i))
            if i == 3:
                begun.set()
            if stop.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert begun.wait(30)
        yield begun
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("encoded", [True, False])
def test_a_copy_made_while_somebody_writes_is_one_moment(encoded: bool, tmp_path: Path) -> None:
    case = Case("cosine", encoded)

    def batch(i: int) -> list[Document]:
        random = np.random.default_rng(i)
        return [case.document("replaced", random), *(case.document(f"{i}-{j}", random) for j in range(4))]

    with Index.create(tmp_path / "idx", encoder=case.encoder) as index, writing(index, batch):
        copies.export(tmp_path / "idx", tmp_path / "1.jsonl")
        index.backup(tmp_path / "2")
        with Index.open(tmp_path / "idx", read_only=True) as reader:
            reader.backup(tmp_path / "3")
        held = index.documents()
        first = next(held)
        copies.export(tmp_path / "idx", tmp_path / "4.jsonl")
        rest = list(held)
    for name in ("1.jsonl", "4.jsonl"):
        imported(tmp_path / name, tmp_path / name[:1], case.silent, "cosine").close()
    for i in range(1, 5):
        with Index.open(tmp_path / str(i), encoder=case.encoder) as copy:
            copy.compact()
            assert copy.verify() == []
            same_as_a_prefix(copy, case, batch, tmp_path / f"prefix-{i}")
    assert len({first.id, *(document.id for document in rest)}) == len(rest) + 1
    assert len(rest) % 4 == 0


def same_as_a_prefix(copy: Index, case: Case, batch: Callable[[int], list[Document]], to: Path) -> None:
    count, left = divmod(len(copy) - 1, 4)
    assert count >= 4
    assert left == 0
    living = [d for i in range(count) for d in batch(i) if d.id != "replaced" or i == count - 1]
    with Index.create(to, encoder=case.encoder) as fresh:
        fresh.add(living)
        assert answers(copy) == answers(fresh)


@pytest.mark.parametrize("own", [True, False])
def test_a_compaction_in_the_middle_does_not_spoil_a_backup(own: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([CASES[1].document(str(i), random) for i in range(50)])
        index.delete(["7"])
        expected = [copies.line(document) for document in index.documents()]
        switched: list[float] = []

        def switch(done: float) -> None:
            if not switched:
                switched.append(done)
                index.compact()

        with Index.open(tmp_path / "idx", read_only=True) as reader:
            (index if own else reader).backup(tmp_path / "backup", progress=switch)
        assert switched
    with Index.open(tmp_path / "backup") as copy:
        assert [copies.line(document) for document in copy.documents()] == expected
        assert copy.verify() == []
