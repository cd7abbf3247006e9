"""Graphs of rounded vectors: what they find is scored exactly, and nearly all that there is is found."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, errors
from hybrid.ann import HNSW, PRECISIONS, Family, Precision, load
from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import MissingExtra, SettingsError, lacking
from hybrid.ledger.rows import Rows
from hybrid.settings import AnalyzerRef, Profile, Settings
from hybrid.types import Matrix, Metric
from hybrid.vector import graph, hnsw
from hybrid.vector.families import check, libraries
from hybrid.vector.graph import Graph
from hybrid.vector.leg import VectorLeg
from hybrid.vector.view import VectorView

DIM = 48
METRICS: list[Metric] = ["cosine", "ip", "l2"]
GRAPHS: list[tuple[Precision, str]] = [
    (precision, library)
    for precision in PRECISIONS
    for library in libraries(HNSW(precision=precision))
    if not lacking(library)
]


def clustered(n: int, seed: int = 0) -> Matrix:
    """Unit vectors about forty topics."""
    random = np.random.default_rng(seed)
    topics = random.normal(size=(40, DIM))[random.integers(0, 40, n)]
    vectors = topics + 0.7 * random.normal(size=(n, DIM))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def of(vectors: Matrix) -> Rows:
    return Rows(vectors, np.arange(len(vectors)), np.zeros((len(vectors), 2), np.int64))


def sealed(
    vectors: Matrix, metric: Metric, precision: Precision, *parts: int, library: str | None = None
) -> VectorView:
    """All of ``vectors`` in the graph, but those before each of ``parts`` first."""
    return sealed_by(vectors, metric, HNSW(precision=precision), *parts, library=library)


def sealed_by(
    vectors: Matrix, metric: Metric, family: Family, *parts: int, library: str | None = None
) -> VectorView:
    made = Graph(metric, vectors.shape[1], family, library)
    for start, stop in zip((0, *parts), (*parts, len(vectors)), strict=True):
        made.insert(vectors[start:stop], lambda: False)
    assert made.rows == len(vectors)
    return VectorView(of(vectors), metric, made)


def recall(view: VectorView, queries: Matrix, k: int) -> float:
    """Against a scan; scores must be the scan's, too."""
    exact = VectorView(view.rows, view.metric, None)
    found = []
    for query in queries:
        truth = exact.search(query, k)
        scores = dict(zip(truth.ordinals.tolist(), truth.scores.tolist(), strict=True))
        hits = view.search(query, k)
        assert len(hits) == k
        pairs = zip(hits.ordinals.tolist(), hits.scores.tolist(), strict=True)
        found.append(sum(score == scores.get(ordinal) for ordinal, score in pairs) / k)
    return float(np.mean(found))


def filled_after_a_failure(made: Graph, monkeypatch: pytest.MonkeyPatch) -> VectorView:
    """A graph of 900 rows, of which an insertion failed by half: it was empty then."""
    vectors = clustered(900)
    made.insert(vectors[:500], lambda: False)
    kind: Any = type(made.finder)
    add = kind.add

    def failing(self: Any, part: Matrix) -> None:
        add(self, part)
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(kind, "add", failing)
        with pytest.raises(MemoryError):
            made.insert(vectors[500:], lambda: False)
    view = VectorView(of(vectors), "cosine", made)
    assert made.rows == 0
    assert recall(view, vectors[:5], 10) == 1
    made.insert(vectors, lambda: False)
    assert made.rows == 900
    return view


def as_before(folder: Folder, library: str) -> dict[str, Any]:
    """Have the saved graph look as earlier versions saved it; returns what its manifest says."""
    value = manifest.read(folder, f"graph.{library}.json")
    del value["state"]
    kind = load(value.pop("ann"))
    assert isinstance(kind, HNSW)
    if kind != HNSW():  # the earliest knew no other
        value["precision"] = kind.precision
    (value["crc32"],) = value["crc32"]  # one piece was enough for this file; it used to be for all
    folder.rename(value["file"], f"graph-{value['rows']}.hnsw")
    folder.remove(f"graph.{library}.json")
    value["file"] = f"graph-{value['rows']}.hnsw"
    manifest.write(folder, "graph.json", value)
    return value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _ask_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 100)


class TestRecall:
    @pytest.mark.parametrize(("precision", "library"), GRAPHS)
    @pytest.mark.parametrize("metric", METRICS)
    def test_rounding_costs_none(self, metric: Metric, precision: Precision, library: str) -> None:
        if precision == "float16" and metric != "cosine":
            pytest.skip("is refused")
        view = sealed(clustered(3000), metric, precision, library=library)
        for k in (10, 100):
            assert recall(view, clustered(30, seed=1), k) >= 0.99

    @pytest.mark.parametrize("precision", ["float16", "int8"])
    def test_of_filtered_search_and_of_several_windows(self, precision: Precision) -> None:
        vectors = clustered(2000)
        few = np.random.default_rng(2).random(2000) < 0.4
        whole = sealed(vectors, "cosine", precision)
        windows = VectorView(Rows(vectors, np.arange(2000) // 4, whole.rows.spans), "cosine", whole.graph)
        for view, allowed in ((whole, few), (windows, None), (windows, few[:500])):
            exact = VectorView(view.rows, "cosine", None)
            for query in clustered(20, seed=3):
                expected = exact.search(query, 10, allowed).ordinals.tolist()
                found = view.search(query, 10, allowed).ordinals.tolist()
                assert len(set(found) & set(expected)) >= 9

    @pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
    @pytest.mark.parametrize("metric", ["ip", "l2"])
    def test_the_size_of_numbers_does_not_matter(self, metric: Metric, scale: float) -> None:
        lengths = np.random.default_rng(4).lognormal(0, 0.3, (3000, 1))
        vectors = (scale * lengths * clustered(3000)).astype(np.float32)
        vectors[:, 5] = 7 * scale  # says nothing, and is far from the origin
        view = sealed(vectors, metric, "int8")
        queries = (scale * clustered(30, seed=1)).astype(np.float32)
        assert recall(view, queries, 10) >= 0.99

    def test_of_rows_that_lie_elsewhere_than_the_first(self) -> None:
        random = np.random.default_rng(6)
        shift = 0.1 * random.normal(size=DIM)
        later = clustered(3000, seed=7) + shift
        later = (later / np.linalg.norm(later, axis=1, keepdims=True)).astype(np.float32)
        view = sealed(np.concatenate([clustered(1000), later]), "cosine", "int8", 1000)
        assert recall(view, later[::100], 10) >= 0.98

    def test_extreme_numbers_do_no_harm(self) -> None:
        vectors = clustered(1500)
        vectors[7] *= np.float32(1e30)
        vectors[8] = np.float32(3e38)
        view = sealed(vectors, "ip", "int8")
        assert len(view.search(vectors[0], 10)) == 10


class TestGraph:
    @pytest.mark.parametrize(("precision", "library"), GRAPHS)
    def test_it_saves_and_loads_and_grows_on(
        self, tmp_path: Path, precision: Precision, library: str
    ) -> None:
        vectors = clustered(1200)
        first = Graph("cosine", DIM, HNSW(precision=precision), library)
        first.insert(vectors[:900], lambda: False)
        first.save(Folder.open(tmp_path), "u")
        again = Graph("cosine", DIM, HNSW(precision=precision), library)
        assert again.load(Folder.open(tmp_path), "u", 900) is None
        assert again.rows == 900
        for query in clustered(5, seed=1):
            one, two = first.search(query, 20, 64), again.search(query, 20, 64)
            assert one is not None
            assert two is not None
            assert one[0].tolist() == two[0].tolist()
        again.insert(vectors[900:], lambda: False)
        assert recall(VectorView(of(vectors), "cosine", again), vectors[::50], 10) >= 0.99

    def test_distances_mean_the_same(self) -> None:
        vectors, query = clustered(500), clustered(1, seed=1)[0]
        for metric in ("cosine", "l2"):
            exact = Graph(metric, DIM)
            same = Graph(metric, DIM, HNSW(), "faiss")
            rounded = Graph(metric, DIM, HNSW(precision="int8"))
            answers = []
            for one in (exact, same, rounded):
                one.insert(vectors, lambda: False)
                found = one.search(query, 5, 100)
                assert found is not None
                assert np.all(np.diff(found[1]) >= 0)
                answers.append(found)
            assert answers[0][0].tolist() == answers[1][0].tolist()
            assert np.allclose(answers[0][1], answers[1][1], atol=1e-5)
            assert np.allclose(answers[0][1], answers[2][1], atol=0.02)

    def test_files_shrink(self, tmp_path: Path) -> None:
        sizes = []
        for precision in PRECISIONS:
            made = Graph("cosine", 384, HNSW(precision=precision))
            made.insert(np.random.default_rng(0).normal(size=(1100, 384)).astype(np.float32), lambda: False)
            folder = tmp_path / precision
            folder.mkdir()
            made.save(Folder.open(folder), "u")
            (file,) = folder.glob("graph-*-1100.hnsw")
            sizes.append(file.stat().st_size)
        assert sizes[1] < 0.6 * sizes[0]
        assert sizes[2] < 0.35 * sizes[0]

    @pytest.mark.parametrize("precision", ["float32", "int8"])
    def test_one_of_another_precision_is_not_taken(self, tmp_path: Path, precision: Precision) -> None:
        saved = sealed(clustered(300), "cosine", precision, library="faiss").graph
        assert isinstance(saved, Graph)
        saved.save(Folder.open(tmp_path), "u")
        other: Precision = "int8" if precision == "float32" else "float32"
        assert "belongs to another index" in str(
            Graph("cosine", DIM, HNSW(precision=other), "faiss").load(Folder.open(tmp_path), "u", 300)
        )

    @pytest.mark.parametrize(
        ("precision", "library"),
        [graph for graph in GRAPHS if graph[1] == libraries(HNSW(precision=graph[0]))[0]],
    )
    def test_a_graph_of_before_is_understood(
        self, tmp_path: Path, precision: Precision, library: str
    ) -> None:
        saved = sealed(clustered(300), "cosine", precision, library=library).graph
        assert isinstance(saved, Graph)
        folder = Folder.open(tmp_path)
        saved.save(folder, "u")
        value = as_before(folder, library)
        again = Graph("cosine", DIM, HNSW(precision=precision), library)
        assert again.load(folder, "u", 300) is None
        assert again.rows == 300
        manifest.write(folder, "graph.json", value | {"crc32": value["crc32"] ^ 1})
        assert "damaged" in str(
            Graph("cosine", DIM, HNSW(precision=precision), library).load(folder, "u", 300)
        )
        again.save(folder, "u")  # takes its place
        assert names(tmp_path) == [f"graph-{library}-300.hnsw", f"graph.{library}.json"]

    @pytest.mark.parametrize("place", [0, 1000, 5000, -1])
    def test_each_piece_of_a_file_is_checked(
        self, tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph, "_PIECE", 1 << 10)
        monkeypatch.setattr(graph, "_BLOCK", 100)
        saved = sealed(clustered(300), "cosine", "int8").graph
        assert isinstance(saved, Graph)
        saved.save(Folder.open(tmp_path), "u")
        assert len(manifest.read(Folder.open(tmp_path), "graph.faiss.json")["crc32"]) > 10
        assert Graph("cosine", DIM, HNSW(precision="int8")).load(Folder.open(tmp_path), "u", 300) is None
        file = tmp_path / "graph-faiss-300.hnsw"
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        file.write_bytes(data)
        assert "damaged" in str(
            Graph("cosine", DIM, HNSW(precision="int8")).load(Folder.open(tmp_path), "u", 300)
        )

    def test_one_that_the_library_cannot_read_is_built_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vectors = clustered(300)
        saved = sealed(vectors, "cosine", "int8").graph
        assert isinstance(saved, Graph)
        saved.save(Folder.open(tmp_path), "u")

        def unknown(self: Any, path: Path, rows: int, state: Any) -> None:
            raise RuntimeError("Index type 0x12345678 not recognized")

        monkeypatch.setattr(hnsw.Faiss, "load", unknown)
        again = Graph("cosine", DIM, HNSW(precision="int8"))
        assert "graph-faiss-300.hnsw: Index type 0x12345678 not recognized" in str(
            again.load(Folder.open(tmp_path), "u", 300)
        )
        again.insert(vectors, lambda: False)
        assert recall(VectorView(of(vectors), "cosine", again), vectors[::50], 10) >= 0.99

    def test_insertion_and_search_take_turns(self) -> None:
        vectors = clustered(2000)
        made = Graph("cosine", DIM, HNSW(precision="int8"))
        made.insert(vectors[:100], lambda: False)
        done, wrong = threading.Event(), []

        def search(efs: int) -> None:
            while not done.is_set():
                found = made.search(vectors[7], 5, efs)
                wrong.extend([found] if found is None or found[0][0] != 7 else [])

        threads = [threading.Thread(target=search, args=(ef,)) for ef in (20, 50, 100)]
        for thread in threads:
            thread.start()
        made.insert(vectors[100:], lambda: False)
        done.set()
        for thread in threads:
            thread.join()
        assert not wrong
        assert made.rows == 2000

    @pytest.mark.parametrize(("precision", "library"), GRAPHS)
    def test_what_failed_by_half_is_not_kept(
        self, precision: Precision, library: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        view = filled_after_a_failure(Graph("cosine", DIM, HNSW(precision=precision), library), monkeypatch)
        assert recall(view, view.rows.vectors[::30], 10) >= 0.99

    @pytest.mark.parametrize("precision", ["float32", "int8"])
    def test_no_threads_are_started(self, precision: Precision) -> None:
        tasks = Path("/proc/self/task")
        if not tasks.exists():
            pytest.skip("needs /proc")
        before = len(os.listdir(tasks))
        view = sealed(clustered(600), "cosine", precision, library="faiss")
        view.search(clustered(1)[0], 10)
        assert len(os.listdir(tasks)) == before

    def test_a_full_disk_is_the_machines_error(self, tmp_path: Path) -> None:
        made = sealed(clustered(300), "cosine", "int8").graph
        assert isinstance(made, Graph)
        folder = Folder.open(tmp_path)
        tmp_path.rmdir()
        with pytest.raises(OSError, match="could not open"):
            made.save(folder, "u")


class TestSettings:
    def test_what_is_refused(self) -> None:
        for metric in ("ip", "l2"):
            with pytest.raises(SettingsError, match="'float16' holds numbers up to 65,504 only"):
                check(HNSW(precision="float16"), metric)
        check(HNSW(precision="float16"), "cosine")

    def test_of_an_index_from_before(self) -> None:
        stored = Settings(analyzer=AnalyzerRef(id="mixed-1", name="mixed")).model_dump()
        assert stored.pop("ann") == "hnsw"
        assert Settings.model_validate(stored).ann == HNSW()
        earlier = Settings.model_validate_json(json.dumps(stored | {"graph_precision": "int8"}))
        assert earlier.ann == HNSW(precision="int8")
        assert Settings.model_validate_json(earlier.model_dump_json()) == earlier

    def test_of_a_profile_from_before(self) -> None:
        assert Profile.model_validate_json('{"ef": 64}') == Profile(effort=64)

    def test_an_index_keeps_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)
        vectors = clustered(400)
        with Index.create(tmp_path / "i", encoder=None, ann="hnsw(precision=int8)") as index:
            index.add([Document(str(i), f"word{i}", vector=vectors[i]) for i in range(400)])
        with Index.open(tmp_path / "i") as index:
            assert index.stats()["ann"] == "hnsw(precision=int8)"
            assert index.stats()["vectors_in_graph"] == 400
            assert index.search(vector=vectors[5]).hits[0].id == "5"
            assert index.verify() == []
            index.reindex(ann=HNSW(precision="float16"))
            assert index.stats()["ann"] == "hnsw(precision=float16)"
            assert index.search(vector=vectors[5], mode="vector").hits[0].score == pytest.approx(1)
            index.compact()
            assert index.stats()["ann"] == "hnsw(precision=float16)"
            with pytest.raises(SettingsError):
                index.reindex(ann="hnsw(precision=int4)")


class TestWithoutTheExtra:
    @pytest.fixture
    def without(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def hide() -> None:
            def found(name: str) -> ModuleSpec | None:
                return None if name == "faiss" else find_spec(name)

            monkeypatch.setattr(errors, "find_spec", found)

        return hide

    def test_none_is_made(self, tmp_path: Path, without: Callable[[], None]) -> None:
        without()
        said = r"ann 'hnsw\(precision=int8\)' needs faiss; run: pip install faiss-cpu"
        with pytest.raises(MissingExtra, match=said):
            Index.create(tmp_path / "i", encoder=None, ann="hnsw(precision=int8)")
        assert not (tmp_path / "i").exists()
        with Index.create(tmp_path / "i", encoder=None) as index, pytest.raises(MissingExtra):
            index.reindex(ann="hnsw(precision=int8)")

    def test_one_that_is_there_answers_exactly_and_says_so(
        self,
        tmp_path: Path,
        without: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)
        some = of(clustered(900))
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", HNSW(precision="int8"))
        leg.view(some[:600])
        leg.close()
        file = tmp_path / "graph-faiss-600.hnsw"
        before = file.read_bytes()
        without()
        leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", HNSW(precision="int8"))
        with caplog.at_level(logging.WARNING):
            views = [leg.view(some[:700]), leg.view(some)]
        leg.settle()
        assert [view.graph for view in views] == [None, None]
        assert recall(views[1], some.vectors[:5], 10) == 1
        (record,) = caplog.records
        assert "exactly and slowly: the saved graph needs faiss" in record.message
        assert list(leg.disagreements(some)) == []
        leg.close()
        assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "emptied"])
def test_a_damaged_one_is_built_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)
    some = of(clustered(600))
    leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", HNSW(precision="int8"))
    leg.view(some)
    leg.close()
    file = tmp_path / "graph-faiss-600.hnsw"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data[: {"cut": -7, "emptied": 0}.get(damage)])
    if damage == "delete":
        file.unlink()
    seen: list[Any] = []
    load = hnsw.Faiss.load
    monkeypatch.setattr(hnsw.Faiss, "load", lambda *a: seen.append(a) or load(*a))  # type: ignore[func-returns-value]
    leg = VectorLeg(Folder.open(tmp_path), "u", "cosine", HNSW(precision="int8"))
    assert list(leg.disagreements(some)) != []
    view = leg.view(some)
    leg.settle()
    assert not seen  # no library sees it
    assert "built again" in caplog.text
    assert view.graph is not None
    assert view.graph.rows == 600
    assert recall(view, some.vectors[:10], 10) >= 0.99
    leg.close()
