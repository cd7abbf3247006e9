"""Our figures are trec_eval's: a run and judgments go to TREC files, and trec_eval's own code (pytrec_eval)
reads and measures them, without a line of ours in between.

trec_eval's ``-c`` averages over all judged queries, as we do; what it leaves out then scores 0. Grades
below 0, which Bpref takes for not judged, are 0 for us: then the files hold 0.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import pytrec_eval

from hybrid import Document, MemoryIndex, corpora
from hybrid.encoders import HashEncoder
from hybrid.evaluate import evaluate, parse, read_run, run_modes, write_run
from hybrid.types import Qrels, Run
from tests.ties import by_ties

TREC = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "AP": "map",
    "RR": "recip_rank",
    "R@100": "recall_100",
    "P@10": "P_10",
    "Success@1": "success_1",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}
MEASURES = parse(" ".join(TREC))


def by_trec_eval(run: Path, qrels: Path) -> dict[str, dict[str, float]]:
    """Query -> trec_eval's name of a measure -> value, from the files alone."""
    with run.open(encoding="utf-8") as answered, qrels.open(encoding="utf-8") as judged:
        read = pytrec_eval.parse_run(answered)
        evaluator: Any = pytrec_eval.RelevanceEvaluator(
            pytrec_eval.parse_qrel(judged), pytrec_eval.supported_measures
        )
    found: dict[str, dict[str, float]] = evaluator.evaluate(read)
    return found


def floored(qrels: Qrels) -> Qrels:
    return {query: {d: max(grade, 0) for d, grade in grades.items()} for query, grades in qrels.items()}


def write_qrels(qrels: Qrels, path: Path) -> Path:
    lines = (
        f"{query} 0 {document} {grade}\n" for query, g in qrels.items() for document, grade in g.items()
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def judged_and_answered(seed: int) -> tuple[Run, Qrels]:
    """40 queries over 300 documents, grades -1 to 3; queries without a relevant document, an answer or
    a judgment; many ties."""
    rng = random.Random(seed)
    documents = [f"doc{i}" for i in range(300)]
    qrels: Qrels = {}
    run: Run = {}
    for i in range(40):
        judged = rng.sample(documents, rng.randint(1, 40))
        grades = (-1, 0) if i % 8 == 7 else (-1, 0, 0, 1, 1, 2, 3)
        if i != 5:
            qrels[f"q{i}"] = {document: rng.choice(grades) for document in judged}
        if i % 10 != 9:
            found = rng.sample(documents, rng.randint(1, 250))
            run[f"q{i}"] = sorted(((d, float(rng.randrange(30))) for d in found), key=lambda hit: -hit[1])
    return run, qrels


def check(run: Run, qrels: Qrels, files: tuple[Path, Path], names: dict[str, str] = TREC) -> None:
    """``run`` measured by us is what trec_eval finds in ``files``, per query and with ``-c``."""
    ours, trec = evaluate({"s": run}, qrels, MEASURES), by_trec_eval(*files)
    for measure, name in names.items():
        expected = {query: trec.get(query, {name: 0.0})[name] for query in qrels}
        assert ours.per_query["s"][measure] == pytest.approx(expected, abs=1e-4), measure
        mean = sum(expected.values()) / len(qrels)
        assert ours.systems["s"][measure] == pytest.approx(mean, abs=1e-4), measure


@pytest.mark.parametrize("seed", range(5))
def test_a_run_of_ours(tmp_path: Path, seed: int) -> None:
    run, qrels = judged_and_answered(seed)
    assert any(query not in run for query in qrels)
    assert any(query not in qrels for query in run)
    assert any(max(grades.values()) <= 0 for grades in qrels.values())
    write_run(run, tmp_path / "run", "s")
    files = tmp_path / "run", write_qrels(floored(qrels), tmp_path / "floored")
    check(run, qrels, files)
    raw = tmp_path / "run", write_qrels(qrels, tmp_path / "qrels")
    check(run, qrels, raw, {measure: name for measure, name in TREC.items() if measure != "Bpref"})
    assert corpora.read_qrels(tmp_path / "qrels") == qrels
    check(read_run(tmp_path / "run"), corpora.read_qrels(tmp_path / "qrels"), files)


@pytest.mark.parametrize("seed", range(5))
def test_a_foreign_run_but_for_its_ties(tmp_path: Path, seed: int) -> None:
    """These have our order; written down again trec_eval measures the same."""
    run, qrels = judged_and_answered(seed)
    lines = [f"{query} Q0 {d} 0 {s} t\n" for query, hits in run.items() for d, s in hits]
    random.Random(seed).shuffle(lines)
    (tmp_path / "run").write_text("".join(lines))
    judged = write_qrels(floored(qrels), tmp_path / "qrels")
    foreign = read_run(tmp_path / "run")
    assert any(foreign[query] != hits for query, hits in run.items())
    write_run(foreign, tmp_path / "again", "t")
    check(foreign, qrels, (tmp_path / "again", judged))
    untied: Run = {
        query: [(d, s + i / 1000) for i, (d, s) in enumerate(reversed(hits))] for query, hits in run.items()
    }
    lines = [f"{query} Q0 {d} 0 {s} t\n" for query, hits in untied.items() for d, s in hits]
    (tmp_path / "untied").write_text("".join(lines))
    check(read_run(tmp_path / "untied"), qrels, (tmp_path / "untied", judged))


def test_scores_that_only_float64_tells_apart_tie(tmp_path: Path) -> None:
    ids = by_ties(["a", "b"])
    for first, second in ((1.00000000001, 1.0), (1.0, 1.00000000001)):
        (tmp_path / "run").write_text(f"q Q0 {ids[0]} 1 {first} t\nq Q0 {ids[1]} 2 {second} t\n")
        assert [id for id, _ in read_run(tmp_path / "run")["q"]] == ids


def test_an_index(tmp_path: Path) -> None:
    rng = random.Random(1)
    words = ["kettle", "lamp", "耳机", "headphones", "tea", "乌龙茶", "noise", "steel", "reading", "降噪"]
    index = MemoryIndex(encoder=HashEncoder())
    index.add(Document(f"d {i}%", " ".join(rng.choices(words, k=4))) for i in range(60))
    queries = {f"q{i}": " ".join(rng.choices(words, k=2)) for i in range(15)}
    ids = [document.id for document in index.documents()]
    qrels: Qrels = {query: {id: rng.randint(0, 2) for id in rng.sample(ids, 9)} for query in queries}
    runs = run_modes(index, queries, qrels, ["lexical", "vector", "hybrid"], k=100)
    written = {
        q: {id.replace("%", "%25").replace(" ", "%20"): g for id, g in qrels[q].items()} for q in qrels
    }
    judged = write_qrels(written, tmp_path / "qrels")
    for name, run in runs.items():
        write_run(run, tmp_path / name, name)
        check(run, qrels, (tmp_path / name, judged))


def test_parity_can_fail(tmp_path: Path) -> None:
    run, qrels = judged_and_answered(0)
    write_run(run, tmp_path / "run", "s")
    other = {query: list(reversed(hits)) for query, hits in run.items()}
    with pytest.raises(AssertionError):
        check(other, qrels, (tmp_path / "run", write_qrels(qrels, tmp_path / "qrels")))
