"""``hybrid mine``: hard negatives from an index's own results, for training an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from hybrid.cli import reading
from hybrid.cli.judging import IgnoreIdenticalIds, QueriesFile
from hybrid.cli.output import AsJson, Directory, bar, complain, out, print_json
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.evaluate.runs import write_whole
from hybrid.index import Index
from hybrid.learn.mining import MARGIN, NEGATIVES, RANKS, Mined, Miner
from hybrid.limits import MAX_HITS
from hybrid.search.searcher import Searcher
from hybrid.types import Mode, Qrels


class Sampling(StrEnum):
    TOP = "top"
    RANDOM = "random"


def mine(
    directory: Directory,
    queries: QueriesFile,
    qrels: Annotated[Path, typer.Option(help="BEIR or TREC judgments to train on.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="Write JSON lines to this file.")],
    negatives: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Negatives for each relevant document.")
    ] = NEGATIVES,
    mode: Annotated[str, typer.Option(help="hybrid, lexical or vector.")] = "hybrid",
    margin: Annotated[
        float,
        typer.Option(
            metavar="X",
            min=0,
            max=1,
            help="Leave out documents with more than 1 - X of the positive's similarity to the query.",
        ),
    ] = MARGIN,
    ranks: Annotated[
        tuple[int, int], typer.Option(metavar="FIRST LAST", help="Take candidates from these ranks.")
    ] = RANKS,
    sampling: Annotated[
        Sampling, typer.Option(help="Take the top ones of the remaining candidates, or random ones.")
    ] = Sampling.TOP,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random sampling.")] = 0,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Mine hard negatives: hits of judged queries that are probably not relevant.

    Writes one line for each query and each document relevant to it: {"anchor": the query, "positive": the
    document's text, "negative_1": a text, "negative_2": …}. sentence-transformers can train on the file:
    datasets.load_dataset("json", data_files=FILE). Texts have no prompts (such as "query: "); give the
    trainer those of the model. Documents that were judged relevant, that have the same text as such a
    one, or that are about as near to the query (--margin) never become negatives: the latter are often
    relevant but unjudged.
    """
    first, last = ranks
    if not 1 <= first <= last <= MAX_HITS or last - first + 1 < negatives:
        raise InputError(
            f"--ranks {first} {last}: give the first and the last rank, from 1, with room for {negatives} "
            "negatives"
        )
    miner = Miner(negatives, cast(Mode, mode), margin, ranks, sampling.value, seed, ignore_identical_ids)
    texts, judged = reading.queries(queries, encoding), reading.qrels(qrels, encoding)
    mined = Mined()
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        if searcher.legs.vector:
            raise InputError(f"{directory}: mining compares vectors, and {searcher.legs.vector}")
        write_whole(to, _lines(miner, searcher, texts, judged, mined))
    for reason, many in mined.left_out.items():
        if many:
            complain(f"{many:,} {reason}: left out")
    if as_json:
        print_json({**mined.to_json(), "to": str(to)})
    else:
        _show(mined, to)


def _lines(
    miner: Miner, searcher: Searcher, texts: dict[str, str], judged: Qrels, mined: Mined
) -> Iterator[str]:
    with bar("mining", len(judged)) as progress:
        for one in miner.tuples(searcher, texts, judged, mined, progress.advance):
            yield one.to_json() + "\n"
    if not mined.tuples:
        why = ", ".join(f"{many:,} {reason}" for reason, many in mined.left_out.items() if many)
        raise InputError(f"nothing was mined: {why}; a smaller --margin or fewer --negatives may help")


def _show(mined: Mined, to: Path) -> None:
    out.print(f"{mined.tuples:,} lines, of {mined.queries:,} queries: {to}", soft_wrap=True)
    counts = ", ".join(f"{many:,} {what}" for what, many in mined.candidates.items())
    out.print(f"candidates: {counts}", style="dim", soft_wrap=True)
