"""What a filter means, as a table, and what is refused as none."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import FilterError
from hybrid.limits import MAX_FILTER_DEPTH
from hybrid.metadata.filters import And, In, Not, Or, Point, Range, distance, parse, typed

BIG = 2**53
ALICE = {"author": {"name": "Alice", "born": "1980-02-29"}}
CHAPTERS = {"chapters": [{"title": "One", "pages": 10}, {"title": "Two", "pages": 30}]}
PARIS, LONDON = [48.8566, 2.3522], [51.5074, -0.1278]

PASSES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # equality
    ({"brand": "x"}, {"brand": "x"}),
    ({"brand": "耳机"}, {"brand": "耳机", "price": 1}),
    ({"brand": ""}, {"brand": ""}),
    ({"price": 9}, {"price": 9.0}),
    ({"price": 9.0}, {"price": 9}),
    ({"price": 0.0}, {"price": -0.0}),
    ({"sold": True}, {"sold": True}),
    ({"id": BIG + 1}, {"id": BIG + 1}),
    ({"id": 10**40}, {"id": 10**40}),
    ({"id": 1e300}, {"id": int(1e300)}),
    # lists have many values
    ({"tags": "b"}, {"tags": ["a", "b"]}),
    ({"tags": 2}, {"tags": ["a", [1, [2]]]}),
    ({"tags": {"in": ["b", "z"]}}, {"tags": ["a", "b"]}),
    ({"mixed": {"in": [1, "a", True]}}, {"mixed": True}),
    # paths
    ({"author.name": "Alice"}, ALICE),
    ({"author.name": "Alice"}, {"author.name": "Alice"}),
    ({"chapters.title": "Two"}, CHAPTERS),
    ({"a.b.c": 1}, {"a": {"b.c": 1}}),
    ({"x.and": 1}, {"x": {"and": 1}}),
    # ranges
    ({"price": {"gte": 1, "lt": 9}}, {"price": 1}),
    ({"price": {"gt": 1, "lte": 9}}, {"price": 9}),
    ({"price": {"gt": 1, "gte": 3}}, {"price": 3}),
    ({"price": {"gt": 8.5}}, {"price": 9}),
    ({"price": {"gt": 2.5}}, {"price": 3}),
    ({"price": {"lt": 2.5}}, {"price": 2}),
    ({"price": {"gt": -2.5}}, {"price": -2}),
    ({"price": {"lt": 1}}, {"price": [5, 0.5]}),
    ({"id": {"gt": BIG}}, {"id": BIG + 1}),
    ({"id": {"gt": float(BIG)}}, {"id": BIG + 1}),
    ({"id": {"lt": BIG + 1}}, {"id": float(BIG)}),
    ({"id": {"lt": 10**400}}, {"id": 1e308}),
    ({"id": {"gt": -(10**400)}}, {"id": -1e308}),
    ({"name": {"gte": "a", "lt": "b"}}, {"name": "apple"}),
    ({"name": {"gt": "Z"}}, {"name": "a"}),
    ({"name": {"gt": "\uffff"}}, {"name": "\U0001f600"}),
    # instants
    ({"at": "2024-05-01T10:00:00+08:00"}, {"at": "2024-05-01T02:00:00Z"}),
    ({"at": "2024-05-01"}, {"at": "2024-05-01T00:00:00"}),
    ({"at": "2024-05-01 00:00"}, {"at": "2024-05-01T00:00:00.000Z"}),
    ({"at": "2024-05-01T00:00:00,5"}, {"at": "2024-05-01T00:00:00.500000"}),
    ({"at": "2024-05-01T00:00:00.1234567"}, {"at": "2024-05-01T00:00:00.123456"}),
    ({"at": {"in": ["2024-05-01", "x"]}}, {"at": "2024-04-30T19:00-05"}),
    ({"at": {"gte": "2024-05-01", "lt": "2024-06-01"}}, {"at": "2024-05-31T23:59:59.999999Z"}),
    ({"at": {"lt": "2024-05-01T00:00:00Z"}}, {"at": "2024-05-01T00:00:00+08:00"}),
    ({"author.born": {"lt": "1990-01-01"}}, ALICE),
    ({"at": {"gt": "0001-01-01T00:00:00+23:59"}}, {"at": "9999-12-31T23:59:59-23:59"}),
    ({"at": "2024-02-30"}, {"at": "2024-02-30"}),  # no date, so a string
    ({"at": "2024-05-01T10:00:00+0800"}, {"at": "2024-05-01T02:00:00Z"}),
    ({"at": "2024-05-01T10:00+08"}, {"at": "2024-05-01 02"}),
    ({"at": "20240501T100000+0800"}, {"at": "2024-05-01T02:00"}),
    ({"at": "20240501"}, {"at": "2024-05-01"}),
    ({"at": {"in": ["2024-W18-3", "x"]}}, {"at": "2024W183"}),
    ({"at": "2024-W18"}, {"at": "2024-04-29"}),
    ({"at": "2024-05-01_10:00"}, {"at": "2024-05-01t10:00"}),
    ({"at": "2024-05-01T10:00:00+08:00:30"}, {"at": "2024-05-01T01:59:30Z"}),
    ({"at": {"gte": "2024-05", "lt": "2024-06"}}, {"at": "2024-05-31T12:00+0800"}),
    ({"month": {"gte": "2024-01", "lte": "2024-06"}}, {"month": "2024-06"}),
    ({"version": {"lt": "2024.05.1"}}, {"version": "2024.04.9"}),
    ({"name": {"gte": "2024-05-01-report.txt"}}, {"name": "2024-05-02-report.txt"}),
    # the document's own id, and keys called alike
    ({"_id": "d"}, {}),
    ({"_id": {"in": ["x", "d", "d"]}}, {}),
    ({"_id": {"exists": True}}, {}),
    ({"not": {"_id": {"in": ["x", "2024-05-01"]}}}, {}),
    ({"_id": "d", "id": "x"}, {"id": "x"}),
    ({"_id.oid": 5}, {"_id": {"oid": 5}}),
    # places
    ({"place": {"near": PARIS, "km": 344}}, {"place": LONDON}),
    ({"place": {"near": PARIS, "km": 344}}, {"place": {"lat": 51.5074, "lon": -0.1278}}),
    ({"place": {"near": PARIS, "km": 344}}, {"place": {"lat": 51.5074, "lng": -0.1278, "label": "L"}}),
    ({"place": {"near": PARIS, "km": 0}}, {"place": [[0, 0], PARIS]}),
    ({"place": {"near": PARIS, "km": 0}}, {"place": [{"lat": 0, "lon": 0}, PARIS]}),
    ({"shops.at": {"near": PARIS, "km": 1}}, {"shops": [{"at": LONDON}, {"at": PARIS}]}),
    ({"place": {"near": [0, 179.9], "km": 23}}, {"place": [0, -179.9]}),
    ({"place": {"near": [12, 180], "km": 0}}, {"place": [12, -180]}),
    ({"place": {"near": [90, 0], "km": 0}}, {"place": [90, 123]}),
    ({"place": {"near": [-89.9, 0], "km": 23}}, {"place": [-89.9, 180]}),
    ({"place": {"near": [1, 2], "km": 10**400}}, {"place": [-1, -178]}),
    ({"place": 48.8566}, {"place": PARIS}),  # a point is also its two numbers
    # exists
    ({"brand": {"exists": True}}, {"brand": ""}),
    ({"brand": {"exists": True}}, {"brand": [None, False]}),
    ({"author": {"exists": True}}, ALICE),
    ({"chapters": {"exists": True}}, CHAPTERS),
    ({"brand": {"exists": False}}, {}),
    ({"brand": {"exists": False}}, {"brand": None, "brandy": 1}),
    ({"brand": {"exists": False}}, {"brand": [], "x": 1}),
    ({"brand": {"exists": False}}, {"brand": {"inner": [None, {}]}}),
    # the algebra
    ({}, {}),
    ({}, {"brand": "x"}),
    ({"brand": "x", "price": {"lt": 5}}, {"brand": "x", "price": 1}),
    ({"and": [{"tags": "a"}, {"tags": "b"}]}, {"tags": ["a", "b"]}),
    ({"or": [{"brand": "x"}, {"price": 1}]}, {"price": 1}),
    ({"not": {"brand": "x"}}, {"brand": "y"}),
    ({"not": {"brand": "x"}}, {}),
    ({"not": {"not": {}}}, {}),
    ({"not": {"brand": "x"}, "or": [{"price": 1}, {"price": 2}]}, {"price": 2}),
]

FAILS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"brand": "x"}, {"brand": "X"}),
    ({"brand": "x"}, {}),
    ({"brand": "x"}, {"brand": None}),
    ({"brand": "x"}, {"brand": {"x": "x"}}),
    ({"brand": "é"}, {"brand": "e\u0301"}),
    # types never meet
    ({"price": 1}, {"price": True}),
    ({"sold": True}, {"sold": 1}),
    ({"sold": False}, {"sold": 0.0}),
    ({"price": 9}, {"price": "9"}),
    ({"price": "9"}, {"price": 9}),
    ({"price": {"gte": 0}}, {"price": "5"}),
    ({"price": {"gte": 0}}, {"price": True}),
    ({"price": {"gte": "0"}}, {"price": 5}),
    ({"at": {"gte": "2024-01-01"}}, {"at": "unknown"}),
    ({"at": {"gte": "unknown"}}, {"at": "2024-01-01"}),
    ({"at": {"gte": 0}}, {"at": "2024-01-01"}),
    # numbers are exact
    ({"id": BIG}, {"id": BIG + 1}),
    ({"id": BIG + 1}, {"id": float(BIG)}),
    ({"id": {"gte": BIG + 1}}, {"id": float(BIG)}),
    ({"id": {"gt": 10**40}}, {"id": 10**40}),
    ({"id": {"gt": 10**400}}, {"id": 1e308}),
    ({"price": 0.1}, {"price": 0.1 + 1e-17 + 2e-17}),
    ({"price": {"gte": 2.5}}, {"price": 2}),
    ({"price": {"lte": 2.5}}, {"price": 3}),
    # one value must keep all bounds
    ({"price": {"gte": 3, "lt": 5}}, {"price": [1, 9]}),
    ({"price": {"gt": 1, "lt": 1}}, {"price": 1}),
    ({"chapters": {"gt": 1}}, CHAPTERS),
    ({"tags": {"in": []}}, {"tags": ["a"]}),
    # what is no date is a string, and codes that look like one are themselves
    ({"at": "2024-05-01T24:00:00"}, {"at": "2024-05-02"}),
    ({"at": "2024-05-01 "}, {"at": "2024-05-01"}),
    ({"at": "٢٠٢٤-05-01"}, {"at": "2024-05-01"}),
    ({"at": "2024-05-01+08:00"}, {"at": "2024-05-01 08:00"}),
    ({"ean": "2024050111200"}, {"ean": "2024050121200"}),
    ({"version": "20240501a10"}, {"version": "20240501b10"}),
    ({"at": {"gte": "2024"}}, {"at": "2024-05-01"}),
    # ids
    ({"_id": "D"}, {}),
    ({"_id": "x"}, {"_id": "x", "id": "x"}),
    ({"_id": {"in": []}}, {}),
    ({"_id": "\ud800"}, {}),
    ({"_id": {"exists": False}}, {"_id": "x"}),
    ({"id": "d"}, {}),
    # places
    ({"place": {"near": PARIS, "km": 343}}, {"place": LONDON}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": "Paris"}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": [48.8, 2.3, 35.0]}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": [91, 0]}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": [0, 181]}),
    ({"place": {"near": [1, 0], "km": 9e9}}, {"place": [True, False]}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": {"lat": 48.8}}),
    ({"place": {"near": PARIS, "km": 9e9}}, {"place": [["48.8", 2.3]]}),
    ({"place": {"near": [0, 0], "km": 20015}}, {"place": [0, 180]}),
    # exists
    ({"brand": {"exists": True}}, {"brandy": 1, "x": {"brand": 1}}),
    ({"brand": {"exists": False}}, {"brand": 0}),
    # the algebra
    ({"brand": "x", "price": 1}, {"brand": "x"}),
    ({"and": [{"brand": "x"}, {"price": 1}]}, {"price": 1}),
    ({"or": [{"brand": "x"}, {"price": 1}]}, {"price": 2}),
    ({"not": {}}, {}),
    ({"not": {"tags": "a"}}, {"tags": ["a", "b"]}),
]


@pytest.mark.parametrize(("source", "metadata"), PASSES)
def test_passes(source: dict[str, Any], metadata: dict[str, Any]) -> None:
    assert parse(source).matches(metadata, "d")
    assert not parse({"not": source}).matches(metadata, "d")


@pytest.mark.parametrize(("source", "metadata"), FAILS)
def test_fails(source: dict[str, Any], metadata: dict[str, Any]) -> None:
    assert not parse(source).matches(metadata, "d")
    assert parse({"not": source}).matches(metadata, "d")


MALFORMED: list[tuple[Any, str]] = [
    (["brand"], 'filter: a filter is an object such as {"brand": "x"}, not list'),
    (None, "filter: a filter is an object"),
    ("brand", "filter: a filter is an object"),
    ({1: "x"}, "filter: a key must be a string, not int"),
    ({"brand": None}, "at brand: null equals nothing"),
    ({"tags": ["a", "b"]}, 'at tags: a list equals nothing; ask {"in"'),
    ({"price": math.nan}, "at price: must be a string, a finite number or a boolean, not nan"),
    ({"price": {"lt": math.inf}}, "at price.lt: must be a string, a finite number or a boolean, not inf"),
    ({"at": datetime(2024, 5, 1, tzinfo=UTC)}, "at at: must be a string, .* not datetime"),
    ({"brand": {}}, "at brand: an object without operator"),
    (
        {"brand": {"eq": "x"}},
        "at brand: unknown operator 'eq'; there are in, gt, gte, lt, lte, near, km, ex",
    ),
    ({"author": {"name": "x"}}, "at author: unknown operator 'name'; .* write an inner key as a.b"),
    ({"brand": {3: "x"}}, "at brand: unknown operator '3'"),
    ({"price": {"in": [1], "gte": 1}}, "at price: gte and in cannot stand in one object"),
    ({"price": {"near": [1, 2], "km": 1, "gte": 1}}, "at price: gte and km and near cannot stand"),
    ({"tags": {"in": "a"}}, "at tags.in: takes a list, not str"),
    ({"tags": {"in": ["a", None]}}, "at tags.in\\[1\\]: null equals nothing"),
    ({"tags": {"in": [["a"]]}}, "at tags.in\\[0\\]: a list equals nothing"),
    ({"price": {"lt": None}}, "at price.lt: null"),
    ({"price": {"lt": True}}, "at price: a boolean has no order"),
    ({"price": {"gte": 1, "lt": "9"}}, "at price: its bounds are of different types, number and string"),
    ({"at": {"gte": "2024-01-01", "lt": "2025"}}, "at at: its bounds .* instant and string"),
    ({"brand": {"exists": 1}}, "at brand.exists: must be true or false, not int"),
    ({"brand": {"exists": None}}, "at brand.exists: must be true or false, not null"),
    ({"place": {"near": [1, 2]}}, "at place: near and km go together"),
    ({"place": {"km": 5}}, "at place: near and km go together"),
    (
        {"place": {"near": [1, 2], "km": -1}},
        "at place.km: must be a finite number of kilometres, 0 or more",
    ),
    ({"place": {"near": [1, 2], "km": math.nan}}, "at place.km: must be"),
    ({"place": {"near": [1, 2], "km": "5"}}, "at place.km: must be"),
    ({"place": {"near": [1, 2], "km": -(10**5000)}}, "at place.km: must be"),
    ({"place": {"near": [91, 2], "km": 1}}, "at place.near: must be \\[latitude, longitude\\]"),
    ({"place": {"near": [1, 181], "km": 1}}, "at place.near: must be"),
    ({"place": {"near": [1], "km": 1}}, "at place.near: must be"),
    ({"place": {"near": "Paris", "km": 1}}, "at place.near: must be"),
    ({"place": {"near": [True, False], "km": 1}}, "at place.near: must be"),
    ({"and": {"a": 1}}, "at and: takes a list of filters, not dict"),
    ({"and": []}, "at and: the list is empty"),
    ({"or": []}, "at or: the list is empty"),
    ({"not": [{"a": 1}]}, "at not: a filter is an object"),
    ({"not": "x"}, "at not: a filter is an object"),
    ({"and": [{"a": 1}, {"price": {"cheap": 1}}]}, "at and\\[1\\].price: unknown operator 'cheap'"),
    ({"or": [{"not": {"tags": {"in": [1, math.inf]}}}]}, "at or\\[0\\].not.tags.in\\[1\\]: must be"),
    ({"and": [3]}, "at and\\[0\\]: a filter is an object"),
    ({"_id": 7}, "at _id.in\\[0\\]: an id is a string, not int"),
    ({"_id": {"in": ["a", None]}}, "at _id.in\\[1\\]: an id is a string, not null"),
    ({"_id": {"in": "a"}}, "at _id.in: takes a list, not str"),
    ({"_id": {"gte": "a"}}, "at _id: ids have no order"),
    ({"_id": {"near": [1, 2], "km": 3}}, "at _id: ids have no order and no place"),
    ({"_id": {"exists": 1}}, "at _id.exists: must be true or false"),
    ({"_id": ["a"]}, "at _id.in\\[0\\]: an id is a string, not list"),
]


@pytest.mark.parametrize(("source", "complaint"), MALFORMED)
def test_malformed(source: Any, complaint: str) -> None:
    with pytest.raises(FilterError, match=complaint) as caught:
        parse(source)
    assert "\n" not in str(caught.value)


NO_DATES = [
    "2024-02-30",
    "2024-13-01",
    "2024-5-1",
    "2024/05/01",
    "1/5/2024",
    "01.05.2024",
    "2024-13",
    "2024-5",
]
NO_DATES += ["20241301", "2024年5月1日", "2024年5月", "2024-W60", "2024-05-01T25:00", "2024-05-01 10:00 PM"]
NO_DATES += [
    "2024-05-01T24:00",
    "2024-05-01+08:00",
    "2024-02-30T10:00:00+0800",
    "２０２４-05-01",
    "31-12-2024",
]


@pytest.mark.parametrize("text", NO_DATES)
def test_a_bound_that_looks_like_a_date_and_is_none_is_refused(text: str) -> None:
    for bound in ("gt", "gte", "lt", "lte"):
        with pytest.raises(FilterError, match=f"at a.at.{bound}: .* looks like a date and is none"):
            parse({"a.at": {bound: text}})
    assert parse({"at": text}).matches({"at": text})


@given(st.from_regex(r"2[0-9]{3}(-?[0-9]{2}-?[0-9]{2}|-?W[0-9]{2}(-?[1-7])?)", fullmatch=True))
def test_what_the_library_reads_is_a_date(text: str) -> None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        assert typed(text) == ("string", text)
    else:
        assert typed(text) == typed(instant.isoformat())


def nested(depth: int) -> dict[str, Any]:
    source: dict[str, Any] = {"a": 1}
    for level in range(depth):
        source = {"not": source} if level % 2 else {"or": [source]}
    return source


def test_nesting_has_a_limit() -> None:
    assert parse(nested(MAX_FILTER_DEPTH)).matches({"a": 1})
    with pytest.raises(FilterError, match="nested deeper than 32"):
        parse(nested(MAX_FILTER_DEPTH + 1))


def test_deep_metadata_is_read() -> None:
    metadata: Any = 1
    for _ in range(5000):
        metadata = [metadata]
    assert parse({"a": 1}).matches({"a": metadata})


def test_filters_are_values() -> None:
    source = {
        "or": [{"tags": {"in": ["a", "b"]}}, {"not": {"price": {"gte": 1, "lt": 9}}}, {"x": 1, "y": 2}]
    }
    wanted = Or(
        (
            In("tags", frozenset({("string", "b"), ("string", "a")})),
            Not(Range("price", "number", (("gte", 1), ("lt", 9)))),
            And((In("x", frozenset({("number", 1)})), In("y", frozenset({("number", 2)})))),
        )
    )
    assert parse(source) == wanted
    assert hash(parse(source)) == hash(wanted)


TIMES = st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))))


@given(TIMES, TIMES)
def test_instants_compare_as_datetime_does(a: datetime, b: datetime) -> None:
    metadata = {"at": a.isoformat()}
    assert parse({"at": b.isoformat()}).matches(metadata) == (a == b)
    assert parse({"at": {"lt": b.isoformat()}}).matches(metadata) == (a < b)
    assert parse({"at": {"gte": b.isoformat(" ")}}).matches(metadata) == (a >= b)


POINTS = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))


@given(POINTS, POINTS)
def test_distance_agrees_with_the_angle_between_vectors(a: Point, b: Point) -> None:
    def vector(point: Point) -> tuple[float, float, float]:
        lat, lon = math.radians(point.lat), math.radians(point.lon)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    chord = math.dist(vector(a), vector(b))
    assert distance(a, b) == pytest.approx(2 * 6371.0088 * math.asin(min(1, chord / 2)), rel=1e-6, abs=1e-3)
    assert distance(a, b) == distance(b, a)


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        (Point(0, 0), Point(0, 1), 6371.0088 * math.pi / 180),
        (Point(0, 0), Point(90, 0), 6371.0088 * math.pi / 2),
        (Point(0, 0), Point(0, 180), 6371.0088 * math.pi),
        (Point(0, 179), Point(0, -179), 6371.0088 * math.pi / 90),
        (Point(89, 0), Point(89, 180), 6371.0088 * math.pi / 90),
        (Point(*PARIS), Point(*LONDON), 343.56),
    ],
)
def test_distance(a: Point, b: Point, km: float) -> None:
    assert distance(a, b) == pytest.approx(km, rel=1e-4)
