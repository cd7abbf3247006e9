"""A profile's adapter moves the vectors that the encoder makes of queries, once, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index, Profile, restore
from hybrid.encoders import Adapter
from hybrid.errors import IndexCorrupt, SettingsError
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from hybrid.types import Mode
from tests.caesar import CountedLetters, documents, shifted, words

WORDS = words(30)
QUERY = shifted(WORDS[7])


def turning() -> Adapter:
    """x -> the vector of the deciphered text."""
    back = np.roll(np.eye(26, dtype=np.float32), -1, axis=1)
    return Adapter((back - np.eye(26, dtype=np.float32)), np.eye(26, dtype=np.float32))


def mixing() -> Adapter:
    random = np.random.default_rng(1)
    reads, writes = (random.normal(size=shape).astype(np.float32) for shape in ((26, 3), (3, 26)))
    return Adapter(reads, writes)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=CountedLetters()) as index:
        index.add(documents(WORDS))
        yield index


def install(index: Index, adapter: Adapter, **profile: object) -> int:
    return index.install(Profile.model_validate({"adapter": index.keep_adapter(adapter), **profile}))


def vector_of(text: str) -> list[float]:
    found: list[float] = CountedLetters().queries([text])[0].tolist()
    return found


def test_it_moves_what_the_encoder_makes_of_a_query(index: Index) -> None:
    assert index.search(QUERY, k=1).hits[0].id != "d7"
    install(index, turning())
    modes: tuple[Mode, ...] = ("hybrid", "vector")
    for mode in modes:
        [hit] = index.search(QUERY, k=1, mode=mode).hits
        assert hit.id == "d7"
    assert index.search(QUERY, k=1, mode="vector").hits[0].score == pytest.approx(1.0, abs=1e-5)
    index.use(1)
    assert index.search(QUERY, k=1).hits[0].id != "d7"


def test_vectors_of_callers_and_of_documents_stay(index: Index) -> None:
    given = index.search(vector=vector_of(QUERY), mode="vector").hits
    like = index.search(like=["d3"], mode="vector").hits
    install(index, turning())
    assert index.search(vector=vector_of(QUERY), mode="vector").hits == given
    assert index.search(QUERY, vector=vector_of(QUERY), mode="vector").hits == given
    assert index.search(like=["d3"], mode="vector").hits == like


def test_many_ask_as_one_does_and_an_explanation_agrees(index: Index) -> None:
    install(index, mixing())
    texts = [shifted(word) for word in WORDS[:5]]
    run = index.run({text: text for text in texts}, k=10)
    for text, found in zip(texts, index.search_many(texts, k=10), strict=True):
        alone = [(hit.id, hit.score) for hit in index.search(text, k=10).hits]
        assert [(hit.id, hit.score) for hit in found.hits] == alone == run[text]
        told = index.explain(text, alone[0][0])
        assert told.final is not None
        assert told.final.score == alone[0][1]
        assert told.moved is not None
        assert -1 <= told.moved < 1
        assert f"moved by an adapter, to cosine {told.moved:.2f}" in str(told)
    index.use(1)
    assert index.explain(QUERY, "d1").moved is None
    assert "adapter" not in str(index.explain(QUERY, "d1"))


def test_profiles_with_adapters_are_compared_as_they_serve(index: Index) -> None:
    ids = [index.keep_adapter(one()) for one in (turning, mixing)]
    profiles = [
        Profile(adapter=id, title_boost=boost, depth=depth)
        for boost in (0.0, 2.0)
        for depth in (5, 9)
        for id in (*ids, None)
    ]
    for serving in (None, ids[0]):
        index.install(Profile(adapter=serving))
        with index.searcher() as searcher:
            together = searcher.run_profiles({"q": QUERY}, profiles, k=12)
        for profile, found in zip(profiles, together, strict=True):
            index.install(profile)
            assert found["q"] == index.run({"q": QUERY}, k=12)["q"]


def test_an_adapter_on_trial_need_not_be_stored(index: Index) -> None:
    with index.searcher() as searcher:
        profiles = [Profile(), Profile(adapter="on trial")]
        plain, moved = searcher.run_profiles({"q": QUERY}, profiles, k=5, adapters={"on trial": turning()})
    assert plain["q"] == index.run({"q": QUERY}, k=5)["q"]
    assert moved["q"][0][0] == "d7"


def test_past_queries_are_compared_with_what_was_asked(index: Index) -> None:
    index.learn({"old": QUERY}, {"old": {"d20": 1}})
    install(index, turning(), voting={"weight": 8.0, "threshold": 0.9})
    told = index.explain(QUERY, "d20")
    assert [one.similarity for one in told.past] == pytest.approx([1.0])
    with index.searcher() as searcher:
        own = searcher.encoder_vectors([QUERY])[0]
    assert own.tolist() == pytest.approx(vector_of(QUERY))


def test_a_calibration_does_not_outlive_another_adapter(index: Index) -> None:
    similar = Logistic(("similarity",), 0.0, (1.0,), (-1.0,), (1.0,))
    calibration = Calibration(SIGNALS, (similar,), 0.5)
    fitted = index.keep_calibration(calibration)
    index.install(Profile(calibration=fitted))
    assert index.search(QUERY).hits[0].relevance is not None
    install(index, turning(), calibration=fitted)
    assert index.search(QUERY).hits[0].relevance is None
    again = index.keep_calibration(calibration)
    index.install(index.profiles.serving.model_copy(update={"calibration": again}))
    assert index.search(QUERY).hits[0].relevance is not None


def compacted(index: Index, _: Path) -> None:
    index.compact()


def repaired(index: Index, _: Path) -> None:
    index.repair()


@pytest.mark.parametrize("change", [compacted, repaired])
def test_it_goes_where_the_index_goes(
    index: Index, tmp_path: Path, change: Callable[[Index, Path], None]
) -> None:
    install(index, turning())
    change(index, tmp_path)
    assert index.search(QUERY, k=1).hits[0].id == "d7"
    index.backup(tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "again")
    with Index.open(tmp_path / "again", encoder=CountedLetters(), read_only=True) as copy:
        assert copy.search(QUERY, k=1).hits[0].id == "d7"
        assert "queries moved by adapter" in str(copy.profiles.serving)


def test_with_another_encoder_it_does_not_count(index: Index) -> None:
    class Others(CountedLetters):
        id = "other letters"

    number = install(index, turning())
    index.reindex(encoder=Others())
    assert index.profiles.serving == Profile()
    index.use(number)
    assert index.search(QUERY, k=1).hits[0].id != "d7"
    assert index.explain(QUERY, "d7").moved is None


def test_one_that_is_missing_says_the_way_out(index: Index) -> None:
    index.install(Profile(adapter="f" * 64))
    with pytest.raises(IndexCorrupt, match="hybrid profile DIR use N"):
        index.search(QUERY)


def test_an_index_keeps_only_what_fits_its_queries(index: Index, tmp_path: Path) -> None:
    narrow = Adapter(np.ones((3, 1), np.float32), np.ones((1, 3), np.float32))
    with pytest.raises(SettingsError, match="an adapter of 3 numbers; vectors here have 26"):
        index.keep_adapter(narrow)
    with Index.create(tmp_path / "bare", encoder=None) as bare:
        bare.add([Document("d", "text", vector=[1.0, 0.0, 0.0])])
        with pytest.raises(SettingsError, match="an index with an encoder"):
            bare.keep_adapter(narrow)
