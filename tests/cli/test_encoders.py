"""``hybrid encoders``: what can be had by name, with its facts; nothing is loaded."""

from __future__ import annotations

import pytest

from hybrid.encoders.named import MODELS
from hybrid.hub import PUBLISHED
from tests.commands import answer, run


def test_programs_get_every_fact() -> None:
    listed = answer("encoders")
    assert [one["name"] for one in listed][: len(MODELS) + len(PUBLISHED)] == [*MODELS, *PUBLISHED]
    told = {one["name"]: one for one in listed}
    assert {told[name]["kind"] for name in MODELS} == {"encoder"}
    for name, model in PUBLISHED.items():
        one = told[name]
        assert (one["kind"], one["revision"], one["tried"]) == (model.kind, model.revision, False)
        assert one["facts"] == "mteb 2.26.24"
        assert one["card"] == f"https://huggingface.co/{model.repository}"


def test_people_see_what_was_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.hub.snapshot", None)  # nothing is looked for
    shown = run("encoders").out
    assert "multilingual-e5-small" in shown
    for name, model in PUBLISHED.items():
        assert f"{name} ({model.kind}, not tried here)" in shown
        assert f"{model.repository} at {model.revision}" in shown
