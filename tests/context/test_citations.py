"""Citations are found in all their forms, and held against the passages that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Document, MemoryIndex
from hybrid.context import Claim, Context, check_citations
from hybrid.errors import QueryError
from hybrid.limits import MAX_ANSWER


def made(*texts: str) -> Context:
    index = MemoryIndex()
    index.add(Document(str(n), text, f"common title{n}") for n, text in enumerate(texts))
    found = index.context("common", order="score", k=20, tokens=100_000)
    assert len(found) == len(texts)
    return found


CONTEXT = made(
    "The cook found 1,200 coins beneath the lighthouse in 1987.",
    "水手在灯塔下发现了宝藏,共有30枚金币。",
    "Boats lie in the harbour.",
    "Tides come back twice a day.",
)
NUMBERS = {one.id: one.number for one in CONTEXT}
COOK, SAILOR = NUMBERS["0"], NUMBERS["1"]


def said(text: str) -> list[Claim]:
    return list(check_citations(text, CONTEXT).claims)


@pytest.mark.parametrize(
    ("citation", "cites"),
    [
        ("[1]", (1,)),
        ("[1][2]", (1, 2)),
        ("[1] [3]", (1, 3)),
        ("[1, 2]", (1, 2)),
        ("[1-3]", (1, 2, 3)),
        ("[3–1]", (1, 2, 3)),
        ("[ 2 ; 4 ]", (2, 4)),
        ("【1】", (1,)),
        ("【1、3】", (1, 3)),
        ("［２］", (2,)),
        ("［１，３－４］", (1, 3, 4)),
        ("[1~2]", (1, 2)),
        ("[]", ()),
        ("[12345]", ()),
        ("(1)", ()),
    ],
)
def test_forms_of_citations(citation: str, cites: tuple[int, ...]) -> None:
    for sentence in (f"The boat left {citation}.", f"The boat left. {citation}", f"船走了{citation}。"):
        (claim,) = said(sentence)
        assert claim.cites == cites, sentence


def test_a_range_is_bounded() -> None:
    (claim,) = said("The boat left [1-9999].")
    assert (claim.cites, claim.missing) == ((1,), (9999,))
    assert said("The boat left [1-6].")[0].missing == (5, 6)


def test_citations_belong_to_the_sentence_they_follow_or_begin() -> None:
    answer = (
        "One is so.[1] Two is so [2]. Three is not. 四是这样。【3】五不是。\n"
        "[4] Six begins a line.\n- [1] So does seven."
    )
    found = check_citations(answer, CONTEXT)
    assert [claim.cites for claim in found.claims] == [(1,), (2,), (), (3,), (), (4,), (1,)]
    assert [claim.text for claim in found.uncited] == ["Three is not.", "五不是。"]
    assert all(answer[claim.start : claim.end] == claim.text for claim in found.claims)
    assert found.cited == (1, 2, 3, 4)


def test_numbers_that_no_passage_has() -> None:
    found = check_citations("The boat left [7]. It came back [1][9].", CONTEXT)
    assert (found.missing, found.cited) == ((7, 9), (1,))
    assert [claim.text for claim in found.uncited] == ["The boat left [7]."]


def test_support_is_the_share_of_words_and_all_numbers() -> None:
    supported = f"The cook found 1200 coins in 1987 [{COOK}]."
    other = f"Planets orbit distant suns [{COOK}]."
    wrong = f"The cook of log A1987 found 1,300 coins [{COOK}]."
    found = check_citations(f"{supported} {other} {wrong}", CONTEXT)
    assert [claim.supported for claim in found.claims] == [True, False, False]
    assert [claim.unfound for claim in found.claims] == [(), (), ("1300",)]
    assert found.claims[0].overlap == 1
    assert found.claims[1].overlap == 0
    assert [claim.text for claim in found.unsupported] == [other, wrong]


def test_support_in_chinese() -> None:
    sentences = "水手发现了30枚金币", "发现了３１枚金币", "观测行星轨道"
    found = said("".join(f"{one}[{SAILOR}]。" for one in sentences))
    assert [claim.supported for claim in found] == [True, False, False]
    assert found[1].unfound == ("31",)


def test_passages_that_are_cited_together_support_together() -> None:
    (claim,) = said(f"The cook found coins, 共有30枚金币 [{COOK}, {SAILOR}].")
    assert claim.supported


def test_an_answer_without_sentences_and_one_that_is_none() -> None:
    assert check_citations("", CONTEXT).claims == ()
    assert check_citations("[1] 12 … —", CONTEXT).claims == ()
    for bad in (None, 5, b"x", "x" * (MAX_ANSWER + 1)):
        with pytest.raises(QueryError):
            check_citations(bad, CONTEXT)  # type: ignore[arg-type]


def test_of_an_empty_context_every_citation_is_missing() -> None:
    empty = MemoryIndex().context("x")
    found = check_citations("The boat left [1].", empty)
    assert (found.missing, found.cited, len(found.uncited)) == ((1,), (), 1)


@given(st.text(st.sampled_from("ab船 .。\n[]【】［］123456789,-、!"), max_size=80))
def test_any_answer_is_checked(answer: str) -> None:
    found = check_citations(answer, CONTEXT)
    for claim in found.claims:
        assert answer[claim.start : claim.end] == claim.text
        assert set(claim.cites) <= {1, 2, 3, 4}
        assert not set(claim.missing) & {1, 2, 3, 4}


@pytest.mark.parametrize("part", ["[1]", "[", "a[1]。", "[1,", "1-", "\n[2] a", "[1-99]"])
def test_long_answers_of_little_else_are_checked(part: str) -> None:
    answer = part * (10_000 // len(part))
    assert all(answer[one.start : one.end] == one.text for one in check_citations(answer, CONTEXT).claims)
