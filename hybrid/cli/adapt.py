"""``hybrid adapt``: learn to move the vectors of queries, install it if it proves better."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from hybrid.cli.judging import (
    Accepting,
    IgnoreIdenticalIds,
    Judged,
    MaxQueries,
    QrelsFile,
    QueriesFile,
    TestQrelsFile,
    decide,
    show_contest,
    waived,
)
from hybrid.cli.output import AsJson, Directory, out, table
from hybrid.cli.reading import Encoding
from hybrid.learn.adapting import NAME, UNMOVED, Adapting
from hybrid.learn.adapting import adapt as learn
from hybrid.learn.split import MAX_TRAIN


def adapt(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    max_queries: MaxQueries = MAX_TRAIN,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, the folds and the tests.")] = 0,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    accept: Accepting = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and test, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Learn an adapter, a map of the encoder's query vectors towards what answers them; judge it on
    held-out queries; install it only if it is significantly better than what serves, also where documents
    are not known from training, and not below a leg alone.

    No document is encoded anew. The exit status is 0 whether the adapter was installed or refused.
    """
    judge = partial(
        learn,
        max_train=max_queries,
        ignore_identical_ids=ignore_identical_ids,
        accept=waived(accept),
        seed=seed,
    )
    judged = Judged.read(queries, qrels, test_qrels, encoding=encoding)
    decide("adapt", directory, judged, judge, _show, dry_run=dry_run, as_json=as_json)


def _show(found: Adapting) -> None:
    show_contest(found, f"; {NAME} on train by maps that did not see the query's family")
    out.print()
    out.print(_tried(found))
    out.print()


def _tried(found: Adapting) -> Table:
    rows = table("map")
    for heading in ("cross-validated", "difference"):
        rows.add_column(heading, justify="right")
    before = found.tried[UNMOVED]
    for name, reached in found.tried.items():
        difference = "" if name == UNMOVED else f"{reached - before:+.4f}"
        style = "bold" if name == str(found.choice) else "dim"
        rows.add_row(name, f"{reached:.4f}", difference, style=style)
    return rows
