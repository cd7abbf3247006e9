"""Measures by name: ``nDCG@10``, ``R@100``, ``AP``. Every one of them is ir_measures'.

MacAvaney, Macdonald, Ounis: Streamlining Evaluation with ir-measures, ECIR 2022.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hybrid.errors import MeasureError, require
from hybrid.evaluate.native import HIGHEST_GRADE
from hybrid.limits import shown
from hybrid.types import Qrels

if TYPE_CHECKING:
    from ir_measures import Measure

UNBOUNDED_DEPTH = 1000
"""The depth of a run for a measure without a cutoff: TREC's custom."""
SHALLOWEST = 100
_DEEPEST = 100_000
_HIGHEST_OF_GDEVAL = 4
_EXAMPLES = "nDCG@10 R@100 RR@10 AP P@5 Success@1"
# White space separates measures, except inside parentheses: nDCG(gains={1: 1, 2: 3})@10.
_ONE = re.compile(r"(?:\([^)]*\)?|[^\s(])+")


def parse(text: str) -> list[Measure]:
    """The measures of ``text``, ``"nDCG@10 R@100 RR@10 AP"``, in order and without repeats.

    Raises MeasureError for one that ir_measures does not know or cannot compute as installed; MissingExtra
    unless the extra ``evaluate`` is installed.
    """
    require("measuring", "ir_measures", "pytrec_eval", extra="evaluate")
    measures = list(dict.fromkeys(_measure(one) for one in _ONE.findall(text)))
    if not measures:
        raise MeasureError(f"no measure given; for example: {_EXAMPLES}")
    return measures


def depth_of(measures: Iterable[Measure]) -> int:
    """The number of hits a query that a run needs for ``measures``: the deepest cutoff, at least 100, so
    that the run serves other measures too; 1000 where a measure has no cutoff."""
    return max([SHALLOWEST, *(reach(measure) or UNBOUNDED_DEPTH for measure in measures)])


def reach(measure: Measure) -> int | None:
    """The rank below which nothing can change ``measure``, or None if everything counts."""
    # judged_only drops what was not judged before it counts ranks.
    return None if measure.params.get("judged_only") else measure.params.get("cutoff")


def native(measure: Measure, qrels: Qrels, longest: int) -> tuple[Measure, Qrels]:
    """A measure and judgments of the same figure, which trec_eval computes safely and soon.

    Bpref(rel=n) reads n numbers from an array as long as a query's highest grade: so all that says from
    which grade on a document is relevant is asked with grades of 0 and 1. nDCG without a cutoff takes time
    quadratic in the highest grade: so it is cut where the ``longest`` list of judgments or hits ends.
    """
    level = measure.params.get("rel", 1)
    if level > 1:
        binary = {q: {id: int(grade >= level) for id, grade in own.items()} for q, own in qrels.items()}
        return measure(rel=1), binary
    unbounded = measure.NAME == "nDCG" and "cutoff" not in measure.params
    return measure @ longest if unbounded else measure, qrels


def check_grades(measures: Iterable[Measure], highest: int) -> None:
    """MeasureError for one that is not defined for grades as high as ``highest``."""
    for measure in measures:
        exponential = measure.NAME == "ERR" or measure.params.get("dcg") == "exp-log2"
        if exponential and highest > _HIGHEST_OF_GDEVAL:
            raise MeasureError(
                f"measure {measure} is gdeval's, which knows grades up to {_HIGHEST_OF_GDEVAL}; these "
                f"judgments go up to {highest:,}"
            )


def _measure(text: str) -> Measure:
    import ir_measures

    try:
        measure = _construct(text)
        _check_parameters(measure)
        # Only a trial tells whether a provider takes these parameters and is installed.
        asked, judged = native(measure, {"1": {"1": 1, "2": 0}}, 2)
        ir_measures.calc_aggregate([asked], judged, {"1": {"1": 2.0, "2": 1.0}})
    except MeasureError:
        raise
    except Exception as error:  # every provider refuses in its own way, some by assertion
        raise MeasureError(
            f"unknown measure {shown(text)}, or none that ir_measures as installed can compute; "
            f"for example: {_EXAMPLES}"
        ) from error
    return measure


def _construct(text: str) -> Measure:
    """``Name(parameter=value)@cutoff``. Read here since ir_measures' own parser (0.4.3) uses parts of
    `ast` that Python 3.12 deprecates and 3.14 lacks."""
    import ir_measures

    node = ast.parse(text, mode="eval").body
    at, arguments = None, {}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        at, node = ast.literal_eval(node.right), node.left
    if isinstance(node, ast.Call) and not node.args:
        arguments, node = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}, node.func
    if not isinstance(node, ast.Name):
        raise ValueError(text)
    kind = ir_measures.measures.registry[node.id]
    if at is not None:
        arguments[kind.AT_PARAM] = at
    measure: Measure = kind(**arguments)
    return measure


def _check_parameters(measure: Measure) -> None:
    """MeasureError for what trec_eval's code answers by ending the process, by hours of work, or not."""
    for name, value in measure.params.items():
        if name == "cutoff":
            _check_integer(measure, "the cutoff", value, _DEEPEST)
        elif name == "rel":
            _check_integer(measure, "rel", value, HIGHEST_GRADE)
        elif name == "gains":
            _check_gains(measure, value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise MeasureError(f"measure {_said(measure)}: {name} must be finite")


def _check_integer(measure: Measure, name: str, value: object, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise MeasureError(f"measure {_said(measure)}: {name} must be an integer from 1 to {most}")


def _check_gains(measure: Measure, gains: object) -> None:
    pairs = gains.items() if isinstance(gains, dict) else [(None, None)]
    if not all(type(grade) is type(gain) is int and 0 <= gain <= HIGHEST_GRADE for grade, gain in pairs):
        raise MeasureError(
            f"measure {_said(measure)}: gains map grades to integers from 0 to {HIGHEST_GRADE}"
        )


def _said(measure: Measure) -> str:
    return shown(str(measure))
