"""``hybrid bench --families``: what each family of vector index would bring; which one fits a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.bar import Bar

from hybrid import index
from hybrid.cli.output import bar, out, print_json, stages, table
from hybrid.errors import InputError
from hybrid.evaluate.bench.families import Measured, Tradeoff, compare
from hybrid.evaluate.bench.report import TOP
from hybrid.index import Index
from hybrid.limits import shown

_WIDTH: Final = 7  # characters of the longest bar
_AMOUNT: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([A-Za-z]{1,2})", re.ASCII)
_BYTES: Final = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def bench_families(
    directory: Path,
    queries: Mapping[str, str] | None,
    *,
    sample: int,
    recall: float,
    seed: int,
    memory: str | None,
    latency: str | None,
    apply: bool,
    as_json: bool,
) -> None:
    budget = _amount("--memory", memory, _BYTES), _amount("--latency", latency, _SECONDS)
    with Index.open(directory, read_only=True) as opened, stages() as progress:
        found = compare(opened, queries, size=sample, seed=seed, progress=progress)
    best = found.suggested(recall, *budget)
    applied = apply and best is not None and best.family != found.serving
    if not as_json:
        _show(found, best, made=queries is None)
    if applied and best is not None:
        with bar("re-indexing", None) as again:
            index.reindex(directory, ann=best.family, progress=again.advance)
    if as_json:
        suggested = None if best is None else best.family
        print_json(found.to_json() | {"suggested": suggested, "applied": applied})
        return
    out.print(_outcome(found, best, applied), style="bold" if applied else "", soft_wrap=True)


def _amount(option: str, text: str | None, units: Mapping[str, float]) -> float | None:
    """Read a number and its unit, such as 2GB or 5ms. Raises InputError."""
    if text is None:
        return None
    parts = _AMOUNT.fullmatch(text)
    if parts is None or parts[2] not in units:
        raise InputError(f"{option} {shown(text)}: give a number and a unit, one of {', '.join(units)}")
    return float(parts[1]) * units[parts[2]]


def _show(found: Tradeoff, best: Measured | None, *, made: bool) -> None:
    out.print(f"{found.vectors:,} vectors, {found.queries:,} queries")
    if made:
        out.print(
            "vectors of the documents, easier than users' queries: for those use --queries FILE",
            style="dim",
        )
    out.print()
    rows = table("family")
    for heading in ("recall", "least", "p50 ms", "build s", "MB", "open ms"):
        rows.add_column(heading, justify="right", no_wrap=True)
    rows.add_column("", width=_WIDTH)
    rows.add_column("", no_wrap=True)
    longest = max(one.p50 for one in found.families)
    for one in sorted(found.families, key=lambda one: one.p50):
        notes = ["serves"] * (one.family == found.serving) + ["suggested"] * (one is best)
        figures = (
            *(f"{one.recall.value:.4f}", f"{one.recall.lower:.4f}", f"{1000 * one.p50:.3f}"),
            *(f"{one.build:.1f}", f"{one.memory / 1e6:.1f}", f"{1000 * one.open:.0f}"),
        )
        rows.add_row(one.family, *figures, Bar(longest, 0, one.p50, width=_WIDTH), ", ".join(notes))
    out.print(rows)
    out.print()
    for name, reason in found.lacking.items():
        out.print(f"{name} was left out: {reason}", style="dim", soft_wrap=True)
    out.print(
        f"recall of the first {TOP}, least: the lower end of its 95 % interval; build, open: CPU time; "
        "MB: beside the vectors, in memory and on disk; each with its default effort",
        style="dim",
        soft_wrap=True,
    )


def _outcome(found: Tradeoff, best: Measured | None, applied: bool) -> str:
    if best is None:
        return f"no family fits the budget: {found.serving} stays"
    if applied:
        return f"re-indexed with {best.family}"
    if best.family == found.serving:
        return f"{found.serving} stays"
    return f"--apply would re-index with {best.family}"
