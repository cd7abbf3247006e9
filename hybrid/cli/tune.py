"""``hybrid tune``: search the best serving profile on judged queries, install it if it proves better."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import hybrid
from hybrid import corpora
from hybrid.cli.output import AsJson, complain, identity, out, print_json, stages, table
from hybrid.engine import Index
from hybrid.errors import StorageError
from hybrid.evaluate.gate import Challenge
from hybrid.evaluate.split import MAX_TRAIN
from hybrid.evaluate.tuning import MEASURE, Tuning
from hybrid.evaluate.tuning import tune as search
from hybrid.settings import Profile


def tune(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    queries: Annotated[Path, typer.Option(help="BEIR queries.jsonl, or a table of id, tab, text.")],
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments: two thirds train, a third judges.")],
    test_qrels: Annotated[
        Path | None, typer.Option(help="Judgments that judge instead; then all of --qrels may train.")
    ] = None,
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
        before = index.profiles.serves
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
    for reason, many in found.left_out.items():
        complain(f"{many:,} judged queries left out: {reason}")
    if not as_json:
        _show(found)
    installs = None if dry_run else found.installs
    files = {"queries": queries, "qrels": qrels, "test_qrels": test_qrels}
    number = None if installs is None else _install(directory, installs, found, files)
    if as_json:
        print_json(found.to_json() | {"dry_run": dry_run, "installed": number, "before": before})
        return
    out.print(_outcome(found, number, dry_run), style="bold" if number else "")
    if number is not None:
        out.print(f"back: hybrid profile {shlex.quote(str(directory))} use {before}", soft_wrap=True)


def _install(directory: Path, profile: Profile, found: Tuning, files: dict[str, Path | None]) -> int:
    data = {name: identity(file) for name, file in files.items() if file is not None}
    evidence = {"chosen by": f"hybrid tune {hybrid.__version__}", **data, **found.evidence()}
    with Index.open(directory) as index:
        if index.profiles.serving != found.systems["serving"].profile:
            raise StorageError(f"{directory}: another profile serves by now; tune again, against that one")
        return index.install(profile, evidence)


def _show(found: Tuning) -> None:
    out.print(_figures(found))
    out.print(
        f"{found.measure}, {found.train:,} train and {found.held_out:,} held-out queries, "
        f"{found.tried:,} profiles tried; tuned, cross-validated on train: {found.cross_validated:.4f}",
        style="dim",
    )
    for name in ("serving", *found.verdict.challengers):
        out.print(f"{name}: {found.systems[name].profile}", style="dim")
    out.print()


def _figures(found: Tuning) -> Table:
    """What serves, the finalists against it, and what is held beside them."""
    rows = table("system")
    for heading in ("train", "held-out", "difference", "95 % interval", "p (Holm)"):
        rows.add_column(heading, justify="right")
    for name, figures in found.systems.items():
        challenge = found.verdict.challengers.get(name)
        compared = _compared(challenge) if challenge else ("", "", "")
        rows.add_row(
            name,
            f"{figures.train:.4f}",
            f"{figures.held_out:.4f}",
            *compared,
            style="" if challenge else "dim",
        )
    return rows


def _compared(challenge: Challenge) -> tuple[str, str, str]:
    found = challenge.against_incumbent
    return (
        f"{found.difference:+.4f}",
        f"{found.low:+.4f} … {found.high:+.4f}",
        "< .0001" if challenge.corrected < 0.0001 else f"{challenge.corrected:.4f}",
    )


def _outcome(found: Tuning, number: int | None, dry_run: bool) -> str:
    if number is not None:
        return f"installed as profile {number}: {found.verdict.reason}"
    if found.installs is not None and dry_run:
        return f"would be installed: {found.verdict.reason}"
    return f"refused, the profile stays: {found.verdict.reason}"
