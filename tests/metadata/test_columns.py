"""Filters over columns must pass exactly what their plain meaning passes, document by document."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid.metadata.columns
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Filter, parse
from tests.metadata.test_filters import FAILS, PASSES

BIG = 2**53
SMALL = st.sampled_from([0, 1, 2, 3, 9, 9.0, 2.5, -0.0, 0.1, 5e-324])
HUGE = st.sampled_from(
    [BIG, BIG + 1, float(BIG), -BIG - 1, 2**64, 1e300, int(1e300), int(1e300) + 1, 1.7e308]
)
EDGES = st.sampled_from(
    [2**63 - 1, 2**63, 2.0**63, -(2**63), -(2.0**63), -(2**63) - 1, 10**400, -(10**400)]
)
NUMBERS = SMALL | HUGE | EDGES | (st.integers() | st.floats(allow_nan=False, allow_infinity=False))
STRINGS = st.sampled_from(
    ["", "a", "b", "9", "true", "null", "é", "e\u0301", "耳机", "\U0001f600", "\uffff"]
) | (st.text(max_size=3))
SAME_INSTANTS = st.sampled_from(["2024-05-01", "2024-05-01T00:00:00Z", "2024-05-01 08:00+08:00"])
EDGE_INSTANTS = st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2024-02-30"]
)
INSTANTS = SAME_INSTANTS | EDGE_INSTANTS | st.datetimes().map(lambda time: time.isoformat())
KNOWN_POINTS = st.sampled_from([(0, 0), (0, 180), (0.0, -180.0), (90, 5), (48.8566, 2.3522), (51.5, -0.13)])
POINTS = KNOWN_POINTS | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
PLACES = (
    POINTS.map(lambda point: {"lat": point[0], "lon": point[1]})
    | POINTS.map(lambda point: {"lat": point[0], "lng": point[1]})
    | POINTS.map(list)
)
SCALARS = NUMBERS | STRINGS | INSTANTS | st.booleans()
KEYS = st.sampled_from(["a", "a", "a", "b", "b", "a.b", ".", ""])
METADATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS | PLACES | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    min_size=1,
    max_size=3,
)
KM = st.sampled_from([0, 1, 343.5, 344, 5000, 20_016]) | st.floats(0, 21_000)
BOUNDS = st.sets(st.sampled_from(["gt", "gte", "lt", "lte"]), min_size=1, max_size=3)


def held_by(metadata: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What could be asked of some metadata: each path with each value there."""
    if isinstance(metadata, dict):
        for key, inner in metadata.items():
            yield from held_by(inner, f"{path}.{key}" if path else key)
    elif isinstance(metadata, list):
        for inner in metadata:
            yield from held_by(inner, path)
    yield path, metadata


def condition(value: Any) -> st.SearchStrategy[Any]:
    """A condition that ``value`` may meet."""
    conditions: list[st.SearchStrategy[Any]] = [st.booleans().map(lambda wanted: {"exists": wanted})]
    if isinstance(value, (str, int, float)):
        conditions += [
            st.just(value),
            st.lists(SCALARS, max_size=3).map(lambda more: {"in": [value, *more]}),
        ]
        if not isinstance(value, bool) and value != "2024-02-30":
            conditions.append(BOUNDS.map(lambda bounds: dict.fromkeys(bounds, value)))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        conditions.append(st.dictionaries(st.sampled_from(["gt", "lte"]), NUMBERS, min_size=1))
    conditions.append(st.builds(lambda point, km: {"near": point, "km": km}, POINTS, KM))
    return st.one_of(conditions)


def filters_about(documents: Sequence[Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = [(path, value) for metadata in documents for path, value in held_by(metadata)]
    known += [("nowhere", 1), ("a", "elsewhere")]
    about_metadata = st.sampled_from(known).flatmap(
        lambda pair: condition(pair[1]).map(lambda asked: {pair[0]: asked})
    )
    return st.recursive(
        about_metadata | ids_of(len(documents)),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts})
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts})
            | inner.map(lambda part: {"not": part})
        ),
        max_leaves=3,
    )


def ids_of(count: int) -> st.SearchStrategy[dict[str, Any]]:
    """A filter on ids, of which there are those of ``count`` documents and others."""
    ids = st.lists(st.integers(0, count + 2).map(place_of), max_size=4)
    return ids.map(lambda some: {"_id": {"in": some}}) | st.integers(0, count).map(
        lambda place: {"_id": place_of(place)}
    )


def place_of(ordinal: int) -> str:
    """The id of the document with this ordinal."""
    return f"d{ordinal}"


def columns_of(documents: Sequence[tuple[int, Any]]) -> Columns:
    columns = Columns()
    columns.extend(documents)
    return columns


def passing(source: dict[str, Any], *documents: Any) -> list[bool]:
    columns = columns_of(list(enumerate(documents)))
    mask = columns.mask(parse(source), len(documents), lambda ids: np.flatnonzero(["d" in ids]))
    return [bool(passed) for passed in mask]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(METADATA, min_size=1, max_size=8), st.integers(-2, 3))
def test_the_mask_is_what_matches(data: st.DataObject, documents: list[Any], more: int) -> None:
    columns, n = columns_of(list(enumerate(documents))), max(0, len(documents) + more)
    known = [*documents, {}, {}, {}][:n]
    for source in data.draw(st.lists(filters_about(documents), min_size=1, max_size=4)):
        wanted = parse(source)
        mask = columns.mask(
            wanted, n, lambda ids: np.array([i for i in range(n) if f"d{i}" in ids], np.int64)
        )
        assert mask.dtype == np.bool_
        assert mask.tolist() == [wanted.matches(own, place_of(i)) for i, own in enumerate(known)], source


@pytest.mark.parametrize(("source", "metadata"), PASSES)
def test_passes(source: dict[str, Any], metadata: dict[str, Any]) -> None:
    assert passing(source, metadata) == [True]


@pytest.mark.parametrize(("source", "metadata"), FAILS)
def test_fails(source: dict[str, Any], metadata: dict[str, Any]) -> None:
    assert passing(source, metadata) == [False]


def test_many_documents_as_one_by_one() -> None:
    """Across several growths of the arrays, with and without gaps, appended singly and in bulk."""
    rng = np.random.default_rng(7)
    documents = [
        {
            "n": int(rng.integers(50)),
            "f": float(rng.random()),
            "s": f"v{rng.integers(9)}",
            "t": ["x"] * (i % 3),
        }
        for i in range(500)
    ]
    sources: list[dict[str, Any]] = [
        {"n": {"gte": 10, "lt": 30}},
        {"f": {"lt": 0.5}, "s": {"in": ["v1", "v2"]}},
        {"s": {"gt": "v3"}},
        {"t": "x"},
        {"n": {"in": [1, 2, 3.0]}},
        {"o.n": 4},
    ]
    for step in (1, 3):
        placed = [(i * step, metadata) for i, metadata in enumerate(documents)]
        singly = Columns()
        for ordinal, metadata in placed:
            singly.append(ordinal, metadata)
        bulk = columns_of(placed)
        by_ordinal = dict(placed)
        for n in (0, 1, 250, 500 * step, 500 * step + 9):
            for wanted in map(parse, sources):
                expected = [wanted.matches(by_ordinal.get(ordinal, {})) for ordinal in range(n)]
                assert singly.mask(wanted, n).tolist() == expected
                assert bulk.mask(wanted, n).tolist() == expected


def test_a_list_in_the_first_document_does_not_look_dense() -> None:
    assert passing({"a": 5}, {"a": [5, 6]}, {}) == [True, False]
    assert passing({"a": 6}, {"a": [5, 6]}, {}, {"a": 7}) == [True, False, False]


def test_rows_of_later_documents_are_not_seen() -> None:
    columns = columns_of([(0, {"a": 1}), (1, {"a": 1}), (2, {"b": 1})])
    assert columns.mask(parse({"a": 1}), 1).tolist() == [True]
    assert columns.mask(parse({"not": {"b": 1}}), 2).tolist() == [True, True]


def test_a_mask_belongs_to_the_caller() -> None:
    columns = columns_of([(0, {"a": True}), (1, {"a": False})])
    columns.mask(parse({"a": True}), 2)[:] = False
    assert columns.mask(parse({"a": True}), 2).tolist() == [True, False]


def at_every_line(run: Callable[[], Any], look: Callable[[], None]) -> Any:
    """Run, and before every line of columns.py let another look, as a thread might."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != hybrid.metadata.columns.__file__:
            return None
        if event == "line":
            look()
        return trace

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        return run()
    finally:
        sys.settrace(usual)


WANTED = [parse({"n": 0}), parse({"n": {"gte": 4}}), parse({"s": {"gt": "even"}}), parse({"t": "all"})]


def document(i: int) -> dict[str, Any]:
    return {"n": i + 1, "s": "odd" if i % 2 else "even", "t": ["all"] * (i % 3)}


def test_a_reader_may_look_at_any_line_of_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty", np.zeros)  # so that an entry not yet written is n = 0 of ordinal 0
    columns, documents = Columns(), [document(i) for i in range(40)]
    for n, metadata in enumerate(documents):
        expected = [[wanted.matches(known) for known in documents[:n]] for wanted in WANTED]

        def look(n: int = n, expected: list[list[bool]] = expected) -> None:
            assert [columns.mask(wanted, n).tolist() for wanted in WANTED] == expected

        at_every_line(partial(columns.append, n, metadata), look)


def test_a_writer_may_write_at_any_line_of_a_reader() -> None:
    for n in range(20):
        columns = columns_of([(i, document(i)) for i in range(n)])
        later = count(n)

        def write(columns: Columns = columns, later: Iterator[int] = later) -> None:
            ordinal = next(later)
            columns.append(ordinal, document(ordinal) | {"s": f"new {ordinal}"})

        for wanted in WANTED:
            mask = at_every_line(partial(columns.mask, wanted, n), write)
            assert mask.tolist() == [wanted.matches(document(i)) for i in range(n)]


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_readers_beside_a_writer_see_their_snapshot() -> None:
    columns, total = Columns(), 3000
    published = [0]
    wrong: list[str] = []
    filters: list[tuple[Filter, Callable[[Any], Any]]] = [
        (parse({"n": {"gte": 100}}), lambda i: i >= 100),
        (parse({"s": "v3"}), lambda i: i % 7 == 3),
        (parse({"s": {"gte": "v5"}}), lambda i: i % 7 >= 5),
        (parse({"t": {"in": [f"t{i}" for i in range(0, total, 2)]}}), lambda i: i % 2 == 0),
        (parse({"o": {"exists": True}}), lambda i: i >= 0),
    ]

    def read() -> None:
        while (n := published[0]) < total:
            for wanted, expected in filters:
                if not np.array_equal(columns.mask(wanted, n), expected(np.arange(n))):
                    wrong.append(f"{wanted} at {n}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(total):
        columns.append(i, {"n": i, "s": f"v{i % 7}", "t": [f"t{i}", "all"], "o": {"x": {"y": i}}})
        published[0] = i + 1
    for reader in readers:
        reader.join()
    assert wrong == []
