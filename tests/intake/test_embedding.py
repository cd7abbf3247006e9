"""Ready-made vectors and passages: what is taken, what is refused, and that no bit of it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hybrid.encoders import HashEncoder
from hybrid.errors import DocumentError, QueryError
from hybrid.intake.documents import check_alike, check_passages, check_vector, check_vectors
from hybrid.intake.embedding import embed
from hybrid.ledger.passages import Pieces, whole, with_rows
from hybrid.norms import bounded, unit
from hybrid.types import Document, Matrix

BITS = arrays.arrays(np.uint32, st.tuples(st.integers(1, 3), st.integers(1, 20)))
"""Any float32s, every bit pattern alike: tiny, huge, subnormal, minus zero, also what is no number."""


def numbers(bits: Any) -> Matrix:
    rows: Matrix = bits.view(np.float32)
    return np.where(np.isfinite(rows), rows, np.float32(-0.0))


@given(BITS)
@example(np.array([[1, 0], [0x7F7FFFFF, 0xFF7FFFFF], [0x3F800001, 1]], np.uint32))
def test_what_is_of_unit_length_stays_so_to_the_bit(bits: Any) -> None:
    rows = numbers(bits)
    once = unit(rows)
    assert np.array_equal(unit(once).view(np.uint32), once.view(np.uint32))
    lengths = np.linalg.norm(once.astype(np.float64), axis=1)
    assert np.allclose(lengths, rows.any(axis=1), rtol=0, atol=2.0**-23)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 384, 4096]))
def test_unit_length_is_found_again_in_any_dimension(seed: int, dim: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(20, dim)).astype(np.float32)
    once = unit(rows)
    assert np.array_equal(unit(once), once)
    assert np.allclose(once, rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-5)


@given(BITS, st.sampled_from(["ip", "l2"]))
def test_other_metrics_keep_every_bit(bits: Any, metric: Any) -> None:
    rows = numbers(bits)
    rows[~bounded(rows)] = 0
    (document,) = with_vectors([Document("a", "text", vector=rows)], metric)
    assert np.asarray(document.vector).view(np.uint32).tolist() == rows.view(np.uint32).tolist()


def uncut(documents: Sequence[Document]) -> list[Pieces]:
    return [whole(document.text) for document in documents]


def with_vectors(documents: Sequence[Document], metric: Any = "cosine") -> list[Document]:
    rows = embed(documents, uncut(documents), None, metric, 0)
    bounds = np.searchsorted(rows.ordinals, range(len(documents) + 1)).tolist()
    return [with_rows(d, rows[bounds[i] : bounds[i + 1]], None) for i, d in enumerate(documents)]


@given(
    arrays.arrays(np.uint32, st.tuples(st.integers(1, 5), st.integers(1, 20))),
    st.sampled_from(["cosine", "ip", "l2"]),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_vectors_alike_are_what_they_are_one_by_one(bits: Any, metric: Any, dtype: Any) -> None:
    rows = bits.view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = list(rows.astype(dtype))
    together = check_alike(vectors, metric, None)
    try:
        alone = np.concatenate([check_vectors(vector, metric, None, "") for vector in vectors])
    except DocumentError:
        assert together is None
    else:
        assert together is not None
        assert together.view(np.uint32).tolist() == alone.view(np.uint32).tolist()


@pytest.mark.parametrize(
    "vectors",
    [
        [],
        [[1.0, 2.0]],
        [np.ones(2), [1.0, 2.0]],
        [np.ones(2), np.ones(3)],
        [np.ones(2), np.ones(2, np.float32)],
        [np.ones((1, 2))],
        [np.ones(2, np.int64)],
        [np.ones(0)],
        [np.array(["a"])],
        [np.float32(1)],
        [np.ones(3)],
        [np.ma.masked_array([1.0, 2.0], [True, False])],
    ],
)
def test_vectors_that_are_not_alike_are_left_to_the_long_way(vectors: list[Any]) -> None:
    assert check_alike(vectors, "cosine", 2) is None


def test_plain_vectors_give_the_rows_that_others_give() -> None:
    plain = [
        Document("a", "red fox", vector=np.array([3.0, 4.0])),
        Document("b", "words"),
        Document("c", vector=np.ones(2)),
    ]
    others = [replace(d, vector=None if d.vector is None else np.asarray(d.vector)[None]) for d in plain]
    mine, theirs = (embed(some, uncut(some), None, "cosine", 0) for some in (plain, others))
    assert mine.vectors.tolist() == theirs.vectors.tolist()
    assert mine.ordinals.tolist() == theirs.ordinals.tolist() == [0, 2]
    assert mine.spans.tolist() == theirs.spans.tolist() == [[0, 7], [0, 0]]


def test_documents_with_their_rows_embed_to_the_same_rows() -> None:
    batch = [
        Document("a", "red fox", vector=[[3, 4], [1, 0]], passages=[(0, 3), (4, 7)]),
        Document("b", "just words"),
        Document("c", vector=[1, 1]),
    ]
    first = with_vectors(batch)
    again = with_vectors(first)
    for document, same in zip(first, again, strict=True):
        assert np.array_equal(np.asarray(document.vector), np.asarray(same.vector))
        assert document.passages == same.passages
    assert first[0].passages == [(0, 3), (4, 7)]
    assert np.allclose(np.asarray(first[0].vector), np.array([[0.6, 0.8], [1, 0]]))
    assert first[1].vector is None
    assert first[1].passages is None
    assert np.asarray(first[2].vector).shape == (1, 2)
    assert first[2].passages == [(0, 0)]


def test_rows_stand_in_the_order_of_their_documents() -> None:
    encoder = HashEncoder(2)
    batch = [
        Document("a", "words to encode"),
        Document("b", "bb", vector=[[1, 0], [0, 1]]),
        Document("c", "!"),  # no word, so a vector of zeros, so no row
        Document("d", vector=[0, 2], passages=[(0, 0)]),
        Document("e", "more words"),
    ]
    rows = embed(batch, uncut(batch), encoder, "cosine", 0)
    assert rows.ordinals.tolist() == [0, 1, 1, 3, 4]
    assert rows.spans.tolist() == [[0, 15], [0, 2], [0, 2], [0, 0], [0, 10]]
    assert rows.vectors[1:4].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert np.allclose(rows.vectors[[0, 4]], encoder.documents(["words to encode", "more words"]))


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        ([[1.0, 2.0]], "document 'a', row 0: the vector has 2 numbers; this index holds vectors of 3"),
        ([[1.0, 0, 0], [1, 2]], "document 'a': the vector is not a list of numbers"),
        ([[1.0, 0, 0], [0, 0, 0]], "document 'a', row 1: the vector is zero"),
        ([[1.0, 0, 0], [0, np.inf, 0]], "document 'a', row 1: the vector holds NaN or infinity"),
        (np.empty((0, 3)), "document 'a': no vector in (0, 3)"),
        ([[]], "row 0: the vector has the shape (0,)"),
        (np.ones((1, 1, 3)), "the shape (1, 1, 3); it must be (dim,) or (n, dim)"),
        (np.ones((2, 65_537)), "row 0: the vector has 65,537 numbers; the limit is 65,536"),
        (3.0, "the shape ()"),
        (["1", "2", "3"], "not a list of numbers"),
        ([1j, 0, 0], "not a list of numbers"),
        ([10**400, 0, 0], "not a list of numbers"),
        ([None, 0, 0], "holds NaN"),
        ({"a": 1}, "not a list of numbers"),
    ],
)
def test_vectors_that_are_refused(vector: Any, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_vectors(vector, "cosine", 3, "document 'a'")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_another_library_complains_of_is_told_in_one_line() -> None:
    class Tensor:
        def __array__(self, *_: object, **__: object) -> Any:
            raise RuntimeError("it requires grad;\n  detach it first")

    with pytest.raises(DocumentError, match=r"numbers: it requires grad; detach it first$"):
        check_vectors(Tensor(), "cosine", None, "document 'a'")


def test_a_query_has_one_vector() -> None:
    with pytest.raises(QueryError, match=r"the shape \(1, 2\); it must be \(dim,\)$"):
        check_vector([[1, 2]], "cosine", 2, "the query", query=True)


@pytest.mark.parametrize(
    ("passages", "says"),
    [
        ([(0, 4)], "as many as vectors: 2"),
        ([], "as many as vectors: 2"),
        (7, "as many as vectors: 2"),
        ([(0, 1, 2), (0, 1, 2)], "as many as vectors: 2"),
        ([(0, 1), (0,)], "not pairs (start, end)"),
        ([(0.0, 1.0), (0.0, 1.0)], "of whole numbers"),
        ([("0", "1"), ("0", "1")], "of whole numbers"),
        ([(0, 2**70), (0, 1)], "of whole numbers"),
        ([(0, 4), (0, 5)], "passage 1 is (0, 5), which is not a part of a text of 4 characters"),
        ([(-1, 2), (0, 1)], "passage 0 is (-1, 2)"),
        ([(3, 2), (0, 1)], "passage 0 is (3, 2)"),
    ],
)
def test_passages_that_are_refused(passages: Any, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_passages(passages, 2, "text", "document 'a'")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_passages_need_vectors() -> None:
    documents = [Document("a", "text", passages=[(0, 4)])]
    with pytest.raises(DocumentError, match="document 'a': passages without vectors"):
        embed(documents, uncut(documents), HashEncoder(4), "cosine", 0)
