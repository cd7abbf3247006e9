"""A world that a linear map of query vectors solves: questions in Caesar's cipher, over counted letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hybrid import Document
from hybrid.types import Matrix, Qrels
from tests.encoder_models import LETTERS


class CountedLetters:
    """How often each letter occurs, to unit length."""

    id = "counted letters"
    dim = 26

    def documents(self, texts: Sequence[str]) -> Matrix:
        counts = np.array([[text.count(letter) for letter in LETTERS] for text in texts], np.float32)
        counts = counts.reshape(len(texts), self.dim)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        return np.asarray(counts / np.maximum(lengths, 1e-9), np.float32)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.documents(texts)


def words(many: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list(LETTERS), 7)) for _ in range(many)]


def shifted(word: str) -> str:
    """Each letter is written as the next one."""
    return "".join(LETTERS[(LETTERS.index(letter) + 1) % 26] for letter in word)


def documents(words: Iterable[str]) -> list[Document]:
    return [Document(f"d{number}", word) for number, word in enumerate(words)]


def questions(words: Sequence[str]) -> tuple[dict[str, str], Qrels]:
    """For each word a question: five of its letters, in cipher; its document alone is relevant."""
    texts = {f"q{number}": shifted(word[:5]) for number, word in enumerate(words)}
    return texts, {f"q{number}": {f"d{number}": 1} for number in range(len(words))}
