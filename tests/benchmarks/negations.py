"""Queries that say what they do not want, beside the same ones that do not say it.

``python -m tests.benchmarks.negations DATA --indexes FOLDER``: DATA and FOLDER as in
`tests.benchmarks.default`. A word that many documents about a query's subject have is excluded ("… without
dexamethasone", "…，不要激素"); relevant documents that have it no longer are.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nlargest
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from hybrid import Index, analyzers, encoders
from hybrid.cli.output import out
from hybrid.evaluate import evaluate, paired, parse, run_systems
from hybrid.types import Encoder
from tests.benchmarks import default
from tests.benchmarks.default import MEASURES, SYSTEMS
from tests.benchmarks.pairs import PAIRS, Judged, Pair
from tests.benchmarks.report import Cell, Report, Row

COLLECTIONS: Final = ("scifact", "nfcorpus_preproc", "stackfaq", "zh_medqa", "cmrc2018")
_ABOUT: Final = 10  # documents about a query's subject: they share the most with it, by idf
_SHARE: Final = 0.05  # of the documents have a word that can be excluded, at most
_ENGLISH: Final = ("{query} without {word}", "{query}, not {word}")
_CHINESE: Final = ("{query}，不要{word}", "除了{word}，{query}")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")


_cut: Final = analyzers.by_name("chinese").terms
_NOTE: Final = "`plain`: the same queries and judgments, nothing excluded. `p`: paired randomisation test."


def negated(judged: Judged) -> tuple[Judged, Judged]:
    """The queries of ``judged`` that can exclude a word: with it, and the same judgments without."""
    said = {one.id: _words(f"{one.title} {one.text}") for one in judged.documents}
    having: dict[str, list[str]] = defaultdict(list)
    for id, own in said.items():
        for one in own:
            having[one].append(id)
    queries, qrels = dict[str, str](), dict[str, dict[str, int]]()
    for number, (query, of) in enumerate(sorted(judged.qrels.items())):
        text = judged.queries[query]
        relevant = {id: grade for id, grade in of.items() if grade > 0 and id in said}
        if word := _excluded(_words(text), relevant, said, having):
            form = (_CHINESE if _HAN.search(text) else _ENGLISH)[number % 2]
            queries[query] = form.format(query=text.strip().rstrip(".?。？"), word=word)
            qrels[query] = {id: grade for id, grade in relevant.items() if word not in said[id]}
    return judged._replace(queries=queries, qrels=qrels), judged._replace(qrels=qrels)


def _words(text: str) -> set[str]:
    """English words of three letters or more as they stand, Chinese ones as they are cut."""
    english = re.findall(r"[a-z]{3,}", text.lower())
    chinese = _cut(text) if _HAN.search(text) else ()
    return {*english, *(term for term in chinese if len(term) > 1 and _HAN.match(term))}


def _excluded(
    asked: set[str], relevant: Iterable[str], said: Mapping[str, set[str]], having: Mapping[str, list[str]]
) -> str | None:
    """The word that most of the documents about the subject of ``asked`` have, of those that one of the
    ``relevant`` lacks. ``said``: the words of each document, ``having``: the documents of each word."""
    shared: dict[str, float] = defaultdict(float)
    for word in sorted(asked & having.keys()):
        for id in having[word]:
            shared[id] += math.log(len(said) / len(having[word]))
    about = nlargest(_ABOUT, shared, key=lambda id: (shared[id], id))
    found = Counter(word for id in about for word in said[id] - asked)
    possible = (
        word
        for word in found
        if len(having[word]) <= _SHARE * len(said) and any(word not in said[id] for id in relevant)
    )
    return max(possible, key=lambda word: (found[word], word), default=None)


def measured(
    data: Path, indexes: Path, pairs: Iterable[Pair], most: int, load: Callable[[str], Encoder]
) -> Report:
    """Rank both kinds of queries of ``pairs``, at most so many each, with every system."""
    report = Report("negations", part="develop")
    tables = {name: report.table(name, note=_NOTE) for name in MEASURES}
    for pair in pairs:
        judged = default.some(pair.judged(data, "develop"), most)
        with default.indexed(indexes, pair, judged, load) as index:
            for kind, asked in zip(("negated", "plain"), negated(judged), strict=True):
                for name, row in _rows(index, asked):
                    tables[name].add(collection=pair.name, encoder=pair.encoder, queries_are=kind, **row)
    return report


def _rows(index: Index, judged: Judged) -> Iterator[tuple[str, Row]]:
    """For each measure its figures."""
    runs = run_systems(index, judged.queries, judged.qrels, SYSTEMS, k=10)
    report = evaluate(runs, judged.qrels, parse(" ".join(MEASURES)))
    for name in MEASURES:
        values = {system: np.array([*report.per_query[system][name].values()]) for system in SYSTEMS}
        against = paired(values["RRF(60)"], values["default"])
        row: dict[str, Cell] = {"queries": report.queries}
        row |= {system: f"{own.mean():.4f}" for system, own in values.items()}
        yield name, row | {"RRF - default": f"{against.difference:+.4f}", "p": against.p}


def main(
    data: Path,
    indexes: Annotated[Path, typer.Option(help="Where the indexes are, or are built.")],
    most: Annotated[int, typer.Option(help="Queries of each collection.")] = 300,
    only: Annotated[list[str] | None, typer.Option(help="A collection; all if none is named.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Results.")] = Path("build/benchmarks"),
) -> None:
    """Compare the default fusion with ranks where queries exclude a word."""
    pairs = [pair for pair in PAIRS if pair.name in (only or COLLECTIONS)]
    report = measured(data, indexes, pairs, most, encoders.load)
    report.write(to)
    out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
