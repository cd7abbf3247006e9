"""Adapters move unit vectors, and are read back only as they were written."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from hybrid.encoders import adapter
from hybrid.encoders.adapter import Adapter
from hybrid.errors import FormatTooNew, SettingsError
from hybrid.limits import MAX_ADAPTED
from hybrid.types import Matrix


def made(dim: int = 5, rank: int = 2) -> Adapter:
    random = np.random.default_rng(0)
    return Adapter(floats(random.normal(size=(dim, rank))), floats(random.normal(size=(rank, dim))))


def floats(values: Any) -> Matrix:
    return np.array(values, np.float32)


def stored(**changes: Any) -> str:
    return json.dumps(json.loads(adapter.dump(made(), "some encoder")) | changes)


def numbers(*values: float) -> str:
    return base64.b64encode(floats(values).tobytes()).decode()


def test_a_vector_is_moved_and_has_unit_length() -> None:
    turn = Adapter(floats([[1], [0]]), floats([[-1, 1]]))
    assert turn(floats([1, 0])).tolist() == [0, 1]
    assert turn(floats([0, 1])).tolist() == [0, 1]
    half = Adapter(floats([[1], [0]]), floats([[0, 1]]))
    assert half(floats([1, 0])) == pytest.approx([0.5**0.5, 0.5**0.5])


def test_zeros_mean_nothing_before_and_after() -> None:
    assert not made()(np.zeros(5, np.float32)).any()


def test_what_was_written_is_read_back_to_the_bit() -> None:
    one = made()
    again = adapter.load(adapter.dump(one, "some encoder"), "some encoder")
    assert again is not None
    assert again.reads.tobytes() == one.reads.tobytes()
    assert again.writes.tobytes() == one.writes.tobytes()
    assert repr(again) == "Adapter(dim=5, rank=2)"


def test_with_another_encoder_it_does_not_count() -> None:
    assert adapter.load(adapter.dump(made(), "some encoder"), "another") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        stored(version=0),
        stored(version=True),
        stored(version="1"),
        stored(dim=5.0),
        stored(dim=True),
        stored(dim=-5),
        stored(dim=10**30),
        stored(dim=6),
        stored(rank=0),
        stored(rank=6),
        stored(rank=1),
        stored(rank=None),
        stored(reads=[1.0] * 10),
        stored(reads="é" * 10),
        stored(reads="AAA"),
        stored(reads=numbers(*[1] * 9)),
        stored(reads=numbers(*[1] * 9, np.nan)),
        stored(reads=numbers(*[1] * 9, np.inf)),
        stored(writes=numbers(*[1] * 9, 2e6)),
        stored(reads=None),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        adapter.load(text, "some encoder")
    assert str(refused.value).count("\n") == 0


def test_a_text_that_is_too_long_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_LONGEST", 10)
    monkeypatch.setattr(adapter, "json", None)
    with pytest.raises(SettingsError, match="characters, more than any takes"):
        adapter.load(" " * 11, "some encoder")


def test_a_newer_version_is_told_from_damage() -> None:
    with pytest.raises(FormatTooNew, match="upgrade hybrid-retrieval"):
        adapter.load(stored(version=2), "some encoder")


@pytest.mark.parametrize(
    ("reads", "writes", "complaint"),
    [
        (floats([[1], [0]]), floats([[1, 0, 0]]), "shapes"),
        (floats([1, 0]), floats([1, 0]), "shapes"),
        (floats([[1, 1, 1]]), floats([[1], [1], [1]]), "rank 3"),
        (np.array([[1.0], [0.0]]), floats([[1, 0]]), "float32"),
        (floats([[np.nan], [0]]), floats([[1, 0]]), "float32"),
        (np.zeros((MAX_ADAPTED + 1, 1), np.float32), np.zeros((1, MAX_ADAPTED + 1), np.float32), "2,049"),
    ],
)
def test_arrays_that_make_no_adapter(reads: Matrix, writes: Matrix, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Adapter(reads, writes)
