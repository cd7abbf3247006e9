"""The pieces of the benchmark house: the generator, the statistics, the tables. No timing is asserted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, analyzers
from hybrid.corpora import read_documents, read_qrels, read_queries
from tests.benchmarks import (
    abstention,
    answers,
    books,
    corpus,
    measure,
    negations,
    report,
    shelf,
    threads,
)
from tests.benchmarks.contest import Coded, chosen, heats
from tests.benchmarks.corpus import BLOCK, CATEGORIES, Block, Corpus, Recipe
from tests.benchmarks.filters import FILTERS, passes
from tests.benchmarks.house import House, Plan, batches, kept
from tests.benchmarks.pairs import Judged
from tests.benchmarks.peers import load
from tests.benchmarks.vocabulary import vocabulary, zipf


@pytest.fixture(scope="module")
def made() -> Corpus:
    return Corpus(Recipe(BLOCK + 300))


@pytest.fixture(scope="module")
def block(made: Corpus) -> Block:
    return made.block(0)


# -- the vocabulary


def test_words_are_distinct_and_of_their_script() -> None:
    for language, script in (("en", "[a-z']+"), ("zh", "[\u4e00-\u9fff]+")):
        words = vocabulary(language).words
        assert len(set(words)) == len(words) == 40_000
        assert all(re.fullmatch(script, word) for word in words)


def test_the_most_frequent_words_say_nothing_and_the_others_do() -> None:
    english = vocabulary("en")
    functional, content = english.words[: english.functional], english.words[english.functional :]
    analyzer = analyzers.load("mixed")
    assert analyzer.terms(" ".join(functional)) == []
    assert len(analyzer.terms(" ".join(content[:1000]))) > 950


def test_zipf_falls_by_its_law() -> None:
    shares = np.diff(zipf(1000), prepend=0)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] / shares[99] == pytest.approx(((100 + 2.7) / (1 + 2.7)) ** 1.05)


# -- the collection


def test_one_seed_one_collection(made: Corpus, block: Block) -> None:
    corpus.meanings.cache_clear()
    again = Corpus(made.recipe).block(0)
    assert (again.texts, again.titles, again.metadata) == (block.texts, block.titles, block.metadata)
    assert np.array_equal(again.vectors, block.vectors)
    assert Corpus(Recipe(BLOCK, seed=7)).block(0).texts != block.texts


def test_a_small_collection_begins_a_large_one(block: Block) -> None:
    small = Corpus(Recipe(120)).block(0)
    assert small.texts == block.texts[:120]
    assert small.metadata == block.metadata[:120]
    assert np.array_equal(small.vectors, block.vectors[:120])


def test_blocks_are_all_documents(made: Corpus) -> None:
    ids = [document.id for one in made.blocks() for document in one.documents()]
    assert ids == [str(number) for number in range(BLOCK + 300)]


def test_vectors_are_unit_and_can_be_mapped(made: Corpus, block: Block, tmp_path: Path) -> None:
    assert np.linalg.norm(block.vectors, axis=1) == pytest.approx(np.ones(BLOCK), abs=1e-5)
    mapped = made.write_vectors(tmp_path / "vectors.npy")
    assert mapped.shape == (len(made), 384)
    assert np.array_equal(np.load(tmp_path / "vectors.npy", mmap_mode="r")[:BLOCK], block.vectors)


def test_texts_are_english_chinese_and_both(block: Block) -> None:
    latin = [bool(re.search("[a-z]", text)) for text in block.texts]
    han = [bool(re.search("[\u4e00-\u9fff]", text)) for text in block.texts]
    kinds = Counter(zip(latin, han, strict=True))
    assert kinds[True, False] / BLOCK == pytest.approx(0.42, abs=0.05)
    assert kinds[False, True] / BLOCK == pytest.approx(0.42, abs=0.05)
    assert kinds[True, True] / BLOCK == pytest.approx(0.16, abs=0.05)


def test_lengths_are_log_normal(block: Block) -> None:
    english = [len(text.split()) for text in block.texts if text.isascii()]
    assert np.median(english) == pytest.approx(60, rel=0.1)
    assert np.std(np.log(english)) == pytest.approx(0.6, abs=0.06)


def test_neighbours_share_words_and_topics(block: Block) -> None:
    analyzer = analyzers.load("mixed")
    english = [i for i in range(2000) if block.texts[i].isascii()]
    words = [set(analyzer.terms(block.texts[i])) for i in english]
    near = block.vectors[english] @ block.vectors[english].T
    np.fill_diagonal(near, -1)
    rng = np.random.default_rng(0)
    some = range(0, len(english), 5)
    with_nearest = [len(words[i] & words[near[i].argmax()]) / len(words[i]) for i in some]
    with_any = [len(words[i] & words[rng.integers(len(english))]) / len(words[i]) for i in some]
    assert np.mean(with_nearest) > 1.5 * np.mean(with_any)
    same = [
        block.metadata[english[i]]["category"] == block.metadata[english[near[i].argmax()]]["category"]
        for i in some
    ]
    assert np.mean(same) > 0.7


def test_metadata_has_the_selectivities(block: Block) -> None:
    shards = np.array([one["shard"] for one in block.metadata])
    for share in (0.01, 0.1, 0.5, 0.9):
        assert np.mean(shards < share * corpus.SHARDS) == pytest.approx(share, rel=0.2)
    categories = Counter(one["category"] for one in block.metadata)
    assert len(categories) == CATEGORIES


def test_queries_fit_the_collection_at_any_size(made: Corpus, block: Block) -> None:
    queries = made.queries(50, 2, 4)
    assert [q.text for q in queries] == [q.text for q in Corpus(Recipe(10)).queries(50, 2, 4)]
    assert all(2 <= len(query.text.split()) <= 4 for query in queries)
    assert [q.text for q in made.queries(50, 2, 4, salt=1)] != [q.text for q in queries]
    nearest = [
        block.metadata[int((block.vectors @ query.vector).argmax())]["category"] for query in queries
    ]
    agreeing = [found == f"c{query.category}" for found, query in zip(nearest, queries, strict=True)]
    assert np.mean(agreeing) > 0.7


def test_each_mode_is_asked_by_each_number_of_threads() -> None:
    asked = {mode: set[tuple[int, int]]() for mode in ("lexical", "hybrid")}

    def ask(mode: str, place: int) -> None:
        asked[mode].add((threading.get_ident(), place))
        time.sleep(0.001)

    rates = threads.measured({mode: partial(ask, mode) for mode in asked}, 40, rounds=2, seconds=0.02)
    assert list(rates) == [(mode, count) for mode in asked for count in threads.THREADS]
    assert all(len(found) == 2 and min(found) > 0 for found in rates.values())
    for seen in asked.values():
        assert {place for _, place in seen} >= {0, 5, 10, 15, 20, 25, 30, 35}


def test_filters_pass_what_they_say(block: Block) -> None:
    query = Corpus(Recipe(10)).queries(1, 2, 4)[0]
    shares = {
        name: np.mean([passes(one, where(query)) for one in block.metadata])
        for name, where in FILTERS.items()
    }
    assert shares["none"] == 1
    assert shares["50.00%"] == pytest.approx(0.5, abs=0.03)
    assert shares["the query's category"] + shares["all but the query's category"] == pytest.approx(1)
    assert not any(
        one["category"] == f"c{query.category}" and passes(one, FILTERS["another category"](query))
        for one in block.metadata
    )


# -- measuring


def test_contestants_take_turns_on_every_block() -> None:
    asked: list[tuple[str, int]] = []
    contestants = {name: (lambda i, name=name: asked.append((name, i))) for name in "ab"}
    found = measure.interleave(contestants, 3, rounds=2, block=2)
    assert Counter(asked) == {(name, i): 3 for name in "ab" for i in range(3)}  # once more to warm up
    assert [name for name, i in asked if i == 0] == ["b", "a", "a", "b", "b", "a"]
    assert found["a"].wall.shape == (3,)


def test_a_query_counts_with_the_median_of_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tests.benchmarks.measure.time.perf_counter", lambda: now[0])
    costs = iter([9.0, 9.0, 1.0, 5.0, 2.0, 5.0, 30.0, 5.0])

    def ask(_: int) -> None:
        now[0] += next(costs) / 1000

    timing = measure.interleave({"one": ask}, 2, rounds=3)["one"]
    assert timing.wall == pytest.approx([2, 5])
    assert timing.p50 == pytest.approx(3.5)
    assert timing.p99 == pytest.approx(2 + 0.99 * 3)
    assert timing.spread == pytest.approx(((2 + 30) / 2 - (1 + 2) / 2 + 0) / 2)


def test_cpu_time_leaves_sleep_out_and_knows_children() -> None:
    before = measure.cpu_seconds()
    time.sleep(0.2)
    assert measure.cpu_seconds() - before < 0.1
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert child.pid in measure.children(os.getpid())
        child.communicate()


def test_growth_is_the_exponent() -> None:
    sizes = [1e4, 1e5, 1e6]
    assert measure.growth(sizes, [3 * size**0.4 for size in sizes]) == pytest.approx(0.4)


def test_recall_is_the_mean_share_found() -> None:
    assert measure.recall([[1, 2], [5], []], [[2, 3], [5], []]) == pytest.approx((1 / 2 + 1 + 1) / 3)


def test_the_machine_is_described() -> None:
    box = measure.machine()
    assert box["cores"] >= 1
    assert box["libraries"]["numpy"] == np.__version__
    assert measure.versions(["no-such-library"]) == {}
    assert measure.resident()["anonymous"] > 1


def test_the_slow_run_apart_with_the_base() -> None:
    asked: Counter[str] = Counter()

    def answer(name: str, seconds: float) -> object:
        def ask(_: int) -> list[int]:
            asked[name] += 1
            time.sleep(seconds)
            return []

        return ask

    contestants = {"ours": answer("ours", 0), "slow": answer("slow", 0.03)}
    found = heats(contestants, 2, 1, "ours")  # type: ignore[arg-type]
    assert list(found) == ["ours", "slow"]
    assert asked["slow"] < asked["ours"] + 2


def test_ef_is_the_least_that_reaches_the_recall() -> None:
    class Peer:
        def set_ef(self, ef: int) -> None:
            self.ef = ef

        def query(self, query: object, k: int) -> list[int]:
            return list(range(k)) if self.ef >= 50 else []

    assert chosen(Peer(), [0, 1], [list(range(10))] * 2, 0.99) == 56


def test_adapters_find_what_is_there(tmp_path: Path) -> None:
    vectors = Corpus(Recipe(300)).block(0).vectors
    near = load("ann.HNSWlib")
    near.build(tmp_path, vectors)
    near.set_ef(100)
    assert [near.query(vector, 1) for vector in vectors[:5]] == [[i] for i in range(5)]
    words = load("bm25.RankBM25")
    words.build(tmp_path, [*("w0x w1x" for _ in range(20)), "w2x w3x"])
    assert words.query("w3x", 1) == [20]


# -- tables and the house


def test_a_table_is_markdown() -> None:
    table = report.Table("Legs", note="A note.")
    table.add(what="lexical", ms=0.12345, documents=60000)
    table.add(what="hybrid", ms=1234.5, ratio=1.0)
    assert table.markdown().splitlines() == [
        "### Legs",
        "",
        "| what | ms | documents | ratio |",
        "| --- | ---: | ---: | ---: |",
        "| lexical | 0.123 | 60,000 |  |",
        "| hybrid | 1,234 |  | 1.00 |",
        "",
        "A note.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98765, "0.988"), (12.0, "12.0"), (100.4, "100"), (None, ""), (7, "7"), ("a", "a")],
)
def test_cells_show_three_digits(value: report.Cell, text: str) -> None:
    assert report.shown(value) == text


def test_a_report_is_json_and_markdown(tmp_path: Path) -> None:
    made = report.Report("legs", documents=5)
    made.table("Legs").add(what="lexical", ms=1.5)
    path = made.write(tmp_path)
    stored = json.loads((tmp_path / "legs.json").read_text())
    assert stored["tables"] == [{"title": "Legs", "rows": [{"what": "lexical", "ms": 1.5}], "note": ""}]
    assert set(stored["load"]) == {"start", "end"}
    assert path.read_text().startswith("## legs\n\ndocuments 5.")


def test_what_is_kept_is_made_once_and_whole(tmp_path: Path) -> None:
    def fails(draft: Path) -> None:
        draft.mkdir()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        kept(tmp_path / "a", fails)
    assert not (tmp_path / "a").exists()
    kept(tmp_path / "a", Path.mkdir)
    assert kept(tmp_path / "a", fails).is_dir()


def test_the_house_knows_its_neighbours(tmp_path: Path) -> None:
    house = House(Plan(tmp_path, 200, 3, 1))
    assert len(house.terms) == 200
    assert house.terms == House(house.plan).terms  # read back
    vectors = house.vectors[[5, 9]]
    assert [found[0] for found in house.exact(vectors, 3)] == [5, 9]
    allowed = np.ones(200, bool)
    allowed[5] = False
    assert house.exact(vectors, 1, allowed)[0] != [5]
    assert [len(part) for part in batches(house.documents, 150)] == [150, 50]


# -- books


@pytest.fixture
def judged(tmp_path: Path) -> shelf.Judged:
    """500 paragraphs, of which each has a word of its own that a query asks for."""
    paragraphs = [
        Document(f"p{i}", f"common words and word{i} here. " * 3, f"title{i}") for i in range(500)
    ]
    queries = {f"q{i}": f"word{i} common" for i in range(0, 500, 5)}
    return shelf.Judged(paragraphs, queries, {query: f"p{query[1:]}" for query in queries})


@pytest.mark.parametrize("titles", [False, True])
def test_books_hold_the_answers_where_they_say(judged: shelf.Judged, titles: bool) -> None:
    texts = {paragraph.id: paragraph.text for paragraph in judged.paragraphs}
    for make, sizes in ((shelf.mixed, (2, 300)), (shelf.books, (5, 0)), (shelf.single, (0, 500))):
        made = make(judged, titles=titles)
        documents = {document.id: document for document in made.documents}
        assert len(documents) == sum(sizes)
        assert sum(id.startswith("book-") for id in documents) == sizes[0]
        for query, place in made.answers.items():
            document = documents[place.document]
            assert document.text[slice(*place.span)] == texts[judged.answers[query]]
            assert ("title" in document.title + document.text) == titles


def test_the_mixed_collection_is_a_beir_folder(judged: shelf.Judged, tmp_path: Path) -> None:
    made = shelf.mixed(judged)
    shelf.write(made, tmp_path)
    assert list(read_documents(tmp_path)) == made.documents
    assert read_queries(tmp_path / "queries.jsonl") == judged.queries
    found = read_qrels(tmp_path / "qrels" / "dev.tsv")
    assert found == {query: {place.document: 1} for query, place in made.answers.items()}
    again = shelf.Judged.read(tmp_path)
    assert again.answers == {query: place.document for query, place in made.answers.items()}


def test_the_right_document_and_passage_are_counted(judged: shelf.Judged) -> None:
    analyzer, bound = analyzers.load("english"), shelf.bound(judged)
    assert bound
    made = shelf.mixed(judged)
    whole, passages = (books.measured(analyzer, made, cut, bound) for cut in books.CUTS.values())
    assert (whole["number"], whole["bound R@1"], passages["bound R@1"]) == (302, 1.0, 1.0)
    assert passages["number"] > 302
    assert passages["passage R@1"] == passages["within"] == 1.0


def test_an_index_finds_what_books_answer(judged: shelf.Judged) -> None:
    bound = shelf.bound(judged)
    few = [*sorted(bound)[:5], *sorted(judged.queries.keys() - bound)[:5]]
    found = answers.measured(replace(judged, queries={id: judged.queries[id] for id in few}), None)
    for row in (row for table in found.tables for row in table.rows):
        assert row["mode"] == "lexical"
        assert (row["passage R@10"], row["within"]) == (1, 1)


def test_codes_keep_terms_apart() -> None:
    coded = Coded([["红", "red"], ["red", "red"]])
    assert [text.split() for text in coded.texts] == [["w0x", "w1x"], ["w1x", "w1x"]]
    assert coded.of(["red", "blue"]) == "w1x unknown"


def test_a_floor_lets_as_many_false_answers_through_as_are_tolerated() -> None:
    asked = [abstention.Asked(0.9, True), abstention.Asked(0.5, False), abstention.Asked(0.1, True)]
    third = abstention.Third(asked, [n / 10 for n in range(10)], [0.0, 0.95])
    assert 0.8 < third.floor(0.1) < 0.81
    assert 0.4 < third.floor(0.5) < 0.41
    shares = third.shares(third.floor(0.5))
    assert shares == {"answered": 2 / 3, "right": 0.5, "removed": 0.5, "foreign": 0.5}


def test_queries_of_one_paragraph_stay_together() -> None:
    answers = {f"q{n}": f"p{n // 3}" for n in range(30)}
    thirds = abstention._thirds(shelf.Judged([], {}, answers))
    assert sorted(id for third in thirds for id in third) == sorted(answers)
    owners = [{answers[id] for id in third} for third in thirds]
    assert [len(owner) for owner in owners] == [4, 3, 3]
    assert not owners[0] & owners[1]


def test_queries_exclude_what_many_documents_about_them_have() -> None:
    texts = {"a": "kettle steel handle", "b": "kettle steel", "c": "kettle glass", "水": "水壶 玻璃 制造"}
    rest = [Document(f"x{i}", f"lamp {i}") for i in range(60)]
    documents = [Document(id, text) for id, text in texts.items()]
    judged = Judged(
        [*documents, *rest],
        {"1": "The kettle?", "2": "水壶", "3": "nothing shared", "4": "lamp"},
        {"1": {"a": 2, "c": 1}, "2": {"c": 1}, "3": {"a": 1}, "4": {"x1": 0}},
    )
    negated, plain = negations.negated(judged)
    assert negated.queries["1"] == "The kettle without steel"
    assert negated.qrels["1"] == {"c": 1}
    assert re.fullmatch("除了(玻璃|制造)，水壶", negated.queries["2"])
    assert negated.qrels.keys() == negated.queries.keys() == {"1", "2"}
    assert plain == judged._replace(qrels=negated.qrels)
