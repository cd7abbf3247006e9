"""The textual features against plain loops, and by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.rerank.matching import FEATURES, Asked, Hashes, Texts, matching

Terms = list[int]
TERMS = st.lists(st.integers(1, 9), max_size=12)


def hashes(terms: Terms) -> Hashes:
    """In the order of the terms, and of the same last bits: what is told by them alone is told wrong."""
    return np.array([term << 28 for term in terms], np.uint32)


def texts(*documents: tuple[Terms, Terms]) -> Texts:
    whole = [title + text for title, text in documents]
    return Texts(
        hashes([term for one in whole for term in one]),
        np.r_[0, np.cumsum([len(one) for one in whole], dtype=np.int64)].astype(np.int64),
        np.array([len(title) for title, _ in documents], np.int64),
        np.zeros(len(documents), np.float32),
    )


def asked(terms: Terms) -> Asked:
    idf = np.array([1 / term for term in terms], np.float32)
    return Asked(hashes(terms), idf, np.array(terms, np.int64) > 7, 0.0)


def stretch(query: Terms, document: Terms) -> float:
    """By trying all stretches."""
    held = set(query) & set(document)
    lengths = (
        end - start
        for start in range(len(document))
        for end in range(start + 1, len(document) + 1)
        if held <= set(document[start:end])
    )
    return len(held) / min(lengths) if held else 0.0


def stands(query: Terms, field: Terms) -> bool:
    return any(field[i : i + len(query)] == query for i in range(len(field) - len(query) + 1))


def share(held: Sequence[bool], weights: Sequence[float]) -> float:
    total = sum(weights)
    return sum(w for h, w in zip(held, weights, strict=True) if h) / total if total else math.nan


def by_hand(query: Terms, title: Terms, text: Terms) -> dict[str, float]:
    distinct, document = sorted(set(query)), title + text
    pairs = sorted(set(pairwise(query)))
    there = {*pairwise(title), *pairwise(text)}
    fields = {"title": title, "text": text, "": document}
    found: dict[str, float] = {}
    for name, terms in fields.items():
        held = [term in terms for term in distinct]
        found[f"coverage_{name}".rstrip("_")] = share(held, [1] * len(held))
        found[f"weighted_{name}".rstrip("_")] = share(held, [1 / term for term in distinct])
    first = [i for i, term in enumerate(document) if term in query]
    phrase = float(stands(query, title) or stands(query, text)) if query else math.nan
    return found | {
        "bigrams": share([pair in there for pair in pairs], [1] * len(pairs)),
        "phrase": phrase,
        "proximity": stretch(query, document),
        "earliness": 1 / (1 + first[0]) if first else 0.0,
        "title_exact": float(title == query) if query else math.nan,
        "digits": share([t in document for t in distinct if t > 7], [1 for t in distinct if t > 7]),
        "length_title": math.log1p(len(title)),
        "length_text": math.log1p(len(text)),
        "script": 0.0,
    }


@settings(max_examples=300, deadline=None)
@given(TERMS, st.lists(st.tuples(TERMS, TERMS), min_size=1, max_size=6))
def test_agrees_with_plain_loops(query: Terms, documents: list[tuple[Terms, Terms]]) -> None:
    columns = matching(asked(query), texts(*documents))
    assert tuple(columns) == FEATURES
    for row, (title, text) in enumerate(documents):
        for name, expected in by_hand(query, title, text).items():
            assert columns[name][row] == pytest.approx(expected, rel=1e-5, nan_ok=True), name


def bm25(query: Terms, field: Terms, usual: float) -> float:
    norm = 1.2 * (0.25 + 0.75 * len(field) / usual)
    return sum(1 / term * field.count(term) * 2.2 / (field.count(term) + norm) for term in set(query))


@settings(max_examples=100, deadline=None)
@given(TERMS, st.lists(st.tuples(TERMS, TERMS), min_size=1, max_size=6))
def test_bm25_agrees_with_plain_loops(query: Terms, documents: list[tuple[Terms, Terms]]) -> None:
    columns = matching(asked(query), texts(*documents))
    for name, fields in zip(("title", "text"), zip(*documents, strict=True), strict=True):
        usual = sum(map(len, fields)) / len(fields) or 1
        expected = [bm25(query, field, usual) for field in fields]
        assert columns[f"bm25_{name}"] == pytest.approx(expected, rel=1e-5)


def test_bm25_of_the_fields() -> None:
    columns = matching(asked([1, 2]), texts(([1], [2, 2, 3]), ([], [1])))
    norm = 1.2 * (0.25 + 0.75 * 3 / 2)  # three terms, where two are usual
    assert columns["bm25_text"] == pytest.approx(
        [0.5 * 2 * 2.2 / (2 + norm), 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 / 2))], rel=1e-5
    )
    assert columns["bm25_title"] == pytest.approx([2.2 / (1 + 1.2 * (0.25 + 0.75 * 2)), 0], rel=1e-5)


def test_no_candidates_and_no_terms() -> None:
    assert {len(column) for column in matching(asked([1, 2]), texts()).values()} == {0}
    nothing = matching(asked([]), texts(([1], [2])))
    assert np.isnan(nothing["coverage"][0])
    assert np.isnan(nothing["digits"][0])
    assert nothing["bm25_text"][0] == 0


def test_script_is_the_difference() -> None:
    some = texts(([1], [2]), ([1], [2]))
    some.han[:] = [0.25, 1]
    columns = matching(Asked(hashes([1]), np.ones(1, np.float32), np.zeros(1, np.bool_), 1.0), some)
    assert columns["script"].tolist() == [0.75, 0]
