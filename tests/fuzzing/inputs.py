"""Strategies for values that nobody should pass, and for files that nobody should write."""

from __future__ import annotations

import enum
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

# --- texts

NASTY = [
    "", " ", "\0", "\ud800", "\udfff\ud83d", "\ud83d\ude00", "\ufeff", "\ufeffx", "\u2028", "\x85",
    "a\nb", "\r",
    "ﷺ" * 20, "Z" + "\u0301\u0327\u0489" * 60, "\u202e\u2066x\u2069", "x\u200b\u200d\ufe0fy", "\u034f",
    "a" * 3000, "無" * 3000, "-" * 3000, "a-" * 500, "1," * 500, "ก" * 500, "👨\u200d👩\u200d👧" * 50,
    "\U0001f1e6" * 99,
    "AND OR NOT ( ) \" : * ~ ^ [", "../../etc/passwd", "%s %n {0} {x!r}", "'; DROP TABLE documents; --",
    "${jndi}", "<script>", "\x1b[31m", "NaN", "Infinity", "1e999", "9" * 400, "-0", "true", "null",
    "2024-02-30", "2024-05-01T10:00:00.123456789+23:59", "0001-01-01T00:00:00+23:59",
]  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()), max_size=30)
WORDS = st.lists(
    st.sampled_from(["kettle", "steel", "headphones", "降噪", "耳机", "wh-1000xm5", "a", "的"]), max_size=6
).map(" ".join)

# --- Python values


class Colour(enum.StrEnum):
    RED = "kettle"


class Five(enum.IntEnum):
    FIVE = 5


class LyingStr(str):
    """A str whose every method lies or raises. (Not its repr: hypothesis needs one.)"""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __repr__(self) -> str:
        return "two\nlines"

    def __len__(self) -> int:
        return -1

    def encode(self, *_: Any, **__: Any) -> bytes:
        raise RuntimeError("no bytes")

    __hash__ = str.__hash__


class Huge(int):
    """More digits than Python prints."""

    def __repr__(self) -> str:
        return f"Huge({self.bit_length()} bits)"


class LyingInt(int):
    def __index__(self) -> int:
        return -7


class BrokenMapping(Mapping[str, Any]):
    """Raises whenever it is looked at."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("broken")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("broken")

    def __len__(self) -> int:
        raise RuntimeError("broken")


class EndlessMapping(BrokenMapping):
    """Has a key for every number."""

    def __iter__(self) -> Iterator[str]:
        return map(str, iter(int, 1))

    def __getitem__(self, key: str) -> Any:
        return 1

    def items(self) -> Any:
        return ((f"k{i}", 1) for i in range(10**9))

    def __len__(self) -> int:
        return 1


class LaughingList(list[Any]):
    """Holds the same list several times, and that one too, level below level: nobody can look at it all."""

    def __repr__(self) -> str:
        return "LaughingList()"


class LaughingDict(dict[str, Any]):
    def __repr__(self) -> str:
        return "LaughingDict()"


def laughing_list(levels: int = 40) -> Any:
    value = LaughingList()
    for _ in range(levels):
        value = LaughingList([value] * 3)
    return value


def laughing_dict(key: str = "", levels: int = 40) -> Any:
    """With ``key``, such as "and", each level is a list below that key."""
    value = LaughingDict()
    for _ in range(levels):
        value = LaughingDict({key: [value] * 3} if key else dict.fromkeys("abc", value))
    return value


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


_ODD: list[Any] = [
    Huge(10**5000), Huge(-(10**5000)), 2**63, 2**64, -(2**63) - 1, 2**1024,
    1e308, 5e-324, -0.0, float("nan"), float("inf"),
    1j, Decimal("NaN"), Decimal(1), b"", b"x" * 300, bytearray(b"x"), memoryview(b"x"), object(), int,
    Path("x"), datetime(2024, 5, 1, tzinfo=UTC), range(3), frozenset([1]), Colour.RED, Five.FIVE,
    LyingStr("kettle"), LyingInt(3), BrokenMapping(), EndlessMapping(), _circle(),
    laughing_list(), laughing_dict(), laughing_dict("and", 20), laughing_dict("or", 30),
    np.int64(3), np.float32(1.5), np.float64("nan"), np.bool_(True), np.str_("kettle"),
    np.datetime64("2024-05-01"),
    np.zeros(3), np.zeros((2, 3)), np.array(5), np.array(None), np.array(["a"]), np.array([1, 2j]),
    np.zeros(3, dtype=[("a", "f4")]), np.ma.masked, Ellipsis, NotImplemented,
]  # fmt: skip
"""Shared between inputs: nobody may change what he is given."""

ODD = st.sampled_from(_ODD)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS | ODD | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXTS | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)

# --- JSON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def mutated_json(draw: st.DrawFn, valid: Any) -> Any:
    """``valid`` with one to three of its values replaced, dropped or doubled."""
    value = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(draw, value)
    return value


def _changed(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        match draw(st.sampled_from(["in", "in", "drop", "rename"])):
            case "drop":
                return {k: v for k, v in value.items() if k != key}
            case "rename":
                return {draw(TEXTS) if k == key else k: v for k, v in value.items()}
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _changed(draw, value[place]), *value[place + draw(st.integers(0, 1)) :]]
    return draw(JSON | NUMBERS_OF_NOTE)


NUMBERS_OF_NOTE = st.sampled_from(
    [0, 1, -1, 2, 2**31, 2**63, 2**64, 10**400, 1.5, float("inf"), float("nan")]
)

# --- bytes


@st.composite
def mutated(draw: st.DrawFn, valid: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of ``valid`` after up to six edits: bytes changed, dropped, doubled, and ``tokens`` put in."""
    content = bytearray(draw(st.sampled_from(list(valid))))
    pieces = st.binary(max_size=4) | st.sampled_from([*tokens, *_TOKENS])
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 0, 1, 1, 2, 8, 64, 10**6])))
        match draw(st.sampled_from(["put", "put", "double"])):
            case "put":
                content[start:end] = draw(pieces)
            case "double":
                content[end:end] = content[start:end]
    return bytes(content)


_TOKENS = [
    b"\n", b"\r", b"\r\n", b"\t", b"\0", b'"', b"'", b",", b"{", b"}", b"[", b"]", b":", b"\\",
    b"\\u0000", b"\\ud800",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\x84\x31\xa4\x37",
    b"\x81", b"NaN", b"-Infinity",
    b"1e999", b"123456789012345678901234567890", b"9" * 5000, b"[" * 2000, b'{"a":' * 2000,
    b'"a":1,"a":2,', b"-0",
    "\u2028\x85".encode(), "ﷺ".encode(), string.printable.encode(), b"x" * 5000,
]  # fmt: skip
