"""``hybrid evaluate``: evaluate rankings, of an index and of other tools, on judged queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hybrid.cli import reading
from hybrid.cli.comparing import show, show_changes
from hybrid.cli.judging import IgnoreIdenticalIds
from hybrid.cli.naming import foreign_runs, named_systems
from hybrid.cli.output import AsJson, Bar, bar, complain, out, print_json
from hybrid.cli.reading import Encoding
from hybrid.encoders import load
from hybrid.errors import InputError, require
from hybrid.evaluate import (
    Comparison,
    Coverage,
    Report,
    System,
    Timings,
    answerable,
    by_mode,
    changes,
    compare,
    coverage,
    depth_of,
    parse,
    reencoded,
    run_systems,
    time_searches,
    write_run,
)
from hybrid.evaluate import evaluate as measure
from hybrid.evaluate.comparison import others_than
from hybrid.evaluate.identical import not_answered, not_judged
from hybrid.evaluate.latency import sample
from hybrid.evaluate.runs import write_whole
from hybrid.index import Index
from hybrid.limits import counted
from hybrid.search.legs import Legs
from hybrid.search.searcher import Searcher
from hybrid.types import Qrels, Run, Steps

if TYPE_CHECKING:
    from ir_measures import Measure

MEASURES: Final = "nDCG@10 R@100 RR@10 AP Judged@10"


@dataclass(frozen=True)
class Task:
    """The systems to evaluate: ``systems`` of an index, with the legs it has and the coverage of judged
    documents; the ``encoders`` in whose place each of these systems is asked again; and ``foreign`` runs.
    ``remembered``: how many judged queries are past queries that vote for themselves. Without an index,
    ``index``, ``searcher``, ``legs`` and ``coverage`` are None."""

    systems: Mapping[str, System]
    foreign: Mapping[str, Run]
    queries: dict[str, str]
    qrels: Qrels
    ignore_identical_ids: bool
    encoders: Sequence[str] = ()
    index: Index | None = None
    searcher: Searcher | None = None
    legs: Legs | None = None
    coverage: Coverage | None = None
    remembered: int = 0

    @property
    def names(self) -> list[str]:
        return [*self.systems, *(name for one in self.encoders for name in self.other(one)), *self.foreign]

    def other(self, encoder: str) -> dict[str, System]:
        """The systems that another encoder changes, by their names with it; of an index that has no
        encoder, those that it makes possible."""
        changed = {name: system for name, system in self.systems.items() if system.mode != "lexical"}
        changed = changed or by_mode(["vector", "hybrid"])
        return {f"{name}, {Path(encoder).name}": system for name, system in changed.items()}

    @property
    def lacking(self) -> list[str]:
        """A line for each kind of thing that the index lacks: legs, judged documents, and one where it has
        too much: queries that know their answers."""
        found = [str(found) for found in (self.legs, self.coverage) if found is not None and str(found)]
        return [*found, *([self._repeated()] if self.remembered else [])]

    def _repeated(self) -> str:
        asked = counted(len(self.qrels), "judged query", "judged queries")
        return (
            f"{self.remembered:,} of {asked} are past queries of this index and vote for their own "
            "answers: what serves looks too good; judge it by others, or forget these (hybrid forget)"
        )


@dataclass(frozen=True)
class Findings:
    """The results."""

    report: Report
    runs: dict[str, Run]
    timings: Timings
    comparisons: list[Comparison]


def evaluate(
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments.")],
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The index; not needed to evaluate only runs.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(help="BEIR queries.jsonl, or a table of id, tab, text; needed with DIR.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Comma-separated. [all that the index supports]")] = None,
    fusion: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]F",
            help="A fusion to compare: rrf, linear, … or its JSON. Repeatable.",
        ),
    ] = None,
    encoders: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Other encoders to compare: the documents are encoded by each, in a copy of the index.",
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="A TREC run of another tool. Repeatable."),
    ] = None,
    measures: Annotated[str, typer.Option(help="Any that ir-measures knows.")] = MEASURES,
    baseline: Annotated[
        str | None, typer.Option(metavar="SYSTEM", help="Test every other system against this one.")
    ] = None,
    per_query: Annotated[
        bool, typer.Option("--per-query", help="Show which queries gained and lost against the baseline.")
    ] = False,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    latency: Annotated[bool, typer.Option(help="Time searches for up to 200 queries.")] = True,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Write a page of figures and charts.")
    ] = None,
    run_out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each run to this folder, in TREC format.")
    ] = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate rankings on judged queries: an index by keyword, by meaning and by both, other fusions,
    other tools' runs.

    "hybrid" is the serving profile of the index: the ranking that users get.
    """
    wanted = parse(measures)
    if per_query and baseline is None:
        raise InputError("--per-query shows gains and losses against a baseline; add --baseline SYSTEM")
    if report is not None:
        require("--report", "jinja2", "matplotlib", extra="report")  # before all the searches
    others = _names(encoders)
    with _task(
        directory, queries, qrels, mode, fusion or [], others, run or [], ignore_identical_ids, encoding
    ) as task:
        for line in task.lacking:
            complain(line)
        if baseline is not None:
            others_than(baseline, task.names)  # as above: fail before the searches
        found = _findings(task, wanted, baseline, timed=latency)
        if run_out is not None:
            for name in found.runs.keys() - task.foreign.keys():
                write_run(found.runs[name], run_out / f"{name}.trec", name)
        if report is not None:
            _write_page(report, f"{directory or 'Runs'} on {qrels}", task, found)
    _warn(task, found.report, queries)
    if as_json:
        print_json(_json(task, found, per_query=per_query))
        return
    show(found.report, found.comparisons, found.timings)
    if per_query:
        show_changes(found.report, found.comparisons, task.queries)
    if report is not None:
        out.print(f"\ncharts and rankings: {report}", soft_wrap=True)


@contextmanager
def _task(
    directory: Path | None,
    queries: Path | None,
    qrels: Path,
    mode: str | None,
    fusions: list[str],
    encoders: list[str],
    runs: list[str],
    ignore_identical_ids: bool,
    encoding: str | None,
) -> Iterator[Task]:
    """Read and check the arguments; the index stays open during the block."""
    judgments = reading.qrels(qrels, encoding)
    if ignore_identical_ids:
        judgments = not_judged(judgments)
    texts = {} if queries is None else reading.queries(queries, encoding)

    def foreign(taken: list[str]) -> dict[str, Run]:
        read = foreign_runs(runs, taken, encoding)
        return {name: not_answered(run) for name, run in read.items()} if ignore_identical_ids else read

    if directory is None:
        if fusions or encoders or mode is not None:
            raise InputError("--mode, --fusion and --encoders need an index; give its directory")
        if not runs:
            raise InputError("nothing to measure: give the directory of an index, or --run FILE, or both")
        yield Task({}, foreign([]), texts, judgments, ignore_identical_ids)
        return
    if queries is None:
        raise InputError(f"{directory}: --queries FILE is missing")
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        held, systems = coverage(searcher, judgments), named_systems(searcher, mode, fusions)
        task = Task(
            systems,
            {},
            texts,
            judgments,
            ignore_identical_ids,
            encoders,
            index,
            searcher,
            searcher.legs,
            held,
            len(searcher.remembered(texts[id] for id in judgments if id in texts)),
        )
        yield replace(task, foreign=foreign(task.names))


def _findings(task: Task, measures: Sequence[Measure], baseline: str | None, *, timed: bool) -> Findings:
    timings = _timed(task) if timed else Timings({}, None)
    asked = {}
    if task.searcher is not None:
        asked = answers(
            task.searcher,
            task.queries,
            task.qrels,
            task.systems,
            depth_of(measures),
            ignore_identical_ids=task.ignore_identical_ids,
        )
    for encoder in task.encoders:
        asked |= _with(task, encoder, depth_of(measures))
    runs = asked | dict(task.foreign)
    report = measure(runs, task.qrels, measures)
    comparisons = [] if baseline is None else compare(report, baseline)
    return Findings(report, runs, timings, comparisons)


def _with(task: Task, encoder: str, k: int) -> dict[str, Run]:
    """The runs of the systems with another encoder."""
    assert task.index is not None  # or there would be no encoders
    with (
        bar(f"encoding with {encoder}", len(task.index)) as progress,
        reencoded(task.index, encoder, progress.advance) as index,
    ):
        return answers(
            index,
            task.queries,
            task.qrels,
            task.other(encoder),
            k,
            ignore_identical_ids=task.ignore_identical_ids,
        )


def _names(given: str | None) -> list[str]:
    """The encoders that are named. Raises ModelNotFound before anything is searched."""
    names = [] if given is None else [name.strip() for name in given.split(",")]
    for name in names:
        load(name)
    if len({Path(name).name for name in names}) < len(names):
        raise InputError("--encoders: two have the same name; give each once")
    return names


def answers(
    searcher: Searcher | Index,
    queries: dict[str, str],
    qrels: Qrels,
    systems: Mapping[str, System],
    k: int,
    *,
    ignore_identical_ids: bool = False,
) -> dict[str, Run]:
    """Run all queries on ``systems``, with a progress bar."""
    with bar("searching", len(answerable(queries, qrels)) * len(systems)) as progress:
        return run_systems(
            searcher,
            queries,
            qrels,
            systems,
            k=k,
            ignore_identical_ids=ignore_identical_ids,
            progress=_to(progress),
        )


def _timed(task: Task) -> Timings:
    if task.searcher is None:
        return Timings({}, None)
    texts = sample(task.queries[query] for query in answerable(task.queries, task.qrels))
    with bar("timing", len(texts)) as progress:
        timings = time_searches(task.searcher, texts, task.systems, progress=_to(progress))
    # Without an encoder nothing was encoded, so there is no such time.
    return timings if task.legs and not task.legs.vector else replace(timings, encoding=None)


def _to(progress: Bar) -> Steps:
    """Make a callback that advances ``progress``, given the number of steps done and the total."""
    seen = 0

    def advance(done: int, _: int) -> None:
        nonlocal seen
        progress.advance(done - seen)
        seen = done

    return advance


def _warn(task: Task, report: Report, queries: Path | None) -> None:
    """Warn of queries that score 0 because they were not searched."""
    if task.searcher is not None:
        asked = set(answerable(task.queries, task.qrels))
        if lacking := [query for query, grades in task.qrels.items() if grades and query not in asked]:
            several = counted(len(lacking), "judged query", "judged queries")
            complain(f"{several} not in {queries}, scored 0: {lacking[0]!r}")
    for name in task.foreign:
        if missing := report.unanswered[name]:
            complain(
                f"run {name!r} does not answer {len(missing)} of {report.queries} judged queries, "
                f"scored 0: {missing[0]!r}"
            )


def _json(task: Task, found: Findings, *, per_query: bool) -> dict[str, Any]:
    """Return all results as JSON; if ``per_query``, also every query's gain or loss."""
    made: dict[str, Any] = found.report.to_json()
    if task.legs is not None and task.coverage is not None:
        made |= {"legs": vars(task.legs), "coverage": task.coverage.to_json()}
    if found.timings.systems:
        made["latency"] = {name: latency.to_json() for name, latency in found.timings.systems.items()}
    if found.timings.encoding is not None:
        made["encoding"] = found.timings.encoding.to_json()
    if found.comparisons:
        made["comparisons"] = [comparison.to_json() for comparison in found.comparisons]
    if per_query:
        made["per_query"] = [_changes(found.report, each, task.queries) for each in found.comparisons]
    return made


def _changes(report: Report, comparison: Comparison, queries: Mapping[str, str]) -> dict[str, Any]:
    return {
        "system": comparison.system,
        "measure": comparison.measure,
        "queries": [
            {
                "query": change.query,
                "text": queries.get(change.query),
                "difference": change.difference,
                "baseline": change.baseline,
                "value": change.value,
            }
            for change in changes(report, comparison)
        ],
    }


def _write_page(file: Path, title: str, task: Task, found: Findings) -> None:
    from hybrid.evaluate.page import page

    written = page(
        title=title,
        report=found.report,
        runs=found.runs,
        qrels=task.qrels,
        queries=task.queries,
        comparisons=found.comparisons,
        latencies=found.timings.systems,
        encoding=found.timings.encoding,
        remarks=task.lacking,
        text_of=lambda id: None if task.searcher is None else task.searcher.get(id),
    )
    write_whole(file, [written])
