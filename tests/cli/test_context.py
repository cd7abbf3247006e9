"""``hybrid context``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid import Document, Index
from tests.commands import answer, refusal, run


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "idx"
    with Index.create(path, encoder=None) as index:
        index.add(
            [
                Document("1", "The cook found a treasure.\x1b[31m\nIt was gold.", "Log", {"year": 1987}),
                Document("2", "The treasure was lost again.", "", {"year": 1990}),
            ]
        )
    return path


def test_passages_for_a_prompt(log: Path) -> None:
    said = run("context", log, "cook treasure").out
    assert said == (
        "[1] Log\nThe cook found a treasure.\ufffd[31m\nIt was gold.\n\n"
        "[2] 2\nThe treasure was lost again.\n"
    )
    assert "[2]" not in run("context", log, "cook treasure", "--tokens", 20).out
    assert "gold" not in run("context", log, "treasure", "--filter", '{"year": 1990}').out


def test_passages_for_programs(log: Path) -> None:
    found = answer("context", log, "lost", "--order", "score", "--neighbours", 0, "--per-document", 1)
    assert found["passages"] == [
        {
            "number": 1,
            "id": "2",
            "title": "",
            "heading": [],
            "page": None,
            "start": 0,
            "end": 28,
            "text": "The treasure was lost again.",
            "relevance": None,
        }
    ]
    assert found["text"] == "[1] 2\nThe treasure was lost again."
    assert found["abstained"] is False


def test_without_an_answer(log: Path) -> None:
    said = run("context", log, "zebra", status=1)
    assert (said.out, said.err) == ("", "hybrid: no good answer: nothing was found\n")
    assert run("context", log, "zebra", "--json", status=1).json["passages"] == []


def test_what_cannot_be_asked(log: Path) -> None:
    assert "hybrid calibrate" in refusal("context", log, "cook", "--min-relevance", 0.5)
    assert "order" in refusal("context", log, "cook", "--order", "random")
