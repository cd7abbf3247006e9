"""Whether the default ranking is anywhere below the better one of its legs.

``python -m tests.benchmarks.default DATA --indexes FOLDER``: DATA holds the collections of `pairs.PAIRS`
as BEIR folders; indexes are built in FOLDER once, and asked again later. ``--part test`` reads what was
kept for the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import numpy as np
import typer

from hybrid import RRF, Index, Linear, Rocchio, Softplus, encoders
from hybrid.cli.output import out
from hybrid.evaluate import System, evaluate, holm, paired, parse, run_systems
from hybrid.evaluate.comparison import ALPHA
from hybrid.types import Encoder
from tests.benchmarks.pairs import PAIRS, Judged, Pair, Part
from tests.benchmarks.report import Cell, Report, Row, Table

MEASURES: Final = ("nDCG@10", "RR@10")
SYSTEMS: Final = {
    "lexical": System("lexical"),
    "vector": System("vector"),
    "RRF(60)": System(fusion=RRF(60)),
    "weights .5": System(fusion=Rocchio(Linear((0.5, 0.5), Softplus(), complete=True))),
    "default": System(fusion=Rocchio()),
}
LEGS: Final = ("lexical", "vector")
_NOTE: Final = (
    "`weights .5`: the default without coverage. `- leg`: default - the leg that is better on this "
    "measure, `p` of the paired randomisation test, `Holm` corrected for all pairs."
)


def measured(
    data: Path,
    indexes: Path,
    part: Part,
    pairs: Iterable[Pair] = PAIRS,
    most: int | None = None,
    load: Callable[[str], Encoder] = encoders.load,
) -> Report:
    """Rank the collections of ``pairs`` that have this ``part``; of each at most so many queries."""
    report = Report("default", part=part)
    tables = {name: report.table(name, note=_NOTE) for name in MEASURES}
    for pair in pairs:
        if part in pair.splits:
            judged = some(pair.judged(data, part), most)
            with indexed(indexes, pair, judged, load) as index:
                for name, row in _rows(index, judged):
                    tables[name].add(collection=pair.name, encoder=pair.encoder, **row)
    report.table("All pairs", [_summary(table) for table in tables.values()])
    return report


def some(judged: Judged, most: int | None) -> Judged:
    """Evenly spaced ones of the queries."""
    ids = sorted(judged.qrels)
    step = 1 if most is None else max(1, len(ids) // most)
    return judged._replace(qrels={id: judged.qrels[id] for id in ids[::step][:most]})


@contextmanager
def indexed(folder: Path, pair: Pair, judged: Judged, load: Callable[[str], Encoder]) -> Iterator[Index]:
    """The index of a pair, built if it is not there."""
    path, encoder = folder / f"{pair.name}-{pair.encoder}", load(pair.encoder)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as unfinished:
            with Index.create(Path(unfinished, "index"), encoder=encoder) as index:
                index.load(judged.documents)
            Path(unfinished, "index").rename(path)
    with Index.open(path, encoder=encoder, read_only=True) as index:
        yield index


def _rows(index: Index, judged: Judged) -> Iterator[tuple[str, Row]]:
    """For each measure its figures."""
    runs = run_systems(index, judged.queries, judged.qrels, SYSTEMS, k=10)
    report = evaluate(runs, judged.qrels, parse(" ".join(MEASURES)))
    for name in MEASURES:
        means = {system: report.systems[system][name] for system in SYSTEMS}
        better = max(LEGS, key=means.__getitem__)
        values = {system: np.array([*report.per_query[system][name].values()]) for system in SYSTEMS}
        against = paired(values["default"], values[better])
        row: dict[str, Cell] = {"queries": report.queries}
        row |= {system: f"{mean:.4f}" for system, mean in means.items()}
        yield name, row | {"- leg": f"{against.difference:+.4f}", "p": against.p}


def _summary(table: Table) -> Row:
    """The means over all pairs, and those where the default is significantly below the better leg."""
    corrected = holm([float(row["p"] or 0) for row in table.rows])
    table.rows[:] = [{**row, "Holm": p} for row, p in zip(table.rows, corrected, strict=True)]
    below = [
        f"{row['collection']} ({row['encoder']})"
        for row in table.rows
        if float(row["Holm"] or 0) < ALPHA and str(row["- leg"]).startswith("-")
    ]
    means = {name: np.mean([float(row[name] or 0) for row in table.rows]) for name in SYSTEMS}
    return {
        "measure": table.title,
        **{name: f"{mean:.4f}" for name, mean in means.items()},
        "below": ", ".join(below) or "none",
    }


def main(
    data: Path,
    indexes: Annotated[Path, typer.Option(help="Where the indexes are, or are built.")],
    part: Annotated[str, typer.Option(help="develop, or test, which is read once.")] = "develop",
    most: Annotated[int | None, typer.Option(help="Queries of each collection.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A collection; all if none is named.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Results.")] = Path("build/benchmarks"),
) -> None:
    """Compare the default ranking with its legs."""
    pairs = [pair for pair in PAIRS if not only or pair.name in only]
    report = measured(data, indexes, "test" if part == "test" else "develop", pairs, most)
    report.write(to)
    out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
