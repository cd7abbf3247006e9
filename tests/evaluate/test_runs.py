"""Run files: what any TREC tool reads, with any id, in our order, and what it then measures."""

from __future__ import annotations

import random
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import CorpusError, InputError, StorageError
from hybrid.evaluate import evaluate, parse, read_run, write_run
from hybrid.evaluate.runs import decode, encode, strictly_decreasing
from hybrid.types import Qrels, Run
from tests.ties import key


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


def test_a_foreign_run_is_ranked_by_score_and_then_in_the_order_of_ties(tmp_path: Path) -> None:
    run, _ = random_run(3, levels=3)
    shuffled = [(query, *hit) for query, hits in run.items() for hit in hits]
    random.Random(3).shuffle(shuffled)
    (tmp_path / "f.run").write_text("".join(f"{q}\tQ0 {d}  0 {s} tag\n" for q, d, s in shuffled))
    found = read_run(tmp_path / "f.run")
    for query, hits in run.items():
        assert found.get(query, []) == sorted(hits, key=lambda hit: (-hit[1], key(hit[0])))


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


def test_a_run_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/s.run: cannot be written: "):
        write_run({"q": [("a", 1.0)]}, tmp_path / "file" / "s.run", "s")


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
