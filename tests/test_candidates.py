"""What learned ranking is told of each candidate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.query import candidates
from hybrid.rerank import Features
from hybrid.rerank.matching import FEATURES

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
    with index._store.reading() as snapshot:
        request = index._asker(snapshot).one(query, vector, {})
        head, columns = candidates(snapshot, request, index._lanes, ["coverage", *fields])
        ids = snapshot.generation.ledger.ids(head.ordinals.tolist())
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
