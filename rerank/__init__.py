"""Rerankers, which reorder the top of a fused list.

A reranker is any callable that follows the ``Reranker`` protocol. It is called with the query's text (None
for a query that is only a vector), the fused candidates and their features: named columns, float32
(len(candidates),), aligned with the candidates, NaN where a leg lacks the document:

    lexical_score, vector_score    the leg's own score
    lexical_rank, vector_rank      the rank in the leg's list, from 1
    fused_score                    the fusion's score

and the features that it names in an attribute ``features``, if it has one. An index can make:

    text            the title, a line break and the text, or of a long document its best passage: str
                    (len(candidates),)
    vector          the document's vector nearest to the query's, of unit length: float32
                    (len(candidates), dim), a row of NaN if the document, or the query, has none
    metadata.PATH   the number, boolean or time (seconds since 1970) under this path; NaN without one
    and the features of learned ranking, see ``hybrid.search.features``

It returns ``Candidates`` made from those it got: in another order, with its own finite scores, possibly
fewer, best first with ties by ascending ordinal (``Candidates.ranked`` does that; an ordinal is the
candidate's number in the order of ties). It must not add documents or change the arrays it was given. It
gets the same candidates however many hits are requested. A document that it leaves out is on no page; if it
leaves out all, there are no further pages.
"""

from hybrid.rerank.boost import Popularity, Recency
from hybrid.rerank.cross_encoder import CrossEncoder
from hybrid.rerank.features import METADATA, Features, features, rerank
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.late_interaction import LateInteraction
from hybrid.rerank.mmr import MMR
from hybrid.types import Reranker

__all__ = [
    "METADATA",
    "MMR",
    "CrossEncoder",
    "Features",
    "LambdaMART",
    "LateInteraction",
    "Popularity",
    "Recency",
    "Reranker",
    "features",
    "rerank",
]
