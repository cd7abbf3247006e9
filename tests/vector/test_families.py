"""Every family keeps the contract of the vector leg: nearly all that a scan finds, with a scan's scores."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, Profile, ann
from hybrid.ann import HNSW, IVFPQ, IVFSQ8, Binary, Family, Flat, IVFFlat
from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import MissingExtra, SettingsError
from hybrid.types import Mask, Matrix, Metric
from hybrid.vector.families import check
from hybrid.vector.graph import Graph
from hybrid.vector.leg import VectorLeg
from hybrid.vector.view import VectorView
from tests.vector.test_hnsw import DIM, METRICS, clustered, filled_after_a_failure, of, recall, sealed_by

SEALED: list[Family] = [IVFFlat(), IVFSQ8(), IVFPQ(), IVFPQ(lists=16), Binary()]
EVERY: list[Family] = [HNSW(), HNSW(m=8, ef_construction=50, precision="int8"), Flat(), *SEALED]


@pytest.fixture(autouse=True)
def _ask_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 100)
    monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)


def floor(family: Family) -> float:
    """48 bits say little."""
    return 0.6 if isinstance(family, Binary) else 0.95


def fits(family: Family, metric: Metric) -> bool:
    return not (isinstance(family, Binary) and metric == "ip")


class TestValues:
    @pytest.mark.parametrize("family", EVERY, ids=str)
    def test_the_string_form_is_read_back(self, family: Family) -> None:
        assert ann.load(str(family)) == family == ann.load(family)

    def test_only_what_differs_is_written(self) -> None:
        assert str(HNSW()) == "hnsw"
        assert str(HNSW(m=32, precision="int8")) == "hnsw(m=32, precision=int8)"
        assert ann.load(" hnsw"[1:] + "( m = 32 ,precision=int8 )") == HNSW(32, precision="int8")

    @pytest.mark.parametrize(
        "text",
        [
            *("", "lsh", "HNSW", " hnsw", "hnsw\n", "hnsw()x", "hnsw((m=3))", "hnsw(m=3", "hnsw)"),
            *("hnsw(m)", "hnsw(m=)", "hnsw(m==3)", "hnsw(m=-3)", "hnsw(m=3.0)", "hnsw(m=3;n=4)"),
            *("hnsw(m=3,)", "hnsw(m=3, m=3)", "ivf_pq(lists)", "hnsw(links=3)"),
            *("flat(m=3)", "binary(name=x)", "ivf_pq(lists=all)"),
            *("hnsw(m=1)", "hnsw(m=999999999)", "hnsw(ef_construction=1)", "hnsw(precision=16)"),
            *("hnsw(m=１６)", "hnsw(__class__=x)", "IVF4096,PQ64", "ivf_pq(lists=0)", "(" * 100_000),
            *("hnsw(m=" + "3" * 100_000 + ")", "\0", "hnsw(m=3\0)", None, 3, b"hnsw", ["hnsw"], object()),
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, text: Any) -> None:
        with pytest.raises(SettingsError) as refused:
            ann.load(text)
        assert len(str(refused.value)) < 300

    @pytest.mark.parametrize(
        ("family", "parameters"),
        [
            (HNSW, {"m": True}),
            (HNSW, {"m": 16.0}),
            (HNSW, {"m": "16"}),
            (HNSW, {"precision": ["int8"]}),
            (IVFPQ, {"lists": "some"}),
        ],
    )
    def test_a_value_of_another_kind_is_refused(self, family: Any, parameters: Any) -> None:
        with pytest.raises(SettingsError):
            family(**parameters)

    def test_bits_know_no_lengths(self) -> None:
        with pytest.raises(SettingsError, match="metric 'ip' ranks by length, too"):
            check(Binary(), "ip")


@pytest.mark.parametrize("family", SEALED, ids=str)
class TestContract:
    @pytest.mark.parametrize("metric", METRICS)
    def test_recall_and_scores(self, metric: Metric, family: Family) -> None:
        if not fits(family, metric):
            pytest.skip("is refused")
        vectors = clustered(3030)
        view = sealed_by(vectors[:3000], metric, family)
        for k in (10, 100):
            assert recall(view, vectors[3000:], k) >= floor(family)

    def test_of_several_windows_and_filters(self, family: Family) -> None:
        vectors, queries = np.split(clustered(3020), [3000])
        random = np.random.default_rng(2)
        whole = sealed_by(vectors, "cosine", family)
        windows = VectorView(of_windows(vectors, 3), "cosine", whole.graph)
        for view, allowed in (
            (whole, random.random(3000) < 0.5),
            (whole, random.random(3000) < 0.1),
            (windows, None),
            (windows, random.random(1000) < 0.3),
        ):
            found = [agreement(view, query, allowed) for query in queries]
            assert np.mean(found) >= floor(family)

    def test_a_filter_that_excludes_all_near_rows(self, family: Family) -> None:
        vectors, queries = np.split(clustered(4020), [4000])
        view = sealed_by(vectors, "cosine", family)
        found = []
        for query in queries:
            alike = vectors @ query
            found.append(agreement(view, query, alike < np.quantile(alike, 0.95)))
        assert np.mean(found) >= floor(family) - 0.2

    def test_rows_that_the_snapshot_lacks_are_not_found(self, family: Family) -> None:
        vectors = clustered(2000)
        graph = sealed_by(vectors, "cosine", family).graph
        view = VectorView(of(vectors[:1500]), "cosine", graph)
        assert recall(view, vectors[1500:1520], 10) >= floor(family)

    def test_a_tail_is_scanned(self, family: Family) -> None:
        vectors = clustered(2000)
        graph = sealed_by(vectors[:1900], "cosine", family).graph
        view = VectorView(of(vectors), "cosine", graph)
        for row in range(1900, 2000, 10):
            assert view.search(vectors[row], 1).ordinals.tolist() == [row]

    def test_saved_and_loaded_it_answers_alike_and_grows_on(self, tmp_path: Path, family: Family) -> None:
        vectors, folder = clustered(1200), Folder.open(tmp_path)
        first = sealed_by(vectors[:900], "cosine", family).graph
        assert isinstance(first, Graph)
        first.save(folder, "u")
        again = first.anew()
        assert again.load(folder, "u", 900) is None
        assert again.rows == 900
        for query in clustered(5, seed=1):
            (one, two) = (graph.search(query, 20, 64) for graph in (first, again))
            assert one is not None
            assert two is not None
            assert one[0].tolist() == two[0].tolist()
        again.insert(vectors[900:], lambda: False)
        assert recall(VectorView(of(vectors), "cosine", again), vectors[::50], 10) >= floor(family)

    def test_a_saved_one_of_another_family_is_not_taken(self, tmp_path: Path, family: Family) -> None:
        saved = sealed_by(clustered(600), "cosine", family).graph
        assert isinstance(saved, Graph)
        saved.save(Folder.open(tmp_path), "u")
        other = HNSW(precision="int8") if saved.library == "faiss" else IVFPQ()
        manifests = [name for name in os.listdir(tmp_path) if name.endswith(".json")]
        os.rename(tmp_path / manifests[0], tmp_path / "graph.faiss.json")
        taken = Graph("cosine", DIM, other).load(Folder.open(tmp_path), "u", 600)
        assert "belongs to another index" in str(taken)

    @pytest.mark.parametrize("damage", ["flip", "cut", "delete", "emptied", "state"])
    def test_a_damaged_one_is_built_again(
        self, tmp_path: Path, family: Family, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        some, folder = of(clustered(600)), Folder.open(tmp_path)
        leg = VectorLeg(folder, "u", "cosine", family)
        leg.view(some)
        leg.close()
        (file,) = tmp_path.glob("graph-*-600.ann")
        if damage == "state":
            name = f"graph.{file.name.split('-')[1]}.json"
            manifest.write(folder, name, manifest.read(folder, name) | {"state": {}})
        else:
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 255
            file.write_bytes(data[: {"cut": -7, "emptied": 0}.get(damage)])
        if damage == "delete":
            file.unlink()
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", family)
        view = leg.view(some)
        leg.settle()
        assert "built again" in caplog.text
        assert view.graph is not None
        assert view.graph.rows == 600
        assert recall(view, some.vectors[:10], 10) >= floor(family)
        leg.close()
        assert list(VectorLeg(Folder.open(tmp_path), "u", "cosine", family).disagreements(some)) == []

    def test_no_threads_are_started(self, family: Family) -> None:
        tasks = Path("/proc/self/task")
        if not tasks.exists():
            pytest.skip("needs /proc")
        before = len(os.listdir(tasks))
        view = sealed_by(clustered(600), "cosine", family)
        view.search(clustered(1)[0], 10)
        assert len(os.listdir(tasks)) == before

    def test_what_failed_by_half_is_not_kept(self, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
        filled_after_a_failure(Graph("cosine", DIM, family), monkeypatch)

    def test_training_stops_when_told(self, family: Family) -> None:
        graph, asked = Graph("cosine", DIM, family), []

        def stop() -> bool:
            asked.append(1)
            return len(asked) > 1

        graph.insert(clustered(600), stop)
        assert graph.rows == 0
        graph.insert(clustered(600), lambda: False)
        assert graph.rows == 600


@pytest.mark.parametrize("family", [IVFPQ(), Binary()], ids=str)
def test_an_index_has_it_until_it_is_reindexed(
    tmp_path: Path, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.vector.leg.QUIET", 0.01)
    vectors = clustered(500)
    with Index.create(tmp_path / "i", encoder=None, ann=family) as index:
        index.add([Document(str(i), f"word{i}", vector=vectors[i]) for i in range(500)])
        index.delete(["5"])
    with Index.open(tmp_path / "i") as index:
        assert index.stats()["ann"] == str(family)
        assert index.stats()["vectors_in_graph"] == 500
        for row in (5, 7):
            hits = index.search(vector=vectors[row], k=500, mode="vector").hits
            assert (hits[0].id == str(row)) == (row == 7)
            assert len(hits) == 499
        assert index.verify() == []
        index.compact()
        assert index.stats()["ann"] == str(family)
        index.install(Profile(effort=77, depth=50))
        index.reindex(ann="hnsw")
        assert index.stats()["ann"] == "hnsw"
        assert index.profiles.serving == Profile(depth=50)  # another unit
        index.install(Profile(effort=77))
        index.reindex(ann=HNSW(m=8))
        assert index.profiles.serving == Profile(effort=77)


def of_windows(vectors: Matrix, each: int) -> Any:
    rows = of(vectors)
    return type(rows)(rows.vectors, np.arange(len(vectors)) // each, rows.spans)


def agreement(view: VectorView, query: Any, allowed: Mask | None) -> float:
    """The share of the exact first ten that are found."""
    exact = VectorView(view.rows, view.metric, None).search(query, 10, allowed)
    found = view.search(query, 10, allowed)
    return len(set(found.ordinals.tolist()) & set(exact.ordinals.tolist())) / len(exact)


class TestFlat:
    def test_nothing_is_built(self, tmp_path: Path) -> None:
        vectors = clustered(500)
        with Index.create(tmp_path / "i", encoder=None, ann="flat") as index:
            index.add([Document(str(i), f"word{i}", vector=vectors[i]) for i in range(500)])
            index.finish_graph()
            assert index.stats()["vectors_in_graph"] == 0
            assert index.search(vector=vectors[3], mode="vector").hits[0].id == "3"
        assert not list(tmp_path.glob("i/*/graph*"))


class TestGrowth:
    @pytest.mark.parametrize("family", [IVFPQ(), Binary()], ids=str)
    def test_an_index_that_grew_fourfold_is_trained_anew(self, tmp_path: Path, family: Family) -> None:
        vectors, queries = np.split(clustered(4020), [4000])
        some = of(vectors)
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", family)
        for rows in (600, 2300):
            leg.view(some[:rows])
            leg.settle()
        assert self.trained(leg) == 600
        old = leg.view(some[:2300])
        leg.view(some)
        leg.settle()
        assert self.trained(leg) == 4000
        assert recall(leg.view(some), queries, 10) >= floor(family)
        assert recall(old, queries, 10) >= floor(family)  # what held the old one still has it
        leg.close()
        again = VectorLeg(Folder.open(tmp_path), "u", "cosine", family)
        again.view(some)
        assert self.trained(again) == 4000

    def test_rows_that_lie_elsewhere_are_noticed(self, tmp_path: Path) -> None:
        same = clustered(12_000)
        other = np.roll(same, 7, axis=1)  # about other topics
        for later, drifts in ((other, True), (same, False)):
            graph = Graph("cosine", DIM, IVFPQ(lists=32))
            graph.insert(same[:2000], lambda: False)
            graph.insert(later[2000:], lambda: False)
            assert graph.finder.outgrown(0) is drifts

    def test_too_few_to_train_on_are_scanned(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 4)
        some = of(clustered(50))
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", IVFPQ())
        leg.view(some[:20])
        leg.settle()
        assert recall(leg.view(some[:20]), some.vectors[:5], 10) == 1
        leg.view(some)
        leg.settle()
        assert self.trained(leg) == 50
        leg.close()

    def trained(self, leg: VectorLeg) -> float:
        assert leg._graph is not None
        return leg._graph.finder.state()["trained"]


class TestWithoutFaiss:
    def test_none_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "faiss", None)
        for family in (IVFFlat(), IVFSQ8(), IVFPQ()):
            with pytest.raises(MissingExtra, match="needs faiss; run: pip install faiss-cpu"):
                Index.create(tmp_path / "i", encoder=None, ann=family)
        assert not (tmp_path / "i").exists()
        Index.create(tmp_path / "i", encoder=None, ann="binary").close()

    def test_one_that_is_there_answers_exactly_and_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        some = of(clustered(600))
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", IVFPQ())
        leg.view(some)
        leg.close()
        monkeypatch.setitem(sys.modules, "faiss", None)
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", IVFPQ())
        with caplog.at_level(logging.WARNING):
            assert recall(leg.view(some), some.vectors[:5], 10) == 1
        assert "exactly and slowly: the saved graph needs faiss" in caplog.text
        leg.close()
