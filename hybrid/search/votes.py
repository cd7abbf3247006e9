"""The votes of past queries in a search, and the documents that enter by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybrid.fusion import Votes
from hybrid.fusion.voting import CLICKED, NEAREST
from hybrid.norms import unit
from hybrid.order import Pool
from hybrid.search.evidence import Evidence
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.types import Candidates, Mask, Ordinals, Scores


def votes(source: Source, request: Request, words: Sequence[str], allowed: Mask | None) -> Votes:
    """What past queries similar to a request say, of documents that are ``allowed``, bool (n,) over
    ordinals; None for all."""
    voting = request.voting
    if voting is None or not len(voters := source.voters):
        return Votes.none()
    vector = None if request.vector is None else unit(request.vector[None, :])[0]
    near = voters.nearest(vector, words, NEAREST, silent=request.silent)
    found = voting.votes(near.similarities, voters.answers_of(near.places), allowed)
    near = voters.nearest(vector, words, CLICKED, clicked=True, silent=request.silent)
    if not len(near.places):
        return found
    users = voters.users[near.places]
    return found.plus(voting.clicked(near.similarities, voters.answers_of(near.places), users, allowed))


def entered(
    source: Source,
    request: Request,
    words: Sequence[str],
    pool: Pool,
    heads: list[Candidates],
    evidence: Evidence,
    votes: Votes,
) -> list[Candidates]:
    """The ``heads`` of the legs' answers, by number in the ``pool``, and in each what enters by votes."""
    if not len(votes.ordinals):
        return heads
    listed = np.concatenate([head.ordinals for head in heads])
    newcomers = votes.newcomers(pool.ordinals[listed])
    entering = np.flatnonzero(np.isin(pool.ordinals, newcomers))
    lexical, vector = heads
    if words:
        ordinals = pool.ordinals[entering].tolist()
        scores = source.lexical.scores(words, ordinals, request.title_boost)
        lexical = _joined(lexical, entering, scores)
    if request.vector is not None:
        scores = evidence.scores(entering)
        has = ~np.isnan(scores)
        vector = _joined(vector, entering[has], scores[has])
    return [lexical, vector]


def _joined(leg: Candidates, ordinals: Ordinals, scores: Scores) -> Candidates:
    """A leg with more documents, by their scores."""
    both = np.concatenate([leg.ordinals, ordinals]), np.concatenate([leg.scores, scores])
    return Candidates.ranked(*both, floor=leg.floor)
