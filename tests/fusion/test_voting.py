"""Votes of past queries against their formula, written out, on random input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import QueryError
from hybrid.fusion import Answers, Votes, Voting
from hybrid.types import Candidates
from tests.contracts.fusion import candidates

DOCUMENTS = 12
_answers = st.lists(st.sets(st.integers(-1, DOCUMENTS - 1), max_size=5), max_size=40)
_cosine = st.floats(-1, 1, width=32) | st.sampled_from([0.5, 0.75])
_voting = st.builds(
    Voting,
    st.sampled_from([0.0, 1.0, 8.0]),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    st.sampled_from([0.5, 1.5, 100.0]),
)


@st.composite
def _past(draw: st.DrawFn) -> tuple[list[float], list[list[int]]]:
    answers = [sorted(own) for own in draw(_answers)]
    cosines = draw(st.lists(_cosine, min_size=len(answers), max_size=len(answers)))
    return cosines, answers


def textbook(
    voting: Voting, cosines: Sequence[float], answers: Sequence[Sequence[int]]
) -> dict[int, float]:
    """{document: k} with plain dictionaries, of those documents that the index has."""
    order = sorted(range(len(cosines)), key=lambda at: -cosines[at])
    sums: dict[int, float] = {}
    for at in order[:20]:
        vote = max(0.0, cosines[at] - voting.threshold) / (1 - voting.threshold)
        for document in answers[at]:
            if document >= 0 and vote > 0:
                sums[document] = sums.get(document, 0.0) + vote / math.sqrt(len(answers[at]))
    return {document: min(voting.cap, k) for document, k in sums.items()}


def votes(
    voting: Voting, cosines: Sequence[float], answers: Sequence[Sequence[int]], allowed: Any = None
) -> dict[int, float]:
    near = sorted(range(len(cosines)), key=lambda at: -cosines[at])[:20]
    own = [np.array(answers[at], np.int64) for at in near]
    found = voting.votes(np.array([cosines[at] for at in near], np.float32), Answers.of(own), allowed)
    assert (np.diff(found.ordinals) > 0).all()
    return dict(zip(found.ordinals.tolist(), found.strengths.tolist(), strict=True))


@given(_voting, _past())
def test_votes_agree_with_the_textbook(voting: Voting, past: tuple[list[float], list[list[int]]]) -> None:
    assert votes(voting, *past) == pytest.approx(textbook(voting, *past))


@given(_voting, _past(), st.sets(st.integers(0, DOCUMENTS - 1)))
def test_a_filter_takes_documents_away_and_changes_no_other_vote(
    voting: Voting, past: tuple[list[float], list[list[int]]], passing: set[int]
) -> None:
    allowed = np.isin(np.arange(DOCUMENTS), list(passing))
    everyone = votes(voting, *past)
    assert votes(voting, *past, allowed) == {d: k for d, k in everyone.items() if d in passing}


def test_the_votes_for_a_document_are_capped() -> None:
    assert votes(Voting(1, 0.5), [1.0, 1.0, 0.75], [[3], [3], [3]]) == {3: 1.5}


def test_a_query_with_many_answers_says_less_about_each() -> None:
    assert votes(Voting(1, 0.0), [1.0], [[-1, 2, 3, 4]]) == dict.fromkeys((2, 3, 4), 1 / math.sqrt(4))


# --- clicks ------------------------------------------------------------------------------------------


def clicks(voting: Voting, rows: Sequence[tuple[float, int, set[int]]]) -> dict[int, float]:
    """Votes of rows (cosine, user, answers)."""
    found = voting.clicked(
        np.array([cosine for cosine, _, _ in rows], np.float32),
        Answers.of([np.array(sorted(answers), np.int64) for _, _, answers in rows]),
        np.array([user for _, user, _ in rows], np.int64),
    )
    return dict(zip(found.ordinals.tolist(), found.strengths.tolist(), strict=True))


@given(
    _voting,
    st.lists(
        st.tuples(st.floats(-1, 1, width=32), st.integers(0, 5), st.sets(st.integers(0, 4), max_size=3))
    ),
)
def test_votes_of_clicks_agree_with_the_textbook(
    voting: Voting, rows: list[tuple[float, int, set[int]]]
) -> None:
    given_by: dict[int, dict[int, float]] = {}
    could: dict[int, float] = {}
    for cosine, user, answers in rows:
        trust = max(0.0, cosine - voting.threshold) / (1 - voting.threshold)
        could[user] = max(could.get(user, 0.0), trust)
        for document in answers:
            if trust > 0:
                own = given_by.setdefault(document, {})
                own[user] = max(own.get(user, 0.0), trust / math.sqrt(len(answers)))
    expected = {
        document: 0.75 * sum(own.values()) / (sum(could.values()) + 5)
        for document, own in given_by.items()
        if len(own) >= 3
    }
    assert clicks(voting, rows) == pytest.approx(expected, rel=1e-5)


def test_a_user_who_asks_often_has_one_vote_for_a_document() -> None:
    once = clicks(Voting(1, 0.5), [(1.0, user, {3}) for user in range(4)])
    often = clicks(Voting(1, 0.5), [(1.0, user, {3}) for user in (0, 0, 0, 0, 1, 2, 3)])
    assert once == often == {3: pytest.approx(0.75 * 4 / 9)}


def test_judged_and_clicked_votes_add_up() -> None:
    one, other = (
        Votes(np.array([1, 4]), np.array([0.5, 1.0])),
        Votes(np.array([4, 7]), np.array([0.25, 0.5])),
    )
    both = one.plus(other)
    assert dict(zip(both.ordinals.tolist(), both.strengths.tolist(), strict=True)) == {
        1: 0.5,
        4: 1.25,
        7: 0.5,
    }
    assert one.plus(Votes.none()) == one


# --- the ranking -------------------------------------------------------------------------------------

_fused = st.dictionaries(
    st.integers(0, DOCUMENTS - 1), st.floats(-100, 100, width=32), min_size=1, max_size=DOCUMENTS
).map(candidates)
_strengths = st.dictionaries(st.integers(0, DOCUMENTS - 1), st.floats(0.01, 1.5)).map(
    lambda found: Votes(np.array(sorted(found), np.int64), np.array([found[d] for d in sorted(found)]))
)


@given(_voting, _fused, _strengths, st.integers(0, DOCUMENTS))
def test_ranks_by_the_sum_of_z_score_and_votes(
    voting: Voting, fused: Candidates, given_votes: Votes, limit: int
) -> None:
    strengths = given_votes.of(fused.ordinals)
    raised = voting.raised(fused, strengths, limit)
    known = dict(zip(given_votes.ordinals.tolist(), given_votes.strengths.tolist(), strict=True))
    assert strengths.tolist() == [known.get(document, 0.0) for document in fused.ordinals.tolist()]
    if not strengths.any():
        assert raised.ordinals.tolist() == fused.ordinals.tolist()[:limit]
        assert raised.scores.tolist() == fused.scores.tolist()[:limit]
        return
    scores = dict(zip(fused.ordinals.tolist(), fused.scores.tolist(), strict=True))
    mean, deviation = fmean(scores.values()), pstdev(scores.values())
    flat = deviation <= 5e-7 * max(map(abs, scores.values()))
    sums = {
        document: (0.0 if flat else (score - mean) / deviation) + voting.weight * known.get(document, 0.0)
        for document, score in scores.items()
    }
    least = min(sums.values())
    assert len(raised) == min(limit, len(fused))
    assert dict(zip(raised.ordinals.tolist(), raised.scores.tolist(), strict=True)) == pytest.approx(
        {document: sums[document] - least for document in raised.ordinals.tolist()}, rel=1e-5, abs=1e-5
    )
    keys = list(zip((-raised.scores).tolist(), raised.ordinals.tolist(), strict=True))
    assert keys == sorted(keys)


_whole = st.dictionaries(st.integers(0, DOCUMENTS - 1), st.integers(-9, 9), min_size=1).map(
    lambda found: candidates({document: float(score) for document, score in found.items()})
)


@given(_whole, st.floats(0.01, 1.5), st.integers(0, DOCUMENTS - 1))
def test_a_vote_never_lowers_the_document_it_is_for(fused: Candidates, strength: float, voted: int) -> None:
    strengths = np.where(fused.ordinals == voted, strength, 0.0)
    raised = Voting(8, 0.3).raised(fused, strengths, len(fused)).ordinals.tolist()
    before = fused.ordinals.tolist()
    if voted in before:
        assert raised.index(voted) <= before.index(voted)
        rest = [document for document in raised if document != voted]
        assert rest == [document for document in before if document != voted]


@given(_strengths, st.sets(st.integers(0, DOCUMENTS - 1)))
def test_newcomers_have_votes_enough_and_are_not_known(found: Votes, known: set[int]) -> None:
    kept = zip((-found.strengths).tolist(), found.ordinals.tolist(), strict=True)
    expected = [document for k, document in sorted(kept) if k <= -0.05 and document not in known]
    assert found.newcomers(np.array(sorted(known), np.int64), 0.05).tolist() == expected


def test_no_more_than_twenty_enter() -> None:
    found = Votes(np.arange(30), np.linspace(1, 1.5, 30))
    assert found.newcomers(np.array([29]), 0.05).tolist() == list(range(28, 8, -1))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"weight": -1}, "weight is -1; it must be finite and 0 or more"),
        ({"weight": math.inf}, "weight is inf"),
        ({"weight": True}, "weight is True"),
        ({"threshold": 1.0}, "threshold is 1.0; it must be from 0 below 1"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"cap": 0}, "cap is 0; it must be finite and above 0"),
        ({"cap": "1"}, "cap is '1'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(QueryError, match=f"Voting: {complaint}"):
        Voting(**{"weight": 1.0, "threshold": 0.5, **parameters})
