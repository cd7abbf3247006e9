"""The votes of past queries in a search, and the documents that enter by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from hybrid.fusion import Votes, Voting
from hybrid.fusion.voting import CLICKED, NEAREST
from hybrid.norms import unit
from hybrid.order import Pool, among
from hybrid.rerank import Features
from hybrid.search.evidence import Evidence
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.store.voters import Near, Voters
from hybrid.types import Candidates, Mask, Ordinals, Scores

VOTED: Final = ("votes_judged", "votes_clicked", "query_past")
"""Features for learned ranking, NaN where none votes: the votes of judged and of clicked past queries for a
document, 0 without any, and how similar the nearest judged one is to the query."""


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
        return cls(voters, *voters.nearest(vector, words, NEAREST, CLICKED, silent=request.silent))

    def votes(self, voting: Voting, allowed: Mask | None) -> Votes:
        """What they say, of documents that are ``allowed``, bool (n,) over ordinals; None for all."""
        return self.judgments(voting, allowed).plus(self.clicks(voting, allowed))

    def judgments(self, voting: Voting, allowed: Mask | None) -> Votes:
        """What the judged ones say."""
        answers = self.voters.answers_of(self.judged.places)
        return voting.votes(self.judged.similarities, answers, allowed)

    def clicks(self, voting: Voting, allowed: Mask | None) -> Votes:
        """What the clicked ones say."""
        if not len(places := self.clicked.places):
            return Votes.none()
        users, answers = self.voters.users[places], self.voters.answers_of(places)
        return voting.clicked(self.clicked.similarities, answers, users, allowed)

    def features(self, voting: Voting, ordinals: Ordinals) -> Features:
        """``VOTED`` of the documents ``ordinals``, float32 (n,) each."""
        nearest = self.judged.similarities[:1]
        columns = (
            self.judgments(voting, None).of(ordinals),
            self.clicks(voting, None).of(ordinals) if len(self.clicked.places) else np.nan,
            nearest[0] if len(nearest) else np.nan,
        )
        return {
            name: np.full(len(ordinals), column, np.float32)
            for name, column in zip(VOTED, columns, strict=True)
        }

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
