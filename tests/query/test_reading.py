"""Text read as a query: operators where they are meant, words everywhere else, and never an error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import limits
from hybrid.errors import QueryError
from hybrid.query import (
    All,
    Any,
    Boost,
    Fuzzy,
    Not,
    Phrase,
    Prefix,
    Query,
    Required,
    Title,
    Words,
    check,
    parse,
    plain,
    read,
)

PIECES = [
    *'"“”「」()+-*~.\\',
    "^2",
    "title:",
    "OR",
    " OR ",
    " ",
    " ",
    "a",
    "bb",
    "中",
    "5",
    "x y",
    "\n",
    "\ud800",
]
TYPED = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
TEXTS = st.text(max_size=40) | TYPED

PLAIN = [
    "C++",
    "e-mail",
    "-5",
    "10:30",
    "http://example.com/?a=b&c=(d)",
    "foo-bar",
    "what is 3*4",
    "AT&T",
    "~100",
    '5" tablet, 7" pipe',
    "ls -l --all",
    "x^2 + y^2 = 2^10",
    "python (programming language)",
    "f(x) = a(b)",
    "smile :-) /(",
    "title: what",
    "subtitle:a",
    "你好~ 是-不是",
    "a* 100*",
    "TO BE OR NOT TO BE",
    "  two  spaces ",
    "C:\\new",
    "",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_nobody_means_as_an_operator_is_words(text: str) -> None:
    assert parse(text).value == Words(text)
    assert not parse(text).fell_back


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"noise cancelling"', Phrase("noise cancelling")),
        ("headphones -kettle", All(Words("headphones"), Not(Words("kettle")))),
        ("+wireless +C++", All(Required(Words("wireless")), Required(Words("C++")))),
        ("蓝牙“降噪耳机”推荐", All(Words("蓝牙"), Phrase("降噪耳机"), Words("推荐"))),
        ("「降噪」 -茶", All(Phrase("降噪"), Not(Words("茶")))),
        ('title:"a b"^2', Title(Boost(Phrase("a b"), 2.0))),
        ("-title:2001", Not(Title(Words("2001")))),
        ("title:(to be)", Title(Words("to be"))),
        ("wire* recieve~ recieve~2", All(Prefix("wire"), Fuzzy("recieve"), Fuzzy("recieve", 2))),
        ("wireless^2 cable", All(Boost(Words("wireless"), 2.0), Words("cable"))),
        ("a b OR c OR d e", All(Words("a"), Any(Words("b"), Words("c"), Words("d")), Words("e"))),
        ('(a OR "b c") -(d e)', All(Any(Words("a"), Phrase("b c")), Not(Words("d e")))),
        ("python (a b) -snake", All(Words("python (a b)"), Not(Words("snake")))),
        ('5" tablet -case', All(Words('5" tablet'), Not(Words("case")))),
        ('\\"a b\\" \\-cc \\OR -d\\*d', All(Words('"a b" -cc OR'), Not(Words("d*d")))),
        ('"say \\"hi\\" now"', Phrase('say "hi" now')),
    ],
)
def test_operators(text: str, value: Query) -> None:
    assert parse(text).value == value
    assert not parse(text).fell_back


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"foo bar', Words('"foo bar')),
        ("“降噪 -苹果", All(Words("“降噪"), Not(Words("苹果")))),
        ('("a b" c', All(Words("("), Phrase("a b"), Words("c"))),
        ('OR "a b" OR', All(Words("OR"), Phrase("a b"), Words("OR"))),
        ("-(foo", Words("-(foo")),
        ("+aa " * 200, Words("+aa " * 200)),
        ("aa* " * 30, Words("aa* " * 30)),
    ],
)
def test_what_cannot_be_an_operator_is_words_and_says_so(text: str, value: Query) -> None:
    assert parse(text).value == value
    assert parse(text).fell_back


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_no_text_is_an_error_and_each_reading_can_be_read_again(text: str) -> None:
    first = parse(text)
    assert parse(str(first)).value == first.value
    assert check(first.value) == first.value


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.characters(exclude_characters='"“”「」『』＂()+-*~^:\\', exclude_categories=["Cs"]), max_size=60
    )
)
def test_a_text_without_signs_stays_as_it_is(text: str) -> None:
    if "OR" not in text:
        assert parse(text).value == Words(text)


def test_plain_takes_all_as_words() -> None:
    assert read('-a "b c"', "plain").value == Words('-a "b c"')


def test_a_vector_is_made_of_the_words_alone() -> None:
    value = parse('+wireless "noise cancelling"^2 -apple title:sony wire* -(b OR c) recieve~').value
    assert plain(value) == "wireless noise cancelling sony wire recieve"


@pytest.mark.parametrize(
    "value",
    [
        5,
        All(Words("a"), "b"),  # type: ignore[arg-type]
        Phrase(5),  # type: ignore[arg-type]
        Fuzzy("word", 3),
        Boost(Words("a"), float("nan")),
        Boost(Words("a"), 0),
        Boost(Words("a"), True),
        All(*[Words("a")] * limits.MAX_QUERY_PARTS),
        All(*[Prefix("ab")] * (limits.MAX_QUERY_EXPANSIONS + 1)),
        Words("a" * (limits.MAX_QUERY + 1)),
    ],
)
def test_values_that_are_none(value: object) -> None:
    with pytest.raises(QueryError):
        check(value)


def test_a_value_that_nests_without_end() -> None:
    value: Query = Words("a")
    for _ in range(100_000):
        value = Not(value)
    with pytest.raises(QueryError, match="deep"):
        check(value)
