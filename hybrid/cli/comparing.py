"""The tables of ``hybrid evaluate``: figures, comparisons, gains and losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hybrid.cli.output import out, table
from hybrid.evaluate import Change, Comparison, Latency, Report, Timings, changes
from hybrid.evaluate.comparison import ALPHA, FEW, FLIPS
from hybrid.limits import counted

_EXTREMES: Final = 5
_ID_SHOWN: Final = 20  # characters
_NAME_SHOWN: Final = 24
_SURELY_JUDGED: Final = 0.9

_Column: TypeAlias = tuple[str, list[Text]]
"""A heading, and a cell for each system."""


def show(report: Report, comparisons: Sequence[Comparison], timings: Timings) -> None:
    """The table of figures, what explains it, and the table of comparisons if there are any."""
    out.print(scores(report, timings.systems))
    for remark in _remarks(report, timings):
        out.print(remark, style="dim")
    if comparisons:
        out.print()
        out.print(compared(comparisons))
        out.print(_test(comparisons), style="dim")


def scores(report: Report, latencies: Mapping[str, Latency] | None = None) -> Group:
    """A row a system, a column a measure, the best of each column in bold; milliseconds at the right.
    Columns that are too wide for the terminal go on below."""
    systems = list(report.systems)
    columns = [_column(measure, report) for measure in report.systems[systems[0]]]
    if latencies:
        columns += _milliseconds([latencies.get(system) for system in systems])
    return Group(*(_block(systems, block) for block in _blocks(systems, columns)))


def compared(comparisons: Sequence[Comparison]) -> Table:
    """Measure by measure, the baseline and then a row for every system that is compared with it."""
    rows = table("", "mean", "difference", "95 % interval", "d", "p (Holm)", "W/T/L")
    for column in rows.columns[1:]:
        column.no_wrap = True
    for measure, group in groupby(comparisons, lambda comparison: comparison.measure):
        systems = list(group)
        first = systems[0]
        rows.add_row(Text(measure, "bold"))
        rows.add_row(Text(f"  {first.baseline}"), f"{first.baseline_mean:.4f}", Text("  baseline", "dim"))
        for comparison in systems:
            rows.add_row(*_row(comparison))
    return rows


def show_changes(report: Report, comparisons: Sequence[Comparison], queries: Mapping[str, str]) -> None:
    """For every system the queries that lost most and those that gained most, on the first measure."""
    for comparison in comparisons:
        if comparison.measure != comparisons[0].measure:
            continue
        title = f"{comparison.system} against {comparison.baseline}, {comparison.measure} by query"
        out.print(Text(f"\n{title}", "bold"))
        out.print(_changes(changes(report, comparison), queries))


def _column(measure: str, report: Report) -> _Column:
    figures = [means[measure] for means in report.systems.values()]
    # A share of judged documents is no merit.
    best = None if measure.startswith("Judged") else max(figures)
    return measure, [Text(f"{figure:.4f}", "bold green" if figure == best else "") for figure in figures]


def _milliseconds(latencies: Sequence[Latency | None]) -> list[_Column]:
    def cells(percentile: str) -> list[Text]:
        return [Text(f"{1000 * getattr(each, percentile):.1f}" if each else "") for each in latencies]

    return [(heading, cells(heading[:3])) for heading in ("p50 ms", "p95", "p99")]


def _blocks(systems: Sequence[str], columns: Sequence[_Column]) -> Iterator[list[_Column]]:
    """``columns`` in parts as wide as the terminal."""
    room = out.width - min(max(map(cell_len, systems)), _NAME_SHOWN)
    block: list[_Column] = []
    left = room
    for heading, cells in columns:
        width = 2 + max(cell_len(heading), *(cell.cell_len for cell in cells))
        if width > left and block:
            yield block
            block, left = [], room
        block.append((heading, cells))
        left -= width
    yield block


def _block(systems: Sequence[str], columns: Sequence[_Column]) -> Table:
    rows = table("system", *(heading for heading, _ in columns))
    for column in rows.columns[1:]:
        column.no_wrap, column.justify = True, "right"
    for place, system in enumerate(systems):
        rows.add_row(Text(system), *(cells[place] for _, cells in columns))
    return rows


def _remarks(report: Report, timings: Timings) -> Iterator[str]:
    yield counted(report.queries, "judged query", "judged queries")
    if timings.systems:
        timed = next(iter(timings.systems.values())).queries
        encoding = timings.encoding
        apart = f"; to encode a query takes {1000 * encoding.p50:.1f} ms more" if encoding else ""
        yield f"ms: one search for the best 10, {counted(timed, 'query', 'queries')} in turn{apart}"
    for measure in next(iter(report.systems.values())):
        if measure.startswith("Judged"):
            yield from _judged(measure, {name: means[measure] for name, means in report.systems.items()})


def _judged(measure: str, shares: Mapping[str, float]) -> Iterator[str]:
    """The meaning of few judgments for the other figures."""
    least = min(shares, key=shares.__getitem__)
    if shares[least] < _SURELY_JUDGED:
        few = f"; {least} shows most of them, so its figures may be too low"
        yield f"{measure}: documents that nobody judged count as not relevant" + (
            few if shares[least] < max(shares.values()) else ""
        )


def _row(comparison: Comparison) -> list[Text]:
    paired = comparison.paired
    mark, style = "  ", ""
    if comparison.significant:
        mark, style = ("▲ ", "bold green") if paired.difference > 0 else ("▼ ", "bold red")
    p = f"{comparison.corrected:.4f}" if comparison.corrected >= 0.0001 else "<.0001"
    return [
        Text(f"  {comparison.system}"),
        Text(f"{comparison.mean:.4f}"),
        Text(f"{mark}{paired.difference:+.4f}", style),
        Text(f"[{paired.low:+.4f}, {paired.high:+.4f}]"),
        Text(f"{paired.effect:+.2f}"),
        Text(p, style),
        Text(f"{paired.wins}/{paired.ties}/{paired.losses}"),
    ]


def _test(comparisons: Sequence[Comparison]) -> str:
    """The test, in a sentence."""
    systems = len({comparison.system for comparison in comparisons})
    return (
        f"▲ better, ▼ worse, p < {ALPHA}: two-sided paired randomisation test over "
        f"{comparisons[0].paired.queries:,} queries (exact where at most {FEW} differ, else {FLIPS:,} "
        f"random assignments of signs), Holm's correction for {systems} a measure. "
        "Interval: BCa bootstrap over queries. d: mean difference / its standard deviation."
    )


def _changes(found: Sequence[Change], queries: Mapping[str, str]) -> Table:
    """The losses, worst first, then the gains, greatest last."""
    rows = table("query", "change", "from", "to", "text")
    for column in rows.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    rows.expand, rows.columns[0].max_width, rows.columns[-1].ratio = True, _ID_SHOWN, 1
    losses = [change for change in found if change.difference < 0]
    gains = [change for change in found if change.difference > 0]
    for change in losses[:_EXTREMES]:
        rows.add_row(*_change(change, "red", queries))
    if hidden := len(losses[_EXTREMES:]) + len(gains[:-_EXTREMES]):
        rows.add_row("…", "", "", "", Text(f"{hidden:,} more, all in --json", "dim"))
    for change in gains[-_EXTREMES:]:
        rows.add_row(*_change(change, "green", queries))
    return rows


def _change(change: Change, style: str, queries: Mapping[str, str]) -> list[Text]:
    return [
        Text(change.query),
        Text(f"{change.difference:+.4f}", style),
        Text(f"{change.baseline:.4f}"),
        Text(f"{change.value:.4f}"),
        Text(" ".join(queries.get(change.query, "").split())),
    ]
