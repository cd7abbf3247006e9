"""``hybrid learn`` and ``hybrid forget``: keep past queries with their answers, and let them go."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from hybrid.cli import pastqueries
from hybrid.cli.judging import Accepting, Judged, decide, show_contest, waived
from hybrid.cli.output import AsJson, Directory, out, print_json
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.learn.contest import Contest
from hybrid.learn.voting import NAME, vote
from hybrid.ledger.past import PastQuery, judged
from hybrid.limits import counted, shown
from hybrid.metadata.filters import instant
from hybrid.search.searcher import Searcher
from hybrid.types import Qrels, Stages


def learn(
    directory: Directory,
    queries: Annotated[
        Path | None, typer.Option(help="BEIR queries.jsonl, or lines of id, tab, text.")
    ] = None,
    qrels: Annotated[Path | None, typer.Option(help="BEIR or TREC judgments of --queries.")] = None,
    past_queries: Annotated[
        Path | None,
        typer.Option("--past-queries", metavar="FILE", help="Past queries, as hybrid export writes them."),
    ] = None,
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
    forget takes past queries away again. With --past-queries in the place of --queries and --qrels, those
    of another index are kept, clicked ones too; where the index then has no judged one, nothing is chosen.
    """
    known, given = _given(queries, qrels, past_queries, encoding)
    with Index.open(directory) as index:
        kept = index.keep_past_queries(known)
        many = index.stats()["past_queries"]
        to_choose = past_queries is None or any(one.origin == "judged" for one in index.past_queries())
    if not as_json:
        out.print(f"{counted(kept, 'past query', 'past queries')} kept; the index has {many:,}")
    if not to_choose:
        if as_json:
            print_json({"kept": kept, "past_queries": many})
        return

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

    decide("learn", directory, given, judge, _show, dry_run=dry_run, as_json=as_json)


def _given(
    queries: Path | None, qrels: Path | None, past_queries: Path | None, encoding: str | None
) -> tuple[list[PastQuery], Judged]:
    """Read the past queries to be kept, and the same as judged queries. Raises InputError, CorpusError."""
    if past_queries is None and queries is not None and qrels is not None:
        given = Judged.read(queries, qrels, encoding=encoding)
        return judged(given.queries, given.qrels, time.time()), given
    if past_queries is None or queries is not None or qrels is not None:
        raise InputError("give --queries and --qrels, or --past-queries")
    known = list(pastqueries.read(past_queries, encoding))
    numbered = {str(number): one for number, one in enumerate(known)}
    texts = {id: one.query for id, one in numbered.items()}
    answers = {id: dict(one.answers) for id, one in numbered.items()}
    return known, Judged({"past_queries": past_queries}, texts, answers)


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
    end = None if before is None else _time(before)
    with Index.open(directory) as index:
        gone = index.forget(query=query, user=user, before=end)
    if as_json:
        print_json({"forgotten": gone})
        return
    out.print(f"{counted(gone, 'past query', 'past queries')} forgotten")


def _time(text: str) -> float:
    """Seconds since the epoch. Raises InputError."""
    try:
        return float(text)
    except ValueError as cause:
        if (date := instant(text)) is None:
            raise InputError(
                f"--before {shown(text)} is not a time; write 2026-01-31 or seconds"
            ) from cause
        return date / 1e6
