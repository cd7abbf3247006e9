"""A collection whose words come in pairs: one that only queries have, the other only documents. So a random
model has something to learn that also helps with documents it never saw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hybrid import Document
from hybrid.types import Qrels

PAIRS = 15
SIZE = 60
ASKED, TOLD = (
    [f"{start}{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(PAIRS)] for start in ("ask", "say")
)
WORDS = [*ASKED, *TOLD]


def drawn() -> Iterator[list[int]]:
    """The pairs of each document."""
    random = np.random.default_rng(0)
    for _ in range(SIZE):
        yield random.choice(PAIRS, 4, replace=False).tolist()


def documents() -> Iterator[Document]:
    for i, pairs in enumerate(drawn()):
        yield Document(f"d{i}", " ".join(TOLD[pair] for pair in pairs))


QUERIES = {f"q{i}": " ".join(ASKED[pair] for pair in pairs[:3]) for i, pairs in enumerate(drawn())}
QRELS: Qrels = {f"q{i}": {f"d{i}": 1} for i in range(SIZE)}
