"""Families of queries: what shares a document or nearly a text stays together, unless that would be
everybody."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.learn.families import FOLDS, families, into_folds
from hybrid.types import Qrels


def texts(number: int) -> dict[str, str]:
    """Texts that have nothing in common."""
    return {f"q{i}": f"word{i}" for i in range(number)}


def own(*queries: str) -> Qrels:
    """A relevant document for each query alone."""
    return {query: {f"own {query}": 1} for query in queries}


def test_one_text_is_one_family() -> None:
    asked = texts(20) | {"a": "Wind  tunnel", "b": "wind tunnel", "c": "wing"}
    found = families(asked, own(*asked))
    assert found["a"] == found["b"] != found["c"]
    assert len(set(found.values())) == 22


CLAIM = "Dexamethasone increases the risk of postoperative bleeding."


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (CLAIM, "Dexamethasone decreases the risk of postoperative bleeding.", True),
        (CLAIM, "Dexamethasone does not increase risk of postoperative bleeding", True),
        (CLAIM, "Aspirin increases the risk of gastric ulcers.", False),
        ("苹果手机充不了电怎么办", "苹果手机充不了电怎么办呢？", True),
        ("蘋果手機充不了電怎麼辦", "苹果手机充不了电怎么办", True),
        ("苹果手机充不了电怎么办", "华为手机屏幕碎了怎么办", False),
        ("price of iPhone15 手机壳", "iPhone15 手机壳 price", True),
    ],
)
def test_near_copies_are_one_family(one: str, other: str, together: bool) -> None:
    asked = texts(20) | {"one": one, "other": other}
    for told in (asked, dict(reversed(asked.items()))):
        found = families(told, own(*told))
        assert (found["one"] == found["other"]) is together


def test_near_copies_of_everybody_stay_in_families_of_a_fold_at_most() -> None:
    said = "treat common cold home safely quickly cheap method"
    pairs = permutations(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"], 2)
    asked = {f"q{i}": f"{said} {' '.join(pair)}" for i, pair in enumerate(pairs)}
    sizes = Counter(families(asked, own(*asked)).values())
    assert 1 < max(sizes.values()) <= len(asked) / FOLDS


def test_folds_part_no_family_and_hold_about_as_many() -> None:
    named = [f"f{i // 3}" for i in range(60)]
    folds = into_folds(named, 4)
    assert sorted(row for fold in folds for row in fold.tolist()) == list(range(60))
    assert {len(fold) for fold in folds} == {12}
    assert len({(named[row], number) for number, fold in enumerate(folds) for row in fold}) == 20
    assert any((one != two).any() for one, two in zip(folds, into_folds(named, 5), strict=True))


def test_a_shared_relevant_document_ties_and_ties_are_transitive() -> None:
    qrels: Qrels = {"q0": {"a": 1}, "q1": {"a": 1, "b": 1}, "q2": {"b": 2}, "q3": {"b": 0, "c": 1}}
    qrels |= {f"q{i}": {f"own {i}": 1} for i in range(4, 20)}
    found = families(texts(20), qrels)
    assert found["q0"] == found["q1"] == found["q2"]
    assert len(set(found.values())) == 18


def test_a_document_that_everybody_shares_does_not_tie() -> None:
    qrels: Qrels = {f"q{i}": {"everybody's": 1, f"pair {i // 2}": 1} for i in range(20)}
    found = families(texts(20), qrels)
    assert Counter(found.values()).most_common(1)[0][1] == 2
    assert all(found[f"q{i}"] == found[f"q{i + 1}"] for i in range(0, 20, 2))


@given(st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=4), min_size=5, max_size=40))
def test_no_family_is_too_large_and_rare_documents_tie_first(relevant: list[set[int]]) -> None:
    qrels: Qrels = {f"q{i}": {str(d): 1 for d in documents} for i, documents in enumerate(relevant)}
    found = families(texts(len(relevant)), qrels)
    assert found.keys() == qrels.keys()
    assert max(Counter(found.values()).values()) <= max(1, len(relevant) / FOLDS)
    sharing = Counter(d for documents in relevant for d in documents)
    whole = {
        d: len({found[f"q{i}"] for i, documents in enumerate(relevant) if d in documents}) == 1
        for d in sharing
    }
    parted = [sharing[d] for d in sharing if not whole[d]]
    assert all(whole[d] for d in sharing if parted and sharing[d] < min(parted))
