"""The votes of past queries in a search, and the documents that enter by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hybrid.fusion import Votes, Voting
from hybrid.fusion.voting import CLICKED, NEAREST
from hybrid.norms import unit
from hybrid.order import Pool, among
from hybrid.search.evidence import Evidence
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.store.voters import Near, Voters
from hybrid.types import Candidates, Mask, Ordinals, Scores


@dataclass(frozen=True)
class Asked:
    """The past queries most similar to a request, ``judged`` and ``clicked`` ones, of ``voters``."""

    voters: Voters
    judged: Near
    clicked: Near

    @classmethod
    def of(cls, source: Source, request: Request, words: Sequence[str]) -> Self | None:
        """Find them; None where none may vote."""
        if request.voting is None or not len(voters := source.voters):
            return None
        asked = request.vector if request.encoded is None else request.encoded
        vector = None if asked is None else unit(asked[None, :])[0]
        judged = voters.nearest(vector, words, NEAREST, silent=request.silent)
        clicked = voters.nearest(vector, words, CLICKED, clicked=True, silent=request.silent)
        return cls(voters, judged, clicked)

    def votes(self, voting: Voting, allowed: Mask | None) -> Votes:
        """What they say, of documents that are ``allowed``, bool (n,) over ordinals; None for all."""
        voters, judged, clicked = self.voters, self.judged, self.clicked
        found = voting.votes(judged.similarities, voters.answers_of(judged.places), allowed)
        if not len(clicked.places):
            return found
        users, answers = voters.users[clicked.places], voters.answers_of(clicked.places)
        return found.plus(voting.clicked(clicked.similarities, answers, users, allowed))

    def for_one(self, near: Near, ordinal: int, threshold: float) -> Near:
        """Those of ``near`` that vote for a document."""
        answers = self.voters.answers_of(near.places)
        owners = np.repeat(np.arange(len(near.places)), answers.sizes)
        votes = np.isin(np.arange(len(near.places)), owners[answers.ordinals == ordinal])
        votes &= near.similarities > threshold
        return Near(near.places[votes], near.similarities[votes])


def entered(
    source: Source,
    request: Request,
    words: Sequence[str],
    pool: Pool,
    heads: list[Candidates],
    evidence: Evidence,
    newcomers: Ordinals,
) -> list[Candidates]:
    """The ``heads`` of the legs' answers, by number in the ``pool``, and in each the ``newcomers``, which
    enter by votes."""
    if not len(newcomers):
        return heads
    entering = np.flatnonzero(among(pool.ordinals, newcomers))
    lexical, vector = heads
    if words:
        scores = np.zeros(len(entering), np.float32)
        if len(lexical) >= request.depths[0]:  # or every document that contains a term is listed
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
