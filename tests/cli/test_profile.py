"""``hybrid profile``: shown, listed, gone back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid import RRF, Document, Index
from hybrid.fusion import dump
from hybrid.settings import Profile
from tests.commands import answer, refusal, run

EVIDENCE = {
    "measure": "nDCG@10",
    "held out": {"serving": 0.5, "modes": {"hybrid": [1, None]}},
    "left out": {},
    "seed": 3,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None) as index:
        index.add([Document("1", "a kettle", "Kettle")])
        index.install(Profile(fusion=dump(RRF(k=7)), depth=(50, 20), title_boost=0.5), EVIDENCE)
    return path


def test_what_serves_is_shown_with_what_spoke_for_it(path: Path) -> None:
    shown = run("profile", path).out
    assert shown.startswith("2: RRF(k=7), depth 50 and 20, title boost 0.5\n")
    assert shown.splitlines()[2:] == [
        "measure: nDCG@10",
        "held out:",
        "  serving: 0.5",
        "  modes:",
        "    hybrid: 1, none",
        "left out: none",
        "seed: 3",
    ]
    assert answer("profile", path)["profile"]["fusion"] == {"method": "rrf", "k": 7}


def test_an_earlier_one_is_shown_too(path: Path) -> None:
    earlier = run("profile", path, "show", "1").out
    assert earlier.startswith("1: Rocchio(")
    assert answer("profile", path, "show", "1")["number"] == 1


def test_all_are_listed_and_one_is_used_again(path: Path) -> None:
    listed = run("profile", path, "list").out
    assert "Rocchio(" in listed
    assert "2*" in listed
    assert run("profile", path, "use", "1").out.startswith("1: Rocchio(")
    assert "1*" in run("profile", path, "list").out
    profiles = answer("profile", path, "list")
    assert profiles["serves"] == 1
    assert [one["number"] for one in profiles["history"]] == [1, 2]
    with Index.open(path) as index:
        assert index.profiles.serving == Profile()


def test_what_cannot_be_done_is_said_in_one_line(path: Path, tmp_path: Path) -> None:
    assert "there is no profile 9; there are 1 to 2" in refusal("profile", path, "use", "9")
    assert "use NUMBER" in refusal("profile", path, "use")
    assert "show NUMBER" in refusal("profile", path, "list", "1")
    assert "there is no profile 3" in refusal("profile", path, "show", "3")
    assert "no index here" in refusal("profile", tmp_path / "none", status=1)
