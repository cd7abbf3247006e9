"""Public judged collections, where they are at hand: the keyword leg is as good as a keyword leg should be.

Floors stand well below what was measured; they catch a broken analyzer, not a hundredth of a point.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hybrid import Index, corpora
from hybrid.evaluate import depth_of, evaluate, parse, run_modes

DATA = Path(os.environ.get("HYBRID_DATA", ""))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "floor"), [("scifact", 0.66), ("cmrc2018", 0.975), ("xquad_mixed", 0.74), ("zh_medqa", 0.185)]
)
def test_the_lexical_leg(name: str, floor: float, tmp_path: Path) -> None:
    folder = DATA / name
    if not os.environ.get("HYBRID_DATA") or not folder.is_dir():
        pytest.skip("set HYBRID_DATA to the folder of the collections")
    queries = corpora.read_queries(folder / "queries.jsonl")
    qrels = corpora.read_qrels(folder / "qrels" / "test.tsv")
    measures = parse("nDCG@10")
    with Index.create(tmp_path / name, encoder=None) as index:
        index.add(corpora.read_documents(folder))
        runs = run_modes(index, queries, qrels, ["lexical"], k=depth_of(measures))
        assert index.verify() == []
    assert evaluate(runs, qrels, measures).systems["lexical"]["nDCG@10"] >= floor
