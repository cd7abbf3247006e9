"""Runs against judgments: figures worked out by hand, who counts, and asking an index."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from math import log2
from typing import Any

import pytest

from hybrid.errors import InputError, MeasureError
from hybrid.evaluate import System, answerable, evaluate, parse, run_modes, run_systems
from hybrid.fusion import RRF
from hybrid.types import Fusion, Lacking, Mode, Qrels, Run

QRELS: Qrels = {"q1": {"a": 2, "b": 1, "c": 0}, "q2": {"a": 1}}


def ranking(*documents: str) -> list[tuple[str, float]]:
    return [(document, 1.0 / rank) for rank, document in enumerate(documents, start=1)]


def mean(run: Run, measure: str, qrels: Qrels = QRELS) -> float:
    report = evaluate({"s": run}, qrels, parse(measure))
    return report.systems["s"][str(parse(measure)[0])]


# Figures by hand

RUN: Run = {"q1": ranking("x", "b", "a"), "q2": ranking("a")}


@pytest.mark.parametrize(
    ("measure", "q1", "q2"),
    [
        ("nDCG@10", (1 / log2(3) + 2 / log2(4)) / (2 / log2(2) + 1 / log2(3)), 1.0),
        ("nDCG@2", (1 / log2(3)) / (2 / log2(2) + 1 / log2(3)), 1.0),
        ("RR@10", 1 / 2, 1.0),
        ("RR@1", 0.0, 1.0),
        ("RR", 1 / 2, 1.0),
        ("AP", (1 / 2 + 2 / 3) / 2, 1.0),
        ("AP(rel=2)", 1 / 3, 0.0),
        ("P(rel=2)@5", 1 / 5, 0.0),
        ("Bpref(rel=2)", 1 - 1 / 1, 0.0),  # b, of grade 1, stands before the one relevant
        ("Bpref(rel=1000000)", 0.0, 0.0),
        ("R@2", 1 / 2, 1.0),
        ("R@100", 1.0, 1.0),
        ("P@5", 2 / 5, 1 / 5),
        ("P(judged_only=True)@1", 1.0, 1.0),
        ("Success@1", 0.0, 1.0),
        ("Judged@3", 2 / 3, 1.0),
    ],
)
def test_by_hand(measure: str, q1: float, q2: float) -> None:
    report = evaluate({"s": RUN}, QRELS, parse(measure))
    assert report.per_query["s"][measure] == pytest.approx({"q1": q1, "q2": q2})
    assert report.systems["s"][measure] == pytest.approx((q1 + q2) / 2)


def test_the_order_of_a_run_is_its_ranking_whatever_its_scores() -> None:
    tied: Run = {"q2": [("z", 1.0), ("a", 1.0)]}
    upside_down: Run = {"q2": [("z", 1.0), ("a", 2.0)]}
    assert mean(tied, "RR@10") == mean(upside_down, "RR@10") == (0 + 1 / 2) / 2


def test_counting_measures_are_summed() -> None:
    assert mean(RUN, "NumRet") == 3 + 1
    assert mean(RUN, "NumRet(rel=2)") == 1


def test_gains_stay_with_the_measure_that_has_them() -> None:
    report = evaluate({"s": RUN}, QRELS, parse("nDCG(gains={1: 5, 2: 5})@10 nDCG@10"))
    binary = (1 / log2(3) + 1 / log2(4)) / (1 / log2(2) + 1 / log2(3))
    assert report.per_query["s"]["nDCG(gains={1:5,2:5})@10"]["q1"] == pytest.approx(binary)
    assert report.systems["s"]["nDCG@10"] == pytest.approx(mean(RUN, "nDCG@10"))


def test_a_measure_without_cutoff_sees_the_whole_run() -> None:
    deep: Run = {"q2": ranking(*(f"x{i}" for i in range(1500)), "a")}
    assert mean(deep, "AP", {"q2": {"a": 1}}) == pytest.approx(1 / 1501)


# Who counts

ALL_MEASURES = "nDCG@10 R@100 RR@10 AP P@5 Bpref Judged@10 IPrec@0.1 Accuracy@5 Success@1 SetP"


@pytest.mark.parametrize("unanswered", [{}, {"q2": []}], ids=["absent", "empty"])
@pytest.mark.parametrize("measure", ALL_MEASURES.split())
def test_a_judged_query_without_an_answer_scores_0_and_counts(measure: str, unanswered: Run) -> None:
    alone = mean({"q1": RUN["q1"]}, measure, {"q1": QRELS["q1"]})
    assert mean({"q1": RUN["q1"], **unanswered}, measure) == pytest.approx(alone / 2)


@pytest.mark.parametrize("measure", ALL_MEASURES.split())
@pytest.mark.parametrize(
    "run", [{}, {"q1": [], "q2": []}, {"other": ranking("a")}], ids=["empty", "blank", "other"]
)
def test_a_run_without_answers_scores_0(measure: str, run: Run) -> None:
    assert mean(run, measure) == 0.0


@pytest.mark.parametrize("measure", ["nDCG@10", "R@100", "RR@10", "AP", "P@5"])
def test_a_query_whose_grades_are_all_0_counts(measure: str) -> None:
    qrels: Qrels = {"q2": {"a": 1}, "none": {"a": 0, "b": -1}}
    answered: Run = {"q2": ranking("a"), "none": ranking("a", "b")}
    assert mean(answered, measure, qrels) == pytest.approx(
        mean({"q2": ranking("a")}, measure, {"q2": {"a": 1}}) / 2
    )
    assert mean({"none": ranking("a")}, measure, {"none": {"a": 0}}) == 0.0


def test_a_query_without_judgments_is_ignored() -> None:
    report = evaluate({"s": {**RUN, "q3": ranking("a")}}, {**QRELS, "q4": {}}, parse("AP"))
    assert report.queries == 2
    assert set(report.per_query["s"]["AP"]) == {"q1", "q2"}


def test_the_report_says_who_was_not_answered_and_who_not_asked() -> None:
    qrels: Qrels = {**QRELS, "q3": {"a": 1}}
    report = evaluate({"one": RUN, "two": {"q1": [], "q2": ranking("b")}}, qrels, parse("P@1"))
    assert report.unanswered == {"one": ["q3"], "two": ["q1", "q3"]}
    assert report.unasked == ["q3"]
    assert report.to_json() == {
        "queries": 3,
        "systems": {"one": {"P@1": pytest.approx(1 / 3)}, "two": {"P@1": 0.0}},
        "unanswered": {"one": 1, "two": 2},
        "unasked": ["q3"],
    }


def test_hostile_ids_are_measured_as_any_others() -> None:
    names = ["a\0b", "a\0c", "\ud800", "x y", "\t", "%", "", "中文", "a\nb"]
    qrels: Qrels = {name: {name: 1, "other": 0} for name in names}
    run: Run = {name: ranking("a\0d", name) for name in names}
    assert mean(run, "RR@10", qrels) == mean(run, "AP", qrels) == 1 / 2
    if shutil.which("perl"):  # ERR is computed by a Perl script that reads columns
        assert mean(run, "ERR@10", qrels) == pytest.approx(1 / 16 / 2)


@pytest.mark.parametrize(
    ("run", "qrels", "what"),
    [
        (RUN, {}, "judge no query"),
        (RUN, {"q1": {}}, "judge no query"),
        ({"q1": ranking("a", "b", "a")}, QRELS, "run 's' ranks a document twice for query 'q1'"),
        (RUN, {"q1": {"a": 10**9}}, "a grade above 1,000,000"),
        (RUN, {"q1": {"a": 10**5000}}, "a grade above 1,000,000: an integer of 16610 bits"),
    ],
)
def test_what_cannot_be_measured(run: Run, qrels: Qrels, what: str) -> None:
    with pytest.raises(InputError, match=what):
        evaluate({"s": run}, qrels, parse("AP"))


# Grades

EVERY_MEASURE = (
    f"{ALL_MEASURES} nDCG RR Rprec AP(rel=2)@5 P(judged_only=True)@2 nDCG(judged_only=True)@3 infAP SetR "
    "SetF SetAP NumRel NumRet NumQ Judged Compat nDCG(gains={1:5,2:5})@10"
)
OF_PERL = "ERR@10 nDCG(dcg='exp-log2')@10" if shutil.which("perl") else ""
# The first query has but the lowest grades, which ended the process; others have some of each.
SPAM: Qrels = {
    "q1": {"a": -2, "b": -2},
    "q2": {"a": -1, "b": 2, "c": -2, "d": 1, "e": 0},
    "q3": {"a": -(10**18), "b": 1, "c": -1, "d": -2},
}
SPAM_RUN: Run = {
    "q1": ranking("a", "b", "x"),
    "q2": ranking("a", "x", "c", "b", "e", "d"),
    "q3": ranking("d", "c", "a", "x", "b"),
}


@pytest.mark.parametrize("measure", f"{EVERY_MEASURE} {OF_PERL}".split())
def test_a_grade_below_0_counts_as_0_in_every_measure(measure: str) -> None:
    floored: Qrels = {query: {d: max(grade, 0) for d, grade in g.items()} for query, g in SPAM.items()}
    found = evaluate({"s": SPAM_RUN}, SPAM, parse(measure))
    assert found.per_query == evaluate({"s": SPAM_RUN}, floored, parse(measure)).per_query


@pytest.mark.parametrize("lowest", [-1, -2, -7])
def test_what_is_judged_below_0_is_judged_and_not_relevant(lowest: int) -> None:
    qrels: Qrels = {"q": {"spam": lowest, "good": 1, "late": 1}}
    run: Run = {"q": ranking("spam", "unjudged", "good")}
    # Of 2 relevant documents one was found, below 1 of the min(2, 1) that are judged not relevant.
    assert mean(run, "Bpref", qrels) == (1 - 1 / 1) / 2
    assert mean(run, "Judged@3", qrels) == pytest.approx(2 / 3)
    assert mean(run, "P(judged_only=True)@2", qrels) == 1 / 2
    if OF_PERL:
        assert mean(run, "ERR@3", qrels) == pytest.approx(1 / 16 / 3, abs=1e-5)


def test_whole_numbers_of_any_type_are_grades() -> None:
    import numpy as np

    qrels: Any = {"q1": {"a": 2.0, "b": np.int8(1), "c": np.float64(-2)}, "q2": {"a": True}}
    assert evaluate({"s": RUN}, qrels, parse("nDCG@10")) == evaluate({"s": RUN}, QRELS, parse("nDCG@10"))


@pytest.mark.parametrize("grade", [0.5, float("nan"), float("inf"), "1", None, 1j, [1]])
def test_what_is_no_whole_number_is_no_grade(grade: Any) -> None:
    with pytest.raises(InputError, match=r"query 'q1': the grade of document 'a' is .*, not an integer"):
        evaluate({"s": RUN}, {"q1": {"a": grade}}, parse("AP"))


@pytest.mark.parametrize("measure", f"{EVERY_MEASURE}".split())
def test_high_grades_take_no_more_time_than_memory(measure: str) -> None:
    qrels: Qrels = {f"q{i}": {"a": 10**6, "b": 10**6 - 1, "c": 0} for i in range(3)}
    found = evaluate({"s": {query: ranking("b", "a", "x") for query in qrels}}, qrels, parse(measure))
    assert "nDCG" not in measure or 0.99 < found.systems["s"][str(parse(measure)[0])] <= 1


def test_thousands_of_levels() -> None:
    qrels: Qrels = {"q": {f"d{i}": i for i in range(5000)}}
    assert mean({"q": ranking(*(f"d{i}" for i in reversed(range(5000))))}, "nDCG", qrels) == pytest.approx(
        1
    )


@pytest.mark.skipif(not OF_PERL, reason="gdeval is a Perl script")
@pytest.mark.parametrize("measure", OF_PERL.split())
def test_grades_that_gdeval_does_not_know_are_told_in_one_line(
    measure: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert mean(RUN, measure, {"q1": {"a": 4}}) > 0
    with pytest.raises(MeasureError, match=r"knows grades up to 4; these judgments go up to 5"):
        mean(RUN, measure, {"q1": {"a": 4}, "q2": {"a": 5}})
    assert capfd.readouterr() == ("", "")


def test_what_a_measure_cannot_compute_is_told_in_one_line() -> None:
    with pytest.raises(
        MeasureError, match=r"measure Accuracy@5 cannot be computed .* \(ZeroDivisionError\)"
    ):
        mean({"q2": ranking("a")}, "Accuracy@5", {"q2": {"a": 1}})


# Asking


class Echo:
    """Answers a text with its words; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], int, System]] = []

    def run(
        self, queries: Mapping[str, str], *, k: int, mode: Mode, fusion: Fusion | None, lacking: Lacking
    ) -> Run:
        self.calls.append((list(queries.values()), k, System(mode, fusion)))
        return {
            query: [(f"{mode}-{word}", 1.0 / rank) for rank, word in enumerate(text.split(), 1)][:k]
            for query, text in queries.items()
        }


def test_every_mode_answers_the_judged_queries_that_have_a_text() -> None:
    queries = {"q1": "a b c", "unjudged": "x", "blank": " "}
    qrels: Qrels = {"q1": {"a": 1}, "gone": {"a": 1}, "blank": {"a": 1}}
    assert answerable(queries, qrels) == ["q1"]
    assert run_modes(Echo(), queries, qrels, ["lexical", "vector"], k=2) == {
        "lexical": {"q1": [("lexical-a", 1.0), ("lexical-b", 1 / 2)]},
        "vector": {"q1": [("vector-a", 1.0), ("vector-b", 1 / 2)]},
    }


def test_queries_go_in_batches_through_all_systems_and_progress_is_told() -> None:
    index, told = Echo(), list[tuple[int, int]]()
    queries = {str(i): f"w{i}" for i in range(40)}
    systems = {"meaning": System("vector"), "rrf": System("hybrid", RRF(k=20))}
    runs = run_systems(
        index,
        queries,
        {q: {"d": 1} for q in queries},
        systems,
        k=10,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [(len(texts), k, system) for texts, k, system in index.calls] == [
        (32, 10, systems["meaning"]),
        (32, 10, systems["rrf"]),
        (8, 10, systems["meaning"]),
        (8, 10, systems["rrf"]),
    ]
    assert told == [(32, 80), (64, 80), (72, 80), (80, 80)]
    assert list(runs) == ["meaning", "rrf"]
    assert list(runs["rrf"]) == list(queries)


def test_no_query_to_ask_is_no_error() -> None:
    assert run_modes(Echo(), {}, QRELS, ["lexical"], k=10) == {"lexical": {}}
