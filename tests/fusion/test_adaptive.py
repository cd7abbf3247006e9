"""The adaptive combination against its formula in plain Python, and each signal by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Document, Index
from hybrid.backends.memory import MemoryIndex
from hybrid.errors import QueryError, SettingsError
from hybrid.fusion import Adaptive, Evidence, Linear, QueryTerms, Rocchio, Softplus, ZScore, dump, load
from hybrid.fusion.signals import OF_LISTS, OF_QUERY, entropy, gap, han, length, overlap, rarity
from hybrid.types import Candidates
from tests.contracts.fusion import FusionContract, Known, candidates
from tests.contracts.index import letters

LEXICAL = candidates({1: 9.0, 2: 6.0, 3: 3.0}, floor=0.0)
VECTOR = candidates({3: 0.8, 4: 0.2, 1: -0.4}, floor=-1.0)
FLAT = candidates(dict.fromkeys(range(8), 0.25))
STEEP = candidates({0: 10.0} | dict.fromkeys(range(1, 8), 1.0))  # z of the first: sqrt(7)
QUERY = QueryTerms(["bm25", "检索", "检索", "rank"], [1, 2, 2, 9], 16)


def scores(fused: Candidates) -> dict[int, float]:
    return dict(zip(fused.ordinals.tolist(), fused.scores.tolist(), strict=True))


# --- the formula -------------------------------------------------------------------------------------


def z_scores(leg: Candidates) -> list[float]:
    found = leg.scores.tolist()
    flat = max(found) - min(found) <= 5e-7 * max(map(abs, found))
    return [0.0 if flat else (score - fmean(found)) / pstdev(found) for score in found]


def textbook_gap(lexical: Candidates, vector: Candidates) -> float:
    return math.tanh((max(z_scores(vector)) - max(z_scores(lexical))) / 4)


def textbook(
    legs: Sequence[Candidates], signal: Callable[[Candidates, Candidates], float], slope: float, bias: float
) -> dict[int, float]:
    lexical, vector = legs
    leaning = bias + slope * (signal(lexical, vector) if len(lexical) and len(vector) else 0)
    weight = 1 / (1 + math.exp(-leaning))
    fused: dict[int, float] = {}
    for leg, share in ((lexical, 1 - weight), (vector, weight)):
        zs = z_scores(leg) if len(leg) else []
        for ordinal, z in zip(leg.ordinals.tolist(), zs, strict=True):
            normal = math.log1p(math.exp(z)) if any(zs) else 1
            fused[ordinal] = fused.get(ordinal, 0) + share * normal
    return fused


class TestContract(FusionContract):
    """The plain call; see below for what evidence adds."""

    fusion = Adaptive("gap", slope=1.5, bias=-0.5)

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return textbook(legs, textbook_gap, 1.5, -0.5)


class TestContractOfASignalOfTheQuery(FusionContract):
    """Without evidence it is 0."""

    fusion = Adaptive("length", slope=3, bias=0.25)

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return textbook(legs, lambda _lexical, _vector: 0, 3, 0.25)


@pytest.mark.parametrize("signal", [*OF_LISTS, *OF_QUERY])
def test_the_weight_is_the_sigmoid_of_bias_and_slope_times_the_signal(signal: str) -> None:
    legs, known = [STEEP, candidates({5: 1.8, 6: 1.2, 9: 0.6})], Known({}, query=QUERY)
    measured = OF_LISTS[signal](*legs) if signal in OF_LISTS else OF_QUERY[signal](QUERY)
    vector = 1 / (1 + math.exp(-(0.5 - 2 * measured)))
    fused = Adaptive(signal, slope=-2, bias=0.5, normalize="z-score").informed(legs, 20, known)
    expected = Linear((1 - vector, vector), "z-score", complete=True).informed(legs, 20, known)
    assert measured != 0
    assert scores(fused) == pytest.approx(scores(expected))


def test_a_slope_of_0_is_a_linear_over_completed_lists() -> None:
    known = Known({1: -0.4, 2: 0.1, 3: 0.8, 4: 0.2})
    fused = Adaptive("gap", slope=0).informed([LEXICAL, VECTOR], 9, known)
    assert scores(fused) == scores(
        Linear((1, 1), "softplus", complete=True).informed([LEXICAL, VECTOR], 9, known)
    )
    assert scores(fused) != scores(Adaptive("gap", slope=0)([LEXICAL, VECTOR], 9))


def test_a_steep_slope_trusts_one_leg() -> None:
    for slope, first in ((100, LEXICAL), (-100, VECTOR)):
        query = QueryTerms(["one"], [1], 9)
        fused = Adaptive("length", slope).informed([LEXICAL, VECTOR], 9, Known({}, query=query))
        assert fused.ordinals[0] == first.ordinals[0]
        assert np.isfinite(fused.scores).all()


def test_only_a_signal_of_the_query_asks_for_its_terms() -> None:
    class Mute(Known):
        def terms(self) -> QueryTerms:
            raise LookupError

    for signal in OF_LISTS:
        Adaptive(signal).informed([LEXICAL, VECTOR], 9, Mute({}))
    for signal in OF_QUERY:
        Adaptive(signal).informed([LEXICAL, Candidates.none()], 9, Mute({}))
        with pytest.raises(LookupError):
            Adaptive(signal).informed([LEXICAL, VECTOR], 9, Mute({}))


def test_an_empty_list_leaves_the_other_as_it_is() -> None:
    nothing = Candidates.none()
    for signal in (*OF_LISTS, *OF_QUERY):
        for legs, leg in (([LEXICAL, nothing], LEXICAL), ([nothing, VECTOR], VECTOR)):
            fused = Adaptive(signal).informed(legs, 9, Known({}, query=QUERY))
            assert scores(fused) == pytest.approx(
                dict(zip(leg.ordinals.tolist(), 0.5 * Softplus()(leg.scores, leg.floor), strict=True))
            )
        assert len(Adaptive(signal).informed([nothing, nothing], 9, Known({}, query=QUERY))) == 0


def test_it_may_be_the_first_stage_of_feedback() -> None:
    known = Known({1: -0.4, 2: 0.1, 3: 0.8, 4: 0.2}, {1: [1, 0], 2: [0, 1], 3: [1, 0], 4: [0, 1]}, QUERY)
    for first in (Adaptive("gap", 2), Adaptive("han", 2)):
        fused = Rocchio(first, share=0).informed([LEXICAL, VECTOR], 9, known)
        assert fused.ordinals.tolist() == first.informed([LEXICAL, VECTOR], 9, known).ordinals.tolist()
        assert load(json.loads(json.dumps(dump(Rocchio(first))))) == Rocchio(first)


# --- signals of the lists ----------------------------------------------------------------------------


def test_gap_is_the_difference_of_the_first_z_scores() -> None:
    first = (9 - 6) / pstdev([9, 6, 3])
    assert gap(LEXICAL, STEEP) == pytest.approx(math.tanh((math.sqrt(7) - first) / 4))
    assert gap(LEXICAL, FLAT) == pytest.approx(math.tanh(-first / 4))


def test_entropy_is_that_of_the_softmax() -> None:
    up, down = math.exp(math.sqrt(7)), math.exp(-1 / math.sqrt(7))  # of STEEP's z-scores
    p, q = up / (up + 7 * down), down / (up + 7 * down)
    steep = -(p * math.log(p) + 7 * q * math.log(q)) / math.log(8)
    assert entropy(FLAT, STEEP) == pytest.approx(1 - steep)
    assert entropy(FLAT, FLAT) == pytest.approx(0)
    assert entropy(FLAT, candidates({1: 5.0})) == pytest.approx(0)  # one candidate says nothing


def test_overlap_counts_common_documents_of_the_first_ten() -> None:
    assert overlap(LEXICAL, VECTOR) == (2 - 3) / (2 + 3)
    assert overlap(LEXICAL, LEXICAL) == 0
    assert overlap(LEXICAL, candidates({8: 1.0})) == -1
    tens = [candidates({i: float(-i) for i in some}) for some in (range(12), range(9, 30))]
    assert overlap(*tens) == (1 - 3) / (1 + 3)
    assert overlap(tens[0], tens[0]) == (10 - 3) / (10 + 3)


@st.composite
def lists(draw: st.DrawFn) -> Candidates:
    whole = st.integers(-1000, 1000)
    return candidates({o: float(s) for o, s in draw(st.dictionaries(whole, whole, min_size=1)).items()})


@given(lists(), lists(), st.integers(-1000, 1000), st.sampled_from([0.125, 1.0, 3.0, 64.0]))
def test_signals_of_lists(lexical: Candidates, vector: Candidates, offset: int, scale: float) -> None:
    moved = Candidates(vector.ordinals, vector.scores * np.float32(scale) + np.float32(offset))
    for name, signal in OF_LISTS.items():
        value = signal(lexical, vector)
        assert -1 <= value <= 1, name
        assert signal(lexical, moved) == pytest.approx(value, abs=1e-6), name
        swapped = -value if name != "overlap" else value
        assert signal(vector, lexical) == pytest.approx(swapped, abs=1e-12), name


@given(st.integers(2, 60))
def test_the_surer_list_has_the_larger_signal(n: int) -> None:
    even = candidates({i: float(-i) for i in range(n + 1)})
    peaked = candidates({i: 100.0 * (not i) - i for i in range(n + 1)})
    for signal in (gap, entropy):
        assert signal(even, even) == pytest.approx(0)
        assert signal(even, peaked) > 0 > signal(peaked, even)
        assert signal(FLAT, peaked) > 0


# --- signals of the query ----------------------------------------------------------------------------


def test_length_counts_terms() -> None:
    counts = {n: length(QueryTerms(["t"] * n, [1] * n, 9)) for n in (0, 1, 6, 12)}
    assert counts == pytest.approx({0: 0, 1: (1 - 6) / (1 + 6), 6: 0, 12: 1 / 3})


def test_rarity_is_the_share_of_terms_in_few_documents() -> None:
    assert rarity(QUERY) == pytest.approx(2 * 3 / 4 - 1)  # 1, 2 and 2 of 16 are few, 9 are not
    assert rarity(QueryTerms(["a", "b"], [4, 5], 16)) == 0
    assert rarity(QueryTerms(["a", "b"], [0, 16], 16)) == -1  # what is nowhere is not rare
    assert rarity(QueryTerms(["a"], [1], 1)) == 1


def test_han_is_the_share_of_han_characters() -> None:
    assert han(QUERY) == pytest.approx(2 * 4 / 12 - 1)
    assert han(QueryTerms(["检索"], [1], 9)) == 1
    assert han(QueryTerms(["ひらがな", "café"], [1, 1], 9)) == -1


def test_a_query_that_is_not_known_has_no_signals() -> None:
    assert {signal(QueryTerms()) for signal in OF_QUERY.values()} == {0}


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.integers(0, 50)), max_size=30))
def test_signals_of_queries_are_bounded(words: list[tuple[str, int]]) -> None:
    query = QueryTerms([word for word, _ in words], [count for _, count in words], 50)
    for signal in OF_QUERY.values():
        assert -1 <= signal(query) <= 1


# --- stored form and refusals ------------------------------------------------------------------------


def test_stored_form() -> None:
    fusion = Adaptive("han", slope=-0.5, bias=1, normalize=ZScore())
    stored = {"method": "adaptive", "signal": "han", "slope": -0.5, "bias": 1.0, "normalize": "z-score"}
    assert dump(fusion) == stored
    assert load(json.loads(json.dumps(stored))) == fusion
    assert load({"method": "adaptive", "signal": "overlap"}) == Adaptive("overlap")
    assert repr(fusion) == "Adaptive(signal='han', slope=-0.5, bias=1.0, normalize=ZScore())"


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"signal": "clarity"}, "signal is 'clarity'; it must be one of gap, entropy, overlap, length"),
        ({"signal": None}, "signal is None"),
        ({"signal": ["gap"]}, "signal is"),
        ({"slope": math.nan}, "slope is nan; it must be a number from -100 to 100"),
        ({"slope": "1"}, "slope is '1'"),
        ({"slope": True}, "slope is True"),
        ({"slope": 10**400}, "slope is"),
        ({"bias": -math.inf}, "bias is -inf"),
        ({"bias": None}, "bias is None"),
        ({"normalize": "none"}, "Adaptive: normalize is 'none'"),
    ],
)
def test_refuses(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as refusal:
        Adaptive(**parameters)
    assert "\n" not in str(refusal.value)
    with pytest.raises(QueryError, match=complaint):
        load({"method": "adaptive", **parameters})


def test_load_refuses_a_parameter_that_it_does_not_have() -> None:
    with pytest.raises(SettingsError, match="no parameter 'weights'; it has signal, slope, bias"):
        load({"method": "adaptive", "weights": [1, 1]})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wants_two_lists(count: int) -> None:
    with pytest.raises(QueryError, match=f"weighs 2 lists, lexical and vector; it was given {count}"):
        Adaptive()([LEXICAL] * count, 9)
    with pytest.raises(QueryError, match="weighs 2 lists"):
        Adaptive().informed([LEXICAL] * count, 9, cast(Evidence, Known({})))


# --- the engine --------------------------------------------------------------------------------------

MIXED = [
    Document("1", "混合检索把关键词检索与向量检索融合起来", "混合检索"),
    Document("2", "hybrid retrieval fuses keyword search with vector search", "Hybrid retrieval"),
    Document("3", "BM25 是一种关键词检索的打分公式", "BM25"),
    Document("4", "BM25 scores documents by term frequency and document length", "BM25 ranking"),
    Document("5", "向量检索用 embedding 比较语义", "向量检索"),
    Document("6", "an embedding places sentences in a vector space", "Embeddings"),
    Document("7", "倒排索引记录每个词出现在哪些文档里", "倒排索引"),
    Document("8", "an inverted index records which documents contain a term", "Inverted index"),
    Document("9", "reciprocal rank fusion ignores scores 倒数排名融合"),
]
QUERIES = ["BM25 关键词检索", "which documents contain a term", "向量检索的 embedding", "fusion", "混合"]


@pytest.mark.parametrize("signal", [*OF_LISTS, *OF_QUERY])
def test_the_engine_agrees_with_the_reference(tmp_path: Path, signal: str) -> None:
    memory, seen = MemoryIndex(encoder=letters), set[float]()
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        for one in (index, memory):
            one.add(MIXED)
        for query in QUERIES:
            for fusion in (Adaptive(signal, slope=4), Rocchio(Adaptive(signal, slope=-4, bias=1))):
                here, there = (one.search(query, fusion=fusion) for one in (index, memory))
                assert len(here) == len(MIXED)
                assert {hit.id: hit.score for hit in here} == pytest.approx(
                    {hit.id: hit.score for hit in there}, abs=1e-4
                )
            plain = {hit.id: hit.score for hit in index.search(query, fusion=Adaptive(signal, slope=0))}
            leaning = {hit.id: hit.score for hit in index.search(query, fusion=Adaptive(signal, slope=4))}
            seen.add(max(abs(leaning[id] - plain[id]) for id in plain))
        assert max(seen) > 0.01  # the signal reached the engine


def test_the_engine_tells_the_terms_and_their_frequencies(tmp_path: Path) -> None:
    asked: list[QueryTerms] = []

    class Curious:
        def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
            raise AssertionError("the engine has evidence")

        def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence) -> Candidates:
            asked.append(evidence.terms())
            return legs[0].top(limit)

    memory = MemoryIndex(encoder=letters)
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        for one in (index, memory):
            one.add(MIXED)
            one.search("BM25 nowhere embedding BM25", fusion=Curious())
            one.search(vector=letters(["fusion"])[0], fusion=Curious())
    known = [dict(zip(one.terms, one.frequencies, strict=True)) for one in asked]
    assert known[0] == known[2]
    assert known[0]["bm25"] == 2
    assert known[0]["nowher"] == 0
    assert len(asked[0].terms) > len(known[0])  # repeats stay
    assert [one.documents for one in asked] == [9] * 4
    assert known[1] == known[3] == {}
