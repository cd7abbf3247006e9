"""``hybrid learn`` and ``hybrid forget`` as a person and as a program meet them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybrid import Index, PastQuery, Profile, corpora
from hybrid.fusion import Voting
from tests.commands import Files, answer, refusal, run


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


def test_files_are_read_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    for name in ("read_queries", "read_qrels"):
        true = getattr(corpora, name)

        def counted(*arguments: Any, name: str = name, true: Any = true, **options: Any) -> Any:
            read.append(name)
            return true(*arguments, **options)

        monkeypatch.setattr(corpora, name, counted)
    run("learn", *files.arguments, "--dry-run")
    assert sorted(read) == ["read_qrels", "read_queries"]


@pytest.mark.parametrize(
    "arguments", [[], ["--queries"], ["--qrels"], ["--queries", "--past-queries"]], ids=" ".join
)
def test_one_kind_of_file_is_needed(files: Files, arguments: list[str]) -> None:
    given = [part for name in arguments for part in (name, files.folder / "x")]
    assert "give --queries and --qrels, or --past-queries" in refusal("learn", files.folder, *given)


@pytest.mark.parametrize("before", ["1970-01-02", "1970-01", "86400", "1970-01-02T01:00+01:00"])
def test_times_are_read_as_filters_read_them(files: Files, before: str) -> None:
    with Index.open(files.folder) as index:
        index.keep_past_queries(
            [PastQuery("x", {"a": 1}, time=86_399.5), PastQuery("y", {"a": 1}, time=86_400)]
        )
    assert answer("forget", files.folder, "--before", before) == {"forgotten": before != "1970-01"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "say what to forget: --query, --user or --before"),
        (["--before", "yesterday"], "--before 'yesterday' is not a time"),
        (["--before", "2026-01-31x10"], "is not a time"),  # which datetime.fromisoformat would take
        (["--user", ""], "a user has a name"),
    ],
)
def test_what_cannot_be_forgotten(files: Files, arguments: list[str], complaint: str) -> None:
    assert complaint in refusal("forget", files.folder, *arguments)
