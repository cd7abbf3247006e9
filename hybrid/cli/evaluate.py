"""``hybrid evaluate``: the index against judged queries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.table import Table
from rich.text import Text

from hybrid import corpora
from hybrid.cli.output import AsJson, bar, complain, out, print_json, table
from hybrid.engine import Index
from hybrid.errors import QueryError
from hybrid.evaluate import Report, depth_of, parse, run_modes, write_run
from hybrid.evaluate import evaluate as measure
from hybrid.request import MODES
from hybrid.types import Mode, Qrels, Run

MEASURES: Final = "nDCG@10 R@100 RR@10 AP"


def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    queries: Annotated[Path, typer.Option(help="BEIR queries.jsonl, or a table of id, tab, text.")],
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments.")],
    mode: Annotated[
        str | None, typer.Option(help="Comma-separated. [all that the index can answer]")
    ] = None,
    measures: Annotated[str, typer.Option(help="Any that ir-measures knows.")] = MEASURES,
    run_out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each run there, in TREC format.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure an index on judged queries, by keyword, by meaning and by both.

    "hybrid" is the index's installed serving profile: what users get is what is measured.
    """
    wanted = parse(measures)
    texts, judgments = corpora.read_queries(queries), corpora.read_qrels(qrels)
    with Index.open(directory, read_only=True) as index:
        modes = _modes(mode, index)
        runs = answers(index, texts, judgments, modes, depth_of(wanted))
    report = measure(runs, judgments, wanted)
    if run_out is not None:
        run_out.mkdir(parents=True, exist_ok=True)
        for name, run in runs.items():
            write_run(run, run_out / f"{name}.trec", name)
    if report.unasked:
        complain(
            f"{len(report.unasked)} judged queries are not in {queries}, scored 0: {report.unasked[0]!r}"
        )
    if as_json:
        print_json(report.to_json())
    else:
        out.print(scores(report))
        out.print(f"{report.queries:,} judged queries", style="dim")


def answers(
    index: Index, queries: dict[str, str], qrels: Qrels, modes: list[Mode], k: int
) -> dict[str, Run]:
    """The runs of ``modes``, with a progress bar."""
    with bar("searching", len(qrels) * len(modes)) as progress:
        seen = 0

        def advance(done: int, _: int) -> None:
            nonlocal seen
            progress.advance(done - seen)
            seen = done

        return run_modes(index, queries, qrels, modes, k=k, progress=advance)


def scores(report: Report) -> Table:
    """A row a system, a column a measure, the best of each column in bold."""
    measures = list(next(iter(report.systems.values())))
    rows = table("system", *measures)
    best = {name: max(figures[name] for figures in report.systems.values()) for name in measures}
    for system, figures in report.systems.items():
        styles = {name: "bold green" if figures[name] == best[name] else "" for name in measures}
        rows.add_row(system, *(Text(f"{figures[name]:.4f}", styles[name]) for name in measures))
    return rows


def _modes(text: str | None, index: Index) -> list[Mode]:
    if text is None:
        return ["lexical", "vector", "hybrid"] if index.stats()["encoder"] else ["lexical"]
    modes = [part.strip() for part in text.split(",")]
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise QueryError(
            f"--mode {unknown[0]!r} is not known; give some of {', '.join(MODES)}, separated by commas"
        )
    return cast(list[Mode], modes)
