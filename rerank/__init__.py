"""Rerankers, what reorders the top of a fused list, and the seam for them.

A reranker is any callable that follows the ``Reranker`` protocol. It gets the query's text (None for
a query that is only a vector), the fused candidates and their features: named columns, float32
(len(candidates),), aligned with the candidates, NaN where a leg lacks the document:

    lexical_score, vector_score    the leg's own score
    lexical_rank, vector_rank      the place in the leg's list, from 1
    fused_score                    the fusion's score

and what it names in an attribute ``features``, if it has one, of what an index can make:

    text            the title, a line break and the text: str (len(candidates),)
    vector          the document's vector that is nearest to the query's, of unit length: float32
                    (len(candidates), dim), a row of NaN where the document, or the query, has none
    metadata.PATH   the number, truth or instant (seconds since 1970) under this path; NaN without one
    and what learned ranking knows, see ``hybrid.search.features``

It gives back ``Candidates`` made of those it got: in another order, with its own finite scores, and
fewer if it likes, best first with ties by ascending ordinal (``Candidates.ranked`` does that; an ordinal
is the candidate's number in the order of ties). It may not add documents nor change the arrays it was
given. It gets the same candidates however many hits are asked for, and what it leaves out is in no
page; where it leaves out all, nothing follows.
"""

from hybrid.rerank.boost import Popularity, Recency
from hybrid.rerank.cross_encoder import CrossEncoder
from hybrid.rerank.features import METADATA, Features, features, rerank
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.mmr import MMR
from hybrid.types import Reranker

__all__ = [
    "METADATA",
    "MMR",
    "CrossEncoder",
    "Features",
    "LambdaMART",
    "Popularity",
    "Recency",
    "Reranker",
    "features",
    "rerank",
]
