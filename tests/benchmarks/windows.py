"""How long the windows of an encoder should be, and whether each should begin with the title.

``python -m tests.benchmarks.windows DATA``: DATA holds BEIR folders. Development queries alone are asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, Protocol, cast

import numpy as np
import typer
from numpy.typing import NDArray

from hybrid import Index, encoders
from hybrid.cli.output import out
from hybrid.evaluate import System, evaluate, paired, parse, run_systems
from hybrid.types import Encoder, Matrix, Windowed
from tests.benchmarks.pairs import PAIRS, Judged, Pair
from tests.benchmarks.report import Report, Row

NAMES: Final = ("scifact", "nfcorpus_preproc", "cmrc2018")
LENGTHS: Final = (96, 128, 192, 256, 384, 512)
MEASURE: Final = "nDCG@10"
SYSTEMS: Final = {"vector": System("vector"), "default": System()}
_NOTE: Final = "`+`: against the longest window with the title, p of the paired randomisation test."


class Cutting(Encoder, Windowed, Protocol):
    """An encoder with a window."""


@dataclass(frozen=True)
class Shorter:
    """An encoder with a window of ``max_tokens``, which sees the title only where it is ``titled``."""

    encoder: Cutting
    max_tokens: int
    titled: bool

    @property
    def id(self) -> str:
        return f"{self.encoder.id}-{self.max_tokens}-{self.titled}"

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        return self.encoder.token_offsets(text)

    def documents(self, texts: Sequence[str]) -> Matrix:
        seen = texts if self.titled else [text.partition("\n")[2] or text for text in texts]
        return self.encoder.documents(seen)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.encoder.queries(texts)


def measured(
    data: Path, pairs: Sequence[Pair], most: int, load: Callable[[str], Encoder] = encoders.load
) -> Report:
    """Rank at most so many queries of each pair, among their judged documents and twice as many others."""
    report = Report("windows", queries=most)
    for pair in pairs:
        judged, encoder = _sample(pair.judged(data, "develop"), most), cast("Cutting", load(pair.encoder))
        titled = any(document.title for document in judged.documents)
        kinds = [(n, True) for n in LENGTHS if n < encoder.max_tokens] + [(encoder.max_tokens, True)]
        kinds += [(n, False) for n, _ in kinds[1:2] + kinds[-1:]] if titled else []
        values = {kind: _values(Shorter(encoder, *kind), judged) for kind in kinds}
        longest = values[encoder.max_tokens, True]
        table = report.table(
            f"{pair.name}, {pair.encoder}, {len(judged.documents):,} documents", note=_NOTE
        )
        for (tokens, with_title), found in values.items():
            row: Row = {"tokens": tokens, "title": "yes" if with_title else "no"}
            for name in SYSTEMS:
                against = paired(found[name], longest[name])
                gain: Row = {f"+ {name}": f"{against.difference:+.4f}", f"p {name}": against.p}
                row = {**row, name: f"{found[name].mean():.4f}", **gain}
            table.add(**row)
            out.print(pair.name, pair.encoder, row)
    return report


def _sample(judged: Judged, most: int) -> Judged:
    ids = sorted(judged.qrels)
    qrels = {id: judged.qrels[id] for id in ids[:: max(1, len(ids) // most)][:most]}
    wanted = {document for of in qrels.values() for document in of}
    others = [one.id for one in judged.documents if one.id not in wanted]
    wanted |= set(random.Random(0).sample(others, min(len(others), 2 * len(wanted))))
    documents = [one for one in judged.documents if one.id in wanted]
    return Judged(documents, judged.queries, qrels)


def _values(encoder: Encoder, judged: Judged) -> dict[str, NDArray[np.float64]]:
    """The measure of each query, by system."""
    with TemporaryDirectory() as folder, Index.create(Path(folder, "index"), encoder=encoder) as index:
        index.load(judged.documents)
        runs = run_systems(index, judged.queries, judged.qrels, SYSTEMS, k=10)
    report = evaluate(runs, judged.qrels, parse(MEASURE))
    return {name: np.array([*report.per_query[name][MEASURE].values()]) for name in SYSTEMS}


def main(
    data: Path,
    most: Annotated[int, typer.Option(help="Queries of each collection.")] = 300,
    only: Annotated[list[str] | None, typer.Option(help="A collection; all if none is named.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Results.")] = Path("build/benchmarks"),
) -> None:
    """Compare lengths of windows."""
    report = measured(data, [pair for pair in PAIRS if pair.name in (only or NAMES)], most)
    report.write(to)
    out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
