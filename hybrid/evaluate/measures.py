"""Measures by name: ``nDCG@10``, ``R@100``, ``AP``. Every one of them is ir_measures'.

MacAvaney, Macdonald, Ounis: Streamlining Evaluation with ir-measures, ECIR 2022.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hybrid.errors import MeasureError
from hybrid.limits import shown

if TYPE_CHECKING:
    from ir_measures import Measure

UNBOUNDED_DEPTH = 1000
"""How deep a run goes for a measure without a cutoff: TREC's custom."""
SHALLOWEST = 100
_DEEPEST = 100_000
_EXAMPLES = "nDCG@10 R@100 RR@10 AP P@5 Success@1"
# White space separates measures, except inside parentheses: nDCG(gains={1: 1, 2: 3})@10.
_ONE = re.compile(r"(?:\([^)]*\)?|[^\s(])+")


def parse(text: str) -> list[Measure]:
    """The measures of ``text``, ``"nDCG@10 R@100 RR@10 AP"``, in order and without repeats.

    Raises MeasureError for one that ir_measures does not know or cannot compute as installed.
    """
    measures = list(dict.fromkeys(_measure(one) for one in _ONE.findall(text)))
    if not measures:
        raise MeasureError(f"no measure given; for example: {_EXAMPLES}")
    return measures


def depth_of(measures: Iterable[Measure]) -> int:
    """How many hits a query a run needs for ``measures``: the deepest cutoff, at least 100, so that
    the run is of use to others too; 1000 where a measure has no cutoff."""
    return max([SHALLOWEST, *(reach(measure) or UNBOUNDED_DEPTH for measure in measures)])


def reach(measure: Measure) -> int | None:
    """The rank below which nothing can change ``measure``, or None if everything counts."""
    # judged_only drops what was not judged before it counts ranks.
    return None if measure.params.get("judged_only") else measure.params.get("cutoff")


def _measure(text: str) -> Measure:
    import ir_measures

    try:
        measure = _construct(text)
        _check_cutoff(measure)
        # Only a trial tells whether a provider takes these parameters and is installed.
        ir_measures.calc_aggregate([measure], {"1": {"1": 1, "2": 0}}, {"1": {"1": 2.0, "2": 1.0}})
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


def _check_cutoff(measure: Measure) -> None:
    cutoff = measure.params.get("cutoff", 1)
    # trec_eval's code answers a cutoff of 0 by ending the process.
    if type(cutoff) is not int or not 1 <= cutoff <= _DEEPEST:
        raise MeasureError(f"measure {measure}: the cutoff must be an integer from 1 to {_DEEPEST}")
