"""User words given to an index that is already built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.analyzers import Mixed
from hybrid.errors import SettingsError
from hybrid.index import reindex
from tests.commands import run

DOCUMENTS = [
    Document("apart", "喀里有梦，梦里有矶，矶上有人，人人都说喀梦矶是矶"),
    Document("name", "喀梦矶在山上，远看是山"),
    Document("other", "矶上喀里的梦"),
    Document("shirt", "红色T恤衫"),
    Document("t", "T 字路口的左边，有一件恤"),
    Document("it", "it runs well"),
    Document("plain", "another text"),
]
WORDS = ["喀梦矶", "T恤 5 n", "it"]


def found(index: Any, query: str, **options: Any) -> list[str]:
    return [hit.id for hit in index.search(query, mode="lexical", **options)]


def filled(kind: str, folder: Path) -> Any:
    index: Any = MemoryIndex() if kind == "memory" else Index.create(folder / "i", encoder=None)
    index.add(DOCUMENTS)
    return index


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_queries_know_them_at_once(kind: str, tmp_path: Path) -> None:
    with filled(kind, tmp_path) as index:
        assert found(index, "喀梦矶").index("other") < 2  # it has the characters
        assert found(index, "it text")[0] == "plain"
        assert index.set_user_words(WORDS) == 3
        assert index.user_words == WORDS
        assert set(found(index, "喀梦矶")[:2]) == {"apart", "name"}
        assert "other" in found(index, "喀梦矶")  # no condition
        assert found(index, "T恤")[0] == "shirt"
        assert "it" in found(index, "it text")  # a stop word no more
        told = index.explain("喀梦矶", "name", mode="lexical")
        parts = {part.term: part for part in told.terms}
        assert parts["喀 梦 矶"].frequency == 2
        hit = next(hit for hit in index.search("喀梦矶", mode="lexical") if hit.id == "name")
        assert sum(part.adds for part in told.terms) == pytest.approx(hit.score, rel=1e-5)
        index.set_user_words([])
        assert found(index, "喀梦矶").index("other") < 2


def test_they_score_alike_in_memory_and_in_a_directory(tmp_path: Path) -> None:
    memory = filled("memory", tmp_path)
    with filled("directory", tmp_path) as index:
        for one in (memory, index):
            one.set_user_words(WORDS)
        for query in ("喀梦矶", "红色T恤 it", "喀梦矶上喀梦矶", "title:喀梦矶", "-喀梦矶 矶"):
            kept, held = memory.search(query, mode="lexical"), index.search(query, mode="lexical")
            assert [hit.id for hit in kept] == [hit.id for hit in held]
            assert [hit.score for hit in kept] == pytest.approx([hit.score for hit in held], rel=1e-5)
            assert kept.total == held.total


def test_they_are_kept_and_documents_get_them_on_reindex(tmp_path: Path) -> None:
    with filled("directory", tmp_path) as index:
        with Index.open(tmp_path / "i", read_only=True) as reader:
            index.set_user_words(WORDS)
            assert set(found(reader, "喀梦矶")[:2]) == {"apart", "name"}
            [line] = reader.verify()
            assert "3 are new" in line
            assert f"hybrid reindex {tmp_path / 'i'}" in line
        index.compact()
        assert index.user_words == WORDS
        index.reindex()
        assert index.user_words == WORDS
        assert index.verify() == []
        assert index.search("喀梦矶", mode="lexical").total == 2
        assert "喀梦矶" in [part.term for part in index.explain("喀梦矶", "name").terms]
        index.set_user_words(["喀梦矶"])
        assert "0 are new" in index.verify()[0]
    assert reindex(tmp_path / "i")["analyzer"] == Mixed(("喀梦矶",)).id
    with Index.open(tmp_path / "i") as index:
        assert index.verify() == []


def test_an_analyzer_without_user_words(tmp_path: Path) -> None:
    with (
        Index.create(tmp_path / "i", encoder=None, analyzer="english") as index,
        pytest.raises(SettingsError, match="takes no user dictionary"),
    ):
        index.set_user_words(["words"])


def test_the_command(tmp_path: Path) -> None:
    filled("directory", tmp_path).close()
    file = tmp_path / "words.txt"
    file.write_text("# mine\n" + "\n".join(WORDS), "utf-8")
    assert "3 user words" in run("user-words", tmp_path / "i", file).out
    assert "T恤 5 n" in run("user-words", tmp_path / "i").out
    assert run("verify", tmp_path / "i", status=1).out.startswith("user words: ")
    run("reindex", tmp_path / "i")
    assert run("verify", tmp_path / "i").out == "sound\n"
    assert "0 user words" in run("user-words", tmp_path / "i", "--remove").out
