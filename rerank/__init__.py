"""The seam for rerankers: what reorders the top of a fused list.

A reranker is any callable that follows the ``Reranker`` protocol. It gets the query's text (None for
a query that is only a vector), the fused candidates and their features: named columns, float32
(len(candidates),), aligned with the candidates, NaN where a leg lacks the document:

    lexical_score, vector_score    the leg's own score
    lexical_rank, vector_rank      the place in the leg's list, from 1
    fused_score                    the fusion's score

It gives back ``Candidates`` made of those it got: in another order, with its own finite scores, and
fewer if it likes, best first with ties by ascending ordinal (``Candidates.ranked`` does that). It may
not add documents nor change the arrays it was given.
"""

from hybrid.rerank.features import Features, features, rerank
from hybrid.types import Reranker

__all__ = ["Features", "Reranker", "features", "rerank"]
