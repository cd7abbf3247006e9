"""``hybrid learn`` and ``hybrid forget``: keep past queries with their answers, and let them go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from hybrid.cli import reading
from hybrid.cli.judging import Accepting, Files, QrelsFile, QueriesFile, decide, show_contest, waived
from hybrid.cli.output import AsJson, Directory, out, print_json
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.learn.contest import Contest
from hybrid.learn.voting import NAME, vote
from hybrid.limits import counted, shown
from hybrid.search.searcher import Searcher
from hybrid.types import Qrels, Stages


def learn(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    accept: Accepting = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and the tests.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Keep the past queries, but install no profile.")
    ] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Keep judged queries as past queries: the answers of those that are similar to a new query move up.

    How much they count is chosen on two thirds of all past queries that were judged and tested on the rest;
    it is installed only if it is significantly better than what serves. Nothing is trained, and hybrid
    forget takes past queries away again.
    """
    asked, judged = reading.queries(queries, encoding), reading.qrels(qrels, encoding)
    with Index.open(directory) as index:
        kept = index.learn(asked, judged)
        many = index.stats()["past_queries"]
    if not as_json:
        out.print(f"{counted(kept, 'past query', 'past queries')} kept; the index has {many:,}")

    def judge(
        searcher: Searcher,
        _queries: dict[str, str],
        _qrels: Qrels,
        /,
        *,
        test_qrels: Qrels | None,  # noqa: ARG001
        progress: Stages,
    ) -> Contest:
        return vote(searcher, seed=seed, accept=waived(accept), progress=progress)

    files = Files(queries, qrels)
    decide("learn", directory, files, judge, _show, encoding=encoding, dry_run=dry_run, as_json=as_json)


def _show(found: Contest) -> None:
    show_contest(found, "")
    out.print(f"{NAME}: {found.systems[NAME].profile}", style="dim")
    out.print()


def forget(
    directory: Directory,
    query: Annotated[str | None, typer.Option(help="Those with this text.")] = None,
    user: Annotated[str | None, typer.Option(help="Those of this user.")] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Those from before this time, such as 2026-01-31."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forget past queries, and what the log of clicks holds of them: all that meet every condition given.

    hybrid compact then leaves no byte of them.
    """
    if query is None and user is None and before is None:
        raise InputError("say what to forget: --query, --user or --before")
    time = None if before is None else _time(before)
    with Index.open(directory) as index:
        gone = index.forget(query=query, user=user, before=time)
    if as_json:
        print_json({"forgotten": gone})
        return
    out.print(f"{counted(gone, 'past query', 'past queries')} forgotten")


def _time(text: str) -> float:
    """Seconds since the epoch; a date without a zone is UTC. Raises InputError."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as cause:
        raise InputError(f"--before {shown(text)} is not a time; write 2026-01-31 or seconds") from cause
