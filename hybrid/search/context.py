"""A context from a search: the options of both, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypedDict, cast

from numpy.typing import ArrayLike

from hybrid.context import Context, Count, Order, Plan, counter, gathered
from hybrid.search.request import Asker, Options
from hybrid.search.source import Source
from hybrid.types import Encoder, Fusion, Mode, Reranker, Results


class ContextOptions(TypedDict, total=False):
    """The keyword arguments of ``context``.

    tokens: the budget (2000), which the text of the context never exceeds, headers included. per_document:
    how many passages of a document (3), not counting neighbours. neighbours: how many passages before and
    after each are added as far as the budget goes (1). order: "document", as they stand in each document,
    the best document first; or "score". min_relevance: leave out documents whose ``relevance`` is less,
    from 0 to 1; where none is left the context has ``abstained``. QueryError where the index has no
    calibration. count: a function from a text to its number of tokens, best that of the model that reads
    the prompt. Without it the tokenizer of the encoder that reads the query counts or, where there is none,
    an estimate: a token for every 4 characters, or 1.4 Chinese, Japanese or Korean ones.

    k (10), mode, filter, fusion, depth and reranker are those of ``search``; k is how many documents are
    looked at.
    """

    tokens: int
    per_document: int
    neighbours: int
    order: Order
    min_relevance: float | None
    count: Count | None
    k: int
    mode: Mode
    filter: Mapping[str, Any] | None
    fusion: Fusion | None
    depth: int | None
    reranker: Reranker | None


_PLANNED: Final = tuple(field.name for field in fields(Plan))


def context(
    source: Source,
    asker: Asker,
    search: Callable[[Options], Results],
    encoder: Callable[[], Encoder | None],
    query: str | None,
    vector: ArrayLike | None,
    options: ContextOptions,
) -> Context:
    """The context of what ``search`` answers on ``source``."""
    given = cast(dict[str, Any], options)
    plan = Plan(**{name: value for name, value in given.items() if name in _PLANNED})
    plan.check(asker.calibrated)
    asked = cast(Options, {name: value for name, value in given.items() if name not in _PLANNED})
    hits = search(asked).hits
    encoded = query is not None and vector is None and asked.get("mode") != "lexical"
    count = counter(plan.count, encoder() if encoded and hits and plan.count is None else None)
    return gathered(source, query, hits, plan, count, calibrated=asker.calibrated)
