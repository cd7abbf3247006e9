"""Measures by name, and how deep a run they need."""

from __future__ import annotations

import pytest

from hybrid.errors import MeasureError
from hybrid.evaluate import depth_of, parse


def test_parse_keeps_the_order_and_drops_repeats() -> None:
    assert [str(m) for m in parse(" nDCG@10 R@100\tRR@10 AP nDCG@10 ")] == [
        "nDCG@10",
        "R@100",
        "RR@10",
        "AP",
    ]


def test_other_names_become_the_canonical_ones() -> None:
    assert [str(m) for m in parse("MRR@10 NDCG@5 MAP Recall@20")] == ["RR@10", "nDCG@5", "AP", "R@20"]


def test_parameters_may_hold_spaces() -> None:
    assert [str(m) for m in parse("nDCG(gains={1: 3, 2: 7})@10 AP(rel=2)")] == [
        "nDCG(gains={1:3,2:7})@10",
        "AP(rel=2)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "wat",
        "nDCG@",
        "nDCG(",
        "nDCG@x",
        "nDCG@-1",
        "nDCG(10)",
        "nDCG(depth=3)@10",
        "1",
        "a.b@3",
        "P",
    ],
)
def test_an_unknown_measure_is_named_in_one_line_with_examples(text: str) -> None:
    with pytest.raises(MeasureError) as raised:
        parse(f"AP {text}")
    assert repr(text) in str(raised.value) or text in str(raised.value)
    assert "nDCG@10" in str(raised.value) or "cutoff" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["nDCG@0", "P@1.5", "R@True", "P@99999999999"])
def test_a_cutoff_out_of_range_is_refused_before_it_can_end_the_process(text: str) -> None:
    with pytest.raises(MeasureError, match="the cutoff must be an integer from 1 to"):
        parse(text)


@pytest.mark.parametrize("rel", ["0", "-1", "-2147483648", "1.0", "True", "99999999999"])
@pytest.mark.parametrize("measure", ["AP", "Bpref", "P@5", "RR@10", "NumRet", "Accuracy@5"])
def test_what_counts_as_relevant_is_a_grade_that_can_be_told_from_no_grade(measure: str, rel: str) -> None:
    name, at, cutoff = measure.partition("@")
    with pytest.raises(MeasureError, match="rel must be an integer from 1 to 1000000"):
        parse(f"{name}(rel={rel}){at}{cutoff}")


@pytest.mark.parametrize(
    "gains", ["{1: -5}", "{3: -1}", "{3: 1000000000}", "{3: 0.5}", "{3: 'a'}", "{'a': 1}"]
)
@pytest.mark.parametrize("at", ["", "@10"])
def test_gains_are_what_an_array_can_be_as_long_as(gains: str, at: str) -> None:
    with pytest.raises(MeasureError, match="gains map grades to integers from 0 to 1000000"):
        parse(f"nDCG(gains={gains}){at}")


@pytest.mark.parametrize("text", ["IPrec@1e999", "SetF(beta=1e999)", "Compat(p=1e999)"])
def test_parameters_are_finite(text: str) -> None:
    with pytest.raises(MeasureError, match="must be finite"):
        parse(text)


def test_a_refusal_is_one_readable_line_whatever_the_parameters_are() -> None:
    with pytest.raises(MeasureError) as raised:
        parse("nDCG(gains={1: '\\x1b[2J\\n'})@10")
    assert str(raised.value).isprintable()


def test_no_measure_at_all() -> None:
    with pytest.raises(MeasureError, match="no measure given"):
        parse("  ")


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("nDCG@10", 100),
        ("nDCG@10 R@500", 500),
        ("nDCG@10 AP", 1000),
        ("R@2000 RR", 2000),
        ("P(judged_only=True)@5", 1000),
    ],
)
def test_depth_follows_the_deepest_measure(text: str, depth: int) -> None:
    assert depth_of(parse(text)) == depth
