"""Facets over columns must say exactly what counting document by document says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import limits
from hybrid.backends import counting
from hybrid.errors import FilterError
from hybrid.metadata.columns import Columns
from hybrid.metadata.facets import (
    Count,
    Extent,
    Facet,
    Interval,
    Ranges,
    Terms,
    Wanted,
    check_wanted,
    extent,
    facets,
    listed,
)
from hybrid.metadata.filters import parse, typed
from hybrid.metadata.values import iso
from tests.metadata.test_columns import EDGE_INSTANTS, INSTANTS, METADATA, NUMBERS

PATHS = st.sampled_from(["a", "b", "a.b", ".", "", "nowhere"])
NUMBER_EDGES = st.lists(NUMBERS, min_size=1, max_size=4)
DATE_EDGES = st.lists(INSTANTS.filter(lambda text: typed(text)[0] == "instant"), min_size=1, max_size=4)

PRODUCTS: list[dict[str, Any]] = [
    {"brand": "Aria", "price": 299.0, "tags": ["audio", "travel", "audio"], "released": "2024-05-01"},
    {"brand": "Aria", "price": 89, "tags": ["audio"], "released": "2024-05-01T12:00:00+08:00"},
    {"brand": "Borea", "price": [89.0, 99], "released": "2025-01"},
    {"brand": None, "maker": {"country": "CN"}, "released": "soon"},
]


def columns_of(documents: Sequence[Any]) -> Columns:
    made = Columns()
    made.extend(enumerate(documents))
    return made


def facet(wanted: Wanted, documents: Sequence[Any] = PRODUCTS) -> Facet:
    found = facets(columns_of(documents), check_wanted([wanted]), np.ones(len(documents), np.bool_))
    return next(iter(found.values()))


def ascending(edges: list[Any]) -> list[Any]:
    known = {typed(edge): edge for edge in edges}
    return [known[value] for value in sorted(known)]


@given(
    documents=st.lists(METADATA, max_size=6),
    masked=st.integers(0, 63),
    path=PATHS,
    top=st.integers(1, 4),
    edges=(NUMBER_EDGES | DATE_EDGES).map(ascending),
)
def test_counting_columns_is_counting_documents(
    documents: list[Any], masked: int, path: str, top: int, edges: list[Any]
) -> None:
    mask = np.array([bool(masked >> place & 1) for place in range(len(documents))], np.bool_)
    columns = columns_of([*documents, {"a": "not in the mask"}])
    passing = [document for document, passes in zip(documents, mask, strict=True) if passes]
    for wanted in ([Terms(path, top)], [Ranges(path, edges)]):
        assert facets(columns, wanted, mask) == counting.facets(passing, wanted)
    assert listed(columns, path, mask, top) == counting.listed(passing, path, top)
    assert extent(columns, path, mask) == counting.extent(passing, path)


@given(documents=st.lists(METADATA, max_size=6), path=PATHS)
def test_a_value_taken_as_a_filter_finds_as_many(documents: list[Any], path: str) -> None:
    columns, everyone = columns_of(documents), np.ones(len(documents), np.bool_)
    for count in facets(columns, [Terms(path, 100)], everyone)[path].counts:
        if path not in ("and", "or", "not", "_id"):
            assert columns.mask(parse({path: count.value}), len(documents)).sum() == count.documents


def test_the_most_frequent_values_come_first() -> None:
    assert facet("brand") == Facet("brand", (Count("Aria", 2), Count("Borea", 1)), 2, 1, 4)
    assert facet(Terms("brand", 1)).counts == (Count("Aria", 2),)
    assert facet("tags").counts == (Count("audio", 2), Count("travel", 1))
    assert facet("price").counts == (Count(89, 2), Count(99, 1), Count(299, 1))


def test_a_date_is_the_instant_that_it_says() -> None:
    found = facet("released")
    assert [count.value for count in found.counts] == [
        "2024-05-01",
        "2024-05-01T04:00:00+00:00",
        "2025-01-01",
        "soon",
    ]


def test_true_is_not_one() -> None:
    found = facet("x", [{"x": True}, {"x": 1}, {"x": [1.0, 2**70, float(2**70)]}])
    assert [(type(count.value), count.documents) for count in found.counts] == [
        (int, 2),
        (bool, 1),
        (int, 1),
    ]


def test_ranges_leave_nothing_out() -> None:
    found = facet(Ranges("price", (89, 100)))
    assert found.counts == (
        Count(Interval(None, 89), 0),
        Count(Interval(89, 100), 2),
        Count(Interval(100, None), 1),
    )
    assert (found.missing, found.distinct) == (1, 3)
    dates = facet(Ranges("released", ["2025-01"]))
    assert [count.documents for count in dates.counts] == [2, 1]
    assert dates.missing == 1


def test_lists_and_ends() -> None:
    columns, everyone = columns_of(PRODUCTS), np.ones(4, np.bool_)
    assert listed(columns, "brand", everyone, 10) == ["Aria", "Borea"]
    assert listed(columns, "released", everyone, 1) == ["2024-05-01"]
    assert extent(columns, "price", everyone) == Extent(89, 299.0)
    assert extent(columns, "released", everyone) == Extent("2024-05-01", "2025-01-01")
    assert extent(columns, "brand", everyone) is None


@given(st.integers(-(10**17), 10**17) | EDGE_INSTANTS.map(lambda text: typed(text)[1]))
def test_an_instant_is_read_back_as_itself(value: Any) -> None:
    if isinstance(value, int):
        earliest, latest = (typed(text)[1] for text in ("0001-01-01", "9999-12-31T23:59:59.999999"))
        if earliest <= value <= latest:
            assert typed(iso(value)) == ("instant", value)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"])
def test_the_ends_of_the_calendar(text: str) -> None:
    assert typed(iso(typed(text)[1])) == typed(text)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("brand", "a list of paths"),
        (5, "a list of paths"),
        ([5], "facet 0"),
        (["a", Terms("a")], "asked for twice"),
        ([f"p{i}" for i in range(limits.MAX_FACETS + 1)], "by turns"),
    ],
)
def test_what_is_no_list_of_facets(wanted: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        check_wanted(wanted)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Terms(5),  # type: ignore[arg-type]
        lambda: Terms("a", 0),
        lambda: Terms("a", True),
        lambda: Terms("a", limits.MAX_LISTED + 1),
        lambda: Ranges("a", ()),
        lambda: Ranges("a", 5),  # type: ignore[arg-type]
        lambda: Ranges("a", (2, 1)),
        lambda: Ranges("a", (1, 1.0)),
        lambda: Ranges("a", (1, "2024-05-01")),
        lambda: Ranges("a", (True,)),
        lambda: Ranges("a", (float("nan"),)),
        lambda: Ranges("a", ("x",)),
        lambda: Ranges("a", range(limits.MAX_LISTED + 1)),
    ],
)
def test_what_is_no_facet(make: Any) -> None:
    with pytest.raises(FilterError):
        make()
