"""``hybrid calibrate``: learn from judged queries how relevant hits are, so that scores mean something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hybrid.cli.judging import IgnoreIdenticalIds, Judged, QueriesFile, decide
from hybrid.cli.output import AsJson, Directory, bar, out, table
from hybrid.cli.reading import Encoding
from hybrid.evaluate.asking import answering
from hybrid.learn.calibrating import PRECISIONS, Calibrated
from hybrid.learn.calibrating import calibrate as fitted
from hybrid.learn.reliability import Point
from hybrid.search.searcher import Searcher
from hybrid.types import Qrels


def calibrate(
    directory: Directory,
    queries: QueriesFile,
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments.")],
    ignore_identical_ids: IgnoreIdenticalIds = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds and of the resampling.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and report, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Learn from judged queries the probability that a hit is relevant. Every hit then has this
    probability, and `hybrid search --min-score` leaves out hits below it.

    A calibration holds for one ranking: run this after `hybrid tune` and `hybrid train`, and again after a
    change of encoder, analyzer or title boost. It stays valid when documents are added.

    The exit status is 0 whether the calibration was installed or refused.
    """

    def judge(searcher: Searcher, texts: dict[str, str], judgments: Qrels, /, **_: object) -> Calibrated:
        *others, serves = answering(searcher.legs)
        with bar("calibrating", len(judgments)) as drawn:
            return fitted(
                searcher,
                texts,
                judgments,
                [serves, *others],
                ignore_identical_ids=ignore_identical_ids,
                seed=seed,
                progress=drawn.advance,
            )

    decide(
        "calibrate",
        directory,
        Judged.read(queries, qrels, encoding=encoding),
        judge,
        _show,
        dry_run=dry_run,
        as_json=as_json,
        called={"chosen by": "calibrated by", "queries": "queries file"},
    )


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
    """The share of queries that can be answered at each precision."""
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
