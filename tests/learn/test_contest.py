"""What a reranker goes through for the place that serves, whatever makes it: `hold`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hybrid.learn.contest import Contest, hold, ndcg, propose, silent
from hybrid.learn.split import Sample, Split
from hybrid.rerank import MMR
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Reranker, Run
from tests.contested import AnswersByProfile

QUERIES = {f"q{i}": f"text {i}" for i in range(30)}
SAMPLE = Sample(QUERIES, {query: {f"right {query}": 1} for query in QUERIES})
OTHERS = Sample({"other": "another text"}, {"other": {"another document": 1}})


class Double(AnswersByProfile):
    """Every profile puts the right document third, the reranker first, where its scores tie or not."""

    def __init__(self, legs: Legs, *, ties: bool, serving_ties: bool = False) -> None:
        self.legs, self.profiles = legs, Profiles.first(Profile())
        self.ties, self.serving_ties = ties, serving_ties
        self.asked: set[str] = set()

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], *, k: int, lacking: Lacking
    ) -> list[Run]:
        self.asked |= {str(profile) for profile in profiles}
        return [run(queries, ["a", "b", "right {}"], ties=self.serving_ties) for _ in profiles]

    def reranked(self, queries: Mapping[str, str], *, k: int, reranker: Reranker, lacking: Lacking) -> Run:
        return run(queries, ["right {}", "a", "b"], ties=self.ties)


def run(queries: Mapping[str, str], ids: list[str], *, ties: bool) -> Run:
    return {
        query: [(id.format(query), 0.0 if ties else -float(place)) for place, id in enumerate(ids)]
        for query in queries
    }


def held(index: Double) -> Contest:
    proposal = propose(index, "MMR", MMR(), 1.0, SAMPLE, silent)
    return hold(index, proposal, Split(OTHERS, SAMPLE, {}), ndcg(), 0, silent)


def test_what_is_better_and_knows_why_passes() -> None:
    found = held(Double(Legs(), ties=False))
    assert (found.verdict.outcome, found.verdict.installs) == ("better", "MMR")
    assert list(found.systems) == ["serving", "MMR", "RRF(60)", "lexical leg", "vector leg"]
    assert {figures.tied for figures in found.systems.values()} == {0.0}


@pytest.mark.parametrize(("serving_ties", "outcome"), [(False, "tied"), (True, "better")])
def test_what_leaves_it_to_ties_does_not_unless_what_serves_does(serving_ties: bool, outcome: str) -> None:
    found = held(Double(Legs(), ties=True, serving_ties=serving_ties))
    assert found.verdict.outcome == outcome
    assert found.systems["MMR"].tied == found.verdict.challengers["MMR"].tied == 1.0


@pytest.mark.parametrize(
    ("legs", "leg"), [(Legs(vector="no"), "lexical leg"), (Legs(lexical="no"), "vector leg")]
)
def test_a_leg_that_is_not_there_is_neither_asked_nor_a_guard(legs: Legs, leg: str) -> None:
    index = Double(legs, ties=False)
    found = held(index)
    assert list(found.systems) == ["serving", "MMR", leg]
    assert list(found.verdict.guards) == [leg]
    assert list(found.verdict.challengers["MMR"].against_guards) == [leg]
    assert not any("RRF" in asked for asked in index.asked)
    assert len(index.asked) == 2
