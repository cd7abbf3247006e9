"""What training gained: the vector leg with the encoder of the index and with the trained one, asked by the
held-out queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from hybrid.encoders import Transformer
from hybrid.encoders.bulk import checked
from hybrid.evaluate.comparison import Paired, Values
from hybrid.evaluate.scoring import evaluate
from hybrid.intake.embedding import embed
from hybrid.learn.contest import MEASURE, counting, ndcg
from hybrid.learn.control import best, with_bonuses
from hybrid.learn.gate import Apart, HeldOut
from hybrid.learn.split import Split
from hybrid.ledger.passages import whole
from hybrid.search.searcher import Searcher
from hybrid.types import Candidates, Matrix, Ordinals, Run, Stages
from hybrid.vector.view import VectorView

MAX_DOCUMENTS: Final = 20_000
"""Documents that are encoded to compare."""
_DEPTH: Final = 100


@dataclass(frozen=True)
class Figures:
    """The means of the vector leg by `MEASURE` over the held-out ``queries``, among ``documents`` of the
    index's: those that any of these queries is about or finds, and others up to `MAX_DOCUMENTS`.

    ``base``: with the encoder of the index; ``trained``; their difference, also ``apart`` by documents
    known and unknown from training, and that of the ``control``, a constant bonus for known documents
    (None where none is known).
    """

    queries: int
    documents: int
    base: float
    trained: float
    difference: Paired
    apart: Apart
    control: Apart | None

    def to_json(self) -> dict[str, Any]:
        return {"measure": f"vector leg {MEASURE}", **asdict(self)}


def compare(searcher: Searcher, judged: Split, trained: Transformer, seed: int, tell: Stages) -> Figures:
    """Encode documents and the held-out queries with ``trained``, and compare."""
    pool = _pool(searcher, judged, seed)
    texts = list(judged.held_out.texts.values())
    cache = searcher.query_vectors
    assert cache is not None  # the index has an encoder
    before = _Leg(searcher, searcher.snapshot.vectors, pool, pool, cache.vectors(texts))
    base = before.run(judged)
    asked = checked(trained, trained.queries, texts)
    after = _Leg(searcher, _view(searcher, pool, trained, tell), np.arange(len(pool)), pool, asked)
    values = _values({"base": base, "trained": after.run(judged)}, judged)
    families = judged.families
    held = HeldOut([families[id] for id in judged.held_out.texts], judged.known)
    return Figures(
        queries=len(texts),
        documents=len(pool),
        base=float(values["base"].mean()),
        trained=float(values["trained"].mean()),
        difference=held.compare(values["trained"], values["base"], seed),
        apart=held.apart(values["trained"], values["base"], seed),
        control=_control(base, values["base"], judged, held, seed),
    )


def _pool(searcher: Searcher, judged: Split, seed: int) -> Ordinals:
    """The documents to rank, ascending: all, or as many as may be encoded."""
    snapshot = searcher.snapshot
    living = np.flatnonzero(snapshot.live)
    if len(living) <= MAX_DOCUMENTS:
        return living
    held_out = judged.held_out
    run = searcher.run(held_out.texts, k=_DEPTH, mode="vector", lacking=held_out.lacking)
    found = {id for hits in run.values() for id, _ in hits}
    wanted = snapshot.places(sorted(found | held_out.relevant))
    others = np.setdiff1d(living, wanted)
    drawn = np.random.default_rng(seed).permutation(others)[: max(0, MAX_DOCUMENTS - len(wanted))]
    return np.sort(np.concatenate([wanted, drawn]))


def _view(searcher: Searcher, pool: Ordinals, encoder: Transformer, tell: Stages) -> VectorView:
    """The vectors of the documents of ``pool``, whose places are their ordinals."""
    snapshot, metric = searcher.snapshot, searcher.snapshot.settings.metric
    documents = snapshot.documents(pool.tolist())
    known = snapshot.pieces(pool.tolist())
    pieces = [known.get(o) or whole(one.text) for o, one in zip(pool.tolist(), documents, strict=True)]
    advance = counting(tell, "encoding documents", len(documents))
    return VectorView(embed(documents, pieces, encoder, metric, 0, advance), metric, None)


@dataclass(frozen=True)
class _Leg:
    """``places``: where the documents of ``pool`` are in ``view``; ``asked``: the vector of each held-out
    query, float32 (queries, dim)."""

    searcher: Searcher
    view: VectorView
    places: Ordinals
    pool: Ordinals
    asked: Matrix

    def run(self, judged: Split) -> Run:
        lacking = judged.held_out.lacking
        return {
            id: [hit for hit in self._ranked(vector) if hit[0] not in lacking.get(id, ())]
            for id, vector in zip(judged.held_out.texts, self.asked, strict=True)
        }

    def _ranked(self, vector: Any) -> list[tuple[str, float]]:
        length = float(np.linalg.norm(vector)) if self.view.metric == "cosine" else 1.0
        scores, _ = self.view.nearest(vector / max(length, 1e-12), self.places)
        has = ~np.isnan(scores)
        snapshot = self.searcher.snapshot
        ranked = Candidates.ranked(self.pool[has], scores[has], ties=snapshot.ties).top(_DEPTH)
        return list(zip(snapshot.ids(ranked.ordinals), ranked.scores.tolist(), strict=True))


def _values(runs: Mapping[str, Run], judged: Split) -> dict[str, Values]:
    found = evaluate(runs, judged.held_out.qrels, [ndcg()]).per_query
    return {name: np.array([found[name][MEASURE][id] for id in judged.held_out.texts]) for name in runs}


def _control(base: Run, values: Values, judged: Split, held: HeldOut, seed: int) -> Apart | None:
    if not judged.known.any():
        return None
    raised = with_bonuses(base, judged.held_out, judged.train.relevant, ndcg())
    return held.apart(best(raised, judged.known), values, seed)
