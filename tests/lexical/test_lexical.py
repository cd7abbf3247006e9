"""The lexical leg against the textbook: rank-bm25 with Lucene's idf and one-byte lengths."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest
import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.backends.textbook import LENGTHS, LuceneBM25
from hybrid.disk.folder import Folder
from hybrid.lexical import bm25
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.reader import LexicalReader
from hybrid.lexical.terms import FIELDS, StopWord, Terms
from hybrid.lexical.writer import LexicalLeg

WORDS = [f"w{i}" for i in range(12)]


def corpus(seed: int, n: int, longest: int = 400) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [random.choice(WORDS, size=random.integers(0, longest)).tolist() for _ in range(n)]


def texts(documents: list[list[str]]) -> list[list[Terms]]:
    return [[Terms([], terms)] for terms in documents]


@pytest.fixture
def leg(tmp_path: Path) -> LexicalLeg:
    return LexicalLeg(Folder.open(tmp_path), "uuid")


def test_scores_are_the_textbooks(leg: LexicalLeg) -> None:
    documents = corpus(1, 300)
    leg.apply(0, texts(documents[:100]), [])
    leg.apply(100, texts(documents[100:]), [])  # statistics are of all segments together
    for query in (["w0"], ["w1", "w2", "w2"], WORDS):
        expected = LuceneBM25(documents).get_scores(query)
        found = leg.view().search(query, 300)
        assert np.allclose(found.scores, expected[found.ordinals], rtol=1e-5)
        assert set(found.ordinals.tolist()) == set(np.flatnonzero(expected).tolist())
    leg.close()


def test_titles_weigh_more_by_a_second_bm25_over_titles_alone(leg: LexicalLeg) -> None:
    titles, bodies = corpus(2, 200, 8), corpus(3, 200, 60)
    leg.apply(0, [[Terms(*both)] for both in zip(titles, bodies, strict=True)], [])
    whole = LuceneBM25([title + body for title, body in zip(titles, bodies, strict=True)])
    query = ["w1", "w2", "w2"]
    expected = whole.get_scores(query) + 0.7 * LuceneBM25(titles).get_scores(query)
    found = leg.view().search(query, 200, title_boost=0.7)
    assert np.allclose(found.scores, expected[found.ordinals], rtol=1e-5)
    assert len(found) == leg.view().count(query) == np.count_nonzero(expected)
    leg.close()


def test_stop_words_are_looked_for_among_stop_words(leg: LexicalLeg) -> None:
    titles, bodies, stopped = corpus(2, 200, 8), corpus(3, 200, 60), corpus(4, 200, 90)
    documents = list(map(Terms, titles, bodies, stopped))
    leg.apply(0, [[one] for one in documents], [])
    view, query = leg.view(), [StopWord(word) for word in ("w1", "w2", "w2")]
    expected = LuceneBM25([one.of("stop_words") for one in documents]).get_scores(query)
    for boost in (0.0, 0.7):  # a stop word of a title is none of its terms
        found = view.search(query, 200, title_boost=boost)
        assert np.allclose(found.scores, expected[found.ordinals], rtol=1e-5)
    assert np.allclose(view.scores(query, range(200)), expected, rtol=1e-5)
    assert len(found) == view.count(query) == np.count_nonzero(expected)
    assert view.frequencies(query) == [sum(word in one.stop_words for one in documents) for word in query]
    assert view.frequencies(["w1"]) == [sum("w1" in one.of("terms") for one in documents)]
    leg.close()


def test_an_earlier_versions_index_answers_without_stop_words(tmp_path: Path) -> None:
    index = tantivy.Index(bm25.schema(FIELDS[:2], parted=False), str(tmp_path))
    index = bm25.open_index(tmp_path)
    made = tantivy.Document(ordinal=0, terms="a b", titles="a")
    writer = index.writer(15_000_000, 1)
    writer.add_document(made)
    writer.commit()
    view = LexicalView.of(index)
    assert view.fields == ("terms", "titles")
    assert view.search(["a"], 5, title_boost=1.0).scores > view.search(["a"], 5).scores
    stop_words = [StopWord("a")]
    assert len(view.search(stop_words, 5)) == view.count(stop_words) == view.frequencies(stop_words)[0] == 0


def test_one_byte_says_forty_lengths_exactly_and_then_ever_coarser_ones() -> None:
    assert LENGTHS[:41].tolist() == list(range(41))
    assert LENGTHS[41:50].tolist() == [42, 44, 46, 48, 50, 52, 54, 56, 60]
    assert len(LENGTHS) == 256


def test_equal_scores_stand_by_ordinal_even_at_the_cut(leg: LexicalLeg) -> None:
    for start in range(0, 90, 30):
        leg.apply(start, texts([["same", "text"]] * 30), [])
    assert leg.view().search(["same"], 40).ordinals.tolist() == list(range(40))
    leg.close()


def test_unknown_terms_and_no_terms_find_nothing(leg: LexicalLeg) -> None:
    assert len(leg.view().search(["a"], 5)) == 0
    leg.apply(0, texts([["a"], []]), [])
    assert len(leg.view().search(["b"], 5)) == 0
    assert len(leg.view().search([], 5)) == 0
    assert leg.view().count([]) == 0
    leg.close()


def test_a_view_stays_what_it_was(leg: LexicalLeg) -> None:
    leg.apply(0, texts([["a"], ["a"]]), [])
    view = leg.view()
    leg.apply(2, texts([["a"]]), [0])
    assert view.search(["a"], 9).ordinals.tolist() == [0, 1]
    assert sorted(leg.view().search(["a"], 9).ordinals.tolist()) == [1, 2]
    leg.close()


def test_it_says_how_much_it_reflects_also_when_the_newest_are_dead(tmp_path: Path) -> None:
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    leg.adopt()
    assert leg.view().reflects == 0
    leg.apply(0, texts([["a"], ["b"], ["c"]]), [])
    leg.apply(3, [], [1, 2])
    assert leg.view().reflects == 3
    leg.close()
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    assert leg.view().reflects == 3
    leg.apply(3, texts([["d"]]), [2])
    assert leg.view().ordinals().tolist() == [0, 3]
    assert leg.view().vocabulary("terms") == {"a": 1, "d": 1}
    leg.close()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.floats(0, 1),
    st.lists(st.sampled_from(WORDS), max_size=5),
    st.sampled_from([0, 1, 10**6]),
)
def test_a_filter_costs_no_recall(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    k: int,
    share: float,
    query: list[str],
    look_up: int,
) -> None:
    """Whether those who may pass are looked up one by one or not."""
    documents = corpus(seed, 60, 30)
    leg = LexicalLeg(Folder.open(tmp_path_factory.mktemp("leg")), "uuid")
    leg.apply(0, texts(documents), [])
    allowed = np.random.default_rng(seed).random(60) < share
    scores = LuceneBM25(documents).get_scores(query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_LOOK_UP", look_up)
        found = leg.view().search(query, k, allowed)
    best = sorted((-scores[i], i) for i in np.flatnonzero(allowed & (scores > 0)))
    assert len(found) == min(k, len(best))
    assert np.allclose(found.scores, [-score for score, _ in best[:k]], rtol=1e-5)
    assert allowed[found.ordinals].all()
    assert leg.view().count(query, allowed) == len(best)
    leg.close()


def test_what_a_crash_in_the_middle_of_a_commit_left_is_not_in_the_way(tmp_path: Path) -> None:
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    leg.adopt()
    leg.apply(0, texts([["a"], ["b"]]), [])
    before = {path.name for path in leg_folder(tmp_path).iterdir()}
    manifest = (tmp_path / "lexical.json").read_bytes()
    leg.apply(2, [], [0])
    leg.close()
    folder = leg_folder(tmp_path)
    (late,) = (path for path in folder.iterdir() if path.name not in before)
    assert late.suffix == ".del"
    late.write_bytes(b"of the dead writer")
    (tmp_path / "lexical.json").write_bytes(manifest)  # as if it had died before it wrote this
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    leg.apply(2, [], [0])
    assert leg.view().ordinals().tolist() == [1]
    leg.close()


def test_merges_after_the_last_commit_are_listed_too(tmp_path: Path) -> None:
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    leg.adopt()
    for i in range(12):
        leg.apply(i, texts([["a"]]), [])
    end = time.monotonic() + 20
    while leg.view().searcher.num_segments > 8 and time.monotonic() < end:
        time.sleep(0.05)
    reader = LexicalReader(Folder.open(tmp_path), "uuid")
    while reader.view().searcher.num_segments > 8 and time.monotonic() < end:
        time.sleep(0.05)
    assert reader.view().searcher.num_segments <= 8
    assert reader.view().ordinals().tolist() == list(range(12))
    leg.close()


def leg_folder(folder: Path) -> Path:
    return next(folder.glob("lexical-*/"))


def test_what_is_interrupted_on_its_way_in_takes_nothing_from_who_writes_later(tmp_path: Path) -> None:
    """Its traceback keeps it until the garbage collector comes."""
    leg = LexicalLeg(Folder.open(tmp_path), "uuid")
    with leg._writing():
        pass
    interrupted = leg._writing()
    interrupted.__enter__()
    leg.write(0, texts([["a"]]), [])
    del interrupted
    gc.collect()
    leg.commit()
    assert leg.view().ordinals().tolist() == [0]
    leg.close()
