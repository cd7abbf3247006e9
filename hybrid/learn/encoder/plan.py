"""How an encoder is trained: the choices of ``hybrid train-encoder``, checked."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from hybrid.errors import InputError
from hybrid.limits import shown

LABELLED: Final = (
    *("infonce", "cached", "triplet", "contrastive", "guided", "matryoshka"),
    "margin-mse",
)
"""The losses that learn from judged queries."""
UNLABELLED: Final = "kl"
"""The loss that learns from texts of queries alone."""
NEGATIVES: Final = ("hard", "semi-hard", "random")
ALL: Final = "all"
LORA: Final = "lora"


@dataclass(frozen=True)
class Plan:
    """``loss``: one of `LABELLED`, or `UNLABELLED`. ``negatives``: one of `NEGATIVES`: the first documents
    that the index takes for answers and that are clearly further from the query than its relevant one; any
    of the first hundred such ones; any documents. ``layers``: which parameters train: those of the last
    layers, as a number, "lora" or "all". ``adversarial``: the length of the perturbation of the word
    embeddings (see `hybrid.learn.encoder.adversarial`), 0 for none. ``epochs``: at most this many.
    ``batch``: examples a step. ``lr``: the highest learning rate.

    Raises InputError for anything else.
    """

    loss: str = "infonce"
    negatives: str = "hard"
    layers: str = "2"
    adversarial: float = 0.0
    epochs: int = 3
    batch: int = 32
    lr: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("loss", self.loss, (*LABELLED, UNLABELLED))
        _one_of("negatives", self.negatives, NEGATIVES)
        if self.layers not in (ALL, LORA) and not self.last:
            raise InputError(f"layers is {shown(self.layers)}; give a number from 1, {LORA} or {ALL}")
        if self.loss == "margin-mse" and self.negatives == "random":
            raise InputError(
                "margin-mse learns from the ranking's scores, which random negatives lack; "
                "give hard or semi-hard ones"
            )
        _within("adversarial", self.adversarial, 0 <= self.adversarial <= 100, "from 0 to 100")
        _within("epochs", self.epochs, 1 <= self.epochs <= 1000, "from 1 to 1,000")
        _within("batch", self.batch, 2 <= self.batch <= 10_000, "from 2 to 10,000")
        _within("lr", self.lr, 0 < self.lr <= 1, "above 0, at most 1")
        _within("seed", self.seed, 0 <= self.seed < 2**31, "from 0, below 2^31")

    @property
    def last(self) -> int | None:
        """The number of last layers that train; None for "lora" and "all"."""
        plain = self.layers.isascii() and self.layers.isdigit() and len(self.layers) <= 4
        return int(self.layers) if plain else None


def _one_of(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {shown(value)}; give one of {', '.join(choices)}")


def _within(name: str, value: Any, holds: bool, wanted: str) -> None:
    if not holds or not math.isfinite(value):
        raise InputError(f"{name} is {value}; it must be {wanted}")
