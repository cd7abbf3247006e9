"""The door: what is cleaned, what is refused, and that the refusal says what and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import DocumentError, QueryError
from hybrid.intake.documents import check_batch, check_vector
from hybrid.norms import unit
from hybrid.texts import clean
from hybrid.types import Document


def test_a_good_document_comes_through_unchanged() -> None:
    document = Document("a/1 中", "text\0\n", "Titel", {"n": 1, "deep": {"list": [1.5, None, True, "x"]}})
    assert check_batch([document]) == [document]


def test_surrogates_in_text_are_cleaned_and_pairs_joined() -> None:
    (document,) = check_batch([Document("a", "x\ud800y \ud83d\ude00", "\udfff", {"k\ud800": ["\udc00"]})])
    assert document == Document("a", "x\ufffdy 😀", "\ufffd", {"k\ufffd": ["\ufffd"]})


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_is_utf_8_and_what_was_clean_stays(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.encode().decode() == cleaned
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert cleaned == text


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ([Document("", "x")], "document 0: the id is empty"),
        ([Document("a", "x"), Document("b\n", "x")], "document 1: the id 'b\\n' has a control character"),
        ([Document("\ud800", "x")], "surrogate"),
        ([Document(7, "x")], "the id is a int"),  # type: ignore[arg-type]
        ([Document("a", "x"), Document("a", "y")], "document 1: id 'a' stands in this batch already, at 0"),
        ([Document("a")], "document 'a': neither text, title nor vector"),
        ([Document("a", " \n", "\t")], "neither text"),
        ([Document("a", b"x")], "text is a bytes"),  # type: ignore[arg-type]
        ([Document("a", "x", None)], "title is a NoneType"),  # type: ignore[arg-type]
        ([Document("a", "x", "", [1])], "metadata is a list"),  # type: ignore[arg-type]
        ([Document("a", "x", "", {"p": float("nan")})], "metadata['p'] is nan"),
        ([Document("a", "x", "", {"p": [1, {2}]})], "metadata['p'][1] is a set, not JSON"),
        ([Document("a", "x", "", {"p": {1: 2}})], "metadata['p']: the key 1 is a int"),
        ([Document("a", "x", "", {"p": np.int64(1)})], "metadata['p'] is a int64, not JSON"),
        ([Document("a", "x", "", {"p": 10**5000})], "metadata['p']"),
        (Document("a", "x"), "not one Document"),
        ([{"id": "a"}], "document 0: a dict"),
    ],
)
def test_what_is_refused(documents: Any, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_batch(documents)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_nested_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["me"] = endless
    with pytest.raises(DocumentError, match="nested deeper"):
        check_batch([Document("a", "x", "", endless)])


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        ([1.0, 2.0], "2 numbers; this index holds vectors of 3"),
        ([1.0, float("nan"), 0.0], "NaN"),
        ([1e300, 0.0, 0.0], "infinity"),
        ([[1.0, 2.0, 3.0]], "shape (1, 3)"),
        ([], "shape (0,)"),
        (["a"], "not a list of numbers"),
        ([0.0, 0.0, 0.0], "zero"),
    ],
)
def test_vectors_that_are_refused(vector: Any, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_vector(vector, "cosine", 3, "document 'a'")
    assert says in str(caught.value)
    with pytest.raises(QueryError):
        check_vector(vector, "cosine", 3, "the query", query=True)


def test_a_zero_vector_is_fine_where_it_means_something() -> None:
    assert check_vector([0, 0], "ip", None, "x").tolist() == [0, 0]
    assert check_vector([3, 4], "l2", None, "x").tolist() == [3, 4]
    assert np.allclose(check_vector([3, 4], "cosine", None, "x"), [0.6, 0.8])


def test_unit_length_survives_extremes() -> None:
    rows = np.array([[1e-38, 0], [3e38, 3e38], [0, 0]], np.float32)
    assert np.allclose(np.linalg.norm(unit(rows), axis=1), [1, 1, 0])
