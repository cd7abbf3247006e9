"""More like this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.errors import QueryError

DOCUMENTS = [
    Document("red", "a red kettle of steel", "", {"n": 1}, [1.0, 0.0, 0.0]),
    Document("blue", "a blue kettle of steel", "", {"n": 1}, [0.9, 0.1, 0.0]),
    Document("jug", "a blue jug of glass", "", {"n": 1}, [0.0, 1.0, 0.0]),
    Document("secret", "a red jug of gold", "", {"n": 2}, [0.0, 0.0, 1.0]),
    Document("glass", "glass and gold", "", {"n": 1}, [0.1, 0.2, 0.9]),
]


@pytest.fixture(params=[Index, MemoryIndex])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made = MemoryIndex() if request.param is MemoryIndex else Index.create(tmp_path / "i", encoder=None)
    with made as index:
        index.add(DOCUMENTS)
        yield index


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
def test_the_most_alike_is_first_and_the_document_itself_is_no_hit(index: Any, mode: Any) -> None:
    found = index.search(like=["red"], mode=mode)
    assert found.hits[0].id == "blue"
    assert "red" not in {hit.id for hit in found}
    assert found.query is None


def test_a_query_and_documents_together(index: Any) -> None:
    assert index.search("glass", like=["blue"], mode="lexical").hits[0].id == "jug"
    assert {hit.id for hit in index.search("-blue", like=["red"])} == {"secret", "glass"}
    assert index.search(like=["jug"], unlike=["red"], mode="lexical").hits[0].id == "glass"


def test_the_vector_is_rocchios(index: Any) -> None:
    found = index.search(vector=[0.0, 1.0, 0.0], like=["red"], unlike=["secret"], mode="vector", k=9)
    moved = np.array([0.75, 1.0, -0.15])
    moved /= np.linalg.norm(moved)
    vectors = {one.id: np.array(one.vector, float) for one in DOCUMENTS}
    assert {hit.id for hit in found} == {"blue", "jug", "glass"}
    for hit in found:
        assert hit.score == pytest.approx(
            float(moved @ vectors[hit.id]) / np.linalg.norm(vectors[hit.id]), abs=1e-6
        )


def test_what_the_filter_leaves_out_is_as_unknown_as_what_is_not_there(index: Any) -> None:
    says = []
    for id in ("secret", "nobody"):
        with pytest.raises(QueryError) as error:
            index.search(like=[id], filter={"n": 1})
        says.append(str(error.value).replace(id, "ID"))
        with pytest.raises(QueryError):
            index.search("red", unlike=[id], filter={"n": 1})
    assert says[0] == says[1]
    assert {hit.document.metadata["n"] for hit in index.search(like=["red"], filter={"n": 1})} == {1}


@pytest.mark.parametrize("given", ["red", [5], 5, ["x"] * 101])
def test_what_is_no_list_of_ids(index: Any, given: Any) -> None:
    with pytest.raises(QueryError):
        index.search("red", like=given)
    with pytest.raises(QueryError, match="nothing to search for"):
        index.search(unlike=["red"])


def test_why_it_is_no_hit(index: Any) -> None:
    assert "like or unlike" in index.explain(None, "red", like=["red"]).absent
