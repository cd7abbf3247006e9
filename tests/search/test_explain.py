"""Why a document stands where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Candidates, Document, Index
from hybrid.errors import QueryError
from hybrid.learn.lambdamart import Choice, Judged, train
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from hybrid.rerank.lambdamart import Columns
from hybrid.search.explain import Standing
from hybrid.settings import Profile

NAMES = ("fused_score", "coverage")


def letters(texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[1 + text.count(letter) for letter in "abcdef"] for text in texts], np.float64)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        index.add(
            Document(f"d{i}", f"word{'xyzu'[i % 4]} ab{'cd' * i}", metadata={"i": i}) for i in range(12)
        )
        yield index


def install_model(index: Index) -> None:
    random = np.random.default_rng(0)
    made = []
    for _ in range(20):
        grades = random.integers(0, 2, 20).astype(np.float64)
        columns = {name: (grades + random.normal(size=20)).astype(np.float32) for name in NAMES}
        made.append(Judged.of(columns, grades, grades.tolist()))
    id = index.keep_model(train(made, NAMES, choices=[Choice(4, 5, 1.0)]).model)
    index.install(index.profiles.serving.model_copy(update={"reranker": id}))


def test_each_list_has_its_place(index: Index) -> None:
    lexical, vector, both = (
        {hit.id: hit for hit in index.search("wordy cd", mode=mode, k=12)}
        for mode in ("lexical", "vector", "hybrid")
    )
    for id in both:
        found = index.explain("wordy cd", id)
        assert found.lexical == (Standing(lexical[id].score, lexical[id].rank) if id in lexical else None)
        assert found.vector == Standing(vector[id].score, vector[id].rank)
        assert found.fused == found.final == Standing(both[id].score, both[id].rank)
        assert found.contributions is None
        assert found.absent is None


def test_what_a_model_says_adds_up(index: Index) -> None:
    install_model(index)
    for hit in index.search("wordy cd", k=12):
        found = index.explain("wordy cd", hit.id)
        assert found.final == Standing(hit.score, hit.rank)
        assert found.contributions is not None
        assert set(found.contributions) == {*NAMES, "bias"}
        assert sum(part.adds for part in found.contributions.values()) == pytest.approx(hit.score, abs=1e-5)
        assert found.contributions["fused_score"].value == pytest.approx(found.fused and found.fused.score)
        assert found.contributions["bias"].value is None
    assert index.explain("wordy cd", "d1", mode="lexical").contributions is None


def test_what_is_absent_says_why(index: Index, tmp_path: Path) -> None:
    index.delete(["d3"])
    for id in ("d3", "unknown"):
        assert index.explain("wordy", id).absent == "the index has no document of this id"
    assert index.explain("wordy", "d1", filter={"i": 2}).absent == "the filter leaves it out"
    shallow = index.explain("wordy", index.search("wordy", k=11).hits[-1].id, depth=1, k=1)
    assert shallow.absent == (
        "it is not among the first 1 of the lexical leg nor the first 1 of the vector leg"
    )
    assert index.explain("wordy", "d2", mode="lexical").absent == "it is not among the first 10"
    with Index.create(tmp_path / "words", encoder=None) as words:
        words.add([Document("1", "kettle"), Document("2", "rope")])
        said = words.explain("kettle", "2", depth=20).absent
    assert said == "it is not among the first 20 of the lexical leg"
    assert index.explain("wordy", "d2", mode="lexical").final is None

    def first(query: str | None, candidates: Candidates, features: Columns) -> Candidates:
        return candidates.top(1)

    left = index.explain("wordy", index.search("wordy").hits[1].id, reranker=first)
    assert left.absent == "the reranker leaves it out"
    assert left.fused is not None


def test_what_is_not_relevant_enough_says_so(index: Index) -> None:
    model = Logistic(("similarity",), -9.0, (10.0,), (0.0,), (1.0,))
    calibration = Calibration(SIGNALS, (model,), 0.25)
    index.install(Profile(calibration=index.keep_calibration(calibration)))
    everything = index.search("wordy cd", k=12).hits
    relevance = {hit.id: hit.relevance for hit in everything}
    middle = sorted(found for found in relevance.values() if found is not None)[6]
    shown = {hit.id: hit for hit in index.search("wordy cd", k=12, min_score=middle)}
    assert 0 < len(shown) < len(everything)
    for hit in everything:
        found = index.explain("wordy cd", hit.id, min_score=middle)
        if hit.id in shown:
            assert found.final == Standing(shown[hit.id].score, shown[hit.id].rank)
            assert found.absent is None
        else:
            assert found.final is None
            assert found.fused is not None
            assert found.absent == f"its relevance {hit.relevance:.4f} is below min_score {middle:g}"
        assert index.explain("wordy cd", hit.id).absent is None


def test_hostile_input_is_an_error_in_one_line(index: Index) -> None:
    with pytest.raises(QueryError):
        index.explain("wordy", "d1", k=0)
