"""Two libraries make graphs: which of them serves, and that neither touches the other's files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hybrid
from hybrid import Document, Index
from hybrid.disk.folder import Folder
from hybrid.errors import MissingExtra
from hybrid.store import salvage
from hybrid.vector.graph import Graph
from hybrid.vector.leg import VectorLeg
from tests.vector.test_hnsw import as_before, clustered, names, of, recall

pytest.importorskip("hnswlib")
VECTORS = clustered(600)
Only = Callable[..., None]


@pytest.fixture
def only() -> Iterator[Only]:
    """``only("faiss")`` is as if of the two libraries only that one were installed."""
    with pytest.MonkeyPatch.context() as patch:

        def hide(*installed: str) -> None:
            patch.undo()
            for name in {"hnswlib", "faiss"}.difference(installed):
                patch.setitem(sys.modules, name, None)

        yield hide


@pytest.fixture(autouse=True)
def _early_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 100)
    monkeypatch.setattr("hybrid.vector.leg.SEAL_AT", 200)


def documents(start: int, stop: int) -> list[Document]:
    return [Document(str(i), f"word{i}", vector=VECTORS[i]) for i in range(start, stop)]


def serving(path: Path, *, read_only: bool = True) -> str | None:
    """The library that serves, once its graph is as large as it gets; answers are checked."""
    with Index.open(path, read_only=read_only) as index:
        index._store.generation.vector.settle()
        for place in (5, 250):
            assert index.search(vector=VECTORS[place], mode="vector").hits[0].id == str(place)
        assert index.verify() == []
        library: str | None = index.stats()["graph_library"]
        return library


def graph_files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.glob("g1/graph*")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "idx"
    Index.create(path, encoder=None).close()
    return path


def add(path: Path, start: int, stop: int) -> None:
    with Index.open(path) as index:
        index.add(documents(start, stop))


def test_hnswlib_is_the_first_choice(path: Path) -> None:
    add(path, 0, 400)
    assert sorted(graph_files(path)) == ["graph-hnswlib-400.hnsw", "graph.hnswlib.json"]
    assert serving(path) == "hnswlib"


def test_faiss_serves_where_hnswlib_is_absent(path: Path, only: Only) -> None:
    only("faiss")
    add(path, 0, 400)
    assert sorted(graph_files(path)) == ["graph-faiss-400.hnsw", "graph.faiss.json"]
    assert serving(path) == "faiss"


def test_a_small_index_has_none(path: Path) -> None:
    with Index.open(path) as index:
        assert index.stats()["graph_library"] is None


def test_what_is_saved_serves_on_when_the_first_choice_is_installed_later(path: Path, only: Only) -> None:
    only("faiss")
    add(path, 0, 400)
    before = graph_files(path)
    only("hnswlib", "faiss")
    assert serving(path) == serving(path, read_only=False) == "faiss"
    assert graph_files(path) == before
    with Index.open(path) as index:
        index.compact()
        assert index.stats()["graph_library"] == "hnswlib"


@pytest.mark.parametrize("earlier", [False, True])
def test_graphs_lie_side_by_side_and_each_leaves_the_other_alone(
    path: Path, only: Only, earlier: bool
) -> None:
    add(path, 0, 300)
    if earlier:
        as_before(Folder.open(path / "g1"), "hnswlib")
    first = graph_files(path)
    only("faiss")
    for start, stop in ((300, 500), (500, 600)):  # each saves anew
        add(path, start, stop)
    both = graph_files(path)
    assert set(both) == {*first, "graph-faiss-600.hnsw", "graph.faiss.json"}
    assert {name: both[name] for name in first} == first
    assert serving(path) == serving(path, read_only=False) == "faiss"
    only("hnswlib", "faiss")
    assert serving(path) == "hnswlib"
    with Index.open(path) as index:
        index.delete(["599"])
    assert "graph-hnswlib-600.hnsw" in (last := graph_files(path))
    assert len(last) == 4
    assert {name: last[name] for name in last if "faiss" in name} == {
        name: both[name] for name in both if "faiss" in name
    }


class TestAReaderWithoutTheLibrary:
    @pytest.fixture(autouse=True)
    def _saved_by_hnswlib(self, path: Path, only: Only) -> None:
        add(path, 0, 400)
        only("faiss")

    def test_scans(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        before = graph_files(path)
        with caplog.at_level(logging.WARNING):
            assert serving(path) is None
        (record,) = caplog.records
        assert record.message == (
            f"{path / 'g1'}: searched without its graph, exactly and slowly: "
            "the saved graph needs hnswlib; run: pip install 'hybrid-retrieval[hnsw]'"
        )
        assert graph_files(path) == before

    def test_names_the_extra_where_there_is_too_much_to_scan(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = (
            r"400 vectors are too many to scan: the saved graph needs hnswlib; "
            r"run: pip install 'hybrid-retrieval\[hnsw\]'"
        )
        with Index.open(path, read_only=True) as reader:
            monkeypatch.setattr("hybrid.vector.view.MAX_SCAN", 400 * VECTORS[0].nbytes)
            assert reader.search(vector=VECTORS[5], mode="vector").hits[0].id == "5"
            monkeypatch.setattr("hybrid.vector.view.MAX_SCAN", 400 * VECTORS[0].nbytes - 1)
            assert reader.search("word5", mode="lexical").hits[0].id == "5"
            with pytest.raises(MissingExtra, match=said):
                reader.search("word5", vector=VECTORS[5])

    def test_of_a_damaged_graph_builds_its_own(self, path: Path) -> None:
        (path / "g1" / "graph.hnswlib.json").write_text("{}")
        with Index.open(path, read_only=True) as reader:
            reader._store.generation.vector.settle()
            assert reader.stats()["graph_library"] == "faiss"


def test_without_any_library_an_index_is_scanned(path: Path, only: Only) -> None:
    only()
    add(path, 0, 400)
    assert graph_files(path) == {}
    assert serving(path) is None


def test_damage_is_seen_without_the_library_and_repair_removes_it(path: Path, only: Only) -> None:
    add(path, 0, 400)
    file = path / "g1" / "graph-hnswlib-400.hnsw"
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    only("faiss")
    (damage, _) = salvage.examine(path)
    assert damage == f"vector leg: {file}: damaged"
    salvage.repair(path)
    assert salvage.examine(path) == []


def test_a_backup_holds_both(path: Path, tmp_path: Path, only: Only) -> None:
    add(path, 0, 300)
    only("faiss")
    add(path, 300, 600)
    with Index.open(path, read_only=True) as index:
        index.backup(tmp_path / "copy")
    assert graph_files(tmp_path / "copy") == graph_files(path)
    only("hnswlib")
    hybrid.restore(tmp_path / "copy", tmp_path / "again")
    assert serving(tmp_path / "again") == "hnswlib"


def test_a_manifest_names_no_file_of_another_library(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path)
    for library in ("hnswlib", "faiss"):
        graph = Graph("cosine", VECTORS.shape[1], library=library)
        graph.insert(VECTORS[:300], lambda: False)
        graph.save(folder, "u")
    (tmp_path / "graph.hnswlib.json").write_bytes((tmp_path / "graph.faiss.json").read_bytes())
    taken = Graph("cosine", VECTORS.shape[1], library="hnswlib").load(folder, "u", 300)
    assert taken == f"{folder / 'graph.hnswlib.json'}: 'graph-faiss-300.hnsw' is not a graph"


def test_a_writer_forgets_only_its_own(
    tmp_path: Path, only: Only, caplog: pytest.LogCaptureFixture
) -> None:
    some = of(VECTORS)
    folder = Folder.open(tmp_path)
    for library in ("hnswlib", "faiss"):
        only(library)
        leg = VectorLeg(folder, "u", "cosine")
        leg.view(some)
        leg.close()
    both = names(tmp_path)
    assert len(both) == 4
    (tmp_path / "graph-hnswlib-600.hnsw").write_bytes(b"damaged")
    only("hnswlib", "faiss")
    leg = VectorLeg(folder, "u", "cosine")
    view = leg.view(some)
    assert "built again" in caplog.text
    assert names(tmp_path) == [name for name in both if name != "graph.hnswlib.json"]
    leg.settle()
    assert recall(view, VECTORS[::50], 10) >= 0.99
    leg.close()
    assert names(tmp_path) == both
