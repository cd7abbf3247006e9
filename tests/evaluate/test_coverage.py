"""How many judged documents an index holds, and what is said where it lacks them."""

from __future__ import annotations

import pytest

from hybrid import Document, MemoryIndex
from hybrid.errors import InputError
from hybrid.evaluate import coverage
from hybrid.evaluate.coverage import Coverage


@pytest.fixture
def index() -> MemoryIndex:
    made = MemoryIndex()
    made.add(Document(id, "text") for id in "abc")
    return made


def test_distinct_documents_are_counted_and_the_relevant_ones_apart(index: MemoryIndex) -> None:
    found = coverage(index, {"q1": {"a": 1, "x": 2, "y": -2}, "q2": {"a": 0, "x": 0, "b": 0}, "q3": {}})
    assert found == Coverage(judged=4, relevant=2, absent=2, absent_relevant=1, example="x")
    assert found.share == 1 / 2
    assert str(found) == ("2 of 4 judged documents (50.0%) are not in the index, 1 of 2 relevant ones: 'x'")
    assert found.to_json() == {
        "judged": 4,
        "relevant": 2,
        "absent": 2,
        "absent_relevant": 1,
        "example": "x",
    }


def test_nothing_is_said_where_nothing_is_missing(index: MemoryIndex) -> None:
    assert str(coverage(index, {"q": {"a": 1, "b": 0}})) == ""


def test_ids_that_have_nothing_in_common_are_an_error(index: MemoryIndex) -> None:
    with pytest.raises(InputError, match="none of the 2 judged documents is in the index, such as 'doc a'"):
        coverage(index, {"q": {"doc a": 1, "doc b": 0}})
    with pytest.raises(InputError, match="judge no document"):
        coverage(index, {"q": {}})
