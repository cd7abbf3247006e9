"""``hybrid suggest``, ``hybrid autocomplete``, and what ``hybrid search`` says of a misspelt word."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid import Document, Index
from tests.commands import answer, refusal, run


@pytest.fixture(scope="module")
def idx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suggest") / "idx"
    with Index.create(path, encoder=None) as index:
        index.add([Document("1", "Protein binding", metadata={"n": 1}), Document("2", "手机壳")])
    return path


def test_a_search_says_what_may_have_been_meant_and_searches_as_it_was_told(idx: Path) -> None:
    assert "did you mean: protein" in run("search", idx, "protien", "--mode", "lexical").out
    assert "did you mean" not in run("search", idx, "protein").out
    found = answer("search", idx, "protien", "--mode", "lexical")
    assert (found["query"], found["hits"]) == ("protien", [])
    assert found["suggestion"] == {
        "query": "protein",
        "corrections": [{"start": 0, "end": 7, "word": "protein", "documents": 1, "before": 0}],
    }
    assert answer("search", idx, "protein")["suggestion"] is None


def test_suggest(idx: Path) -> None:
    said = run("suggest", idx, "protien 手鸡").out
    assert said.startswith("protein 手机\n")
    assert "protien" in said
    assert run("suggest", idx, "protein").out == "nothing to correct\n"
    assert answer("suggest", idx, "protien")["suggestion"]["query"] == "protein"
    assert answer("suggest", idx, "protien", "--filter", '{"n": 2}') == {
        "query": "protien",
        "suggestion": None,
    }


def test_autocomplete(idx: Path) -> None:
    assert run("autocomplete", idx, "sj").out == "手机\n"
    assert run("autocomplete", idx, "protein b").out == "protein binding\n"
    assert answer("autocomplete", idx, "p", "--limit", 1) == {"prefix": "p", "completions": ["protein"]}
    assert answer("autocomplete", idx, "p", "--filter", '{"n": 2}')["completions"] == []
    assert "limit is 0" in refusal("autocomplete", idx, "p", "--limit", 0)
