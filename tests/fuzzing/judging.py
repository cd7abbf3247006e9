"""Targets: whatever judgments, runs and measures hold, on its way into trec_eval, gdeval and LightGBM."""

from __future__ import annotations

import math
import os
import shutil
import signal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hybrid.evaluate import evaluate, parse
from hybrid.evaluate.native import plain
from hybrid.evaluate.page.curves import over_cutoffs
from hybrid.learn import lambdamart
from tests.fuzzing.inputs import TEXTS
from tests.fuzzing.target import Target, World, outcome

# --- measuring

_EDGES = [-(10**30), -(2**31), -2, -1, 0, 1, 4, 5, 10**6, 10**6 + 1, 2**31, 2**63, 10**400]
_GRADES = (
    st.integers(-4, 4)
    | st.sampled_from(_EDGES)
    | st.floats()
    | st.sampled_from([True, None, "1", 1j, np.int8(-2), np.float32(1), np.float64(2)])
)
_FEW = st.sampled_from(["a", "b", "c"])
_IDS = _FEW | TEXTS
# Mostly sound ones, and queries that are judged and answered: else nothing would get through the door.
_SOUND = st.dictionaries(_FEW, st.integers(-4, -2) | st.integers(-4, 4), min_size=1, max_size=3)
_QRELS = st.dictionaries(_FEW, _SOUND, min_size=1, max_size=3) | st.dictionaries(
    _IDS, _SOUND | st.dictionaries(_IDS, _GRADES, max_size=3), max_size=4
)
_HITS = st.lists(st.tuples(_IDS, st.floats()), min_size=1, max_size=8, unique_by=lambda hit: hit[0])
_RUNS = st.fixed_dictionaries({"a": _HITS, "b": _HITS}) | st.dictionaries(
    _IDS, _HITS | st.lists(st.tuples(_IDS, st.floats()), max_size=3), max_size=4
)

_NUMBERS = st.sampled_from(
    ["-1", "0", "1", "2", "10", "100000", "100001", "2147483648", "1e999", "0.5", "''"]
)
_FAMILIES = [
    "nDCG", "nDCG@{0}", "nDCG(gains={{1: {0}, -2: {1}}})@{2}", "nDCG(judged_only=True)@{0}", "AP", "AP@{0}",
    "AP(rel={0})", "R@{0}", "R(rel={0})@{1}", "P@{0}", "P(judged_only=True,rel={0})@{1}", "RR", "RR@{0}",
    "RR(rel={0})@{1}", "Bpref", "Bpref(rel={0})", "Rprec", "Rprec(rel={0})", "infAP", "Success@{0}", "SetP",
    "SetF(beta={0})", "SetR", "SetAP", "NumRel", "NumRet", "NumRet(rel={0})", "NumQ", "Judged",
    "Judged@{0}", "IPrec@{0}", "Compat", "Compat(p={0})", "Accuracy", "Accuracy@{0}",
    "Accuracy(rel={0})@{1}",
]  # fmt: skip
_OF_PERL = ["ERR@{0}", "nDCG(dcg='exp-log2')@{0}"] if shutil.which("perl") else []
_MEASURES = st.tuples(st.sampled_from([*_FAMILIES, *_OF_PERL]), _NUMBERS, _NUMBERS, _NUMBERS).map(
    lambda parts: parts[0].format(*parts[1:])
)


def measure(input: tuple[str, Any, Any]) -> None:
    """Finite figures, the same with 0 for what is below it, or one of our errors; and the page's curves."""
    text, qrels, run = input
    kind, found = outcome(lambda: evaluate({"s": run}, qrels, parse(text)))
    if kind == "answer":
        [values] = found.per_query["s"].values()
        assert all(map(math.isfinite, values.values()))
        assert set(values) == {query for query, grades in qrels.items() if grades}
        assert evaluate({"s": run}, plain(qrels), parse(text)).per_query == found.per_query
    judged = {query: grades for query, grades in qrels.items() if grades}
    if judged:
        outcome(lambda: over_cutoffs({"s": run}, judged))


# --- learning

_FEATURES = st.floats(width=32) | st.sampled_from([0.0, 3.4e38, -3.4e38, 1e-45])
_CANDIDATES = st.lists(
    st.tuples(st.integers(-3, 3) | st.sampled_from(_EDGES), _FEATURES, _FEATURES, st.booleans()), max_size=8
)
_FEW_ROUNDS = 10


def learn(input: list[list[tuple[int, float, float, bool]]]) -> None:
    """A model, or one of our errors."""
    lambdamart._ROUNDS = _FEW_ROUNDS  # type: ignore[misc]
    outcome(lambda: _trained(input))


def _trained(queries: list[list[tuple[int, float, float, bool]]]) -> None:
    made = []
    for number, query in enumerate(queries * 6):
        grades = list(plain({"q": {str(i): grade for i, (grade, *_) in enumerate(query)}})["q"].values())
        parts = np.array([(fused, other) for _, fused, other, _ in query], np.float32).reshape(-1, 2)
        columns = {"fused_score": np.nan_to_num(parts[:, 0], posinf=1, neginf=0), "other": parts[:, 1]}
        trains = np.array([trains for *_, trains in query], np.bool_)
        own = np.array(grades, np.float64)
        made.append(lambdamart.Judged.of(columns, own, grades, trains, str(number % 7)))
    lambdamart.train(made, ("fused_score", "other"), choices=(lambdamart.Choice(4, 1, 1.0),))


def end(_: object) -> None:
    """What none of them may do."""
    os.kill(os.getpid(), signal.SIGSEGV)


def _apart(function: str) -> Any:
    def check(world: World, input: Any) -> None:
        world.apart(f"{__name__}:{function}", input)

    return check


TARGETS = [
    Target("judgments and runs", st.tuples(_MEASURES, _QRELS, _RUNS), _apart("measure"), shrinks=False),
    Target("learning", st.lists(_CANDIDATES, max_size=4), _apart("learn"), slow=True, shrinks=False),
]
