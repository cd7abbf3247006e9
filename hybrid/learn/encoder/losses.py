"""The losses, by name: sentence-transformers' own, and the columns of texts that each takes.

infonce      van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018, with
             the other documents of the batch as further negatives (Henderson et al., 2017)
cached       the same for batches larger than memory: Gao et al., "Scaling Deep Contrastive Learning Batch
             Size under Memory Limited Setup", RepL4NLP 2021
triplet      Schroff et al., "FaceNet", CVPR 2015
contrastive  Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006
guided       GIST: Solatorio, "GISTEmbed", 2024; the starting model is the guide
matryoshka   Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022, of infonce
margin-mse   Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
             Distillation", 2020; the teacher is the ranking of the index
kl           Kullback and Leibler's divergence from the softmax of the ranking's scores
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from hybrid.learn.encoder.examples import Example
from hybrid.learn.encoder.plan import Plan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TEMPERATURE: Final = 0.05
_MARGIN: Final = 0.2  # of cosines
_SMALLEST: Final = 16  # dimensions
_HALVINGS: Final = 3


def loss(plan: Plan, model: SentenceTransformer) -> Any:
    """Make the loss of ``plan`` for ``model``: a torch module that takes columns and labels."""
    from sentence_transformers.sentence_transformer import losses
    from sentence_transformers.util import pairwise_cos_sim

    infonce = losses.MultipleNegativesRankingLoss
    match plan.loss:
        case "infonce":
            return infonce(model, scale=1 / _TEMPERATURE)
        case "cached":
            return losses.CachedMultipleNegativesRankingLoss(model, scale=1 / _TEMPERATURE)
        case "triplet":
            cosine: Any = losses.TripletDistanceMetric.COSINE
            return losses.TripletLoss(model, cosine, triplet_margin=_MARGIN)
        case "contrastive":
            return losses.ContrastiveLoss(model)
        case "guided":
            return losses.GISTEmbedLoss(model, _guide(model), temperature=_TEMPERATURE)
        case "matryoshka":
            return losses.MatryoshkaLoss(model, infonce(model, scale=1 / _TEMPERATURE), _dimensions(model))
        case "margin-mse":
            return losses.MarginMSELoss(model, pairwise_cos_sim)
    return losses.DistillKLDivLoss(
        model, pairwise_cos_sim, student_temperature=_TEMPERATURE, teacher_temperature=1.0
    )


def columns(plan: Plan, batch: Sequence[Example]) -> tuple[list[list[str]], list[Any]]:
    """The texts of ``batch`` by column, queries first and then documents, and the labels."""
    queries = [one.query for one in batch]
    documents = [list(column) for column in zip(*(one.documents for one in batch), strict=True)]
    if plan.loss == "contrastive":  # each pair by itself: the relevant documents, then the negatives
        ones, zeros = [1.0] * len(batch), [0.0] * len(batch)
        return [[*queries, *queries], [*documents[0], *documents[1]]], [*ones, *zeros]
    return [queries, *documents], [list(one.labels) for one in batch]


def _guide(model: SentenceTransformer) -> SentenceTransformer:
    guide = deepcopy(model).eval()
    guide.requires_grad_(False)
    return guide


def _dimensions(model: SentenceTransformer) -> list[int]:
    """The full length of a vector, its half, …: see `_HALVINGS`."""
    dim = model.get_embedding_dimension() or 0
    return [dim >> i for i in range(_HALVINGS + 1) if not i or dim >> i >= _SMALLEST]
