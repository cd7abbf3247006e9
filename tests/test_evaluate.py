"""Measures, runs and reports: figures computed by hand, and agreement with TREC's own tools."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from math import log2
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import CorpusError, InputError, MeasureError
from hybrid.evaluate import depth_of, evaluate, parse, read_run, run_modes, write_run
from hybrid.evaluate.runs import decode, encode, strictly_decreasing
from hybrid.types import Mode, Qrels, Run

QRELS: Qrels = {"q1": {"a": 2, "b": 1, "c": 0}, "q2": {"a": 1}}


def ranking(*documents: str) -> list[tuple[str, float]]:
    return [(document, 1.0 / rank) for rank, document in enumerate(documents, start=1)]


def mean(run: Run, measure: str, qrels: Qrels = QRELS) -> float:
    report = evaluate({"s": run}, qrels, parse(measure))
    return report.systems["s"][str(parse(measure)[0])]


# Measures


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
        (RUN, {"q1": {"a": 10**9}}, "a grade above"),
    ],
)
def test_what_cannot_be_measured(run: Run, qrels: Qrels, what: str) -> None:
    with pytest.raises(InputError, match=what):
        evaluate({"s": run}, qrels, parse("AP"))


# Agreement with TREC's tools


def read_by_tool(path: Path) -> list[ir_measures.ScoredDoc]:
    return list(ir_measures.read_trec_run(str(path)))  # type: ignore[no-untyped-call]


def random_run(seed: int, levels: int) -> tuple[Run, Qrels]:
    """30 queries over 40 documents; scores of few levels, so that many tie."""
    random_ = random.Random(seed)
    documents = [f"d{i}" for i in range(40)]
    run: Run = {}
    qrels: Qrels = {}
    for query in (f"q{i}" for i in range(30)):
        found = random_.sample(documents, random_.randint(0, 40))
        scored = [(document, float(random_.randrange(levels))) for document in found]
        run[query] = sorted(scored, key=lambda hit: -hit[1])
        qrels[query] = {document: random_.randint(0, 3) for document in random_.sample(documents, 8)}
    return run, qrels


MEASURES = "nDCG@10 nDCG R@20 AP P@5 RR Rprec Bpref"
TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "R@20": "recall_20",
    "AP": "map",
    "P@5": "P_5",
    "RR": "recip_rank",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}


@pytest.mark.parametrize("levels", [1, 5, 10**6])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_written_run_gives_any_trec_tool_our_figures(tmp_path: Path, seed: int, levels: int) -> None:
    run, qrels = random_run(seed, levels)
    ours = evaluate({"s": run}, qrels, parse(MEASURES))
    write_run(run, tmp_path / "s.run", "s")
    read = read_by_tool(tmp_path / "s.run")

    found = ir_measures.calc_aggregate(parse(MEASURES), qrels, read)
    assert {str(measure): value for measure, value in found.items()} == pytest.approx(ours.systems["s"])

    scores: dict[str, dict[str, float]] = {}
    for hit in read:
        scores.setdefault(hit.query_id, {})[hit.doc_id] = hit.score
    trec = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_NAMES.values())).evaluate(scores)
    for measure, name in TREC_NAMES.items():
        expected = {query: values[name] for query, values in trec.items()}
        actual = ours.per_query["s"][measure]
        assert {query: actual[query] for query in expected} == pytest.approx(expected)
        assert all(actual[query] == 0 for query in set(qrels) - set(expected))


def test_a_foreign_run_is_ranked_as_trec_eval_ranks_it(tmp_path: Path) -> None:
    run, qrels = random_run(3, levels=3)
    shuffled = [(query, *hit) for query, hits in run.items() for hit in hits]
    random.Random(3).shuffle(shuffled)
    (tmp_path / "f.run").write_text("".join(f"{q}\tQ0 {d}  0 {s} tag\n" for q, d, s in shuffled))
    ours = evaluate({"s": read_run(tmp_path / "f.run")}, qrels, parse("nDCG@10 AP"))
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"map", "ndcg_cut_10"}).evaluate(
        {query: dict(hits) for query, hits in run.items() if hits}
    )
    assert ours.systems["s"]["AP"] == pytest.approx(sum(v["map"] for v in trec.values()) / len(qrels))
    assert ours.systems["s"]["nDCG@10"] == pytest.approx(
        sum(v["ndcg_cut_10"] for v in trec.values()) / len(qrels)
    )


# Run files


def test_the_lines_of_a_run_file(tmp_path: Path) -> None:
    write_run({"q 1": [("a b", 2.5), ("100%", 2.5), ("中文", 0.1)]}, tmp_path / "new" / "s.run", "my tag")
    assert (tmp_path / "new" / "s.run").read_text(encoding="utf-8") == (
        "q%201 Q0 a%20b 1 2.5 my%20tag\n"
        "q%201 Q0 100%25 2 2.49999976 my%20tag\n"
        "q%201 Q0 中文 3 0.100000001 my%20tag\n"
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["s.run"]


_IDS = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=6)
_HITS = st.lists(st.tuples(_IDS, st.floats(-1e38, 1e38)), max_size=6, unique_by=lambda hit: hit[0])


@given(_IDS)
def test_any_id_survives_as_one_token(name: str) -> None:
    token = encode(name)
    assert token.split() == [token]
    assert token.isprintable() or not any(ord(c) < 32 for c in token)
    assert decode(token) == name


@given(st.dictionaries(_IDS, _HITS, max_size=4))
def test_what_is_written_is_read_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    path = tmp_path_factory.mktemp("runs") / "s.run"
    write_run(run, path, "tag")
    answered = {query: hits for query, hits in run.items() if hits}
    assert {q: [d for d, _ in hits] for q, hits in read_run(path).items()} == {
        q: [d for d, _ in hits] for q, hits in answered.items()
    }
    by_tool: dict[str, list[tuple[float, str]]] = {}
    for hit in read_by_tool(path):
        by_tool.setdefault(decode(hit.query_id), []).append(
            (float(np.float32(hit.score)), decode(hit.doc_id))
        )
    for query, hits in by_tool.items():
        assert [d for _, d in sorted(hits, reverse=True)] == [d for d, _ in run[query]]
        assert len({score for score, _ in hits}) == len(hits)


@given(st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=1, max_size=20))
def test_scores_decrease_by_as_little_as_can_be(scores: list[float]) -> None:
    expected = [np.float32(scores[0])]
    for score in scores[1:]:
        below = np.nextafter(expected[-1], np.float32(-np.inf), dtype=np.float32)
        expected.append(min(np.float32(score), below))
    assert strictly_decreasing(scores).tolist() == expected
    assert all(np.diff(strictly_decreasing(scores)) < 0)


def test_scores_that_decrease_already_stay_as_they_are(tmp_path: Path) -> None:
    run: Run = {"q": [("a", 3.25), ("b", 0.5), ("c", 0.0), ("d", -7.0)]}
    write_run(run, tmp_path / "s.run", "s")
    assert read_run(tmp_path / "s.run") == run


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1e39])
def test_a_score_that_no_float32_holds_is_refused_and_nothing_is_left(tmp_path: Path, score: float) -> None:
    (tmp_path / "s.run").write_text("before")
    with pytest.raises(InputError, match="query 'q': a score is not a number"):
        write_run({"p": [("a", 1.0)], "q": [("a", score)]}, tmp_path / "s.run", "s")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("s.run", "before")]


def test_an_empty_id_has_no_place_in_a_run_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty id or tag"):
        write_run({"": [("a", 1.0)]}, tmp_path / "s.run", "s")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("q Q0 d 1 0.5", "expected 6 columns .* found 5"),
        ("q Q0 d 1 high t", "the score 'high'"),
        ("q Q0 d 1 nan t", "the score 'nan'"),
        ("p Q0 d 2 0.1 t", "'d' is ranked twice for query 'p'"),
    ],
)
def test_a_broken_run_file_is_named_by_line(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "s.run"
    path.write_text(f"p Q0 d 1 0.5 t\n{line}\n")
    with pytest.raises(CorpusError, match=what) as raised:
        read_run(path)
    assert str(raised.value).startswith(f"{path}:2: ")


def test_a_run_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_run(tmp_path / "absent.run")


@pytest.mark.parametrize("token", ["100%", "a%zz", "x%E4y"])
def test_percent_signs_of_other_tools_stay(token: str) -> None:
    assert decode(token) == token


# Asking


class Echo:
    """Answers a text with its words; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], int, Mode]] = []

    def run(self, queries: Mapping[str, str], *, k: int, mode: Mode) -> Run:
        self.calls.append((list(queries.values()), k, mode))
        return {
            query: [(f"{mode}-{word}", 1.0 / rank) for rank, word in enumerate(text.split(), 1)][:k]
            for query, text in queries.items()
        }


def test_every_mode_answers_the_judged_queries_that_have_a_text() -> None:
    queries = {"q1": "a b c", "unjudged": "x", "blank": " "}
    runs = run_modes(
        Echo(), queries, {"q1": {"a": 1}, "gone": {"a": 1}, "blank": {"a": 1}}, ["lexical", "vector"], k=2
    )
    assert runs == {
        "lexical": {"q1": [("lexical-a", 1.0), ("lexical-b", 1 / 2)]},
        "vector": {"q1": [("vector-a", 1.0), ("vector-b", 1 / 2)]},
    }


def test_queries_go_in_batches_through_all_modes_and_progress_is_told() -> None:
    index, told = Echo(), list[tuple[int, int]]()
    queries = {str(i): f"w{i}" for i in range(40)}
    modes: list[Mode] = ["vector", "hybrid"]
    runs = run_modes(
        index,
        queries,
        {q: {"d": 1} for q in queries},
        modes,
        k=10,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [(len(texts), k, mode) for texts, k, mode in index.calls] == [
        (32, 10, "vector"),
        (32, 10, "hybrid"),
        (8, 10, "vector"),
        (8, 10, "hybrid"),
    ]
    assert told == [(32, 80), (64, 80), (72, 80), (80, 80)]
    assert list(runs["hybrid"]) == list(queries)


def test_no_query_to_ask_is_no_error() -> None:
    assert run_modes(Echo(), {}, QRELS, ["lexical"], k=10) == {"lexical": {}}
