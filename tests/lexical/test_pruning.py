"""A question put in two parts must be answered as if it were put as a whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid.disk.folder import Folder
from hybrid.lexical import bm25, pruning
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.pruning import Plan, Term
from hybrid.lexical.terms import Terms
from hybrid.lexical.writer import LexicalLeg
from hybrid.types import Candidates, Mask

N = 600
SHARES = (0.9, 0.6, 0.5, 0.3, 0.1, 0.05, 0.02, 0.01, 0.005)
WORDS = [f"w{i}" for i in range(len(SHARES))]


def document(random: np.random.Generator) -> Terms:
    """Words that stand in such shares of all documents, once or more often."""
    title, text = (
        [word for word, share in zip(WORDS, SHARES, strict=True) if random.random() < share * part]
        for part in (0.3, 1.0)
    )
    filling = ["filling"] * int(random.integers(0, 30))
    return Terms(title, [word for word in text for _ in range(random.geometric(0.6))] + filling)


def view(folder: Path, seed: int, copies: int = 1) -> LexicalView:
    """Three segments, some of whose documents have died; every document ``copies`` times."""
    random = np.random.default_rng(seed)
    documents = [one for _ in range(N // copies) for one in [document(random)] * copies]
    leg = LexicalLeg(Folder.open(folder), "uuid")
    for start in range(0, len(documents), 250):
        part = [[one] for one in documents[start : start + 250]]
        leg.apply(start, part, random.choice(start + 1, start // 20, False).tolist())
    found = leg.view()
    leg.close()
    return found


@pytest.fixture(scope="module", params=[(1, 1), (2, 5)])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LexicalView:
    return view(tmp_path_factory.mktemp("leg"), *request.param)


class Always:
    """Pruning also where it does not pay, and a note of how it went."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, likely: float) -> None:
        self.tried: list[int] = []
        monkeypatch.setattr(pruning, "LEAST_POSTINGS", 0)
        monkeypatch.setattr(bm25, "_LOOK_UP", 10**9)
        monkeypatch.setattr(pruning, "_WORTH", np.inf)
        monkeypatch.setattr(pruning, "_MORE", likely)
        split = LexicalView._parted

        def noted(self_: LexicalView, plan: Plan, essential: int, boost: float) -> object:
            self.tried.append(essential)
            return split(self_, plan, essential, boost)

        monkeypatch.setattr(LexicalView, "_parted", noted)


def whole(view: LexicalView, terms: list[str], k: int, allowed: Mask | None, boost: float) -> Candidates:
    query = view._query(terms, boost)
    return view._best(query, k, 1.0, allowed) if query else Candidates.none()


def same(found: Candidates, expected: Candidates) -> None:
    """Equal but for the last bits of float32 sums, and what these decide."""
    assert len(found) == len(expected)
    assert np.allclose(found.scores, expected.scores, rtol=1e-6)
    apart = found.ordinals != expected.ordinals
    if apart.any():
        gaps = np.abs(np.diff(expected.scores)) <= 2e-6 * expected.scores[:-1]
        beside = np.r_[gaps, True] | np.r_[True, gaps]  # the last may tie with one that was cut off
        assert beside[apart].all()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    terms=st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=8),
    k=st.sampled_from([1, 2, 10, 50, N, 5 * N]),
    share=st.none() | st.floats(0, 1),
    boost=st.sampled_from([0.0, 0.3, 2.0]),
    likely=st.sampled_from([0.0, 0.1, 0.5, 5.0]),
    seed=st.integers(0, 99),
)
def test_the_best_are_those_of_the_whole_question(
    stored: LexicalView,
    terms: list[str],
    k: int,
    share: float | None,
    boost: float,
    likely: float,
    seed: int,
) -> None:
    allowed = None if share is None else np.random.default_rng(seed).random(N) < share
    with pytest.MonkeyPatch.context() as patch:
        Always(patch, likely)
        same(stored.search(terms, k, allowed, boost), whole(stored, terms, k, allowed, boost))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    terms=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), boost=st.sampled_from([0.0, 0.3, 2.0])
)
def test_no_document_scores_as_much_as_the_terms_it_has_are_said_to(
    stored: LexicalView, terms: list[str], boost: float
) -> None:
    for term, repeats in Counter(terms).items():
        weighed = stored._weighed(term, repeats, boost)
        best = whole(stored, [term] * repeats, 1, None, boost)
        assert best.scores[0] < weighed.bound
        assert boost or weighed.bound < 3 * best.scores[0]


def test_two_rare_terms_beside_common_ones_are_enough(stored: LexicalView) -> None:
    with pytest.MonkeyPatch.context() as patch:
        note = Always(patch, 0.0)
        found = stored.search(["w0", "w5", "w1", "w6"], 5)
        assert note.tried == [2]
    assert np.array_equal(found.ordinals, whole(stored, ["w0", "w5", "w1", "w6"], 5, None, 0.0).ordinals)


def test_what_was_hoped_for_too_much_is_made_up_for(stored: LexicalView) -> None:
    with pytest.MonkeyPatch.context() as patch:
        note = Always(patch, 50.0)
        same(stored.search(WORDS, 5), whole(stored, WORDS, 5, None, 0.0))
    assert len(note.tried) == 2
    assert note.tried[0] < note.tried[1] < len(WORDS)


@pytest.fixture
def extreme(tmp_path: Path) -> LexicalView:
    """A rare word makes up the first document and stands in long ones; a common one makes up the last."""
    rare = [Terms([], ["rare"] * 3), *[Terms([], ["rare", *["filling"] * 100])] * 29]
    common = [Terms([], ["common", *["filling"] * 25])] * 100
    others = [Terms([], ["filling"] * 25)] * 150
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    leg.apply(0, [[one] for one in (*rare, *common, *others, Terms([], ["common"] * 60))], [])
    found = leg.view()
    leg.close()
    return found


def test_one_that_has_no_rare_term_may_be_the_best(extreme: LexicalView) -> None:
    with pytest.MonkeyPatch.context() as patch:
        note = Always(patch, 0.1)
        found = extreme.search(["rare", "common"], 10)
    assert note.tried == [1]
    assert found.ordinals.tolist() == [0, 280, *range(1, 9)]


def test_a_filter_may_leave_too_few_that_have_a_rare_term(extreme: LexicalView) -> None:
    allowed = np.arange(281) >= 30
    allowed[0] = True
    with pytest.MonkeyPatch.context() as patch:
        note = Always(patch, 0.1)
        found = extreme.search(["rare", "common"], 8, allowed)
    assert note.tried == [1]
    assert found.ordinals.tolist() == [0, 280, *range(30, 36)]


def test_more_than_the_rare_terms_have_is_looked_for_as_a_whole(stored: LexicalView) -> None:
    with pytest.MonkeyPatch.context() as patch:
        note = Always(patch, 0.0)
        assert len(stored.search(["w8", "w0"], N)) > N / 2
    assert note.tried == []


def test_short_lists_are_not_even_looked_up(stored: LexicalView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LexicalView, "_length", lambda *_: pytest.fail("looked up"))
    assert len(stored.search(["w0", "w5"], 5)) == 5


def test_frequencies_are_those_of_the_index_also_the_second_time(
    stored: LexicalView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.lexical.bm25._MOST_LENGTHS", 4)
    fresh, words = replace(stored, _lengths={}), [*WORDS, "unknown"]
    expected = [stored.searcher.doc_freq("terms", word) for word in words]
    assert [fresh.frequencies(words) for _ in range(2)] == [expected] * 2
    assert len(fresh._lengths) <= 4


def term(postings: int, score: float) -> Term:
    return Term(str(postings), 1, postings, 2.2 * score, score)


def test_a_rare_term_beside_a_common_one_is_essential() -> None:
    plan = Plan([term(400_000, 0.8), term(1_000, 6.2)])
    assert [one.postings for one in plan.terms] == [1_000, 400_000]
    assert plan.first(116) == 1
    assert plan.rest(1) == pytest.approx(2.2 * 0.8, rel=1e-5)
    assert plan.rest(1) > 2.2 * 0.8


def test_terms_of_like_frequency_are_looked_for_together() -> None:
    assert Plan([term(40_000, 2.5), term(30_000, 2.8)]).first(116) is None


def test_a_rare_term_that_has_too_few_documents_does_not_decide() -> None:
    assert Plan([term(100, 8.5), term(400_000, 0.8)]).first(116) is None
    assert Plan([term(100, 8.5), term(500, 6.9), term(400_000, 0.8)]).first(116) == 2
    assert Plan([term(100, 8.5), term(500, 1.0), term(400_000, 0.8)]).first(116) is None


def test_the_score_of_a_first_try_says_how_many_are_essential() -> None:
    plan = Plan([term(100, 8.5), term(500, 6.9), term(2_000, 5.5), term(400_000, 0.8), term(450_000, 0.6)])
    assert plan.next(1, 3.09) == 3
    assert plan.next(1, 15.3) == 2
    assert plan.next(2, 1.0) is None
