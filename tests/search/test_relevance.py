"""Relevance: the same for a document and a query whatever is shown with it; known only where it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import RRF, Document, Hit, Index, Linear, MemoryIndex
from hybrid.errors import IndexCorrupt, QueryError
from hybrid.fusion import dump
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from hybrid.settings import Profile
from hybrid.types import Mode
from tests.asking import of_now

MODES: tuple[Mode, ...] = ("hybrid", "lexical", "vector")
WORDS = ("anchor", "beacon", "cinder", "dapple", "ember", "fathom", "garnet", "hollow", "icicle", "lumen")
QUERY = "beacon beacon hollow lumen"
SAME = pytest.approx
"""float32 sums, in whatever order the processor takes them: equal to some 1e-6."""


def letters(texts: Sequence[str]) -> NDArray[np.float32]:
    """How often each letter occurs."""
    rows = [[text.count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts]
    return np.array(rows, np.float32)


def logistic(intercept: float, **slopes: float) -> Logistic:
    n = len(slopes)
    return Logistic(tuple(slopes), intercept, tuple(slopes.values()), (-10.0,) * n, (10.0,) * n)


WORDS_ONLY = {"bm25": 3.0, "bm25_margin": 2.0, "query_idf": 0.1}
MEANING_ONLY = {"similarity": 4.0, "similarity_margin": 9.0}
CALIBRATION = Calibration(
    SIGNALS,
    (
        logistic(-4, **{name: (MEANING_ONLY | WORDS_ONLY)[name] for name in SIGNALS}),
        logistic(-1, **WORDS_ONLY),
        logistic(-3, **MEANING_ONLY),
    ),
    0.25,
)


def documents() -> list[Document]:
    rng = np.random.default_rng(4)
    return [
        Document(f"d{i}", " ".join(rng.choice(WORDS, 5)), str(rng.choice(WORDS)), {"even": i % 2 == 0})
        for i in range(80)
    ]


def calibrate(index: Index, **profile: Any) -> int:
    """Install CALIBRATION; returns the number of its profile."""
    index.install(Profile(**profile))
    return index.install(Profile(**profile, calibration=index.keep_calibration(CALIBRATION)))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        index.add(documents())
        yield index


def relevances(hits: Sequence[Hit]) -> dict[str, float]:
    found = {hit.id: hit.relevance for hit in hits}
    assert all(type(value) is float and 0 <= value <= 1 for value in found.values())
    return {id: value for id, value in found.items() if value is not None}


def test_without_a_calibration_nothing_is_known(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.search.search.known", lambda *_: pytest.fail("nobody asked"))
    assert {hit.relevance for hit in index.search(QUERY)} == {None}
    memory = MemoryIndex(encoder=letters)
    memory.add(documents())
    assert {hit.relevance for hit in memory.search(QUERY)} == {None}
    for one in (index, memory):
        with pytest.raises(QueryError, match="hybrid calibrate"):
            one.search(QUERY, min_score=0.5)


@pytest.mark.parametrize("given", [-0.01, 1.01, float("nan"), True, "0.5", [0.5]])
def test_min_score_is_a_probability(index: Index, given: Any) -> None:
    calibrate(index)
    for one in (index, MemoryIndex(encoder=letters)):
        with pytest.raises(QueryError, match=r"min_score is .*; it must be a number from 0 to 1"):
            one.search(QUERY, min_score=given)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("depth", [1, 7, 100])
def test_it_does_not_depend_on_how_many_are_shown(index: Index, mode: Mode, depth: int) -> None:
    plain = {
        k: [hit.id for hit in index.search(QUERY, k=k, mode=mode, depth=max(depth, k))] for k in (1, 10)
    }
    calibrate(index, depth=depth)
    many = relevances(index.search(QUERY, k=50, mode=mode).hits)
    assert len(set(many.values())) > 5
    for k in (1, 2, 10):
        few = relevances(index.search(QUERY, k=k, mode=mode).hits)
        assert few == SAME({id: many[id] for id in few}, abs=1e-6)
    if depth == 100:
        assert plain == {k: [hit.id for hit in index.search(QUERY, k=k, mode=mode)] for k in (1, 10)}


def test_it_does_not_depend_on_how_the_legs_are_fused(index: Index) -> None:
    calibrate(index)
    served = relevances(index.search(QUERY, k=80).hits)
    for fusion in (RRF(k=3), Linear((0.9, 0.1)), Linear((0.0, 1.0))):
        assert relevances(index.search(QUERY, k=80, fusion=fusion).hits) == SAME(served, abs=1e-6)

    def backwards(_query: Any, candidates: Any, _features: Any) -> Any:
        return type(candidates).ranked(candidates.ordinals, -candidates.scores)

    assert relevances(index.search(QUERY, k=80, reranker=backwards).hits) == SAME(served, abs=1e-6)


def test_modes_that_ask_the_same_legs_agree(index: Index, tmp_path: Path) -> None:
    calibrate(index)
    [vector] = letters([QUERY])
    meaning = relevances(index.search(vector=vector, k=30, mode="vector").hits)
    assert relevances(index.search(vector=vector, k=30).hits) == SAME(meaning, abs=1e-6)
    assert relevances(index.search(QUERY, k=30, mode="vector").hits) == SAME(meaning, abs=1e-6)
    both = relevances(index.search(QUERY, vector=vector, k=30).hits)
    assert relevances(index.search(QUERY, k=30).hits) == SAME(both, abs=1e-6)
    assert both != SAME({id: meaning.get(id, 0) for id in both}, abs=0.01)
    with Index.create(tmp_path / "words", encoder=None) as words:
        words.add(documents())
        calibrate(words)
        lexical = relevances(words.search(QUERY, k=30, mode="lexical").hits)
        assert relevances(words.search(QUERY, k=30).hits) == SAME(lexical, abs=1e-6)


def test_what_the_query_says_of_each_hit(index: Index) -> None:
    """Against the whole lexical list and the plain product, beyond both short lists."""
    calibrate(index, depth=5, title_boost=0.5)
    queries = {f"{a} {b}": f"{a} {b}" for a in WORDS for b in WORDS}
    beyond = 0
    for query, hits, columns in of_now(index, lambda one: [*one.signals(queries, "hybrid", {})]):
        assert len(hits) == 10
        with index._store.reading() as snapshot:
            terms = snapshot.analysis.analyzer.terms(query)
            everything = snapshot.lexical.search(terms, 1000, None, 0.5)
            ids = snapshot.ledger.ids(everything.ordinals.tolist())
            idf = sum(np.log(81 / (n + 0.5)) for n in snapshot.lexical.frequencies(terms))
        scores = dict(zip(ids, everything.scores.tolist(), strict=True))
        beyond += any(hit in ids[10:] for hit in hits)
        share = [scores.get(hit, 0.0) / (2.2 * idf) for hit in hits]
        assert columns["bm25"] == pytest.approx(share, rel=1e-5)
        assert columns["query_idf"] == pytest.approx([np.log1p(idf)] * 10, rel=1e-5)
        nearest = {hit.id: hit.score for hit in index.search(query, k=80, mode="vector")}
        assert columns["similarity"] == pytest.approx([nearest[hit] for hit in hits], abs=1e-6)
        first, second, *_ = nearest
        ahead = [nearest[hit] - nearest[second if hit == first else first] for hit in hits]
        assert columns["similarity_margin"] == pytest.approx(ahead, abs=1e-6)
    assert beyond


@pytest.mark.parametrize("boost", [0.0, 1.5])
def test_exact_scores_of_a_few(index: Index, boost: float) -> None:
    index.delete(["d3", "d44"])
    with index._store.reading() as snapshot:
        view = snapshot.lexical
        for terms in (["beacon"], ["beacon", "beacon", "ember", "unheard"], ["unheard"], []):
            found = view.search(terms, 1000, None, boost)
            known = dict(zip(found.ordinals.tolist(), found.scores.tolist(), strict=True))
            for few in ([], [5], [70, 2, 17, 33], list(range(80))):
                assert view.scores(terms, few, boost).tolist() == [known.get(o, 0.0) for o in few]


def test_a_lexical_list_that_holds_all_is_not_asked_again(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate(index)
    monkeypatch.setattr("hybrid.lexical.bm25.LexicalView.scores", lambda *_: pytest.fail("all is known"))
    assert len(relevances(index.search(QUERY, k=80, depth=100).hits)) == 80
    assert len(relevances(index.search(QUERY, k=80, mode="lexical").hits)) < 80
    assert len(relevances(index.search(QUERY, k=80, mode="vector").hits)) == 80


def test_under_a_filter_the_rivals_are_those_that_pass(index: Index) -> None:
    calibrate(index)
    hits = index.search(QUERY, k=80, filter={"even": True}).hits
    assert len(hits) == 40
    odd = [f"d{i}" for i in range(1, 80, 2)]
    lacking = {"q": [*odd, "nobody"]}
    [(_, ids, columns)] = of_now(index, lambda one: [*one.signals({"q": QUERY}, "hybrid", lacking)])
    assert ids == [hit.id for hit in hits[:10]]
    assert CALIBRATION(columns) == SAME([hit.relevance for hit in hits[:10]], abs=1e-6)
    assert columns["similarity_margin"].max() > 0
    assert columns["bm25_margin"].max() >= 0


@pytest.mark.parametrize("mode", MODES)
def test_min_score_leaves_out_what_is_not_relevant_enough(index: Index, mode: Mode) -> None:
    calibrate(index)
    everything = index.search(QUERY, k=20, mode=mode)
    levels = sorted(relevances(everything.hits).values())
    for least in (0, levels[0], levels[12], levels[-1]):
        results = index.search(QUERY, k=20, mode=mode, min_score=least)
        kept = [hit for hit in everything if hit.relevance is not None and hit.relevance >= least]
        assert [(hit.id, hit.score, hit.relevance) for hit in results] == [
            (hit.id, hit.score, hit.relevance) for hit in kept
        ]
        assert [hit.rank for hit in results] == list(range(1, len(kept) + 1))
        assert results.total == everything.total
        run = index.run({"q": QUERY}, k=20, mode=mode, min_score=least)
        assert run["q"] == [(hit.id, hit.score) for hit in kept]
    assert levels[-1] < 1
    none = index.search(QUERY, k=20, mode=mode, min_score=1)
    assert (none.hits, none.total) == ((), everything.total)
    assert index.search("unheard-of", mode="lexical", min_score=0).hits == ()


def test_it_is_kept(index: Index, tmp_path: Path) -> None:
    number = calibrate(index)
    expected = relevances(index.search(QUERY).hits)
    assert "calibrated by" in str(index.profiles[number].profile)
    with Index.open(tmp_path / "idx", encoder=letters, read_only=True) as reader:
        assert relevances(reader.search(QUERY).hits) == SAME(expected, abs=1e-6)
    index.compact()
    assert relevances(index.search(QUERY).hits) == SAME(expected, abs=1e-6)
    index.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy", encoder=letters) as copy:
        copy.add([Document("new", "anchor")])
        assert len(relevances(copy.search(QUERY).hits)) == 10


def test_it_counts_only_for_what_it_was_fitted_on(index: Index) -> None:
    number = calibrate(index)
    fitted = index.profiles.serving
    index.install(fitted.model_copy(update={"fusion": dump(RRF(k=1)), "depth": 30}))
    assert relevances(index.search(QUERY).hits)
    index.install(fitted.model_copy(update={"title_boost": 2.0}))
    assert {hit.relevance for hit in index.search(QUERY)} == {None}
    with pytest.raises(QueryError, match="none of the way it ranks now"):
        index.search(QUERY, min_score=0.1)
    index.use(number)
    assert relevances(index.search(QUERY).hits)
    index.reindex(analyzer="chinese")
    assert index.profiles.serving == Profile()
    assert {hit.relevance for hit in index.search(QUERY)} == {None}
    index.use(number)  # even so
    assert {hit.relevance for hit in index.search(QUERY)} == {None}


def test_another_meaning_of_the_signals_needs_another_calibration(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate(index)
    monkeypatch.setattr("hybrid.search.relevance.VERSION", 2)
    assert {hit.relevance for hit in index.search(QUERY)} == {None}


def test_a_calibration_that_is_gone(index: Index, tmp_path: Path) -> None:
    calibrate(index)
    index.close()
    [ledger] = (tmp_path / "idx").glob("g*/ledger.db")
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE models SET body = body || ' '")
    connection.close()
    with (
        Index.open(tmp_path / "idx", encoder=letters, read_only=True) as reader,
        pytest.raises(IndexCorrupt, match="hybrid profile"),
    ):
        reader.search(QUERY)
