"""``hybrid tune``: search the best serving profile on judged queries, install it if it proves better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import hybrid
from hybrid import corpora
from hybrid.cli.judging import (
    QrelsFile,
    QueriesFile,
    TestQrelsFile,
    figures,
    identities,
    outcome,
    tell_left_out,
    tell_way_back,
    unless_overtaken,
)
from hybrid.cli.output import AsJson, Directory, out, print_json, stages
from hybrid.engine import Index
from hybrid.evaluate.split import MAX_TRAIN
from hybrid.evaluate.tuning import MEASURE, Tuning
from hybrid.evaluate.tuning import tune as search
from hybrid.settings import Profile


def tune(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    measure: Annotated[str, typer.Option(help="What to maximise; any that ir-measures knows.")] = MEASURE,
    max_train: Annotated[
        int, typer.Option(metavar="N", min=5, help="Train on no more queries; the rest judges, too.")
    ] = MAX_TRAIN,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the folds and the tests.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Search and judge, install nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search the fusion, its weights, the legs' depths and the title boost that rank best on train
    queries; judge them on held-out ones; install them only if they are significantly better than what
    serves, and not below a leg alone.

    The exit status is 0 whether something was installed or refused.
    """
    texts, judgments = corpora.read_queries(queries), corpora.read_qrels(qrels)
    testing = None if test_qrels is None else corpora.read_qrels(test_qrels)
    with Index.open(directory, read_only=True) as index, stages() as progress:
        before, serving = index.profiles.serves, index.profiles.serving
        found = search(
            index,
            texts,
            judgments,
            measure=measure,
            seed=seed,
            test_qrels=testing,
            max_train=max_train,
            progress=progress,
        )
    tell_left_out(found.left_out)
    if not as_json:
        _show(found)
    files = {"queries": queries, "qrels": qrels, "test_qrels": test_qrels}
    number = None if dry_run else _install(directory, serving, found, files)
    if as_json:
        print_json(found.to_json() | {"dry_run": dry_run, "installed": number, "before": before})
        return
    out.print(outcome(found.verdict, number), style="bold" if number else "")
    if number is not None:
        tell_way_back(directory, before)


def _install(directory: Path, serving: Profile, found: Tuning, files: dict[str, Path | None]) -> int | None:
    """The number of the profile that serves from now on; None where what serves stays."""
    if found.installs is None:
        return None
    evidence = {"chosen by": f"hybrid tune {hybrid.__version__}", **identities(files), **found.evidence()}
    with unless_overtaken(directory, serving, "tune again, against that one") as index:
        return index.install(found.installs, evidence)


def _show(found: Tuning) -> None:
    out.print(figures(found.systems, found.verdict, p="p (Holm)"))
    out.print(
        f"{found.measure}, {found.train:,} train and {found.held_out:,} held-out queries, "
        f"{found.tried:,} profiles tried; tuned, cross-validated on train: {found.cross_validated:.4f}",
        style="dim",
    )
    for name in ("serving", *found.verdict.challengers):
        out.print(f"{name}: {found.systems[name].profile}", style="dim")
    out.print()
