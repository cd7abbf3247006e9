"""Mine hard negatives: an index's own answers to judged queries that do not answer them.

They train an encoder to tell apart what it, or the whole pipeline, finds alike. The danger is in the false
ones: few collections are judged whole, and much of what ranks high beside the judged documents is relevant
too (of MS MARCO's, 70 % in a sample: Qu et al., "RocketQA", NAACL 2021). So what the encoder finds about
as near to the query as the positive is left out: positive-aware mining, "TopK-PercPos" at 95 %, which did
best in Moreira et al., "NV-Retriever: Improving text embedding models with effective hard-negative
mining", 2024.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np

from hybrid.encoders import compose
from hybrid.evaluate.asking import answerable
from hybrid.evaluate.identical import not_judged, own
from hybrid.evaluate.native import plain
from hybrid.learn.clicks.exposures import same
from hybrid.rerank.ordering import standard
from hybrid.types import Hit, Lacking, Mode, Qrels, Run

Sampling: TypeAlias = Literal["top", "random"]

NEGATIVES: Final = 3
MARGIN: Final = 0.05
RANKS: Final = (1, 100)
_BATCH: Final = 32


class Minable(Protocol):
    """An index that can be mined: a Searcher."""

    def run(self, queries: Mapping[str, str], /, *, k: int, mode: Mode, lacking: Lacking) -> Run: ...

    def among(
        self, queries: Mapping[str, str], documents: Mapping[str, Iterable[str]], /
    ) -> dict[str, list[Hit]]: ...


@dataclass(frozen=True)
class Tuple:
    """One example of training. ``scores``: what the ranking that was mined gives the positive and then each
    negative, in standard deviations from the mean of its list; NaN for one that it does not hold."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    scores: tuple[float, ...] = field(default=(), compare=False)

    def to_json(self) -> str:
        """One line, its columns called and ordered as ``mine_hard_negatives(output_format="n-tuple")`` of
        sentence-transformers does, whose losses take columns by their order."""
        numbered = {f"negative_{i}": text for i, text in enumerate(self.negatives, start=1)}
        return json.dumps({"anchor": self.anchor, "positive": self.positive, **numbered})


@dataclass
class Mined:
    """Counts so far: tuples, the queries they are of, and by reason the judged queries, positives and
    candidates that were left out. A candidate counts once for each positive."""

    tuples: int = 0
    queries: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    candidates: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        return {
            "tuples": self.tuples,
            "queries": self.queries,
            "left_out": dict(self.left_out),
            "candidates": dict(self.candidates),
        }


@dataclass(frozen=True)
class Miner:
    """Takes some of an index's answers for negatives.

    ``negatives``: their number for each pair of a query and a relevant document; a pair with fewer is left
    out. ``mode``: the legs that answer. ``ranks``: the first and the last rank that is looked at.
    ``margin``: a document nearer to the query than the positive's similarity less this share of its
    magnitude is left out.
    ``sampling``: the first ones that remain, or any of them, drawn by ``seed``. ``ignore_identical_ids``:
    pass over the document that has the query's id.
    """

    negatives: int = NEGATIVES
    mode: Mode = "hybrid"
    margin: float = MARGIN
    ranks: tuple[int, int] = RANKS
    sampling: Sampling = "top"
    seed: int = 0
    ignore_identical_ids: bool = False

    def tuples(
        self,
        index: Minable,
        queries: Mapping[str, str],
        qrels: Qrels,
        mined: Mined,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Tuple]:
        """Yield one tuple for each judged query and each of its relevant documents, in the order of
        ``qrels``, counting in ``mined``. ``progress`` is told how many more queries are done.

        A document that is judged relevant, or reads like one or like the query but for case and white
        space, is never a negative. A document's text is what an encoder gets: its title, a line break, and
        its text, or of a long one the window that is nearest to the query.
        """
        qrels = plain(not_judged(qrels) if self.ignore_identical_ids else qrels)
        asked = answerable(queries, qrels)
        mined.left_out["queries without a text"] += len(qrels) - len(asked)
        for start in range(0, len(asked), _BATCH):
            batch = {id: queries[id] for id in asked[start : start + _BATCH]}
            for query in self._answered(index, batch, qrels):
                made = list(self._of(query, mined))
                mined.tuples += len(made)
                mined.queries += bool(made)
                yield from made
            progress(len(batch))

    def _answered(self, index: Minable, batch: Mapping[str, str], qrels: Qrels) -> Iterator[_Query]:
        first, last = self.ranks
        lacking = own(batch) if self.ignore_identical_ids else {}
        run = index.run(batch, k=last, mode=self.mode, lacking=lacking)
        ranked = {id: [document for document, _ in hits[first - 1 :]] for id, hits in run.items()}
        relevant = {id: [doc for doc, grade in qrels[id].items() if grade > 0] for id in batch}
        found = index.among(batch, {id: [*relevant[id], *ranked[id]] for id in batch})
        for id, text in batch.items():
            hits = {hit.id: hit for hit in found[id] if text_of(hit).strip()}
            yield _Query(id, text, relevant[id], ranked[id], hits, standardised(run[id]))

    def _of(self, query: _Query, mined: Mined) -> Iterator[Tuple]:
        if not query.relevant:
            mined.left_out["queries without a relevant document"] += 1
        unlike = query.unlike_the_positives(mined.candidates)
        for id in query.relevant:
            if (positive := query.hits.get(id)) is None:
                mined.left_out["positives without text or vector in the index"] += 1
                continue
            far = [hit for hit in unlike if hit.score <= self._limit(positive)]
            mined.candidates["too near"] += len(unlike) - len(far)
            mined.candidates["eligible"] += len(far)
            if len(far) < self.negatives:
                mined.left_out[f"positives with fewer than {self.negatives} negatives"] += 1
                continue
            chosen = self._chosen(far, f"{query.id}\t{id}")
            scores = tuple(query.scores.get(hit.id, math.nan) for hit in (positive, *chosen))
            yield Tuple(query.text, text_of(positive), tuple(map(text_of, chosen)), scores)

    def _limit(self, positive: Hit) -> float:
        return positive.score - self.margin * abs(positive.score)

    def _chosen(self, far: list[Hit], pair: str) -> list[Hit]:
        if self.sampling == "random":  # by the pair, so that other queries in the file change nothing
            drawn = random.Random(f"{self.seed}\t{pair}").sample(range(len(far)), self.negatives)
            far = [far[place] for place in sorted(drawn)]
        return far[: self.negatives]


@dataclass(frozen=True)
class _Query:
    """``relevant`` and ``ranked``: ids; ``hits``: those of both that have a text and a vector; ``scores``:
    of the whole ranking, `standardised`."""

    id: str
    text: str
    relevant: list[str]
    ranked: list[str]
    hits: dict[str, Hit]
    scores: dict[str, float]

    def unlike_the_positives(self, counts: Counter[str]) -> list[Hit]:
        """The ranked hits that are not judged relevant and read like no relevant one, nor like one
        before."""
        relevant = set(self.relevant)
        read = {same(text_of(self.hits[id])) for id in relevant & self.hits.keys()} | {same(self.text)}
        unlike = []
        for id in self.ranked:
            if id in relevant:
                counts["judged relevant"] += 1
            elif (hit := self.hits.get(id)) is None:
                counts["without text or vector"] += 1
            elif (text := same(text_of(hit))) in read:
                counts["of the same text"] += 1
            else:
                read.add(text)
                unlike.append(hit)
        return unlike


def standardised(ranking: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Document -> its score in standard deviations from the mean of ``ranking``; 0 where none differs."""
    even = standard(np.array([score for _, score in ranking]))
    return dict(zip((id for id, _ in ranking), even.tolist(), strict=True))


def text_of(hit: Hit) -> str:
    """The text that the encoder got for the passage of a hit: see `Miner.tuples`."""
    start, end = hit.passage or (0, None)
    return compose(hit.document.title, hit.document.text[start:end])
