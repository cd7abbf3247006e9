"""What a searching program does without, names the extra that brings it; libraries with threads of their
own share a process."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index
from hybrid.cli import demo as command
from hybrid.errors import MissingExtra
from hybrid.evaluate import parse
from hybrid.learn import calibrate, choose, learn, propensities, tune
from tests.commands import run
from tests.together import ORDERS, trouble

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EVALUATE = ("ir_measures", "pytrec_eval", "lightgbm", "scipy")
NOTHING: Any = {}


@pytest.fixture
def _without_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in EVALUATE:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("_without_evaluate")
@pytest.mark.parametrize(
    "act",
    [
        lambda index: parse("nDCG@10"),
        lambda index: tune(index, NOTHING, NOTHING),
        lambda index: learn(index, NOTHING, NOTHING),
        lambda index: choose(index, NOTHING, NOTHING, []),
        lambda index: calibrate(index, NOTHING, NOTHING, []),
        lambda index: propensities([]),
    ],
    ids=["measures", "tune", "learn", "choose", "calibrate", "clicks"],
)
def test_judging_and_learning_name_their_extra(act: Callable[[Any], object], tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("1", "kettle")])
        with pytest.raises(MissingExtra, match=r"run: pip install 'hybrid-retrieval\[evaluate\]'$"):
            act(index)
        assert index.search("kettle").hits[0].id == "1"


@pytest.mark.usefixtures("_without_evaluate")
def test_the_demo_shows_answers_without_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_MODES", ["lexical"])
    monkeypatch.setattr(command, "_index", lambda to: Index.create(to, encoder=None))
    said = run("demo", tmp_path / "idx").out
    assert "Pleated cartridge" in said
    assert "measuring needs ir_measures, pytrec_eval; run: pip install 'hybrid-retrieval[evaluate]'" in said
    assert "Now try it yourself" in said


def test_every_extra_that_an_error_names_is_there() -> None:
    sources = [
        path.read_text("utf-8")
        for path in (*ROOT.glob("hybrid/**/*.py"), *ROOT.glob("rerank/*.py"), *ROOT.glob("corpora/**/*.py"))
    ]
    pattern = re.compile(r'require\([^)]*extra="(\w+)"|hybrid-retrieval\[(\w+)\]')
    named = {one or other for text in sources for one, other in pattern.findall(text)}
    assert named <= set(PROJECT["optional-dependencies"])
    assert named >= {"evaluate", "files", "hnsw", "parquet"}


# One order for each that comes first; `make check-install` tries all.
@pytest.mark.parametrize("order", ORDERS[::2], ids="-".join)
def test_torch_faiss_and_lightgbm_share_a_process(order: tuple[str, ...]) -> None:
    if any(find_spec(name) is None for name in order):
        pytest.skip("needs all three")
    assert trouble(order) is None
