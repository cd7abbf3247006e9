"""Past queries in a search: their answers move up and may enter, never against the filter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, Profile
from hybrid.encoders import HashEncoder
from hybrid.fusion import RRF, Voting

VOTING = Voting(weight=8, threshold=0.3)
FAR = "zzzz"  # answers nothing by itself: no word, and the least similar text


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=HashEncoder()) as index:
        documents = [
            Document(f"d{i}", f"kettle number {i}", metadata={"even": i % 2 == 0}) for i in range(9)
        ]
        index.add([*documents, Document("far", FAR, metadata={"even": True})])
        index.install(Profile(voting=VOTING, depth=3))
        yield index


def ids(index: Index, query: str = "hot kettle", **options: Any) -> list[str]:
    return [hit.id for hit in index.search(query, **options)]


def learn(index: Index, text: str, *answers: str) -> None:
    index.learn({"q": text}, {"q": dict.fromkeys(answers, 1)})


def test_without_past_queries_nothing_changes(index: Index) -> None:
    served = index.search("hot kettle")
    index.use(1)
    index.install(Profile(depth=3))
    assert [(hit.id, hit.score) for hit in served] == [
        (hit.id, hit.score) for hit in index.search("hot kettle")
    ]


def test_an_answer_of_a_similar_query_comes_first_and_may_enter(index: Index) -> None:
    before = ids(index)
    assert before.index("far") > 3
    learn(index, "hot kettles", "far")
    assert ids(index) == ["far", *(id for id in before if id != "far")]
    learn(index, "hot kettles", before[4])
    assert ids(index)[0] == before[4]


def test_dissimilar_queries_and_other_modes_and_fusions_do_not_count(index: Index) -> None:
    modes: list[dict[str, Any]] = [
        {"mode": "lexical"},
        {"mode": "vector"},
        {"fusion": RRF()},
        {"group_by": None},
    ]
    before = [ids(index), *(ids(index, **options) for options in modes)]
    learn(index, "quantum physics", "far")
    assert ids(index) == before[0]
    learn(index, "hot kettle", "far")
    assert [ids(index, **options) for options in modes] == before[1:]


def test_never_against_the_filter(index: Index) -> None:
    learn(index, "hot kettle", "d1", "far")
    assert ids(index, filter={"even": False})[0] == "d1"
    assert "far" not in ids(index, filter={"even": False})
    assert set(ids(index, filter={"even": True})) == {"d0", "d2", "d4", "d6", "d8", "far"}
    index.delete(["far"])
    assert "far" not in ids(index)
    index.add([Document("far", FAR, metadata={"even": False})])
    assert ids(index, filter={"even": False})[:2] in (["far", "d1"], ["d1", "far"])


def test_pages_are_one_ranking(index: Index) -> None:
    learn(index, "hot kettle", "far", "d5")
    whole = ids(index, k=10)
    assert len(set(whole)) == 10
    assert [id for offset in range(10) for id in ids(index, k=1, offset=offset)] == whole
    run = index.run({"q": "hot kettle"}, k=10)
    assert [id for id, _ in run["q"]] == whole


def test_a_document_that_the_search_lacks_does_not_enter(index: Index) -> None:
    learn(index, "hot kettle", "far")
    run = index.run({"q": "hot kettle"}, lacking={"q": ["far"]}, k=10)
    assert "far" not in [id for id, _ in run["q"]]


def test_profiles_with_and_without_votes_are_compared_in_one_go(index: Index) -> None:
    learn(index, "hot kettle", "far")
    with index.searcher() as searcher:
        voted = [Profile(depth=depth, voting=VOTING) for depth in (1, 3, 6)]
        without, *found = searcher.run_profiles({"q": "hot kettle"}, [Profile(depth=3), *voted], k=10)
    assert without["q"][0][0] != "far"
    for profile, run in zip(voted, found, strict=True):
        index.install(profile)
        assert run["q"] == index.run({"q": "hot kettle"}, k=10)["q"]


def test_an_explanation_says_what_past_queries_add(index: Index) -> None:
    learn(index, "hot kettle", "far", "d1")
    for hit in index.search("hot kettle", k=4):
        told = index.explain("hot kettle", hit.id)
        assert told.fusion is not None
        assert told.fused is not None
        assert sum(told.fusion.values()) == pytest.approx(told.fused.score, rel=1e-5, abs=1e-5)
        assert (told.fusion["past queries"] > 0) == (hit.id in ("far", "d1"))


def test_the_newest_past_queries_count_also_after_compaction(index: Index) -> None:
    learn(index, "hot kettle", "far")
    assert ids(index)[0] == "far"
    index.compact()
    assert ids(index)[0] == "far"
    index.forget(query="hot kettle")
    assert ids(index)[0] != "far"


def test_a_held_state_keeps_its_votes(index: Index) -> None:
    with index.searcher() as held:
        learn(index, "hot kettle", "far")
        assert ids(index)[0] == "far"
        assert next(iter(held.search("hot kettle"))).id != "far"
        assert ids(index)[0] == "far"


def test_a_profile_with_votes_is_read_back(index: Index) -> None:
    assert index.profiles.serving.voting == VOTING
    assert "Voting(weight=8" in str(index.profiles.serving)


def test_vectors_of_another_encoder_do_not_vote(index: Index) -> None:
    learn(index, "hot kettle", "far")
    index.reindex(encoder=HashEncoder(32))
    index.install(Profile(voting=VOTING, depth=3))
    assert ids(index)[0] != "far"
    assert np.isfinite([hit.score for hit in index.search("hot kettle")]).all()
