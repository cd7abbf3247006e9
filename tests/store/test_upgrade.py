"""An index of the analyzers' version before is analysed again when opened for writing, and not encoded."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid import RRF, Document, Index, restore
from hybrid.analyzers import Mixed
from hybrid.disk.failpoints import FailPoint, arm, disarm
from hybrid.errors import IndexMismatch
from hybrid.fusion import dump
from hybrid.settings import AnalyzerRef, Profile
from tests.commands import answer, refusal
from tests.contracts.index import letters

OTHER = Profile(fusion=dump(RRF(k=10)))
DOCUMENTS = [
    Document("a", "维生素A 缺乏", "眼睛", {"n": 1}),
    Document("b", "The The", "bands"),
    Document("c", "soon gone"),
    Document("d", "⻩河"),
]


class Former:
    """An analyzer with the id of the version before, and other terms."""

    id = "mixed-1"

    def terms(self, text: str) -> list[str]:
        return [f"old{word}" for word in text.lower().split()]

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        raise NotImplementedError


class Own(Former):
    id = "mixed-own"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path / "idx", Former())


def made(path: Path, analyzer: Former) -> Path:
    with Index.create(path, encoder=letters, analyzer=analyzer) as index:
        index.add(DOCUMENTS)
        index.delete(["c"])
        index.install(OTHER)
        index._store.generation.keep_forward()
    return path


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    disarm()


def found(index: Index, query: str) -> list[str]:
    return [hit.id for hit in index.search(query, mode="lexical")]


def vectors(path: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes() for name in ("text.*", "graph*") for file in path.glob(f"g1/{name}")
    }


def test_a_writer_analyses_again_and_encodes_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = vectors(path)
    with caplog.at_level(logging.WARNING), Index.open(path) as index:
        assert index.stats()["analyzer"] == "mixed-2"
        assert [found(index, query) for query in ("维生素a", "the", "黄河", "soon")] == [
            ["a"],
            ["b"],
            ["d"],
            [],
        ]
        assert index.verify() == []
        assert len(index._store.generation.tables.forward(range(4))) == 0
    assert f"{path}: 3 documents are analysed again: mixed-2 has taken the place of analyzer mixed-1" in (
        caplog.text
    )
    assert vectors(path) == before
    caplog.clear()
    with caplog.at_level(logging.WARNING), Index.open(path) as index:
        assert found(index, "黄河") == ["d"]
    assert caplog.text == ""


def test_a_reader_names_the_command(path: Path) -> None:
    with pytest.raises(
        IndexMismatch, match=rf"'mixed-1'.*'mixed-2'; run: hybrid reindex {re.escape(str(path))}"
    ):
        Index.open(path, read_only=True)
    assert "run: hybrid reindex" in refusal("search", path, "x", status=1)
    assert answer("reindex", path)["generation"] == "g1"  # analysed again, and no more than that
    with Index.open(path, read_only=True) as index:
        assert found(index, "维生素A") == ["a"]


@pytest.mark.parametrize("point", ["lexical.added", "lexical.committed", "lexical.listed"])
def test_what_is_interrupted_begins_anew(path: Path, point: FailPoint) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    arm(point, stop)
    with pytest.raises(KeyboardInterrupt):
        Index.open(path)
    disarm()
    with pytest.raises(IndexMismatch):
        Index.open(path, read_only=True)
    with Index.open(path) as index:
        assert found(index, "黄河") == ["d"]
        assert index.verify() == []
        assert len([*path.glob("g1/lexical-*")]) == 1


def test_what_was_chosen_for_the_old_one_serves_no_longer_and_is_kept(path: Path) -> None:
    with Index.open(path) as index:
        assert index.profiles.serving == Profile()
        assert "mixed-1" in index.profiles.history[2].evidence["reason"]
        assert index.profiles.history[1].profile == OTHER


def test_user_words_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None, analyzer=Mixed(("你好",))) as index:
        index.add([Document("a", "你好")])
        old = AnalyzerRef(id="mixed-1+670d9743", name="mixed", user_words=("你好",))
        ledger = index._store.generation.ledger
        settings = ledger.settings.model_copy(update={"analyzer": old})
        ledger.reanalysed(settings, ledger.profiles, lambda _: None)
    with pytest.raises(IndexMismatch):  # another dictionary
        Index.open(path, analyzer=Mixed(("您好",)))
    with Index.open(path, analyzer=Mixed(("你好",))) as index:
        assert index.stats()["analyzer"] == Mixed(("你好",)).id
        assert found(index, "你好") == ["a"]


@pytest.mark.parametrize("analyzer", [Former(), Own()], ids=lambda one: one.id)
def test_an_analyzer_of_the_programs_own_is_left_alone(tmp_path: Path, analyzer: Former) -> None:
    path = made(tmp_path / "idx", analyzer)
    with Index.open(path, analyzer=analyzer) as index:
        assert index.stats()["analyzer"] == analyzer.id
        assert found(index, "the") == ["b"]
        assert index.profiles.serving == OTHER


def test_an_analyzer_of_a_like_name_is_not_replaced(tmp_path: Path) -> None:
    path = made(tmp_path / "idx", Own())
    with pytest.raises(IndexMismatch, match="'mixed-own'"):
        Index.open(path)
    with Index.open(path, analyzer=Own()) as index:
        assert found(index, "the") == ["b"]


def test_a_backup_is_restored_as_an_index_of_today(path: Path, tmp_path: Path) -> None:
    restore(path, tmp_path / "restored")
    assert vectors(tmp_path / "restored").keys() == vectors(path).keys()
    with Index.open(tmp_path / "restored", read_only=True) as index:
        assert found(index, "黄河") == ["d"]
