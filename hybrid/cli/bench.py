"""``hybrid bench``: how fast an index is, what its graph misses, and which effort and depth are enough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.bar import Bar
from rich.table import Table

import hybrid
from hybrid.cli import reading
from hybrid.cli.families import bench_families
from hybrid.cli.judging import identities, tell_way_back, unless_overtaken
from hybrid.cli.output import AsJson, Directory, complain, out, print_json, stages, table
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.evaluate.bench.measuring import bench as measure
from hybrid.evaluate.bench.report import BY, DEPTHS, TOP, Benchmark, Mean
from hybrid.evaluate.latency import Latency
from hybrid.index import Index
from hybrid.settings import Profile

_WIDTH: Final = 24  # characters of the longest bar


def bench(
    directory: Directory,
    queries: Annotated[
        Path | None,
        typer.Option(help="Users' queries, .jsonl or id, tab, text. [generated from the documents]"),
    ] = None,
    sample: Annotated[int, typer.Option(metavar="N", min=2, help="Use at most N queries.")] = 200,
    recall: Annotated[float, typer.Option(metavar="R", help="The recall to be reached, 0 to 1.")] = 0.99,
    apply: Annotated[bool, typer.Option("--apply", help="Install what is suggested.")] = False,
    families: Annotated[
        bool, typer.Option("--families", help="Compare the families of vector indexes instead.")
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="With --families: the most it may need beside the vectors: 2GB."),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --families: the most a vector search may take: 5ms."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of generated queries and filters.")] = 0,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Measure an index: the time of each stage of a search, the recall of the vector leg against an exact
    scan, with and without filters, and the least effort and depth that reach a given recall.

    With --families: builds each family of vector index over the index's vectors, in memory, and suggests
    the fastest of those that have --recall and fit --memory and --latency; --apply re-indexes with it.

    Queries generated from the documents are easier than users' queries. The exit status is 0 whether or not
    something was installed.
    """
    texts = None if queries is None else reading.queries(queries, encoding)
    if families:
        budget = {"memory": memory, "latency": latency}
        bench_families(
            directory,
            texts,
            sample=sample,
            recall=recall,
            seed=seed,
            apply=apply,
            as_json=as_json,
            **budget,
        )
        _tell_of_load()
        return
    if (memory, latency) != (None, None):
        raise InputError("--memory and --latency choose among families; add --families")
    with Index.open(directory, read_only=True) as index, stages() as progress:
        before, serving = index.profiles.serves, index.profiles.serving
        found = measure(index, texts, size=sample, wanted=recall, seed=seed, progress=progress)
    _tell_of_load()
    if not as_json:
        _show(found)
    number = _install(directory, serving, found, queries) if apply else None
    if as_json:
        print_json(found.to_json() | {"installed": number, "before": before})
        return
    out.print(_outcome(found, number), style="bold" if number else "", soft_wrap=True)
    if number is not None:
        tell_way_back(directory, before)


def _install(directory: Path, serving: Profile, found: Benchmark, queries: Path | None) -> int | None:
    """Install the suggestion and return the number of the new profile; None if nothing changes."""
    if found.installs is None:
        return None
    by = {"chosen by": f"{BY} {hybrid.__version__}", **identities({"queries file": queries})}
    with unless_overtaken(directory, serving, "measure again, with that one") as index:
        return index.install(found.installs, by | found.evidence())


def _tell_of_load() -> None:
    """Warn on stderr if the machine is overloaded."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        complain(
            f"this machine is busy (load {load:.1f}, {cores} cores): times are longer than on an idle one"
        )


def _show(found: Benchmark) -> None:
    out.print(f"{found.documents:,} documents, {found.vectors:,} vectors, {found.queries:,} queries")
    if found.made:
        out.print(
            "generated from the documents, easier than users' queries: for those use --queries FILE",
            style="dim",
        )
    out.print()
    for part in (_stages(found.stages), *_tables(found)):
        out.print(part)
        out.print()
    for line in _suggestions(found):
        out.print(line, soft_wrap=True)


def _stages(latencies: dict[str, Latency]) -> Table:
    rows = table("stage")
    for heading in ("p50 ms", "p95 ms", "p99 ms"):
        rows.add_column(heading, justify="right")
    rows.add_column("p50", width=_WIDTH)
    longest = max(latency.p50 for latency in latencies.values())
    for stage, own in latencies.items():
        times = map(_ms, (own.p50, own.p95, own.p99))
        rows.add_row(stage, *times, Bar(longest, 0, own.p50, width=_WIDTH))
    return rows


def _tables(found: Benchmark) -> Iterator[Table]:
    """Yield the tables that have rows."""
    if found.rungs:
        depth = found.serving.depths[1]
        rows = _right("effort", f"recall@{TOP}", "at least", "p50 ms", f"recall@{depth}", "p50 ms", "")
        for rung in found.rungs:
            serves = "serves" if rung.effort == found.serving.effort else ""
            deep = f"{rung.recall_at_depth.value:.4f}", _ms(rung.p50_at_depth)
            rows.add_row(str(rung.effort or "default"), *_mean(rung.recall), _ms(rung.p50), *deep, serves)
        yield rows
    if found.cuts:
        rows = _right("depth", f"as at {DEPTHS[-1]}", "at least", "p50 ms", "")
        for cut in found.cuts:
            serves = "serves" if cut.depth == found.serving.depth else ""
            rows.add_row(str(cut.depth), *_mean(cut.agreement), _ms(cut.p50), serves)
        yield rows
    if found.filters:
        rows = _right("filter", "passes", f"recall@{TOP}", "at least", "p50 ms")
        for one in found.filters:
            rows.add_row(one.filter, f"{one.share:.1%}", *_mean(one.recall), _ms(one.p50))
        yield rows


def _right(first: str, *others: str) -> Table:
    rows = table(first)
    for heading in others:
        rows.add_column(heading, justify="right")
    return rows


def _mean(mean: Mean) -> tuple[str, str]:
    return f"{mean.value:.4f}", f"{mean.lower:.4f}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3f}"


def _suggestions(found: Benchmark) -> Iterator[str]:
    """Yield a line each for effort and depth: the suggestion, or why there is none."""
    if not found.rungs:
        yield _nothing_to_lose(found)
        return
    if found.queries < found.needed:
        yield (
            f"{found.queries:,} queries are too few to show a recall of {found.wanted:g}: "
            f"use {found.needed:,} or more (--sample)"
        )
        return
    if found.effort is None:
        yield f"effort: none up to {found.ladder[-1]} has a recall@{TOP} of {found.wanted:g} or more"
    else:
        yield f"effort {found.effort} is the least with a recall@{TOP} of {found.wanted:g} or more"
    if found.cuts:
        yield _of_depth(found)
    yield "at least: the lower bound of a 95 % interval over the queries; suggestions are based on it"


def _of_depth(found: Benchmark) -> str:
    if found.judged:
        return f"depth {found.serving.depth} stays: it was chosen on judged queries"
    shares = f"{found.wanted:g} or more of the first {TOP} hits of depth {DEPTHS[-1]}"
    if found.depth is None:
        return f"depth: none below {DEPTHS[-1]} finds {shares}; it stays"
    return f"depth {found.depth} is the least that finds {shares}"


def _nothing_to_lose(found: Benchmark) -> str:
    if not found.vectors:
        return "no vectors: no recall to measure, nothing to suggest"
    return "all exact: there are few vectors, so they are scanned without a graph; nothing to suggest"


def _outcome(found: Benchmark, number: int | None) -> str:
    if number is not None:
        return f"installed as profile {number}: {found.installs}"
    if found.installs is not None:
        return f"--apply would install: {found.installs}"
    return f"the serving profile stays: {found.serving}"
