"""``hybrid tune``: search the best serving profile on judged queries, install it if it proves better."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from hybrid.cli.judging import (
    Accepting,
    IgnoreIdenticalIds,
    Judged,
    QrelsFile,
    QueriesFile,
    TestQrelsFile,
    decide,
    show_contest,
    waived,
)
from hybrid.cli.output import AsJson, Directory, out
from hybrid.cli.reading import Encoding
from hybrid.learn.contest import MEASURE
from hybrid.learn.split import MAX_TRAIN
from hybrid.learn.tuning import Tuning
from hybrid.learn.tuning import tune as search


def tune(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    measure: Annotated[
        str, typer.Option(help="The measure to maximise, as ir-measures names it.")
    ] = MEASURE,
    max_train: Annotated[
        int,
        typer.Option(metavar="N", min=5, help="Train on at most this many queries; the others test, too."),
    ] = MAX_TRAIN,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, the folds and the tests.")] = 0,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    accept: Accepting = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Search and test, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Search the fusion, its weights, the legs' depths and the title boost that rank best on train
    queries; judge them on held-out ones; install them only if they are significantly better than what
    serves, also where documents are not known from training, and not below a leg alone.

    The exit status is 0 whether something was installed or refused.
    """
    judge = partial(
        search,
        measure=measure,
        max_train=max_train,
        ignore_identical_ids=ignore_identical_ids,
        accept=waived(accept),
        seed=seed,
    )
    judged = Judged.read(queries, qrels, test_qrels, encoding=encoding)
    decide("tune", directory, judged, judge, _show, dry_run=dry_run, as_json=as_json)


def _show(found: Tuning) -> None:
    tuned = f"tuned, cross-validated on train: {found.cross_validated:.4f}"
    show_contest(found, f", {found.tried:,} profiles tried; {tuned}", p="p (Holm)")
    for name in ("serving", *found.verdict.challengers):
        out.print(f"{name}: {found.systems[name].profile}", style="dim")
    out.print()
