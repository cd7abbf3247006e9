"""Queries and filters that a benchmark makes from an index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.encoders import HashEncoder, QueryCache
from hybrid.evaluate.bench.probes import encoded, made, sieves
from hybrid.store.snapshot import Snapshot

Make = Callable[[list[Document]], Index]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Index] = []

    def index(documents: list[Document]) -> Index:
        opened.append(Index.create(tmp_path / f"idx{len(opened)}", encoder=None))
        opened[-1].add(documents)
        return opened[-1]

    yield index
    for one in opened:
        one.close()


@contextmanager
def reading(index: Index) -> Iterator[Snapshot]:
    with index._store.reading() as snapshot:
        yield snapshot


def vector(i: int) -> list[float]:
    return [float(j == i % 64) for j in range(64)]


def test_a_query_is_a_title_or_a_sentence_and_a_vector_of_the_same_document(make: Make) -> None:
    texts = [f"first of {i}. second of {i}！第三句{i}。" for i in range(40)]
    index = make([Document(f"d{i}", t, title=f"title {i}", vector=vector(i)) for i, t in enumerate(texts)])
    index.delete(["d3"])
    with reading(index) as snapshot:
        probes = made(snapshot, 200, seed=1)
    assert len(probes) == 39  # the dead one is not asked for
    for probe in probes:
        assert probe.vector is not None
        i = int(np.argmax(probe.vector))
        assert i != 3
        assert probe.text in {f"title {i}", f"first of {i}", f"second of {i}", f"第三句{i}"}
    assert len({(probe.text or "")[:5] for probe in probes}) > 2


def test_a_seed_makes_the_same_queries_and_another_one_others(make: Make) -> None:
    index = make([Document(f"d{i}", f"text {i}") for i in range(50)])
    with reading(index) as snapshot:
        first, again, other = ([p.text for p in made(snapshot, 10, seed)] for seed in (1, 1, 2))
    assert len(first) == 10
    assert first == again
    assert set(first) != set(other)


def test_what_has_no_text_or_no_vector_is_asked_without(make: Make) -> None:
    words = make([Document(f"d{i}", f"text {i}") for i in range(5)])
    vectors = make([Document(f"d{i}", vector=vector(i)) for i in range(5)])
    mixed = make(
        [
            Document("both", "some words", vector=vector(0)),
            Document("text", "other words"),
            Document("vector", " … ", vector=vector(1)),
        ]
    )
    with reading(words) as snapshot:
        assert all(probe.text and probe.vector is None for probe in made(snapshot, 5, 0))
    with reading(vectors) as snapshot:
        assert all(probe.text is None and probe.vector is not None for probe in made(snapshot, 5, 0))
    with reading(mixed) as snapshot:
        assert [probe.text for probe in made(snapshot, 5, 0)] == ["some words"]


def test_users_queries_are_timed_one_by_one_without_the_first() -> None:
    probes, seconds = encoded(QueryCache(HashEncoder(8)), ["a", "b", "c"])
    assert [probe.text for probe in probes] == ["a", "b", "c"]
    assert [probe.vector is not None and len(probe.vector) for probe in probes] == [8, 8, 8]
    assert len(seconds) == 2


def test_filters_come_from_the_metadata(make: Make) -> None:
    index = make(
        [
            Document(
                f"d{i}",
                "x",
                metadata={
                    "id": i,
                    "rare": i % 100 == 0,
                    "of": {"ten": [i % 10, "all"]},
                    "half": "ab"[i % 2],
                },
            )
            for i in range(400)
        ]
    )
    index.delete(["d0"])
    with reading(index) as snapshot:
        found = sieves(snapshot, seed=0)
        assert [list(json.loads(sieve.name)) for sieve in found] == [["rare"], ["of.ten"], ["half"]]
        for sieve, share in zip(found, (3 / 399, 40 / 399, 200 / 399), strict=True):
            assert sieve.share == pytest.approx(share, rel=0.03)
            assert sieve.share == sieve.allowed.mean() * 400 / 399
            assert not sieve.allowed[0]


def test_filters_are_random_where_no_value_is_as_frequent(make: Make) -> None:
    index = make(
        [Document(f"d{i}", "x", metadata={"and": i % 2, "day": "2024-05-01"}) for i in range(2000)]
    )
    with reading(index) as snapshot:
        found = sieves(snapshot, seed=0)
    assert [sieve.name for sieve in found] == ["random"] * 3
    assert [sieve.share for sieve in found] == pytest.approx([0.01, 0.1, 0.5], rel=0.5)
