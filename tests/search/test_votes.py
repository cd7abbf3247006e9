"""Past queries in a search: their answers move up and may enter, never against the filter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, PastQuery, Profile
from hybrid.encoders import HashEncoder
from hybrid.fusion import RRF, Voting
from hybrid.ledger.past import PastQueries, Row
from hybrid.lexical.bm25 import LexicalView
from hybrid.search.lanes import InTurn
from hybrid.search.search import Search
from hybrid.search.votes import VOTED
from hybrid.store import voters

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
    assert ids(index)[0] == "far"
    assert set(ids(index)) == set(before)
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
        without, *found = searcher.run_profiles({"q": "hot kettles"}, [Profile(depth=3), *voted], k=10)
    assert without["q"][0][0] != "far"
    for profile, run in zip(voted, found, strict=True):
        index.install(profile)
        assert run["q"] == index.run({"q": "hot kettles"}, k=10)["q"]


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


def test_another_encoder_encodes_past_queries_again(index: Index) -> None:
    learn(index, "hot kettle", "far")
    index.reindex(encoder=HashEncoder(32))
    index.install(Profile(voting=VOTING, depth=3))
    assert ids(index)[0] == "far"


def test_a_new_version_of_an_answer_gets_the_votes(index: Index) -> None:
    learn(index, "hot kettle", "far", "later")
    assert ids(index)[0] == "far"
    index.add([Document("far", "another text"), Document("later", FAR)])
    assert set(ids(index)[:2]) == {"far", "later"}
    with index.searcher() as held:
        index.delete(["far"])
        assert ids(index)[0] == "later"
        assert "far" in [hit.id for hit in held.search("hot kettle")][:2]


def test_past_queries_are_followed_one_by_one(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(index, "hot kettle", "far")
    assert ids(index)[0] == "far"
    read: list[int] = []
    rows = PastQueries.rows

    def counted(self: PastQueries, after: int, seq: int) -> Iterator[list[Row]]:
        for part in rows(self, after, seq):
            read.append(len(part))
            yield part

    monkeypatch.setattr(PastQueries, "rows", counted)
    for number in range(5):
        learn(index, f"cold kettle {number}", f"d{number}")
        assert ids(index, f"cold kettle {number}")[0] == f"d{number}"
    assert read == [1] * 5
    index.forget(query="hot kettle")
    assert ids(index)[0] != "far"


def test_many_are_searched_through_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voters, "SEAL_AT", 20)
    with Index.create(tmp_path / "idx", encoder=HashEncoder()) as index:
        index.add([Document(f"d{i}", f"kettle number {i}") for i in range(9)])
        index.install(Profile(voting=VOTING))
        texts = {str(i): f"query number {i} of many words" for i in range(50)}
        index.learn(texts, {id: {f"d{int(id) % 9}": 1} for id in texts})
        expected = [ids(index, text) for text in texts.values()]
    with Index.open(tmp_path / "idx", encoder=HashEncoder()) as index:
        assert [ids(index, text) for text in texts.values()] == expected
        assert (next((tmp_path / "idx").glob("g*")) / voters.FOLDER).is_dir()
        index.repair()
        assert [ids(index, text) for text in texts.values()] == expected
        assert index.verify() == []
    with Index.open(tmp_path / "idx", encoder=HashEncoder(), read_only=True) as reader:
        assert [ids(reader, text) for text in texts.values()] == expected


def test_without_an_encoder_words_in_common_count(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([*(Document(f"d{i}", f"kettle number {i}") for i in range(9)), Document("far", FAR)])
        index.install(Profile(voting=VOTING))
        before = ids(index, "hot kettle")
        learn(index, "quantum physics", "far")
        assert ids(index, "hot kettle") == before
        learn(index, "kettle hot", "far", "d5")
        assert set(ids(index, "hot kettle")[:2]) == {"far", "d5"}
        assert ids(index, "kettle and hot water")[0] in {"far", "d5"}


def test_an_explanation_names_judged_queries_and_counts_clicked_ones(index: Index) -> None:
    learn(index, "hot kettles", "far")
    clicked = [PastQuery("hot kettle", {"far": 1}, "clicked", f"user {i}") for i in range(4)]
    index.keep_past_queries(clicked)
    told = index.explain("hot kettle", "far")
    assert {one.text for one in told.past} == {"hot kettles", None}
    assert "because of similar past queries:" in str(told)
    assert "hot kettles" in str(told)
    assert "4 similar queries of users who clicked it" in str(told)
    assert index.explain("hot kettle", "d1").past == ()


def test_clicks_count_from_three_users_on(index: Index) -> None:
    before = ids(index)
    clicked = [PastQuery("hot kettle", {"far": 1}, "clicked", f"user {i}") for i in range(3)]
    index.keep_past_queries(clicked[:2])
    index.keep_past_queries([PastQuery("hot kettles", {"far": 1}, "clicked", "user 1")])
    assert ids(index) == before
    index.keep_past_queries(clicked)
    assert ids(index).index("far") < before.index("far")
    index.forget(user="user 2")
    assert ids(index) == before


def test_a_judged_query_does_not_hear_its_own_judgment(index: Index) -> None:
    learn(index, "hot kettle", "far")
    with index.searcher() as searcher:
        [run] = searcher.run_profiles({"q": "hot kettle"}, [Profile(depth=3, voting=VOTING)], k=10)
        assert run["q"][0][0] != "far"
        [run] = searcher.run_profiles({"q": "hot kettles"}, [Profile(depth=3, voting=VOTING)], k=10)
        assert run["q"][0][0] == "far"
        numbers = [one.number for one in searcher.past()]
        [run] = searcher.run_profiles(
            {"q": "hot kettles"}, [Profile(depth=3, voting=VOTING)], k=10, silent={"q": numbers}
        )
        assert run["q"][0][0] != "far"


def features(index: Index, query: str, **silent: set[int]) -> dict[str, tuple[float, ...]]:
    """id -> the features that past queries give."""
    with index.searcher() as searcher:
        [(_, found, columns)] = searcher.candidates({"q": query}, VOTED, silent=silent)
    rows = zip(*(columns[name].tolist() for name in VOTED), strict=True)
    return dict(zip(found, rows, strict=True))


def test_votes_are_features_of_learned_ranking(index: Index) -> None:
    assert np.isnan(list(features(index, "hot kettle").values())).all()
    learn(index, "hot kettles", "far", "d1")
    judged, clicked, nearest = features(index, "hot kettle")["far"]
    assert judged == pytest.approx((nearest - 0.3) / 0.7 / math.sqrt(2))
    assert np.isnan(clicked)
    other = next(id for id in features(index, "hot kettle") if id not in ("far", "d1"))
    index.keep_past_queries(PastQuery("hot kettles", {other: 1}, "clicked", f"user {i}") for i in range(3))
    found = features(index, "hot kettle")
    assert found[other][0] == found["far"][1] == 0
    assert found[other][1] > 0
    with index.searcher() as searcher:
        numbers = {one.number for one in searcher.past() if one.past.origin == "judged"}
    unheard = features(index, "hot kettle", q=numbers)
    assert unheard[other][0] == 0
    assert np.isnan(unheard[other][2])


def test_a_judged_query_that_is_reranked_does_not_hear_its_own_judgment(index: Index) -> None:
    learn(index, "hot kettle", "far")
    with index.searcher() as searcher:

        def first(query: str) -> str:
            run = searcher.reranked({"q": query}, k=10, reranker=lambda _query, found, _known: found)
            return run["q"][0][0]

        assert first("hot kettle") != "far"
        assert first("hot kettles") == "far"


def test_newcomers_have_the_scores_that_the_legs_give_them(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(index, "hot kettle", "far", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8")
    asked: list[int] = []
    scores = LexicalView.scores

    def counted(self: LexicalView, terms: Any, ordinals: Any, title_boost: float = 0.0) -> Any:
        asked.append(len(ordinals))
        return scores(self, terms, ordinals, title_boost)

    monkeypatch.setattr(LexicalView, "scores", counted)
    for query, more in (("hot kettle", True), ("zzzz", False)):  # documents with a term than are listed
        asked.clear()
        with index.searcher() as searcher:
            [request] = searcher.encoded([searcher.asker.one(query, None, {})])
            search = Search.of(searcher.snapshot, request, InTurn())
            lexical, _ = search.completed
            assert set(search.newcomers.tolist()) < set(search.pool.ordinals[lexical.ordinals].tolist())
            assert bool(asked) == more
            ordinals = search.pool.ordinals[lexical.ordinals].tolist()
            expected = scores(searcher.snapshot.lexical, search.words, ordinals)
            assert lexical.scores.tolist() == expected.tolist()
