"""Calling encoders in bulk, functions as encoders, the query cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from hybrid.encoders import HashEncoder, QueryCache, encode_documents, load
from hybrid.encoders.bulk import SLICE
from hybrid.errors import EncoderFailed
from hybrid.types import Matrix


def letter_counts(texts: list[str]) -> list[list[float]]:
    return [[1.0, *(float(text.count(letter)) for letter in "aeiou")] for text in texts]


class Recorder:
    """Answers the length of each text, and remembers what it was asked."""

    id = "recorder"
    dim = 2

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def documents(self, texts: Sequence[str]) -> Matrix:
        self.calls.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.documents(texts)


def test_encode_documents_keeps_the_order_and_tells_progress() -> None:
    encoder, told = Recorder(), list[int]()
    texts = ["x" * (i * 37 % 500) for i in range(2 * SLICE + 5)]
    vectors = encode_documents(encoder, texts, told.append)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    assert told == [SLICE, SLICE, 5]
    lengths = [len(text) for call in encoder.calls for text in call]
    assert lengths == sorted(lengths, reverse=True)
    assert encode_documents(encoder, []).shape == (0, 2)


def nan(texts: list[str]) -> Any:
    return [[1.0, float("nan") if "bad" in text else 1.0] for text in texts]


def broken(texts: list[str]) -> Any:
    raise OSError(f"no connection for {len(texts)}")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda texts: [[1.0]] * (len(texts) + 1), r"returned shape \(3, 1\) for 2 texts"),
        (lambda texts: [1.0] * len(texts), r"returned shape \(2,\) for 2 texts"),
        (lambda texts: [[]] * len(texts), r"returned shape \(2, 0\) for 2 texts"),
        (lambda texts: [[1.0], [1.0, 2.0]], "raised ValueError"),
        (lambda texts: None, "raised TypeError|returned shape"),
        (nan, "returned NaN or infinity for the text 'a bad one'"),
        (broken, "test_encoding.broken raised OSError: no connection for 2"),
    ],
)
def test_what_is_no_matrix_of_vectors(function: Callable[[list[str]], Any], says: str) -> None:
    with pytest.raises(EncoderFailed, match=says):
        encode_documents(load(function), ["good", "a bad one"])


def test_an_encoder_that_breaks_its_word() -> None:
    encoder = Recorder()
    encoder.dim = 3
    with pytest.raises(EncoderFailed, match="returned vectors of 2 numbers, not 3"):
        encode_documents(encoder, ["a"])


def test_a_function_keeps_the_dim_of_its_first_answer() -> None:
    sizes = iter([2, 2, 3])
    encoder = load(lambda texts: np.ones((len(texts), next(sizes))))
    assert encoder.dim == 2
    assert encoder.documents(["a"]).shape == (1, 2)
    with pytest.raises(EncoderFailed, match="of 3 numbers, before of 2"):
        encoder.documents(["a"])


def test_ids_of_functions() -> None:
    class Endpoint:
        def __call__(self, texts: list[str]) -> Any:
            return letter_counts(texts)

    assert load(letter_counts).id == f"{__name__}.letter_counts"
    assert load(Endpoint()).id.endswith("Endpoint")
    named = Endpoint()
    named.id = "embedder-3"  # type: ignore[attr-defined]
    assert load(named).id == "embedder-3"


def test_the_cache_encodes_only_what_it_lacks() -> None:
    encoder = Recorder()
    cache = QueryCache(encoder, size=2)
    assert cache.vectors(["a", "bb", "a"])[:, 0].tolist() == [1, 2, 1]
    assert cache.vector("bb").tolist() == [2, 1]
    assert encoder.calls == [["a", "bb"]]
    cache.vector("ccc")  # pushes out "a", used longest ago
    cache.vectors(["bb", "a"])
    assert encoder.calls[1:] == [["ccc"], ["a"]]
    assert cache.vectors([]).shape == (0, 2)


def test_cached_vectors_cannot_be_spoilt() -> None:
    cache = QueryCache(Recorder())
    with pytest.raises(ValueError, match="read-only"):
        cache.vectors(["a"])[0, 0] = 9
    assert cache.vector("a").tolist() == [1, 1]


def test_one_batch_may_exceed_the_cache() -> None:
    cache = QueryCache(Recorder(), size=3)
    assert cache.vectors(["x" * i for i in range(9)])[:, 0].tolist() == list(range(9))


def test_the_cache_is_shared_by_threads() -> None:
    cache = QueryCache(HashEncoder(), size=5)
    texts = [f"query {i}" for i in range(20)]
    right = HashEncoder().queries(texts)
    errors: list[str] = []

    def ask() -> None:
        for i in range(200):
            row = i * 7 % len(texts)
            if not np.array_equal(cache.vector(texts[row]), right[row]):
                errors.append(texts[row])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
