"""Synonyms: rules, what they find, and that they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.errors import CorpusError, SettingsError
from hybrid.lexical.synonyms import read_synonyms
from hybrid.limits import MAX_SYNONYM_RULES
from tests.commands import run

RULES = ["notebook, laptop, 笔记本电脑", "# a comment", "tv => flat screen, 电视", ""]
DOCUMENTS = [
    Document("note", "a notebook of steel"),
    Document("lap", "two laptops"),
    Document("zh", "新款笔记本电脑"),
    Document("tv", "a tv"),
    Document("flat", "a flat screen"),
    Document("screen", "a screen door"),
]


def found(index: Any, query: str) -> list[str]:
    return [hit.id for hit in index.search(query, mode="lexical")]


@pytest.mark.parametrize("kind", [Index, MemoryIndex])
def test_what_is_found(kind: type, tmp_path: Path) -> None:
    index: Any = MemoryIndex() if kind is MemoryIndex else Index.create(tmp_path / "i", encoder=None)
    with index:
        index.add(DOCUMENTS)
        assert found(index, "notebooks") == ["note"]
        assert index.set_synonyms(RULES) == 2
        assert found(index, "notebooks")[0] == "note"  # the word itself counts more
        assert set(found(index, "notebooks")) == {"note", "lap", "zh"}
        assert set(found(index, "买笔记本电脑")) == {"zh", "lap", "note"}
        assert found(index, "tv")[0] == "tv"
        assert found(index, "flat") == ["flat"]  # one way
        assert set(found(index, "a TV -door")) == {"tv", "flat"}
        assert index.count(query="notebook") == index.search("notebook", mode="lexical").total == 3
        assert found(index, '"notebook"') == found(index, "+notebook -laptop") == ["note"]  # literally
        marked = [hit.highlights.snippet.html() for hit in index.search("notebook")]
        assert "two <mark>laptops</mark>" in marked
        index.set_synonyms([])
        assert found(index, "notebooks") == ["note"]


def test_they_are_kept_and_readers_see_them(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", encoder=None) as index:
        index.add(DOCUMENTS)
        with Index.open(tmp_path / "i", read_only=True) as reader:
            assert set(found(reader, "laptop")) == {"lap"}
            index.set_synonyms(RULES)
            assert set(found(reader, "laptop")) == {"note", "lap", "zh"}
        index.compact()
        assert set(found(index, "laptop")) == {"note", "lap", "zh"}
    with Index.open(tmp_path / "i") as index:
        assert index.synonyms == [RULES[0], RULES[2]]
        assert index.verify() == []


@pytest.mark.parametrize("rule", ["a", "=>", "a =>", "=> a", "a, ???", "x" * 101 + ", y", "a," * 101, 5])
def test_what_is_no_rule(rule: Any) -> None:
    with pytest.raises(SettingsError):
        MemoryIndex().set_synonyms([rule])


def test_many_rules_and_many_synonyms_are_bounded() -> None:
    memory = MemoryIndex()
    memory.add(DOCUMENTS)
    with pytest.raises(SettingsError, match="limit"):
        memory.set_synonyms(["a, b"] * (MAX_SYNONYM_RULES + 1))
    memory.set_synonyms([f"note{n} => " + ", ".join(f"w{n}x{m}" for m in range(90)) for n in range(3)])
    assert found(memory, "note0 note1 note2 notebook") == ["note"]


def test_the_command(tmp_path: Path) -> None:
    Index.create(tmp_path / "i", encoder=None).close()
    file = tmp_path / "synonyms.txt"
    file.write_text("\n".join(RULES), "utf-8")
    assert "2 rules" in run("synonyms", tmp_path / "i", file).out
    assert "tv => flat screen, 电视" in run("synonyms", tmp_path / "i").out
    assert "0 rules" in run("synonyms", tmp_path / "i", "--remove").out
    file.write_bytes(b"a, b\n\xff, c")
    with pytest.raises(CorpusError, match=r"synonyms\.txt:2"):
        read_synonyms(file)
