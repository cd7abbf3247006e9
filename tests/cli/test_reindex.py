"""``hybrid reindex --trial`` as a person and as a program meet it."""

from __future__ import annotations

import json

import pytest

from hybrid import Index
from hybrid.learn.searchspace import leg
from tests.commands import Files, answer, contents, refusal, run


def test_what_is_not_better_is_thrown_away(files: Files) -> None:
    before = contents(files.folder)
    shown = run("reindex", *files.arguments, "--analyzer", "english", "--trial").out
    assert "kept encoder letters, analyzer mixed-2: re-indexed is" in shown
    for word in ("serving", "re-indexed: vector leg", "held-out", "MB"):
        assert word in shown
    assert contents(files.folder) == before
    assert json.loads(run("stats", files.folder, "--json").out)["analyzer"] == "mixed-2"


def test_what_is_better_takes_over(files: Files) -> None:
    with Index.open(files.folder) as index:
        index.install(leg("vector"))
    told = answer("reindex", *files.arguments, "--analyzer", "english", "--trial")
    assert told["switched"]
    assert (told["verdict"]["installs"], told["analyzer"], told["before"]["analyzer"]) == (
        *("re-indexed", "english-2", "mixed-2"),
    )
    profile = run("profile", files.folder, "show").out
    assert "hybrid reindex --trial" in profile
    assert "analyzer: mixed-2" in profile
    shown = run("reindex", *files.arguments, "--trial", "--test-qrels", files.qrels).out
    assert "kept encoder letters, analyzer english-2: re-indexed is worth as much" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--trial"], "--trial needs judged queries; give --queries FILE and --qrels FILE"),
        (["--accept", "known"], "judged queries decide about a re-index only with --trial; add it"),
    ],
)
def test_a_trial_takes_judgments_and_judgments_a_trial(
    files: Files, arguments: list[str], complaint: str
) -> None:
    assert complaint in refusal("reindex", files.folder, *arguments)


def test_no_encoder_no_trial(files: Files) -> None:
    said = refusal("reindex", *files.arguments, "--trial", "--encoder", "no/such/model", status=1)
    assert "'no/such/model' is not an encoder" in said
