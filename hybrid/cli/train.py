"""``hybrid train``: learn a ranking from judged queries, install it if it proves better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

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
from hybrid.cli.output import AsJson, Directory, out, print_json, stages, table
from hybrid.engine import Index
from hybrid.evaluate.contest import MEASURE
from hybrid.evaluate.learning import LEARNED, Learning, learn
from hybrid.evaluate.split import MAX_TRAIN
from hybrid.settings import Profile

_TOLD = 15  # features


def train(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    max_queries: Annotated[
        int, typer.Option(metavar="N", min=10, help="Train on no more queries; the rest judges, too.")
    ] = MAX_TRAIN,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="A number in the metadata to learn from.")
    ] = None,
    judged_only: Annotated[
        bool,
        typer.Option("--judged-only", help="Learn nothing from candidates without a judgment (clicks)."),
    ] = False,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also train without each group of features.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the split, folds, trees, tests.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and judge, install nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a LambdaMART on what the index knows of its candidates; judge it on held-out queries; install
    it only if it is significantly better than what serves, and not below a leg alone.

    Candidates without a judgment count as not relevant. The exit status is 0 whether the model was
    installed or refused.
    """
    texts, judgments = corpora.read_queries(queries), corpora.read_qrels(qrels)
    testing = None if test_qrels is None else corpora.read_qrels(test_qrels)
    with Index.open(directory, read_only=True) as index, stages() as progress:
        before, serving = index.profiles.serves, index.profiles.serving
        found = learn(
            index,
            texts,
            judgments,
            seed=seed,
            test_qrels=testing,
            max_train=max_queries,
            metadata=metadata or (),
            judged_only=judged_only,
            ablation=ablation,
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
    out.print(outcome(found.verdict, number), style="bold" if number else "", soft_wrap=True)
    if number is not None:
        tell_way_back(directory, before)


def _install(
    directory: Path, serving: Profile, found: Learning, files: dict[str, Path | None]
) -> int | None:
    """The number of the profile that serves from now on; None where what serves stays."""
    if found.installs is None:
        return None
    evidence = {"chosen by": f"hybrid train {hybrid.__version__}", **identities(files), **found.evidence()}
    with unless_overtaken(directory, serving, "train again, against that one") as index:
        if found.verdict.installs != LEARNED:
            return index.install(found.installs, evidence)
        id = index.keep_model(found.model)
        return index.install(found.installs.model_copy(update={"reranker": id}), evidence)


def _show(found: Learning) -> None:
    out.print(figures(found.systems, found.verdict))
    out.print(
        f"{MEASURE}, {found.train:,} train and {found.held_out:,} held-out queries; {LEARNED} on train by "
        "models that did not see the query",
        style="dim",
    )
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
