"""Both lists over all candidates: what a score fusion may ask for before it standardises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybrid.fusion.evidence import Evidence
from hybrid.types import Candidates, Ordinals, Scores


def complete(legs: Sequence[Candidates], evidence: Evidence) -> list[Candidates]:
    """The lexical and the vector list, each with the other's documents.

    A document that only the lexical leg found gets its similarity, which costs one product of vectors. One
    that only the vector leg found gets BM25's floor of 0: it contains no term of the query, or its score
    lies below the list's last. A list that is empty stays so: that leg was not asked, or knows nothing.
    """
    lexical, vector = legs
    if not len(lexical) or not len(vector):
        return [lexical, vector]
    unseen, absent = _apart(lexical.ordinals, vector.ordinals)
    scores = evidence.scores(unseen)
    known = ~np.isnan(scores)
    return [
        _with(lexical, absent, np.zeros(len(absent), np.float32)),
        _with(vector, unseen[known], scores[known]),
    ]


def _apart(ours: Ordinals, theirs: Ordinals) -> tuple[Ordinals, Ordinals]:
    """What only the one has and what only the other has: one sort, where ``np.setdiff1d`` takes four."""
    everyone = np.concatenate([ours, theirs])
    order = everyone.argsort(kind="stable")
    in_both = everyone[order[1:]] == everyone[order[:-1]]
    alone = np.ones(len(everyone), np.bool_)
    alone[order[1:][in_both]] = alone[order[:-1][in_both]] = False
    return ours[alone[: len(ours)]], theirs[alone[len(ours) :]]


def _with(leg: Candidates, ordinals: Ordinals, scores: Scores) -> Candidates:
    return Candidates.ranked(
        np.concatenate([leg.ordinals, ordinals]), np.concatenate([leg.scores, scores]), floor=leg.floor
    )
