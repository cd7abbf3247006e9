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
        "AP(rel=0)",
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
