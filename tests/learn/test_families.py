"""Families of queries: what shares a document stays together, unless that would be everybody."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hybrid.learn.families import by_document, by_text
from hybrid.types import Qrels


def texts(number: int) -> dict[str, str]:
    return {f"q{i}": f"text {i}" for i in range(number)}


def test_one_text_is_one_family() -> None:
    assert by_text({"a": "Wind  tunnel", "b": "wind tunnel", "c": "wing"}, {}) == {
        "a": "wind tunnel",
        "b": "wind tunnel",
        "c": "wing",
    }


def test_a_shared_relevant_document_ties_and_ties_are_transitive() -> None:
    qrels: Qrels = {"q0": {"a": 1}, "q1": {"a": 1, "b": 1}, "q2": {"b": 2}, "q3": {"b": 0, "c": 1}}
    qrels |= {f"q{i}": {f"own {i}": 1} for i in range(4, 20)}
    families = by_document(texts(20), qrels, 5)
    assert families["q0"] == families["q1"] == families["q2"]
    assert len(set(families.values())) == 18


def test_a_document_that_everybody_shares_does_not_tie() -> None:
    qrels: Qrels = {f"q{i}": {"everybody's": 1, f"pair {i // 2}": 1} for i in range(20)}
    families = by_document(texts(20), qrels, 5)
    assert Counter(families.values()).most_common(1)[0][1] == 2
    assert all(families[f"q{i}"] == families[f"q{i + 1}"] for i in range(0, 20, 2))


@given(st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=4), min_size=5, max_size=40))
def test_no_family_is_too_large_and_rare_documents_tie_first(relevant: list[set[int]]) -> None:
    qrels: Qrels = {f"q{i}": {str(d): 1 for d in documents} for i, documents in enumerate(relevant)}
    families = by_document(texts(len(relevant)), qrels, 5)
    assert families.keys() == qrels.keys()
    assert max(Counter(families.values()).values()) <= max(1, len(relevant) / 5)
    sharing = Counter(d for documents in relevant for d in documents)
    whole = {
        d: len({families[f"q{i}"] for i, documents in enumerate(relevant) if d in documents}) == 1
        for d in sharing
    }
    parted = [sharing[d] for d in sharing if not whole[d]]
    assert all(whole[d] for d in sharing if parted and sharing[d] < min(parted))
