"""What past queries gain: a judged collection's training queries vote on its dev or test queries.

    python -m tests.benchmarks.past_queries FOLDER --encoder NAME [--split dev] [--accept known]

``FOLDER`` is a BEIR data set. The weight of the votes is chosen by `hybrid.learn.vote` on the training
queries; the queries of ``--split`` are read once, at the end. Known: the query shares a relevant document
with a training query.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid import Index
from hybrid.cli.output import out
from hybrid.corpora import read_documents, read_qrels, read_queries
from hybrid.evaluate import evaluate, paired, parse
from hybrid.learn import vote
from hybrid.types import Qrels, Run

MEASURE: Final = "nDCG@10"


def main() -> None:
    options = _options()
    queries = read_queries(options.folder / "queries.jsonl")
    train = read_qrels(options.folder / "qrels" / "train.tsv")
    with (
        tempfile.TemporaryDirectory() as folder,
        Index.create(Path(folder) / "index", encoder=options.encoder) as index,
    ):
        index.load(read_documents(options.folder / "corpus.jsonl"))
        out.print(f"{index.learn(queries, train):,} past queries")
        with index.searcher() as searcher:
            found = vote(searcher, accept=options.accept)
        out.print(found.reason)
        judged = read_qrels(options.folder / "qrels" / f"{options.split}.tsv")
        asked = {id: queries[id] for id in judged if id in queries}
        before = index.run(asked, k=10)
        number = found.install(index)
        out.print("nothing is installed" if number is None else f"installed: {index.profiles.serving}")
        after = index.run(asked, k=10)
    _compare({"without": before, "with": after}, judged, train)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--encoder", required=True)
    options.add_argument("--split", default="dev")
    options.add_argument("--accept", choices=["known"])
    return options.parse_args()


def _compare(runs: dict[str, Run], judged: Qrels, train: Qrels) -> None:
    found = evaluate(runs, judged, parse(MEASURE)).per_query
    ids = sorted(found["with"][MEASURE])
    values = {name: np.array([found[name][MEASURE][id] for id in ids]) for name in runs}
    voted = {document for grades in train.values() for document, grade in grades.items() if grade > 0}
    known = np.array([any(grade > 0 and d in voted for d, grade in judged[id].items()) for id in ids])
    _show("all", values, np.ones(len(ids), np.bool_))
    _show("known", values, known)
    _show("unknown", values, ~known)


def _show(name: str, values: dict[str, NDArray[np.float64]], rows: NDArray[np.bool_]) -> None:
    if not rows.any():
        return
    after, before = values["with"][rows], values["without"][rows]
    one = paired(after, before)
    out.print(
        f"{name}: {one.queries:,} queries, {MEASURE} {before.mean():.4f} -> {after.mean():.4f}, "
        f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f}), p {one.p:.4f}"
    )


if __name__ == "__main__":
    main()
