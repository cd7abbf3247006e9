"""Which queries an encoder says that it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hybrid.encoders import HashEncoder, trained_on
from hybrid.encoders.trained import TRAINING
from hybrid.errors import EncoderFailed
from hybrid.learn.split import fingerprint


def test_they_are_what_the_file_lists(tmp_path: Path) -> None:
    queries = [fingerprint("one"), fingerprint("two")]
    (tmp_path / TRAINING).write_text(json.dumps({"queries": queries, "loss": "InfoNCE"}))
    assert trained_on(tmp_path) == trained_on(str(tmp_path)) == frozenset(queries)


def test_most_encoders_name_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trained_on(None) == trained_on(HashEncoder()) == trained_on(tmp_path) == frozenset()
    (tmp_path / TRAINING).write_text("{}")
    assert trained_on(tmp_path) == frozenset()
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "all-MiniLM-L6-v2"  # no folder: the named model comes first
    named.mkdir()
    (named / TRAINING).write_text("no JSON")
    assert trained_on("all-MiniLM-L6-v2") == frozenset()


@pytest.mark.parametrize(
    "value", ["no JSON", [], {"queries": "a"}, {"queries": [1]}, {"queries": ["A" * 64]}, "[" * 100_000]
)
def test_what_is_malformed_is_refused(tmp_path: Path, value: Any) -> None:
    (tmp_path / TRAINING).write_text(value if isinstance(value, str) else json.dumps(value))
    with pytest.raises(EncoderFailed, match=rf"{TRAINING}: .*; train the encoder again"):
        trained_on(tmp_path)
