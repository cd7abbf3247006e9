"""What every encoder must keep. Subclass and give the fixture ``encoder``."""

from __future__ import annotations

import numpy as np
import pytest

from hybrid.encoders import compose, cut
from hybrid.types import Encoder, Matrix, Windowed

TEXTS = [
    "Wireless headphones with noise cancelling, 3.5 mm jack.",
    "无线降噪耳机，续航三十小时。",
    "a",
    "iPhone15手机壳 and C++程序 😀 ﷺ ﬁne\u3000ｆｕｌｌ\twidth\x00\n\nnew line",
    "",
    "The quick brown fox jumps over the lazy dog. " * 5,
]


class EncoderContract:
    tolerance = 1e-5
    """How far apart, as 1 - cosine, the vectors of a text may be when its neighbours differ."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        raise NotImplementedError

    def test_vectors_are_finite_float32_one_row_a_text(self, encoder: Encoder) -> None:
        for encode in (encoder.documents, encoder.queries):
            vectors = encode(TEXTS)
            assert vectors.shape == (len(TEXTS), encoder.dim)
            assert vectors.dtype == np.float32
            assert np.isfinite(vectors).all()

    def test_no_texts_no_rows(self, encoder: Encoder) -> None:
        assert encoder.documents([]).shape == (0, encoder.dim)
        assert encoder.queries([]).shape == (0, encoder.dim)

    def test_same_text_same_vector(self, encoder: Encoder) -> None:
        assert np.array_equal(encoder.queries(TEXTS[:1]), encoder.queries(TEXTS[:1]))

    def test_neighbours_and_order_do_not_matter(self, encoder: Encoder) -> None:
        together = encoder.documents(TEXTS)
        alone = np.concatenate([encoder.documents([text]) for text in TEXTS])
        backwards = encoder.documents(TEXTS[::-1])[::-1]
        assert distance(together, alone) <= self.tolerance
        assert distance(together, backwards) <= self.tolerance

    def test_different_texts_differ(self, encoder: Encoder) -> None:
        vectors = encoder.documents(TEXTS[:2])
        assert distance(vectors[:1], vectors[1:]) > self.tolerance

    def test_the_argument_is_not_changed(self, encoder: Encoder) -> None:
        texts = list(TEXTS)
        encoder.documents(texts)
        assert texts == TEXTS

    def test_id_and_dim_stay(self, encoder: Encoder) -> None:
        before = encoder.id, encoder.dim
        encoder.documents(["x"])
        assert (encoder.id, encoder.dim) == before
        assert encoder.id
        assert encoder.dim > 0


class WindowedContract(EncoderContract):
    """An encoder with a limited window."""

    def test_it_is_windowed(self, encoder: Encoder) -> None:
        assert isinstance(encoder, Windowed)
        assert encoder.max_tokens > 0

    @pytest.mark.parametrize("text", TEXTS)
    def test_token_offsets_are_in_order_and_inside(self, encoder: Encoder, text: str) -> None:
        assert isinstance(encoder, Windowed)
        offsets = encoder.token_offsets(text)
        assert offsets.dtype == np.int64
        assert offsets.shape == (len(offsets), 2)
        assert (offsets >= 0).all()
        assert (offsets <= len(text)).all()
        assert (offsets[:, 0] <= offsets[:, 1]).all()
        assert (np.diff(offsets[:, 0]) >= 0).all()

    def test_token_offsets_truncate_nothing(self, encoder: Encoder) -> None:
        assert isinstance(encoder, Windowed)
        text = "the end is near. " * 3000
        offsets = encoder.token_offsets(text)
        assert len(offsets) > encoder.max_tokens
        assert offsets[-1, 1] >= len(text.rstrip())

    def test_what_is_said_at_the_end_of_a_window_counts(self, encoder: Encoder) -> None:
        """Were a window longer than what the network reads, its end would change nothing."""
        assert isinstance(encoder, Windowed)
        text = "the fox sees the dog. the dog sees the fox! " * (encoder.max_tokens // 4)
        windows = cut(text, "the title", encoder)
        assert len(windows) > 1
        for start, end in windows:
            piece = text[start:end].rstrip(" .!")
            head, _, last = piece.rpartition(" ")
            changed = head + " " + {"fox": "dog"}.get(last, "fox")
            pair = encoder.documents([compose("the title", one) for one in (piece, changed)])
            assert not np.array_equal(pair[0], pair[1])


def distance(a: Matrix, b: Matrix) -> float:
    """The largest 1 - cosine of a row of ``a`` and its counterpart; zero vectors are near each other."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = (a * b).sum(axis=1) / np.where(norms > 0, norms, 1)
    same = (~a.any(axis=1)) & (~b.any(axis=1))
    return float((1 - np.where(same, 1, cosines)).max())
