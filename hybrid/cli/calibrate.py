"""``hybrid calibrate``: learn from judged queries how relevant hits are, so that scores mean something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import hybrid
from hybrid.cli import reading
from hybrid.cli.judging import (
    IgnoreIdenticalIds,
    QueriesFile,
    identities,
    tell_way_back,
    tell_what_is_lacking,
    unless_overtaken,
)
from hybrid.cli.output import AsJson, Directory, bar, out, print_json, table
from hybrid.cli.reading import Encoding
from hybrid.evaluate.asking import answering
from hybrid.index import Index
from hybrid.learn.calibrating import PRECISIONS, Calibrated
from hybrid.learn.calibrating import calibrate as fitted
from hybrid.learn.reliability import Point
from hybrid.settings import Profile


def calibrate(
    directory: Directory,
    queries: QueriesFile,
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments.")],
    ignore_identical_ids: IgnoreIdenticalIds = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds, and of the queries asked again.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and report, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Learn the probability that a hit is relevant from judged queries, and let every hit carry it; then
    a search can leave out what is not good enough: hybrid search --min-score.

    It holds for the index as it ranks now: do it after `hybrid tune` and `hybrid train`. With another
    encoder, analyzer or title boost it counts for nothing; calibrate again. Added documents do not hurt it.

    The exit status is 0 whether it was installed or refused.
    """
    texts, judgments = reading.queries(queries, encoding), reading.qrels(qrels, encoding)
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        tell_what_is_lacking(searcher, judgments)
        serves, serving = searcher.profiles.serves, searcher.profiles.serving
        *others, serving_mode = answering(searcher.legs)
        with bar("calibrating", len(judgments)) as drawn:
            found = fitted(
                searcher,
                texts,
                judgments,
                [serving_mode, *others],
                ignore_identical_ids=ignore_identical_ids,
                seed=seed,
                progress=drawn.advance,
            )
    if not as_json:
        _show(found)
    number = None
    if not dry_run and found.refused is None:
        evidence = {
            "calibrated by": f"hybrid calibrate {hybrid.__version__}",
            "ranks like profile": serves,
            **identities({"queries file": queries, "qrels": qrels}),
            **found.evidence(),
        }
        number = _install(directory, serving, found, evidence)
    if as_json:
        print_json(found.to_json() | {"dry_run": dry_run, "installed": number, "before": serves})
        return
    out.print(_outcome(found, number), style="bold" if number else "", soft_wrap=True)
    if number is not None:
        tell_way_back(directory, serves)


def _install(directory: Path, serving: Profile, found: Calibrated, evidence: dict[str, object]) -> int:
    with unless_overtaken(directory, serving, "calibrate again, for that one") as index:
        calibration = index.keep_calibration(found.calibration)
        return index.install(serving.model_copy(update={"calibration": calibration}), evidence)


def _show(found: Calibrated) -> None:
    out.print(_errors(found))
    out.print(
        f"of the first 10 hits of {found.queries:,} queries, {found.twins:,} of which were asked again as "
        "if their relevant documents were not there; all figures out of fold",
        style="dim",
    )
    out.print()
    out.print(_abstention(found))
    out.print(
        "precision of the first hits if all are shown; share of the queries that are answered with more, "
        "at which --min-score; area under the risk-coverage curve (less is better)",
        style="dim",
    )
    out.print()


def _errors(found: Calibrated) -> Table:
    rows = table("mode")
    for heading in ("calibration error", "by chance", "Brier skill"):
        rows.add_column(heading, justify="right")
    for mode, trust in found.trust.items():
        held = trust.reliability
        rows.add_row(mode, f"{held.ece:.4f}", f"{held.by_chance:.4f}", f"{held.skill:.3f}")
    return rows


def _abstention(found: Calibrated) -> Table:
    """Who answers only what is sure: how many queries are left at which precision."""
    rows = table("mode")
    for heading in ("all answered", *(f"precision {wanted:g}" for wanted in PRECISIONS), "AURC"):
        rows.add_column(heading, justify="right")
    for mode, trust in found.trust.items():
        shares = map(_share, trust.operating.values())
        area = f"{trust.abstention.aurc.value:.3f}"
        rows.add_row(mode, f"{trust.abstention.precision:.3f}", *shares, area)
    return rows


def _share(point: Point | None) -> str:
    return "never" if point is None else f"{point.answered:.0%} at {point.threshold:.2f}"


def _outcome(found: Calibrated, number: int | None) -> str:
    if found.refused is not None:
        return f"refused, the profile stays: {found.refused}"
    if number is None:
        return "would be installed"
    return f"installed as profile {number}: hits carry their relevance, and hybrid search takes --min-score"
