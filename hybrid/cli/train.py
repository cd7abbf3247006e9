"""``hybrid train``: learn a ranking from judged queries, install it if it proves better."""

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
from hybrid.learn.split import MAX_TRAIN
from hybrid.learn.training import LEARNED, Learning, learn

_TOLD = 15  # features


def train(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    max_queries: MaxQueries = MAX_TRAIN,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="A numeric metadata field to learn from.")
    ] = None,
    judged_only: Annotated[
        bool,
        typer.Option(
            "--judged-only", help="Leave candidates without a judgment out of training (for clicks)."
        ),
    ] = False,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also train without each group of features, one at a time.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Seed of the split, folds, trees, tests.")
    ] = 0,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    accept: Accepting = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and test, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Train a LambdaMART on the features of an index's candidates; judge it on held-out queries; install
    it only if it is significantly better than what serves, also where documents are not known from
    training, and not below a leg alone.

    Candidates without a judgment count as not relevant. The exit status is 0 whether the model was
    installed or refused.
    """
    judge = partial(
        learn,
        metadata=metadata or (),
        judged_only=judged_only,
        ablation=ablation,
        max_train=max_queries,
        ignore_identical_ids=ignore_identical_ids,
        accept=waived(accept),
        seed=seed,
    )
    judged = Judged.read(queries, qrels, test_qrels, encoding=encoding)
    decide("train", directory, judged, judge, _show, dry_run=dry_run, as_json=as_json)


def _show(found: Learning) -> None:
    show_contest(found, f"; {LEARNED} on train by models that did not see the query")
    chosen = found.choice
    out.print(
        f"{found.rounds} trees of {chosen.leaves} leaves, beside {chosen.base:g} times the fused score; "
        f"over: {found.profile}",
        style="dim",
    )
    out.print()
    out.print(_features(found))
    if found.ablation:
        out.print()
        out.print(_ablation(found))
    out.print()


def _features(found: Learning) -> Table:
    rows = table("feature")
    rows.add_column("share of the gain", justify="right")
    for name, share in list(found.importances.items())[:_TOLD]:
        rows.add_row(name, f"{share:.1%}")
    return rows


def _ablation(found: Learning) -> Table:
    rows = table("without")
    rows.add_column("train", justify="right")
    rows.add_column("difference", justify="right")
    whole = found.systems[LEARNED].train
    for group, reached in found.ablation.items():
        rows.add_row(group, f"{reached:.4f}", f"{reached - whole:+.4f}")
    return rows
