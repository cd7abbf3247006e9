"""Hard negatives: what is taken, what never is, and that sentence-transformers trains on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Hit, Index, Passage
from hybrid.errors import QueryError
from hybrid.learn import Mined, Miner
from hybrid.learn.mining import Tuple
from hybrid.search.searcher import Searcher
from hybrid.types import Lacking, Mode, Qrels, Run
from tests.asking import of_now
from tests.encoder_models import bundle_of_letters, letters_model


class Answers:
    """An index that always ranks the documents "a", "b", … so, and finds them as near as ``similar``."""

    def __init__(self, similar: Mapping[str, float], **texts: str) -> None:
        self.similar, self.texts = similar, texts

    def run(self, queries: Mapping[str, str], /, *, k: int, mode: Mode, lacking: Lacking) -> Run:
        return {id: [(document, 1.0) for document in sorted(self.similar)[:k]] for id in queries}

    def among(
        self, queries: Mapping[str, str], documents: Mapping[str, Iterable[str]], /
    ) -> dict[str, list[Hit]]:
        return {
            id: [self._hit(document) for document in {*documents[id]} & {*self.similar}] for id in queries
        }

    def _hit(self, id: str) -> Hit:
        text = self.texts.get(id, f"text of {id}")
        return Hit(id, self.similar[id], 1, Document(id, text), (Passage(0, len(text)),))


STEPS = {"a": 0.9, "b": 0.8, "c": 0.77, "d": 0.76, "e": 0.7, "f": 0.5, "g": 0.1, "h": -0.2}


def mined(
    index: Answers, relevant: Mapping[str, int], query: str = "what", **settings: Any
) -> tuple[dict[str, str], Mined]:
    """Positive -> its negatives, by the last letters of their texts; and the counts."""
    counts = Mined()
    found = Miner(**settings).tuples(index, {"q": query}, {"q": dict(relevant)}, counts)
    return {one.positive[-1]: "".join(text[-1] for text in one.negatives) for one in found}, counts


def test_negatives_are_the_first_that_are_clearly_further_than_the_positive() -> None:
    found, counts = mined(Answers(STEPS), {"b": 1})
    assert found == {"b": "def"}  # 0.8 less 5 % is 0.76
    assert counts.to_json() == {
        "tuples": 1,
        "queries": 1,
        "left_out": {"queries without a text": 0},
        "candidates": {"judged relevant": 1, "too near": 2, "eligible": 5},
    }


@pytest.mark.parametrize(
    ("settings", "negatives"),
    [
        ({"margin": 0}, "cde"),
        ({"margin": 0.2}, "fgh"),
        ({"negatives": 1}, "d"),
        ({"negatives": 5}, "defgh"),
        ({"ranks": (6, 100)}, "fgh"),
        ({"ranks": (1, 6)}, "def"),
    ],
)
def test_margin_number_and_ranks(settings: dict[str, Any], negatives: str) -> None:
    assert mined(Answers(STEPS), {"b": 1}, **settings)[0] == {"b": negatives}


def test_each_positive_has_its_own_limit_and_no_other_positive_is_a_negative() -> None:
    found, counts = mined(Answers(STEPS), {"a": 2, "d": 1, "g": 1, "z": 1, "e": 0}, negatives=2)
    assert found == {"a": "bc", "d": "ef"}
    assert counts.left_out["positives with fewer than 2 negatives"] == 1  # g
    assert counts.left_out["positives without text or vector in the index"] == 1  # z


def test_a_margin_of_a_similarity_below_zero_is_still_a_margin() -> None:
    distances = {"a": -1.0, "b": -1.04, "c": -1.06}
    assert mined(Answers(distances), {"a": 1}, negatives=1)[0] == {"a": "c"}


def test_what_reads_like_a_positive_or_the_query_or_another_negative_is_none() -> None:
    same = {"d": "TEXT  of b", "e": "one", "f": "One ", "g": "What", "h": "two"}
    found, counts = mined(Answers(STEPS, **same), {"b": 1}, negatives=2)
    assert found == {"b": "eo"}
    assert counts.candidates["of the same text"] == 3


def test_random_ones_are_drawn_by_the_seed_and_ranked() -> None:
    drawn = [mined(Answers(STEPS), {"b": 1}, sampling="random", seed=seed)[0]["b"] for seed in range(40)]
    assert mined(Answers(STEPS), {"b": 1}, sampling="random", seed=7)[0]["b"] == drawn[7]
    assert {"".join(sorted(one)) for one in drawn} == set(drawn)
    assert len(set(drawn)) == 10  # all the threes of five


def test_other_queries_change_nothing_of_what_is_drawn() -> None:
    queries, qrels = {f"q{i}": f"query {i}" for i in range(70)}, {f"q{i}": {"b": 1} for i in range(70)}
    miner, index = Miner(sampling="random", seed=3), Answers(STEPS)
    everyone = list(miner.tuples(index, queries, qrels, Mined()))
    told: list[int] = []
    alone = list(miner.tuples(index, queries, {"q42": {"b": 1}}, Mined(), told.append))
    assert [one for one in everyone if one.anchor == "query 42"] == alone
    assert (len(everyone), sum(told)) == (70, 1)


def test_queries_without_text_or_relevant_document_are_counted() -> None:
    counts = Mined()
    qrels: Qrels = {"blank": {"b": 1}, "unknown": {"b": 1}, "none": {"b": 0}, "q": {"b": 1}}
    found = list(Miner().tuples(Answers(STEPS), {"blank": " ", "none": "x", "q": "y"}, qrels, counts))
    assert len(found) == counts.tuples == counts.queries == 1
    assert counts.left_out["queries without a text"] == 2
    assert counts.left_out["queries without a relevant document"] == 1


def test_a_line_has_the_columns_of_sentence_transformers() -> None:
    line = Tuple("查询", "a\nb", ("c", "\u2028")).to_json()
    assert "\n" not in line
    assert "\u2028" not in line
    columns = ["anchor", "positive", "negative_1", "negative_2"]
    assert list(json.loads(line).items()) == list(
        zip(columns, ["查询", "a\nb", "c", "\u2028"], strict=True)
    )


# Of a real index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mining")
    bundle_of_letters(folder / "letters")
    long = "".join(f"{'ab' * 15}. {'cd' * 15}. " for _ in range(3))
    texts = {"ab": "abab", "abc": "ababc", "cd": "cdcd", "xy": "xyxy", "long": long, "ax": "axax"}
    with Index.create(folder / "idx", encoder=folder / "letters") as made:
        made.add(Document(id, text, title="" if id != "xy" else "yx") for id, text in texts.items())
        made.add([Document("wordless", "", "", vector=np.ones(26)), Document("gone", "aaaa")])
        made.delete(["gone"])
        yield made


def test_how_near_documents_are_is_what_the_vector_leg_says(index: Index) -> None:
    ranked = index.search("abab", mode="vector", k=20)
    assert len(ranked) == 7
    everyone = [hit.id for hit in ranked]
    found = of_now(
        index, Searcher.among, {"q": "abab", "none": "cdcd"}, {"q": ["gone", "never", *everyone, "ab"]}
    )
    assert found["none"] == []
    assert [(hit.id, hit.rank, hit.passage) for hit in found["q"]] == [
        (hit.id, hit.rank, hit.passage) for hit in ranked
    ]
    assert [hit.score for hit in found["q"]] == pytest.approx([hit.score for hit in ranked])
    assert (
        next(hit.id for hit in of_now(index, Searcher.among, {"q": "abab"}, {"q": ["xy", "cd", "ab"]})["q"])
        == "ab"
    )


def tuples(
    index: Index, miner: Miner, queries: dict[str, str], qrels: Qrels, counts: Mined | None = None
) -> list[Tuple]:
    with index.searcher() as searcher:
        return list(miner.tuples(searcher, queries, qrels, counts or Mined()))


def test_texts_are_as_the_encoder_gets_them(index: Index) -> None:
    found = tuples(index, Miner(negatives=4), {"q": "abab"}, {"q": {"ab": 1}})[0]
    assert (found.anchor, found.positive) == ("abab", "abab")
    assert "yx\nxyxy" in found.negatives
    assert "" not in found.negatives
    window = tuples(index, Miner(negatives=1), {"q": "cdcdab"}, {"q": {"long": 1}})[0].positive
    assert 0 < len(window) < len(index.get("long").text)  # type: ignore[union-attr]


def test_what_has_a_vector_and_no_text_is_neither(index: Index) -> None:
    counts = Mined()
    assert tuples(index, Miner(), {"q": "abab"}, {"q": {"wordless": 1}}, counts) == []
    assert counts.left_out["positives without text or vector in the index"] == 1
    tuples(index, Miner(), {"q": "abab"}, {"q": {"ab": 1}}, counts)
    assert counts.candidates["without text or vector"] == 1


def test_an_index_without_encoder_cannot_tell_false_negatives(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as bare:
        bare.add([Document("a", "kettle")])
        with pytest.raises(QueryError, match="no encoder"):
            tuples(bare, Miner(), {"q": "kettle"}, {"q": {"a": 1}})


# What trains on it


@pytest.fixture
def file(index: Index, tmp_path: Path) -> Path:
    queries = {"1": "abab", "2": "cdcd", "3": "xyx", "4": "axa"}
    qrels = {"1": {"ab": 1}, "2": {"cd": 1}, "3": {"xy": 1}, "4": {"ax": 1}}
    made = tuples(index, Miner(negatives=2), queries, qrels)
    path = tmp_path / "negatives.jsonl"
    path.write_text("".join(one.to_json() + "\n" for one in made))
    assert len(path.read_text().splitlines()) == 4
    return path


@pytest.mark.slow
def test_a_loss_of_sentence_transformers_takes_its_columns(file: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformer(str(letters_model(tmp_path / "model")), device="cpu")
    loss = MultipleNegativesRankingLoss(model)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    columns = [model.preprocess([row[name] for row in rows]) for name in rows[0]]
    step = torch.optim.AdamW(model.parameters(), 1e-3)
    values = []
    for _ in range(20):
        step.zero_grad()
        value = loss(columns, torch.empty(0))
        value.backward()
        step.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.1


@pytest.mark.slow
def test_its_trainer_trains_on_the_file(file: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("accelerate")
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    loaded = datasets.load_dataset(
        "json", data_files=str(file), split="train", cache_dir=str(tmp_path / "c")
    )
    assert loaded.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    options = SentenceTransformerTrainingArguments(
        str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True
    )
    model = SentenceTransformer(str(letters_model(tmp_path / "model")), device="cpu")
    trained = SentenceTransformerTrainer(model, options, train_dataset=loaded).train()
    assert trained.global_step == 2
