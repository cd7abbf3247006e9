"""Vectors whose products float32 cannot hold are refused under "ip" and "l2", and those that are stored
already neither answer nor stand in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Document, Index, MemoryIndex
from hybrid.errors import DocumentError, EncoderFailed, QueryError
from hybrid.intake import documents
from hybrid.ledger.rows import Rows
from hybrid.limits import MAX_DIM, MAX_LENGTH
from hybrid.norms import bounded
from hybrid.store import salvage
from hybrid.types import Metric
from hybrid.vector import leg
from hybrid.vector.scan import similarities
from hybrid.vector.view import VectorView, too_long
from tests.commands import run

LARGEST = float(np.finfo(np.float32).max)
UNFIT: list[list[float]] = [
    [1e20, 0],
    [-1e20, 1],
    [1e30, -1e30],  # its product with [1, 1] is 0
    [LARGEST, LARGEST],
    [MAX_LENGTH * 0.8, MAX_LENGTH * 0.8],
]
FIT: list[list[float]] = [[MAX_LENGTH, 0], [1e18, -1e18], [1e-30, 0], [0, 0]]


@pytest.fixture(params=["ip", "l2"])
def metric(request: pytest.FixtureRequest) -> Metric:
    found: Metric = request.param
    return found


@pytest.fixture(params=["Index", "MemoryIndex"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    def made(**settings: Any) -> Any:
        memory = request.param == "MemoryIndex"
        return MemoryIndex(**settings) if memory else Index.create(tmp_path / "idx", **settings)

    return made


@pytest.mark.parametrize("unfit", UNFIT)
def test_a_document_with_one_is_refused(make: Any, metric: Metric, unfit: list[float]) -> None:
    index = make(encoder=None, metric=metric)
    index.add([Document("a", vector=[1.0, 0.0])])
    for given_ in (unfit, np.array(unfit, np.float32), [[1.0, 0.0], unfit], np.array([unfit])):
        with pytest.raises(DocumentError, match=r"'b'.*: the vector is .* long; under metric") as caught:
            index.add([Document("c", vector=np.array([1, 1], np.float32)), Document("b", vector=given_)])
        assert "\n" not in str(caught.value)
    assert len(index) == 1


@pytest.mark.parametrize("unfit", UNFIT)
def test_a_query_with_one_is_refused(make: Any, metric: Metric, unfit: list[float]) -> None:
    index = make(encoder=None, metric=metric)
    index.add([Document("a", "words", vector=[1.0, 0.0])])
    with pytest.raises(QueryError, match=r"the query: the vector is .* long"):
        index.search(vector=unfit, mode="vector")
    with pytest.raises(QueryError, match="long"):
        index.search_many(vectors=[np.ones(2), np.array(unfit)])


def test_what_an_encoder_makes_counts_too(make: Any, metric: Metric) -> None:
    def encoder(texts: list[str]) -> list[list[float]]:
        return [[1e20, 1.0] if "far" in text else [1.0, 1.0] for text in texts]

    index = make(encoder=encoder, metric=metric)
    index.add([Document("a", "near")])
    with pytest.raises(EncoderFailed, match=r"made a vector that is 1e\+20 long"):
        index.add([Document("b", "far")])
    assert len(index) == 1
    with pytest.raises(EncoderFailed, match=r"1e\+20 long"):
        index.search("far")
    assert [hit.id for hit in index.search("near")] == ["a"]


def test_under_cosine_any_direction_will_do(make: Any) -> None:
    index = make(encoder=None)
    index.add([Document(str(i), vector=vector) for i, vector in enumerate(UNFIT)])
    found = index.search(vector=[LARGEST, -LARGEST], mode="vector")
    assert found.hits[0].id == "2"
    assert found.hits[0].score == pytest.approx(1)
    assert all(np.isfinite(hit.score) for hit in found)


def test_what_fits_is_ranked_rightly(make: Any, metric: Metric) -> None:
    index = make(encoder=None, metric=metric)
    index.add([Document(str(i), "w", vector=vector) for i, vector in enumerate(FIT)])
    for query in FIT:
        found = index.search("w", vector=query, mode="vector", k=9)
        a, b = np.array(FIT), np.array(query)
        scores = a @ b if metric == "ip" else -((a - b) ** 2).sum(axis=1)
        assert len(found) == len(FIT)
        for hit in found:
            assert hit.score == pytest.approx(scores[int(hit.id)], rel=1e-5)
        for hit in index.search("w", vector=query):
            assert np.isfinite(hit.score)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=6), st.integers(1, MAX_DIM), st.integers(0, 9))
def test_any_two_of_the_longest_have_finite_scores(direction: list[int], dim: int, seed: int) -> None:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], dim)
    wide = np.resize(np.array(direction), dim) * signs
    longest = (wide * (MAX_LENGTH * (1 - 1e-6) / np.linalg.norm(wide))).astype(np.float32)[None]
    assert bounded(longest).all()
    assert not len(too_long(longest))
    for other in (longest, -longest):
        for metric in ("ip", "l2"):
            assert np.isfinite(similarities(longest, other[0], metric)).all()


def test_rows_that_are_too_long_are_found_among_others() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 8)).astype(np.float32) * np.float32(1e18)
    vectors[7], vectors[80], vectors[499] = 3e38, np.nan, 0
    vectors[301] *= np.float32(3)
    assert too_long(vectors).tolist() == np.flatnonzero(~bounded(vectors)).tolist()
    assert set(too_long(vectors)) >= {7, 80}
    assert not len(too_long(vectors[:0]))


# -- rows of earlier versions


@pytest.fixture
def old(tmp_path: Path, metric: Metric, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that was written without a limit: two documents of 300 are too long, one with one of two
    windows, and a dead one."""
    random = np.random.default_rng(1)
    near = random.normal(size=(300, 4)).round(2)
    with (
        monkeypatch.context() as patch,
        Index.create(tmp_path / "old", encoder=None, metric=metric) as index,
    ):
        patch.setattr(documents, "_too_long", lambda *_: None)
        patch.setattr(leg, "SEAL_AT", 10)
        index.add([Document(f"d{i}", f"word{i % 9}", vector=near[i]) for i in range(300)])
        index.add(
            [Document("d5", "word5", vector=[1e30, -1e30, 0, 0]), Document("gone", vector=[1e30] * 4)]
        )
        index.add([Document("d6", "word6", vector=[[3e38] * 4, near[6].tolist()])])
        index.delete(["gone"])
    return tmp_path / "old"


def test_what_is_stored_never_answers_and_never_poisons(
    old: Path, metric: Metric, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leg, "SEAL_AT", 10)
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 1)
    with Index.open(old) as index:
        assert "3 vectors are too long for float32" in caplog.text
        memory = MemoryIndex(metric=metric)
        for document in index.documents():
            rows = np.asarray(document.vector)
            fit = rows[bounded(rows)]
            memory.add([Document(document.id, document.text, vector=fit if len(fit) else None)])
        for query in ([1.0, 1, 0, 0], [1.0, 0, 0, 0], [-1e18, 2e17, 0, 1]):
            for where in (None, {"n": {"exists": False}}):
                mine, its = (
                    one.search(vector=query, mode="vector", k=400, filter=where) for one in (index, memory)
                )
                assert [hit.id for hit in mine][:50] == [hit.id for hit in its][:50]
                assert {hit.id for hit in mine} == {hit.id for hit in its}
                assert "d5" not in {hit.id for hit in mine}
                assert all(np.isfinite(hit.score) for hit in mine)
                assert all(hit.passage == (0, len(hit.document.text)) for hit in mine)
            both = index.search("word5", vector=query, k=300)
            assert {"d5", "d6"} <= {hit.id for hit in both}  # by its words, and by its other window
            assert all(np.isfinite(hit.score) for hit in both)
            assert index.search("word5", vector=query, k=300).hits == both.hits


def test_verify_names_it_and_how_to_be_rid_of_it(old: Path) -> None:
    said = run("verify", old, status=1).out.splitlines()
    assert len(said) == 1
    assert said[0].startswith("vectors: 2 documents have vectors too long for float32")
    assert "'d5', 'd6'; add them again" in said[0]
    assert salvage.examine(old) == said
    with Index.open(old) as index:
        assert index.verify() == said
        index.add([Document("d5", "word5", vector=[1.0, 2, 3, 4])])
        index.delete(["d6"])
        assert index.verify() == []
        assert "d5" in {hit.id for hit in index.search(vector=[1.0, 2, 3, 4], mode="vector")}
        index.compact()
    assert run("verify", old).out == "sound\n"


def test_without_them_the_graph_is_back(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leg, "SEAL_AT", 10)
    with Index.open(old) as index:
        assert index._store.generation.snapshot.vectors.graph is None
        index.delete(["d5", "d6"])
        assert index._store.generation.snapshot.vectors.graph is None
        index.compact()
        index._store.generation.vector.settle()
        assert index._store.generation.snapshot.vectors.graph is not None


def test_a_view_passes_over_them_also_where_each_row_is_a_document() -> None:
    vectors = np.array([[1, 0], [3e38, 3e38], [0, 2]], np.float32)
    view = VectorView(
        Rows(vectors, np.arange(3), np.zeros((3, 2), np.int64)), "ip", None, too_long(vectors)
    )
    query = np.array([1, 1], np.float32)
    assert view.search(query, 5).ordinals.tolist() == [2, 0]
    assert view.search(query, 5, np.array([True, True, False])).ordinals.tolist() == [0]
    assert view.best_rows(query, np.array([2, 1, 0])).tolist() == [2, -1, 0]
    scores, directions = view.nearest(query, np.array([1, 2, 0]))
    assert np.isnan(scores[0])
    assert scores[1:].tolist() == [2, 1]
    assert directions.tolist() == [[0, 0], [0, 1], [1, 0]]
