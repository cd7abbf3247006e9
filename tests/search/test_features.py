"""What learned ranking is told of each candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.rerank import Features
from hybrid.rerank.matching import FEATURES
from hybrid.search.features import BASIC
from hybrid.search.lanes import InTurn
from hybrid.search.search import Search
from hybrid.types import Candidates

DOCUMENTS = [
    Document("a", "steel kettle", "Kettle 3000", {"likes": 7, "day": "1970-01-02"}, [1, 0]),
    Document("b", "a kettle for tea, made of steel", "", {"likes": [2, 9]}, [0.8, 0.6]),
    Document("c", "水壶 不锈钢", "", {"likes": "many", "new": True}, [0.6, 0.8]),
    Document("d", "nothing in common", "", {"likes": 1.5}),
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=None, analyzer="mixed") as index:
        index.add(DOCUMENTS)
        yield index


def known(index: Index, query: str | None, vector: list[float] | None, *fields: str) -> dict[str, Features]:
    """id -> feature -> value."""
    with index.searcher() as searcher:
        request = searcher.asker.one(query, vector, {})
        search = Search.of(searcher.snapshot, request, InTurn())
        columns = search.known(search.head, ["coverage", *fields])
        head = search.pool.named(search.head)
        ids = searcher.snapshot.ledger.ids(head.ordinals.tolist())
    assert all(column.dtype == np.float32 and len(column) == len(ids) for column in columns.values())
    return {id: {name: column[i] for name, column in columns.items()} for i, id in enumerate(ids)}


def test_every_candidate_is_known_by_both_legs(index: Index) -> None:
    found = known(index, "steel kettle 3000", [1, 0])
    assert set(found) == {"a", "b", "c"}
    assert found["a"]["similarity"] == pytest.approx(1)
    assert found["b"]["similarity"] == pytest.approx(0.8)
    assert found["b"]["vector_gap"] == pytest.approx(0.2)
    assert found["a"]["lexical_share"] == 1
    assert 0 < found["b"]["lexical_share"] < 1
    assert np.isnan(found["c"]["lexical_share"])
    assert set(FEATURES) < set(found["a"])
    assert found["a"]["coverage"] == 1
    assert found["a"]["digits"] == 1
    assert found["b"]["digits"] == found["c"]["coverage"] == 0
    assert found["c"]["script"] == 1
    assert {one["query_terms"] for one in found.values()} == {3}
    assert found["a"]["query_idf_max"] > found["a"]["query_idf_mean"]


def test_metadata_are_numbers_where_they_are_asked_for(index: Index) -> None:
    found = known(
        index, "steel kettle", [1, 0], "metadata.likes", "metadata.day", "metadata.new", "metadata.none"
    )
    assert [found[id]["metadata.likes"] for id in "ab"] == [7, 9]
    assert np.isnan(found["c"]["metadata.likes"])
    assert found["a"]["metadata.day"] == 86_400
    assert found["c"]["metadata.new"] == 1
    assert np.isnan(found["a"]["metadata.none"])


def test_one_leg_alone(index: Index) -> None:
    words = known(index, "kettle", None)
    assert set(words) == {"a", "b"}
    assert np.isnan(words["a"]["similarity"])
    assert np.isnan(words["a"]["query_gap"])
    meaning = known(index, None, [0, 1])
    assert set(meaning) == {"a", "b", "c"}
    assert np.isnan(meaning["c"]["coverage"])
    assert meaning["c"]["similarity"] == pytest.approx(0.8)
    assert known(index, "unknown", None) == {}


def columns_for(index: Index, query: str | None, vector: list[float] | None, *wanted: str) -> Features:
    """What a reranker that names ``wanted`` is given."""
    given: list[Features] = []

    class Asking:
        features = wanted

        def __call__(
            self, query: str | None, candidates: Candidates, columns: Mapping[str, NDArray[Any]]
        ) -> Candidates:
            given.append(dict(columns))
            return candidates

    index.search(query, vector=vector, reranker=Asking())
    return given[0]


def test_text_and_vector_are_made_where_they_are_asked_for(index: Index) -> None:
    plain = columns_for(index, "steel kettle", [1, 0])
    assert set(plain) == BASIC
    found = columns_for(index, "steel kettle", [1, 0], "text", "vector")
    assert set(found) == BASIC | {"text", "vector"}
    texts = found["text"].tolist()
    assert set(texts) == {"Kettle 3000\nsteel kettle", "a kettle for tea, made of steel", "水壶 不锈钢"}
    assert found["vector"].dtype == np.float32
    row = texts.index("a kettle for tea, made of steel")
    np.testing.assert_allclose(found["vector"][row], [0.8, 0.6], rtol=1e-6)


def test_the_text_of_a_long_document_is_its_best_passage(tmp_path: Path) -> None:
    filler = "\n\n".join("tea and coffee, cups and saucers. " * 30 for _ in range(8))
    book = f"{filler}\n\nA steel kettle whistles. {'It boils water for the tea. ' * 30}\n\n{filler}"
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("book", book, "Kitchen"), Document("note", "a steel kettle")])
        found = columns_for(index, "steel kettle", None, "text")["text"].tolist()
        (passages,) = (hit.passages for hit in index.search("steel kettle") if hit.id == "book")
    assert set(found) == {"a steel kettle", f"Kitchen\n{book[slice(*passages[0])]}"}
    assert "A steel kettle whistles." in max(found, key=len)


def test_a_vector_that_is_not_known_is_nan(index: Index) -> None:
    assert np.isnan(columns_for(index, "kettle", None, "vector")["vector"]).all()
    found = columns_for(index, "nothing kettle", [1, 0], "vector", "text")
    unknown = found["text"].tolist().index("nothing in common")
    assert np.isnan(found["vector"][unknown]).all()
    assert np.isfinite(np.delete(found["vector"], unknown, axis=0)).all()


def test_no_candidate_has_empty_columns(index: Index) -> None:
    found = columns_for(index, "unknown", None, "text", "vector", "metadata.likes", "coverage")
    assert {len(column) for column in found.values()} == {0}


def test_an_index_without_vectors_gives_rows_without_numbers(tmp_path: Path) -> None:
    with Index.create(tmp_path / "words", encoder=None) as index:
        index.add([Document("a", "kettle")])
        assert columns_for(index, "kettle", None, "vector")["vector"].shape == (1, 0)


def test_what_costs_is_not_worked_out_for_who_does_not_ask(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.search.features.matching", None)
    found = columns_for(index, "steel kettle", [1, 0], "metadata.likes", "vector", "text", "vector_rank")
    assert set(found) == BASIC | {"metadata.likes", "vector", "text"}
