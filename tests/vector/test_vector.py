"""The vector leg equals brute force: while small, under filters, past the seal, with several windows."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid.disk.folder import Folder
from hybrid.ledger.rows import Rows
from hybrid.types import Candidates, Mask, Metric, Ties
from hybrid.vector.graph import Graph
from hybrid.vector.hnsw import default_ef
from hybrid.vector.leg import VectorLeg
from hybrid.vector.view import VectorView

METRICS: list[Metric] = ["cosine", "ip", "l2"]


def rows(n: int, dim: int = 8, seed: int = 0, windows: int = 1, metric: Metric = "cosine") -> Rows:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, dim)).astype(np.float32)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.sort(random.integers(0, max(1, n // windows), n))
    return Rows(vectors, owners, np.zeros((n, 2), np.int64))


def brute_force(
    rows: Rows, query: NDArray[np.float32], k: int, metric: Metric, allowed: Mask | None
) -> list[tuple[int, float]]:
    best: dict[int, float] = {}
    vectors = rows.vectors.astype(np.float64)
    # a sum for each row, since a product with the matrix may give equal rows unequal scores
    scores = -((vectors - query) ** 2).sum(axis=1) if metric == "l2" else (vectors * query).sum(axis=1)
    for owner, score in zip(rows.ordinals.tolist(), scores.tolist(), strict=True):
        if allowed is None or allowed[owner]:
            best[owner] = max(best.get(owner, -np.inf), score)
    return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def agrees(view: VectorView, query: NDArray[np.float32], k: int, allowed: Mask | None = None) -> None:
    found = view.search(query, k, allowed)
    expected = brute_force(view.rows, query, k, view.metric, allowed)
    assert len(found) == len(expected)
    assert np.allclose(found.scores, [score for _, score in expected], rtol=1e-4, atol=1e-5)
    assert np.all(np.diff(found.scores) <= 0)
    assert allowed is None or allowed[found.ordinals].all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.integers(1, 30),
    st.integers(1, 4),
    st.sampled_from(METRICS),
    st.none() | st.floats(0, 1),
)
def test_while_small_it_is_exact(
    seed: int, n: int, k: int, windows: int, metric: Metric, share: float | None
) -> None:
    some = rows(n, seed=seed, windows=windows, metric=metric)
    random = np.random.default_rng(seed)
    allowed = None if share is None else random.random(n) < share
    agrees(VectorView(some, metric, None), random.normal(size=8).astype(np.float32), k, allowed)


@pytest.fixture(scope="module")
def sealed() -> VectorView:
    """12,000 rows of 3,000 documents' windows: past every threshold, most of them in the graph."""
    some = rows(12_000, seed=5, windows=4)
    graph = Graph("cosine", 8)
    graph.insert(some.vectors[:11_000], lambda: False)
    return VectorView(some, "cosine", graph)


@pytest.mark.parametrize("share", [None, 0.0, 0.001, 0.05, 0.3, 0.6, 0.95, 1.0])
def test_past_the_seal_a_filter_costs_no_recall(
    sealed: VectorView, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hybrid.vector.view.EXACT_ROWS", 100
    )  # so that the graph is asked at every selectivity
    random = np.random.default_rng(3)
    hits = total = 0
    for _ in range(30):
        query = random.normal(size=8).astype(np.float32)
        query /= np.linalg.norm(query)
        allowed = None if share is None else random.random(3000) < share
        found = sealed.search(query, 10, allowed)
        expected = brute_force(sealed.rows, query, 10, "cosine", allowed)
        assert len(found) == len(expected)
        assert allowed is None or allowed[found.ordinals].all()
        hits += len(set(found.ordinals.tolist()) & {ordinal for ordinal, _ in expected})
        total += len(expected)
    assert hits >= 0.99 * total


class TestFilters:
    """Filters that agree with the query, contradict it, or know nothing of it: 8,000 documents about ten
    topics, nearly all of them in the graph."""

    PASSING: ClassVar[dict[str, float | tuple[float, float]]] = {
        "at random, half": 0.5,
        "at random, nearly all": 0.9,
        "at random, few": 0.05,
        "the query's topic": (1.0, 0.0),
        "all other topics": (0.0, 1.0),
        "some of the query's topic, most of the others": (0.02, 0.9),
    }

    @pytest.fixture(scope="class")
    @classmethod
    def view(cls) -> VectorView:
        random = np.random.default_rng(11)
        topics = 1.5 * random.normal(size=(10, 24))[np.arange(8000) % 10]
        vectors = (topics + random.normal(size=topics.shape)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        graph = Graph("cosine", 24)
        graph.insert(vectors[:7900], lambda: False)
        return VectorView(Rows(vectors, np.arange(8000), np.zeros((8000, 2), np.int64)), "cosine", graph)

    @pytest.fixture
    def scans(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """One entry for each search that took the exact way. The graph is cheap, so that it is tried."""
        monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 100)
        seen: list[int] = []
        exact = VectorView._exact

        def counted(
            view: VectorView, query: NDArray[np.float32], k: int, passing: Mask | None, ties: Ties | None
        ) -> Candidates:
            seen.append(k)
            return exact(view, query, k, passing, ties)

        monkeypatch.setattr(VectorView, "_exact", counted)
        return seen

    @staticmethod
    def passing(shares: float | tuple[float, float], topic: int) -> Mask:
        own, others = shares if isinstance(shares, tuple) else (shares, shares)
        chance = np.where(np.arange(8000) % 10 == topic, own, others)
        return np.random.default_rng(topic).random(8000) < chance

    def recall(self, view: VectorView, shares: float | tuple[float, float], k: int) -> float:
        found = []
        for row in range(40):
            query, allowed = view.rows.vectors[row], self.passing(shares, row % 10)
            scores = np.where(allowed, view.rows.vectors @ query, -np.inf)
            best = set(np.argsort(-scores)[:k].tolist())
            hits = view.search(query, k, allowed).ordinals.tolist()
            assert len(hits) == k
            found.append(len(best & set(hits)) / k)
        return float(np.mean(found))

    @pytest.mark.parametrize("k", [10, 100])
    @pytest.mark.parametrize("name", PASSING)
    def test_none_costs_recall(self, view: VectorView, scans: list[int], name: str, k: int) -> None:
        assert self.recall(view, self.PASSING[name], k) >= 0.99

    def test_the_graph_is_believed_unless_the_filter_contradicts(
        self, view: VectorView, scans: list[int]
    ) -> None:
        for name in ("at random, half", "at random, nearly all", "the query's topic"):
            self.recall(view, self.PASSING[name], 10)
        assert not scans
        self.recall(view, self.PASSING["all other topics"], 10)
        assert len(scans) >= 38

    def test_where_the_graph_would_cost_more_all_is_scanned(
        self, view: VectorView, scans: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 4000)
        query = view.rows.vectors[0]
        view.search(query, 10, self.passing(0.5, 0))
        assert not scans
        view.search(query, 10, self.passing(0.2, 0))
        assert scans == [10]

    def test_a_larger_ef_finds_more(
        self, view: VectorView, scans: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        efs: list[int] = []
        search = Graph.search

        def noted(graph: Graph, query: NDArray[np.float32], k: int, ef: int) -> object:
            efs.append(ef)
            return search(graph, query, k, ef)

        monkeypatch.setattr(Graph, "search", noted)
        queries = np.random.default_rng(0).normal(size=(50, 24)).astype(np.float32)
        exact = [set(np.argsort(-(view.rows.vectors @ query))[:10].tolist()) for query in queries]

        def recall(ef: int | None) -> float:
            found = [set(view.search(query, 10, effort=ef).ordinals.tolist()) for query in queries]
            return sum(len(a & b) for a, b in zip(found, exact, strict=True)) / 500

        assert recall(20) < recall(60) < recall(None)
        assert recall(None) >= 0.99
        assert sorted(set(efs)) == [20, 60, default_ef(10)]
        assert not scans


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("windows", [1, 3])
def test_a_score_does_not_depend_on_the_way(
    metric: Metric, windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 10)
    some = rows(3000, dim=37, windows=windows, metric=metric)
    if windows == 1:
        some = Rows(some.vectors, np.arange(3000), some.spans)
    graph = Graph(metric, 37)
    graph.insert(some.vectors[:2500], lambda: False)
    query = some.vectors[1700]
    everybody = np.ones(3000, np.bool_)
    few = everybody.copy()
    few[::2] = False
    graphed, plain = VectorView(some, metric, graph), VectorView(some, metric, None)
    whole = plain.search(query, 3000)
    expected = dict(zip(whole.ordinals.tolist(), whole.scores.tolist(), strict=True))
    for view, allowed in ((graphed, None), (plain, everybody), (graphed, few), (plain, few)):
        found = view.search(query, 50, allowed)
        assert [expected[ordinal] for ordinal in found.ordinals.tolist()] == found.scores.tolist()
    asked = np.sort(found.ordinals)
    assert [expected[ordinal] for ordinal in asked.tolist()] == plain.nearest(query, asked)[0].tolist()


def test_what_was_just_written_is_found_exactly(sealed: VectorView) -> None:
    for row in (11_000, 11_500, 11_999):
        assert sealed.search(sealed.rows.vectors[row], 1).ordinals[0] == sealed.rows.ordinals[row]


def test_a_view_never_answers_with_rows_of_later(sealed: VectorView) -> None:
    early = VectorView(sealed.rows[:9000], "cosine", sealed.graph)
    last = sealed.rows.vectors[10_999]
    assert early.search(last, 50).ordinals.max() <= early.rows.ordinals[-1]


def test_best_rows_names_the_nearest_window() -> None:
    some = Rows(
        np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32), np.array([0, 0, 2]), np.zeros((3, 2), np.int64)
    )
    view = VectorView(some, "cosine", None)
    assert view.best_rows(np.array([0, 1], np.float32), np.array([2, 0, 1])).tolist() == [2, 1, -1]
    assert view.best_rows(np.array([1, 0], np.float32), np.array([0])).tolist() == [0]


def test_where_each_document_has_one_row_it_is_the_nearest() -> None:
    some = rows(10)
    view = VectorView(Rows(some.vectors, np.arange(10), some.spans), "cosine", None)
    assert view.rows.aligned
    assert view.best_rows(some.vectors[0], np.array([7, 12, 0])).tolist() == [7, -1, 0]
    for owners in ([0, 0, 2], [1, 2, 3], [0, 2, 3], [0, 1, 1]):
        assert not Rows(some.vectors[:3], np.array(owners), some.spans[:3]).aligned


def test_identical_vectors_tie_by_ordinal_wherever_they_lie() -> None:
    some = rows(7000, seed=1)
    some.vectors[[3, 5000, 6999]] = some.vectors[3]
    distinct = Rows(some.vectors, np.arange(7000), some.spans)
    graph = Graph("cosine", 8)
    graph.insert(distinct.vectors[:6000], lambda: False)
    found = VectorView(distinct, "cosine", graph).search(some.vectors[3], 3)
    assert found.ordinals.tolist() == [3, 5000, 6999]
    assert len(set(found.scores.tolist())) == 1


class TestLeg:
    """Sealing in the background, saving, and trusting only what was checked."""

    @pytest.fixture(autouse=True)
    def _seal_early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)

    def leg(self, folder: Path, uuid: str = "u1", *, read_only: bool = False) -> VectorLeg:
        return VectorLeg(Folder.open(folder), uuid, "cosine", read_only=read_only)

    def saved(self, folder: Path) -> Rows:
        some = rows(1000, seed=2)
        leg = self.leg(folder)
        leg.view(some)
        leg.close()
        return some

    def test_it_seals_and_saves_and_loads(self, tmp_path: Path) -> None:
        some = self.saved(tmp_path)
        again = self.leg(tmp_path, read_only=True)
        view = again.view(some)
        assert view.graph is not None
        assert view.graph.rows == 1000
        assert list(again.disagreements(some)) == []
        again.close()

    def test_at_rest_there_is_no_tail(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        some = rows(1000, seed=2)
        leg = self.leg(tmp_path)
        graph = leg.view(some[:300]).graph
        leg.settle()
        assert graph is not None
        assert graph.rows == 300
        leg.view(some[:310])
        leg.view(some[:320])
        assert graph.rows == 300  # a few rows wait for others
        leg.settle()
        assert graph.rows == 320
        monkeypatch.setattr("hybrid.vector.leg.QUIET", 0.01)
        leg.view(some[:330])
        deadline = time.monotonic() + 10
        while graph.rows < 330 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert graph.rows == 330
        leg.close()

    def test_a_few_rows_more_are_not_worth_a_new_file(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        more = rows(1010, seed=2)
        for count, saved in ((1003, 1000), (1010, 1010)):
            leg = self.leg(tmp_path)
            leg.view(more[:count])
            leg.close()
            (file,) = tmp_path.glob("graph-*.hnsw")
            assert file.stem.endswith(f"-{saved}")

    def test_searches_go_on_while_it_seals(self, tmp_path: Path) -> None:
        some = rows(1000, seed=2)
        leg = self.leg(tmp_path)
        view = leg.view(some)
        truth = brute_force(some, some.vectors[0], 1, "cosine", None)[0][0]
        answers = [view.search(some.vectors[0], 1).ordinals[0] for _ in range(30)]
        assert set(answers) == {truth}
        leg.close()

    @pytest.mark.parametrize("damage", ["flip", "cut", "delete", "manifest", "other index", "more rows"])
    def test_a_damaged_graph_is_built_again(
        self, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        some = self.saved(tmp_path)
        (file,) = tmp_path.glob("graph-*.hnsw")
        data = bytearray(file.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 255
            file.write_bytes(data)
        elif damage == "cut":
            file.write_bytes(data[:-7])
        elif damage == "delete":
            file.unlink()
        elif damage == "manifest":
            next(tmp_path.glob("graph.*.json")).write_text('{"rows":')
        leg = self.leg(tmp_path, "u2" if damage == "other index" else "u1")
        held = some[:800] if damage == "more rows" else some
        assert list(leg.disagreements(held)) != []
        view = leg.view(held)
        agrees(view, held.vectors[7], 10)
        leg.settle()
        assert "built again" in caplog.text
        agrees(view, held.vectors[7], 5)
        leg.close()


def test_insertion_and_search_take_turns() -> None:
    graph = Graph("cosine", 8)
    some = rows(3000, seed=9)
    graph.insert(some.vectors[:100], lambda: False)
    done = threading.Event()
    counts: list[int] = []

    def search() -> None:
        n = 0
        while not done.is_set():
            assert graph.search(some.vectors[n % 100], 5, 10) is not None
            n += 1
        counts.append(n)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    graph.insert(some.vectors[100:], lambda: False)
    done.set()
    for thread in threads:
        thread.join()
    assert graph.rows == 3000
    assert min(counts) > 0
