"""``hybrid learn`` and ``hybrid forget`` as a person and as a program meet them."""

from __future__ import annotations

import json

import pytest

from hybrid import Index, Profile
from hybrid.fusion import Voting
from tests.commands import Files, refusal, run


def past(files: Files) -> int:
    with Index.open(files.folder, read_only=True) as index:
        return sum(1 for _ in index.past_queries())


def test_past_queries_are_kept_judged_and_forgotten(files: Files) -> None:
    shown = run("learn", *files.arguments, "--dry-run")
    kept = past(files)
    assert f"{kept:,} past queries kept" in shown.out
    for word in ("serving", "past queries", "lexical leg", "vector leg"):
        assert word in shown.out
    told = json.loads(run("learn", *files.arguments, "--json").out)
    assert told["verdict"]["outcome"]
    assert past(files) == kept
    assert json.loads(run("stats", files.folder, "--json").out)["past_queries"] == kept
    with Index.open(files.folder, read_only=True) as index:
        text = next(iter(index.past_queries())).query
    assert "1 past query forgotten" in run("forget", files.folder, "--query", text).out
    assert json.loads(run("forget", files.folder, "--before", "2999-01-01", "--json").out) == {
        "forgotten": kept - 1
    }
    assert past(files) == 0


def test_evaluation_tells_where_judged_queries_vote_for_themselves(files: Files) -> None:
    def told() -> str:
        return run("evaluate", *files.arguments, "--no-latency", "--measures", "RR").err

    run("learn", *files.arguments, "--dry-run")
    assert "past queries" not in told()  # they do not vote
    with Index.open(files.folder) as index:
        index.install(Profile(voting=Voting(4, 0.5)))
    assert "judged queries are past queries of this index and vote for their own answers" in told()
    run("forget", files.folder, "--before", "2999-01-01")
    assert "past queries" not in told()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "say what to forget: --query, --user or --before"),
        (["--before", "yesterday"], "--before 'yesterday' is not a time"),
        (["--user", ""], "a user has a name"),
    ],
)
def test_what_cannot_be_forgotten(files: Files, arguments: list[str], complaint: str) -> None:
    assert complaint in refusal("forget", files.folder, *arguments)
