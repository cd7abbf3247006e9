"""Adversarial training: the fast gradient method on the word embeddings.

Each step also trains on embeddings that are moved by a length eps where the loss grows fastest. Miyato, Dai
and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification", ICLR 2017; all
vectors of the vocabulary are moved as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor
    from torch.nn import Parameter


def word_embeddings(model: SentenceTransformer) -> Parameter:
    """The word embeddings, (words, dim), with gradients from now on."""
    network: Any = model[0].model
    words: Parameter = network.get_input_embeddings().weight
    words.requires_grad_(True)
    return words


@contextmanager
def perturbed(words: Parameter, eps: float) -> Iterator[None]:
    """Move ``words`` along their gradient while in the block, by a distance of ``eps``."""
    import torch

    before: Tensor = words.detach().clone()
    gradient = words.grad
    length = 0.0 if gradient is None else float(gradient.norm())
    with torch.no_grad():
        if gradient is not None and 0 < length < float("inf"):
            words.add_(gradient, alpha=eps / length)
    try:
        yield
    finally:
        with torch.no_grad():
            words.copy_(before)
