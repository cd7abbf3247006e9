"""Why a document stands where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import RRF, Adaptive, Candidates, CombSUM, Document, Index, Linear, MemoryIndex, Rocchio, okapi
from hybrid.errors import QueryError
from hybrid.learn.lambdamart import Choice, Judged, train
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from hybrid.rerank.lambdamart import FeatureColumns
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
    assert index.explain("wordy", "d1", filter={"i": 2}).absent == "the filter leaves it out: i = 2"
    shallow = index.explain("wordy", index.search("wordy", k=11).hits[-1].id, depth=1, k=1)
    assert shallow.absent == (
        "it is not among the first 1 of the lexical leg nor the first 1 of the vector leg"
    )
    assert index.explain("wordy", "d2", mode="lexical").absent == "it contains no term of the query"
    assert index.explain("wordy", "d5", mode="lexical", k=1).final is None
    assert index.explain("wordy", "d5", mode="lexical", k=1).absent == "it is not among the first 1"
    with Index.create(tmp_path / "words", encoder=None) as words:
        words.add([Document("1", "kettle"), Document("2", "rope")])
        said = words.explain("kettle", "2", depth=20).absent
    assert said == "it is not among the first 20 of the lexical leg"
    assert index.explain("wordy", "d2", mode="lexical").final is None

    def first(query: str | None, candidates: Candidates, features: FeatureColumns) -> Candidates:
        return candidates.top(1)

    left = index.explain("wordy", index.search("wordy").hits[1].id, reranker=first)
    assert left.absent == "the reranker leaves it out"
    assert left.fused is not None


QUERY = "kettle of steel treasure"


@pytest.fixture(params=["index", "memory"])
def shop(request: Any, tmp_path: Path) -> Iterator[Any]:
    make: Any = MemoryIndex if request.param == "memory" else partial(Index.create, tmp_path / "shop")
    with make(encoder=letters, analyzer="english") as shop:
        filler = "The harbour was quiet until the tide came back. " * 20
        book = "\n\n".join(f"## Day {n}\n\n{filler}{'A treasure. ' * (n == 7)}" for n in range(12))
        shop.add([Document("book", book, "Diary"), Document("steel", "A kettle of steel.", "Steel kettle")])
        shop.add(Document(f"n{i}", f"kettle number {i} " + "steel " * (i % 7)) for i in range(30))
        yield shop


FUSIONS = [
    None,
    RRF(),
    RRF(9, (2, 1)),
    Linear(),
    Linear(complete=True),
    CombSUM("z-score"),
    Adaptive("gap"),
]


@pytest.mark.parametrize("fusion", [*FUSIONS, Rocchio(RRF())], ids=repr)
def test_what_a_fusion_says_adds_up(shop: Any, fusion: Any) -> None:
    for hit in shop.search(QUERY, k=32, fusion=fusion):
        found = shop.explain(QUERY, hit.id, fusion=fusion)
        assert found.fusion is not None
        assert sum(found.fusion.values()) == pytest.approx(hit.score, abs=1e-5)
        for name, adds in found.fusion.items():
            assert f"{adds:+.4f}  {name}" in str(found)
    assert shop.explain(QUERY, "n1", fusion=lambda legs, limit: legs[0].top(limit)).fusion is None
    assert shop.explain(QUERY, "n1", mode="lexical").fusion is None


@pytest.mark.parametrize("boost", [0.0, 2.5])
def test_what_terms_add_is_the_lexical_score(shop: Any, boost: float) -> None:
    if isinstance(shop, MemoryIndex):
        shop._profile = Profile(title_boost=boost)
    else:
        shop.install(Profile(title_boost=boost))
    query = f"{QUERY} steel"
    fields = set()
    for hit in shop.search(query, mode="lexical", k=40):
        found = shop.explain(query, hit.id, mode="lexical")
        assert sum(term.adds for term in found.terms) == pytest.approx(hit.score, abs=1e-4)
        for one in found.terms:
            norm = okapi.K1 * (1 - okapi.B + okapi.B * one.length / one.average)
            adds = one.weight * one.idf * (okapi.K1 + 1) * one.tf / (one.tf + norm)
            assert one.adds == pytest.approx(adds, rel=1e-4)
            assert one.weight == (2 if one.term == "steel" else 1) * (boost if one.field == "title" else 1)
        assert {term.term for term in found.terms} | set(found.missing) == {"kettl", "steel", "treasur"}
        fields |= {term.field for term in found.terms}
    assert fields == ({"text", "title"} if boost else {"text"})


def test_a_long_document_is_explained_by_its_passage(shop: Any) -> None:
    found = shop.explain(QUERY, "book")
    assert found.passage.heading == ("Day 7",)
    assert [term.term for term in found.terms] == ["treasur"]
    assert found.missing == ("kettl", "steel")
    assert "(Day 7)" in str(found)
    assert shop.explain(QUERY, "steel").window == (0, 18)


def test_what_is_not_deep_enough_says_where_it_is(shop: Any) -> None:
    legs = {mode: shop.search(QUERY, mode=mode, k=40).hits for mode in ("lexical", "vector")}
    last = legs["lexical"][-2]
    found = shop.explain(QUERY, last.id, k=1, depth=1)
    assert found.final is None
    lexical, vector = found.deeper["lexical"], found.deeper["vector"]
    assert (lexical.rank, lexical.score) == (last.rank, pytest.approx(last.score))
    (near,) = (hit for hit in legs["vector"] if hit.id == last.id)
    assert (vector.rank, vector.score) == (near.rank, pytest.approx(near.score))
    alone = shop.explain(QUERY, last.id, k=1, mode="lexical").deeper["lexical"]
    assert alone.rank == last.rank
    assert f"rank {last.rank}" in str(found)
    later = shop.search(QUERY, k=20).hits
    found = shop.explain(QUERY, later[14].id, k=10)
    assert found.behind == pytest.approx(later[9].score - later[14].score)
    assert f"{found.behind:.4f} behind" in str(found)
    assert shop.explain(QUERY, later[9].id, k=10).behind is None


def test_a_group_has_one_that_stands_for_it(shop: Any) -> None:
    shop.update_metadata({"kind": "x"}, ids=["n1", "n2"])
    (first,) = (hit.id for hit in shop.search("number", group_by="kind", k=40) if hit.folded)
    (other,) = {"n1", "n2"} - {first}
    assert shop.explain("number", other, group_by="kind").absent == (
        "another document of the same kind stands for it"
    )
    assert shop.explain("number", first, group_by="kind").absent is None


@pytest.mark.parametrize(
    ("filter", "says"),
    [
        ({"n": {"gte": 1, "lt": 5}, "a": "x"}, "n >= 1 and < 5"),
        ({"a": {"in": ["y", 3, True]}}, 'a in ["y", 3, true]'),
        ({"or": [{"a": "y"}, {"and": [{"n": 1}, {"a": "z"}]}]}, 'a = "y" or (n = 1 and a = "z")'),
        ({"not": {"a": "x"}, "b": {"exists": True}}, 'not (a = "x"); b exists'),
        ({"_id": {"in": ["1"]}, "d": {"gt": "2024-05-01"}}, '_id = "1"; d > 2024-05-01'),
        ({"p": {"near": [1, 2], "km": 3}}, "p within 3 km of 1, 2"),
    ],
)
def test_a_filter_says_by_which_condition(shop: Any, filter: dict[str, Any], says: str) -> None:
    shop.add([Document("far", "kettle", metadata={"a": "x", "n": 9, "d": "2024-01-01", "p": [9, 9]})])
    found = shop.explain("kettle", "far", filter=filter)
    assert found.absent == f"the filter leaves it out: {says}"
    assert str(found) == f"far: {found.absent}"


def test_a_text_does_not_command_a_terminal(shop: Any) -> None:
    filter = {"a\x1b": "\x07"}
    for found in (shop.explain("kettle", "a\x1b[31m"), shop.explain("kettle", "n1", filter=filter)):
        assert str(found).isprintable()


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
