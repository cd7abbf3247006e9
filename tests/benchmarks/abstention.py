"""How well a context knows that it has no answer.

``python -m tests.benchmarks.abstention FOLDER --foreign FOLDER``: a judged collection of paragraphs (a BEIR
folder), and one of another topic whose queries it cannot answer. A third of the paragraphs with their
queries (of dev, or else of train) fits the calibration, a third chooses the floor, a third is measured: as
they are, with the answering paragraph left out, and as many queries of the other topic.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, NamedTuple

import numpy as np
import typer

from hybrid import Hit, Index
from hybrid.cli.output import out
from hybrid.context import NumberedPassage
from hybrid.learn import calibrate
from hybrid.search.searcher import Searcher
from tests.benchmarks.report import Report
from tests.benchmarks.shelf import Judged

TOLERATED: Final = (0.05, 0.1, 0.2)
"""Shares of false answers where the answering paragraph is missing, for each of which a floor is chosen."""
_SEED: Final = 14
_NOTE: Final = (
    "`answered`: the share of the queries that have an answer for which the context does not abstain; "
    "`right`: the share of these whose answering paragraph is in it; `removed`, `foreign`: the shares of "
    "the queries without an answer for which it does not abstain either. The floor is the lowest one with "
    "at most `wanted` false answers of the removed, among the queries that choose."
)


class Asked(NamedTuple):
    """A context without a floor, for one query: the relevance of its best passage, 0 for none, and whether
    the answering paragraph is in it."""

    relevance: float
    right: bool


class Third(NamedTuple):
    """The answers to the queries of a third of the paragraphs, and the relevance of what is best without
    the answering one, and for queries of another topic."""

    asked: list[Asked]
    removed: list[float]
    foreign: list[float]

    def floor(self, tolerated: float) -> float:
        """The lowest floor at which no more than the share ``tolerated`` of the removed is answered."""
        falling = sorted(self.removed, reverse=True)
        above = falling[int(tolerated * len(falling))]
        return float(np.nextafter(above, 2))

    def shares(self, floor: float) -> dict[str, float]:
        answered = [one for one in self.asked if one.relevance >= floor]
        return {
            "answered": len(answered) / len(self.asked),
            "right": sum(one.right for one in answered) / max(1, len(answered)),
            "removed": float(np.mean([one >= floor for one in self.removed])),
            "foreign": float(np.mean([one >= floor for one in self.foreign])),
        }


def measured(index: Index, judged: Judged, foreign: Sequence[str]) -> Report:
    thirds = _thirds(judged)
    fitting = {id: judged.queries[id] for id in thirds[0]}
    qrels = {id: {judged.answers[id]: 1} for id in fitting}
    with index.searcher() as searcher:
        found = calibrate(searcher, fitting, qrels, ["hybrid"])
        legs = " and ".join(searcher.legs.there)
    found.install(index)
    report = Report(
        "abstention",
        paragraphs=len(judged.paragraphs),
        queries=", ".join(str(len(third)) for third in thirds),
        legs=legs,
    )
    half = len(foreign) // 2
    with index.searcher() as searcher:
        choosing, rest = (
            _third(searcher, judged, ids, others)
            for ids, others in ((thirds[1], foreign[:half]), (thirds[2], foreign[half:]))
        )
    table = report.table("Coverage against false answers", note=_NOTE)
    for wanted in (1.0, *TOLERATED):
        floor = 0.0 if wanted == 1 else choosing.floor(wanted)
        table.add(wanted=wanted, floor=floor, **rest.shares(floor))
    return report


def _thirds(judged: Judged) -> list[list[str]]:
    """The queries by thirds of the paragraphs that answer them: those of one paragraph stay together."""
    paragraphs = sorted(set(judged.answers.values()))
    random.Random(_SEED).shuffle(paragraphs)
    third = {paragraph: number % 3 for number, paragraph in enumerate(paragraphs)}
    return [[id for id, of in judged.answers.items() if third[of] == number] for number in range(3)]


def _third(searcher: Searcher, judged: Judged, ids: Sequence[str], foreign: Sequence[str]) -> Third:
    queries = {id: judged.queries[id] for id in ids}
    return Third(
        [_asked(searcher, text, judged.answers[id]) for id, text in queries.items()],
        [
            _best(searcher.search(text, filter={"not": {"_id": judged.answers[id]}}))
            for id, text in queries.items()
        ],
        [_best(searcher.search(text)) for text in foreign[: len(ids)]],
    )


def _asked(searcher: Searcher, query: str, answer: str) -> Asked:
    passages = searcher.context(query).passages
    return Asked(_best(passages), any(one.id == answer for one in passages))


def _best(found: Iterable[Hit | NumberedPassage]) -> float:
    """A context abstains where this is below its floor."""
    return max((one.relevance or 0.0 for one in found), default=0.0)


def main(
    folder: Path,
    foreign: Annotated[Path, typer.Option(help="A collection of another topic, a BEIR folder.")],
    encoder: Annotated[str, typer.Option(help="A named model, or none.")] = "none",
    to: Annotated[Path, typer.Option("--out", help="Results.")] = Path("build/benchmarks"),
) -> None:
    """Measure the abstention of contexts."""
    judged = Judged.read(folder)
    others = sorted(Judged.read(foreign).queries.values())
    random.Random(_SEED).shuffle(others)
    with (
        TemporaryDirectory() as at,
        Index.create(Path(at) / "idx", encoder=None if encoder == "none" else encoder) as index,
    ):
        index.load(judged.paragraphs)
        report = measured(index, judged, others)
    report.write(to)
    out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
