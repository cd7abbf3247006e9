"""What everything that searches documents must do: run for Index and for MemoryIndex."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hybrid
from hybrid import Document
from hybrid.errors import CursorExpired, DocumentError, FilterError, InputError, QueryError
from hybrid.metadata.facets import Count, Facet, Ranges, Terms
from hybrid.types import Candidates, Mode
from tests.ties import by_ties

PRODUCTS = [
    Document(
        "1",
        "active noise cancellation, 30 hours",
        "WH-1000XM5 headphones",
        {"brand": "Aria", "price": 299.0},
    ),
    Document("2", "主动降噪,续航三十小时", "无线耳机", {"brand": "Aria", "price": 99}),
    Document(
        "3", "a kettle of steel, 1.7 l", "Kettle", {"brand": "Borea", "price": 35, "tags": ["kitchen"]}
    ),
    Document("4", "不锈钢电热水壶", "水壶", {"price": 29, "tags": ["kitchen", "steel"]}),
]


def letters(texts: list[str]) -> NDArray[np.float32]:
    """A tiny encoder: how often each of 32 classes of characters occurs."""
    vectors = np.full((len(texts), 32), 0.01, np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for character in text.lower():
            row[ord(character) % 32] += 1
    return vectors


class IndexContract:
    """Subclasses say how to make an empty index with the encoder `letters` and the default analyzer."""

    def make(self, folder: Path, **settings: Any) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Any]:
        made = self.make(tmp_path / "idx", encoder=letters)
        made.add(PRODUCTS)
        yield made
        getattr(made, "close", lambda: None)()

    def ids(self, results: hybrid.Results) -> list[str]:
        return [hit.id for hit in results]

    def test_documents_come_back_as_they_went_in(self, index: Any) -> None:
        assert len(index) == 4
        assert index.get("2") == PRODUCTS[1]
        assert index.get("nobody") is None

    def test_words_are_found_in_both_languages(self, index: Any) -> None:
        assert self.ids(index.search("wh1000xm5", mode="lexical")) == ["1"]
        assert self.ids(index.search("電熱水壺", mode="lexical"))[0] == "4"

    def test_a_latin_letter_beside_chinese_is_a_word(self, index: Any) -> None:
        texts = "维生素C缺乏", "维生素B12缺乏", "维生素A缺乏引起夜盲", "a kettle and a cup"
        index.add(Document(f"v{i}", text) for i, text in enumerate(texts))
        for query in ("维生素A缺乏", "维生素 Ａ 缺乏"):
            assert self.ids(index.search(query, mode="lexical"))[0] == "v2"

    def test_a_query_of_stop_words_alone_is_answered(self, index: Any) -> None:
        band = Document("band", "The The are an English band", "The The")
        text = "The cat and the dog are on the mat, as in the song of the mat"
        index.add([band, Document("hamlet", "To be, or not to be"), Document("mat", text)])
        index.add([Document("it", "IT行业,不是我的"), Document("hello", "你好,世界")])
        expected = {
            "The The": "band",
            "to be or not to be": "hamlet",
            "IT": "it",
            "你好": "hello",
            "不是": "it",
            "the": "band",
            "or": "hamlet",
            "are as": "mat",
        }
        for query, first in expected.items():
            results = index.search(query, mode="lexical", k=2)
            assert results.hits[0].id == first, query
            assert results.total >= 1
            assert self.ids(index.search(query, k=2))  # beside vectors, too
        assert index.search("the", mode="lexical").total == 2
        assert self.ids(index.search("the band", mode="lexical")) == ["band"]  # something else remains
        assert index.search("with", mode="lexical").total == 0

    @pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
    def test_an_answer_is_ranked_and_complete(self, index: Any, mode: Mode) -> None:
        results = index.search("kettle of steel", mode=mode, k=3)
        assert [hit.rank for hit in results.hits] == list(range(1, len(results) + 1))
        assert [hit.score for hit in results] == sorted((hit.score for hit in results), reverse=True)
        assert results.hits[0].document == index.get(results.hits[0].id)
        assert results.hits[0].id == "3"
        assert results.took >= 0
        assert results.total == {"hybrid": 4, "vector": 4, "lexical": 1}[mode]

    @pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
    def test_a_run_passes_over_what_it_is_to_lack(self, index: Any, mode: Mode) -> None:
        queries = {"3": "kettle", "q": "kettle"}
        lacking = {"3": ["3", "nobody", "", "\ud800", "a\0b"], "other": ["4"]}
        found = index.run(queries, mode=mode, lacking=lacking)
        whole = [id for id, _ in index.run(queries, mode=mode)["q"]]
        assert [id for id, _ in found["q"]] == whole
        assert "3" in whole
        index.delete(["3"])
        assert [id for id, _ in found["3"]] == [id for id, _ in index.run(queries, mode=mode)["3"]]

    def test_whom_it_does_not_hold(self, index: Any) -> None:
        index.delete(["4"])
        assert index.absent(["1", "4", "nobody", "", "\ud800", "1"]) == {"4", "nobody", "", "\ud800"}
        assert index.absent([]) == set()

    def test_a_vector_hit_names_its_passage(self, index: Any) -> None:
        assert index.search("kettle", mode="vector").hits[0].passage == (0, len(PRODUCTS[2].text))
        assert index.search("kettle", mode="lexical").hits[0].passage is None

    def test_adding_again_replaces(self, index: Any) -> None:
        index.add([Document("3", "a teapot", "Teapot")])
        assert len(index) == 4
        assert index.get("3").metadata == {}
        assert self.ids(index.search("kettle", mode="lexical")) == []
        assert "3" in self.ids(index.search("teapot", mode="vector", k=4))
        assert self.ids(index.search("x", mode="vector", k=9)).count("3") == 1

    def test_a_stream_is_loaded_and_a_later_document_replaces_an_earlier(self, index: Any) -> None:
        told: list[float] = []
        stream = (Document(id, f"pot {n}") for n, id in enumerate("3abca"))
        assert index.load(stream, progress=told.append) == 5
        assert sum(told) == pytest.approx(5)
        assert (len(index), index.get("a").text, index.get("3").text) == (7, "pot 4", "pot 0")
        assert set(self.ids(index.search("pot", mode="lexical"))) == {"3", "a", "b", "c"}
        assert index.load([]) == 0

    @pytest.mark.parametrize("stream", [5, PRODUCTS[0], {"a": "kettle"}, "text", [["a"]], [None]])
    def test_what_is_no_stream_of_documents(self, index: Any, stream: Any) -> None:
        with pytest.raises(DocumentError):
            index.load(stream)

    def test_waiting_less_long_comes_to_the_same(self, index: Any) -> None:
        told: list[float] = []
        index.add([Document("5", "a pot of tea")], wait="durable", progress=told.append)
        assert index.delete(["1", "nobody"], wait="durable") == 1
        index.flush()
        assert (len(index), index.get("1"), told) == (4, None, [1])
        assert self.ids(index.search("pot", mode="lexical")) == ["5"]
        with pytest.raises(InputError, match="wait='soon'"):
            index.add([], wait="soon")
        with pytest.raises(InputError, match="wait='soon'"):
            index.delete([], wait="soon")

    def test_deleting_ignores_unknown_ids_and_counts(self, index: Any) -> None:
        assert index.delete(["1", "1", "nobody"]) == 1
        assert index.delete(["1"]) == 0
        assert len(index) == 3
        assert index.get("1") is None
        for mode in ("hybrid", "lexical", "vector"):
            assert "1" not in self.ids(index.search("WH-1000XM5 headphones", mode=mode))

    @pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
    def test_filters_hold_in_every_mode(self, index: Any, mode: Mode) -> None:
        where = {"price": {"lt": 100}, "not": {"tags": {"in": ["steel"]}}}
        results = index.search("kettle 耳机 headphones 水壶", mode=mode, filter=where)
        assert set(self.ids(results)) == {"2", "3"}
        assert results.total == 2

    def test_a_vector_can_be_the_query(self, index: Any) -> None:
        vector = letters(["Kettle a kettle of steel, 1.7 l"])[0]
        assert index.search(vector=vector, mode="vector").hits[0].id == "3"
        assert index.search(vector=vector, mode="hybrid").hits[0].id == "3"
        assert "1" in self.ids(index.search("headphones", vector=vector, mode="hybrid", k=2))

    def test_many_queries_answer_as_one_by_one(self, index: Any) -> None:
        queries = ["kettle", "耳机", "headphones"]
        for mode in ("hybrid", "lexical", "vector"):
            together = index.search_many(queries, k=2, mode=mode)
            assert [r.hits for r in together] == [index.search(q, k=2, mode=mode).hits for q in queries]
        assert index.search_many([]) == []
        run = index.run({"a": "kettle", "b": "耳机"}, k=2)
        assert run == {
            q: [(h.id, h.score) for h in index.search(t, k=2)] for q, t in (("a", "kettle"), ("b", "耳机"))
        }

    @pytest.mark.parametrize("options", [{}, {"depth": 9}, {"mode": "lexical"}, {"mode": "vector"}])
    def test_asking_for_more_never_reorders_the_first(self, index: Any, options: Any) -> None:
        index.add([Document(f"n{i}", f"kettle number {i} " + "steel " * (i % 7)) for i in range(150)])
        long = index.search("steel kettle", k=150, **options)
        assert len(long) == 150
        assert [hit.score for hit in long] == sorted((hit.score for hit in long), reverse=True)
        for k in (1, 5, 40, 149):
            assert index.search("steel kettle", k=k, **options).hits == long.hits[:k]
        pages = [index.search("steel kettle", k=50, offset=start, **options) for start in (0, 50, 100)]
        assert [hit for page in pages for hit in page] == list(long)
        assert [hit.rank for hit in pages[2]] == list(range(101, 151))

    @pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
    def test_equals_stand_in_the_order_of_ties(self, index: Any, mode: Mode) -> None:
        ids = [f"e{i}" for i in range(30)]
        index.add([Document(id, "teapot") for id in ids])
        index.add([Document(id, "teapot") for id in ids[20:25]])
        assert self.ids(index.search("teapot", k=30, mode=mode)) == by_ties(ids)
        assert self.ids(index.search("teapot", k=7, mode=mode, depth=7)) == by_ties(ids)[:7]

    def test_fusion_is_a_value(self, index: Any) -> None:
        lexical = index.search("kettle steel", mode="lexical", k=4)
        only = hybrid.Linear(weights=(1, 0), normalize=hybrid.MinMax())
        assert index.search("kettle steel", fusion=only, k=1).hits[0].id == lexical.hits[0].id
        assert index.search("kettle", fusion=hybrid.RRF(k=1), k=1).hits[0].score == pytest.approx(
            1 / 2 + 1 / 2
        )

    def test_a_reranker_has_the_last_word(self, index: Any) -> None:
        def backwards(query: str | None, found: Candidates, features: Any) -> Candidates:
            assert set(features) >= {"lexical_score", "vector_rank", "fused_score"}
            return Candidates.ranked(found.ordinals, -found.scores)

        plain = index.search("kettle", k=4)
        assert self.ids(index.search("kettle", k=4, reranker=backwards)) == self.ids(plain)[::-1]

    @pytest.mark.parametrize(
        ("query", "options", "error", "says"),
        [
            ("x", {"mode": "both"}, QueryError, "mode 'both' is not known"),
            ("x", {"k": 0}, QueryError, "k is 0"),
            ("x", {"k": True}, QueryError, "k is True"),
            ("x", {"depth": -1}, QueryError, "depth is -1"),
            ("x", {"offset": -1}, QueryError, "offset is -1"),
            ("x", {"fusion": "rrf"}, QueryError, "fusion='rrf'"),
            ("x", {"filter": {"price": {"about": 1}}}, FilterError, "about"),
            (None, {}, QueryError, "nothing to search for"),
            (b"x", {}, QueryError, "a query is a str"),
            (None, {"vector": [1.0], "mode": "vector"}, QueryError, "this index holds vectors of 32"),
            (None, {"vector": [0.0] * 32}, QueryError, "zero"),
            (None, {"vector": [1.0] * 32, "mode": "lexical"}, QueryError, "needs a query text"),
        ],
    )
    def test_bad_questions(
        self, index: Any, query: Any, options: Any, error: type[Exception], says: str
    ) -> None:
        with pytest.raises(error) as caught:
            index.search(query, **options)
        assert says in str(caught.value)

    def test_a_bad_batch_changes_nothing(self, index: Any) -> None:
        for bad in (Document(""), Document("8", vector=[1.0]), Document("8", "x", "", {"p": float("inf")})):
            with pytest.raises(DocumentError):
                index.add([Document("9", "good"), bad])
        assert len(index) == 4
        assert index.get("9") is None

    def test_odd_queries_are_answered(self, index: Any) -> None:
        for query in ("", " ", "\0", "\ud800", "🫖", "ﷺ", "the", "的", "a" * 100_000, 'OR AND ( " : *'):
            for mode in ("hybrid", "lexical", "vector"):
                index.search(query, mode=mode)

    def test_an_empty_index_answers_nothing(self, tmp_path: Path) -> None:
        empty = self.make(tmp_path / "empty", encoder=letters)
        for mode in ("hybrid", "lexical", "vector"):
            results = empty.search("anything", mode=mode, filter={"a": 1})
            assert (len(results), results.total) == (0, 0)
        assert empty.add([]) == 0
        getattr(empty, "close", lambda: None)()

    @pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
    def test_ready_made_vectors_need_no_encoder(self, tmp_path: Path, metric: str) -> None:
        index = self.make(tmp_path / "ready", encoder=None, metric=metric)
        index.add(
            [
                Document("a", vector=[3.0, 0.0]),
                Document("b", vector=[1.0, 1.0]),
                Document("c", "just words"),
            ]
        )
        results = index.search(vector=[1.0, 0.9], mode="vector")
        expected = {
            "cosine": [("b", 1.9 / np.sqrt(2 * 1.81)), ("a", 1 / np.sqrt(1.81))],
            "ip": [("a", 3.0), ("b", 1.9)],
            "l2": [("b", -0.01), ("a", -(4 + 0.81))],
        }[metric]
        assert [(hit.id, pytest.approx(hit.score, abs=1e-5)) for hit in results] == expected
        with pytest.raises(DocumentError, match="3 numbers; this index holds vectors of 2"):
            index.add([Document("d", vector=[1.0, 2.0, 3.0])])
        assert [hit.id for hit in index.search("words")] == ["c"]
        with pytest.raises(QueryError, match="no encoder"):
            index.search("words", mode="vector")
        getattr(index, "close", lambda: None)()

    def test_a_document_counts_with_the_best_of_its_vectors(self, tmp_path: Path) -> None:
        index = self.make(tmp_path / "several", encoder=None)
        fox = Document("a", "red fox", vector=[[3, 0], [0, 2]], passages=[(0, 3), (4, 7)])
        index.add([fox, Document("b", "blue", vector=np.eye(2)), Document("c", "green", vector=[1, 1])])
        for vector, passage in (([1.0, 0.1], (0, 3)), ([0.1, 1.0], (4, 7))):
            results = index.search(vector=vector, mode="vector")
            assert [hit.id for hit in results] == ["a", "b", "c"]
            assert [hit.passage for hit in results] == [passage, (0, 4), (0, 5)]
            assert results.hits[0].score == pytest.approx(1 / np.sqrt(1.01))
        assert index.search(vector=[1, 0], mode="vector").hits[0].document.vector is None
        getattr(index, "close", lambda: None)()

    def test_documents_come_out_with_their_vectors(self, tmp_path: Path) -> None:
        index = self.make(tmp_path / "out", encoder=None)
        index.add([Document("a", "old"), Document("b", "just words"), Document("c", vector=[3, 4])])
        several = Document("a", "red fox", "T", {"n": 1}, [[0, 1], [1, 0]], [(0, 3), (4, 7)])
        index.add([several])
        index.delete(["b"])
        everyone = index.documents()
        first = next(everyone)
        index.delete(["a"])
        index.add([Document("later", "not of that moment")])
        found = [first, *everyone]
        assert found == [Document("c"), several]  # vectors do not count in this
        assert [d.passages for d in found] == [[(0, 0)], [(0, 3), (4, 7)]]
        assert np.allclose(found[0].vector, [[0.6, 0.8]])
        assert np.array_equal(found[1].vector, [[0, 1], [1, 0]])
        assert [d.vector for d in index.documents() if d.id == "later"] == [None]
        getattr(index, "close", lambda: None)()

    def test_counting_is_over_the_filter_and_the_matches(self, index: Any) -> None:
        cheap = {"price": {"lt": 100}}
        assert (index.count(), index.count(filter=cheap)) == (4, 3)
        assert (index.count(query="kettle 水壶"), index.count(query="耳机", filter=cheap)) == (2, 1)
        assert (index.count(query=""), index.count(query="the"), index.count(filter={})) == (0, 0, 4)
        assert [one.id for one in index.documents(cheap)] == ["2", "3", "4"]
        index.delete(["3"])
        assert index.count(filter=cheap) == index.search("x", filter=cheap).total == 2
        with pytest.raises(QueryError):
            index.count(query=5)
        with pytest.raises(FilterError):
            next(index.documents(filter={"price": {"about": 1}}))

    def test_deleting_what_passes_a_filter(self, index: Any) -> None:
        index.add([Document("5", "kettle", metadata={"tags": ["kitchen"]})], wait="durable")
        assert index.delete(filter={"tags": "kitchen", "price": {"lt": 30}}) == 1
        assert index.delete(filter={"tags": "kitchen"}) == 2
        assert index.delete(filter={"tags": "kitchen"}) == 0
        assert sorted(one.id for one in index.documents()) == ["1", "2"]
        assert index.delete(everything=True) == 2
        assert (len(index), index.search("kettle").hits) == (0, ())

    def test_changing_metadata_leaves_text_and_vectors(self, index: Any) -> None:
        index.add([Document("5", "kettle", metadata={"price": 1})])
        before = {mode: index.search("kettle", mode=mode, k=9).hits for mode in ("lexical", "vector")}
        cheap = {"price": {"lt": 100}}
        assert (
            index.update_metadata({"price": 500, "tags": None, "at": {"x": 1, "y": None}}, filter=cheap)
            == 4
        )
        assert index.count(filter=cheap) == 0
        assert index.get("3").metadata == {"brand": "Borea", "price": 500, "at": {"x": 1}}
        assert index.get("3").text == PRODUCTS[2].text
        assert index.update_metadata({"at": {"x": True, "z": [1]}}, ids=["3", "nobody"]) == 1
        assert index.get("3").metadata["at"] == {"x": True, "z": [1]}
        assert index.get("3").metadata["at"]["x"] is True
        assert index.update_metadata({}, everything=True) == 5
        getattr(index, "compact", lambda: None)()  # until then BM25 counts the old versions, too
        for mode, hits in before.items():
            now = {hit.id: pytest.approx(hit.score) for hit in index.search("kettle", mode=mode, k=9)}
            assert {hit.id: hit.score for hit in hits} == now
        assert [hit.passage for hit in before["vector"]] == [
            hit.passage for hit in index.search("kettle", mode="vector", k=9)
        ]

    @pytest.mark.parametrize(
        "named",
        [
            {},
            {"filter": {}},
            {"filter": {"and": [{}, {"and": [{}]}]}},
            {"filter": {"or": [{"a": 1}, {}]}},
            {"ids": ["1"], "filter": {"a": 1}},
            {"ids": ["1"], "everything": True},
        ],
    )
    def test_a_change_of_everything_must_be_asked_for(self, index: Any, named: Any) -> None:
        with pytest.raises(FilterError, match="everything=True"):
            index.delete(**named)
        with pytest.raises(FilterError, match="everything=True"):
            index.update_metadata({"a": 1}, **named)
        assert index.count(filter={"a": 1}) == 0
        assert len(index) == 4

    def test_bad_changes_of_metadata(self, index: Any) -> None:
        for bad in (None, 5, {"a": float("nan")}, {5: 1}, {"a": {1}}):
            with pytest.raises(DocumentError):
                index.update_metadata(bad, everything=True)
        assert index.get("1") == PRODUCTS[0]

    def test_facets_values_and_ranges(self, index: Any) -> None:
        wanted = ["tags", Terms("brand", 1), Ranges("price", (30, 99))]
        found = index.facets(wanted)
        assert list(found) == ["tags", "brand", "price"]
        assert found["brand"] == Facet("brand", (Count("Aria", 2),), 2, 1, 4)
        assert found["tags"].counts == (("kitchen", 2), ("steel", 1))
        assert [count.documents for count in found["price"].counts] == [1, 1, 2]
        kettles = index.facets(wanted, query="kettle steel 水壶")
        assert (kettles["brand"].counts, kettles["tags"].documents) == ((("Borea", 1),), 2)
        assert index.facets(["tags"], filter={"tags": "steel"})["tags"].counts[0] == ("kitchen", 1)
        assert index.values("brand") == ["Aria", "Borea"]
        assert index.values("price", query="耳机 水壶", limit=1) == [29]
        assert index.range("price", filter={"brand": "Aria"}) == (99, 299.0)
        assert index.range("brand") is None
        for bad in ("brand", [5], ["a", "a"]):
            with pytest.raises(FilterError):
                index.facets(bad)
        for ask, asked in ((index.values, {"path": 5}), (index.values, {"path": "a", "limit": 0})):
            with pytest.raises(FilterError):
                ask(**asked)
        with pytest.raises(FilterError):
            index.range(None)

    @pytest.mark.parametrize(
        ("document", "says"),
        [
            (Document("x", "text", vector=np.ones((0, 32))), "no vector in"),
            (Document("x", "text", vector=[[1.0] * 32, [1.0] * 31]), "not a list of numbers"),
            (
                Document("x", "text", vector=[[1.0] * 32], passages=[(0, 4), (0, 4)]),
                "as many as vectors: 1",
            ),
            (Document("x", "text", vector=[1.0] * 32, passages=[(0, 5)]), "a text of 4 characters"),
            (Document("x", "text", passages=[(0, 4)]), "passages without vectors"),
        ],
    )
    def test_vectors_and_passages_that_do_not_fit(self, index: Any, document: Document, says: str) -> None:
        with pytest.raises(DocumentError, match=says):
            index.add([document])
        assert index.get("x") is None

    def test_ids_that_no_document_can_have_are_unknown(self, index: Any) -> None:
        assert index.get("\ud800") is None
        assert index.delete(["\ud800", ""]) == 0
        bad: Any
        for bad in (5, "1", [5], [["1"]]):
            with pytest.raises(DocumentError, match="id"):
                index.delete(bad)
        for bad in (None, 5, ["1"]):
            with pytest.raises(DocumentError, match="id"):
                index.get(bad)
        for bad in (None, ["a"], "a"):
            with pytest.raises(QueryError, match="mapping of query id"):
                index.run(bad)
        assert len(index) == 4

    # -- sorting

    def test_search_sorts_by_metadata(self, index: Any) -> None:
        for mode in ("hybrid", "vector"):
            found = index.search("kettle", mode=mode, sort="price")
            assert self.ids(found) == ["4", "3", "2", "1"]
            assert [hit.rank for hit in found] == [1, 2, 3, 4]
            scores = {hit.id: hit.score for hit in index.search("kettle", mode=mode)}
            assert {hit.id: hit.score for hit in found} == scores
        assert self.ids(index.search("kettle", sort="-price", k=2, offset=1)) == ["2", "3"]
        assert self.ids(index.search("kettle 水壶", mode="lexical", sort=["price"])) == ["4", "3"]
        assert self.ids(index.search("kettle", sort=["-brand", "price"])) == ["3", "2", "1", "4"]
        assert self.ids(index.search_many(["kettle"], sort="price", k=1)[0]) == ["4"]
        assert index.search("", mode="lexical", sort="price").hits == ()

    def test_values_sort_by_kind_and_lists_by_their_least(self, index: Any) -> None:
        values = [True, 10, 9.5, 2**70, "2024-05", "2023-01-01T10:00+08:00", "b", "a", [3, "z"], None, []]
        index.delete(everything=True)
        index.add(Document(f"v{i}", "teapot", metadata={"at": {"x": x}}) for i, x in enumerate(values))
        ascending = ["v0", "v8", "v2", "v1", "v3", "v5", "v4", "v7", "v6"]
        descending = ["v8", "v6", "v7", "v4", "v5", "v3", "v1", "v2", "v0"]
        without = by_ties(["v9", "v10"])
        for mode in ("hybrid", "lexical", "vector"):
            assert self.ids(index.search("teapot", mode=mode, k=20, sort="at.x")) == ascending + without
            assert self.ids(index.search("teapot", mode=mode, k=20, sort="-at.x")) == descending + without
        listed = [one.id for one in index.documents(sort=["-at.x"])]
        assert listed == [*descending, "v9", "v10"]
        assert [one.id for one in index.documents({"at.x": {"lt": 10}}, sort="at.x")] == ["v8", "v2"]
        assert self.ids(index.search("teapot", k=20, sort="nothing")) == self.ids(
            index.search("teapot", k=20)
        )

    def test_equals_are_sorted_by_score_and_lexical_mode_sorts_all_matches(self, index: Any) -> None:
        index.add(
            Document(f"n{i}", f"kettle number {i} " + "steel " * (i % 7), metadata={"n": i % 3, "i": i})
            for i in range(150)
        )
        ranked = index.search("steel kettle", mode="lexical", k=200).hits
        rank = {hit.id: hit.rank for hit in ranked}
        key = {hit.id: hit.document.metadata.get("n", 3) for hit in ranked}
        expected = sorted(rank, key=lambda id: (key[id], rank[id]))
        pages = [
            self.ids(index.search("steel kettle", mode="lexical", sort="n", k=40, offset=at))
            for at in (0, 40, 80, 120, 160)
        ]
        assert [id for page in pages for id in page] == expected
        assert len(expected) == 151
        shallow = index.search("steel kettle", mode="lexical", sort="-i", k=2, depth=1)
        assert self.ids(shallow) == ["n149", "n148"]
        among = set(self.ids(index.search("steel kettle", mode="vector", k=20)))
        assert set(self.ids(index.search("steel kettle", mode="vector", k=99, depth=20, sort="i"))) == among

    def test_without_an_encoder_all_matches_are_sorted(self, tmp_path: Path) -> None:
        plain = self.make(tmp_path / "plain", encoder=None)
        plain.add(Document(f"n{i}", "kettle", metadata={"i": i, "even": i % 2}) for i in range(150))
        for options in ({}, {"depth": 3}, {"mode": "lexical"}):
            assert self.ids(plain.search("kettle", sort="-i", k=2, **options)) == ["n149", "n148"]
            groups = plain.search("kettle", sort="i", group_by="even", **options)
            assert [(hit.id, hit.folded) for hit in groups] == [("n0", 74), ("n1", 74)]
        getattr(plain, "close", lambda: None)()

    @pytest.mark.parametrize("sort", [5, {"price": 1}, ["price", 5], "", "-", ["a"] * 11])
    def test_what_is_no_key_to_sort_by(self, index: Any, sort: Any) -> None:
        with pytest.raises(QueryError, match="sort"):
            index.search("kettle", sort=sort)
        with pytest.raises(QueryError, match="sort"):
            list(index.documents(sort=sort))

    def test_a_run_is_ranked_by_score(self, index: Any) -> None:
        with pytest.raises(QueryError, match="search_many"):
            index.run({"a": "kettle"}, sort="price")

    # -- fields

    def test_documents_come_with_the_fields_asked_for(self, index: Any) -> None:
        metadata = {
            "a": {"x": 1, "y": 2},
            "text": 3,
            "list": [{"x": 4}, {"y": 5}, 6],
            "a.b": 7,
            "none": None,
        }
        index.add([Document("5", "a teapot", "Teapot", metadata)])
        cases: list[tuple[list[str], Document]] = [
            ([], Document("5")),
            (["id", "score"], Document("5")),
            (["title", "text"], Document("5", "a teapot", "Teapot")),
            (["metadata"], Document("5", metadata=metadata)),
            (["metadata", "metadata.a.x"], Document("5", metadata=metadata)),
            (["text", "metadata.text"], Document("5", "a teapot", metadata={"text": 3})),
            (["metadata.a"], Document("5", metadata={"a": {"x": 1, "y": 2}})),
            (["metadata.a.x", "metadata.a.b"], Document("5", metadata={"a": {"x": 1}, "a.b": 7})),
            (["metadata.list.x"], Document("5", metadata={"list": [{"x": 4}]})),
            (["metadata.none", "metadata.no"], Document("5", metadata={"none": None})),
        ]
        for fields, expected in cases:
            (hit,) = index.search("teapot", mode="lexical", fields=fields).hits
            assert hit.document == index.get("5", fields=fields) == expected
            assert list(index.documents({"_id": "5"}, fields=fields)) == [expected]
            assert (hit.highlights is None) == ("text" not in fields)
        plain = index.search("kettle", k=5)
        bare = index.search_many(["kettle"], k=5, fields=())[0]
        assert [(hit.id, hit.score, hit.passages) for hit in plain] == [
            (hit.id, hit.score, hit.passages) for hit in bare
        ]
        assert [one.title for one in index.documents(sort="price", fields=["title"])][:2] == [
            "水壶",
            "Kettle",
        ]
        assert index.get("nobody", fields=[]) is None

    @pytest.mark.parametrize("fields", ["title", 5, ["titel"], [5], ["metadata."], ["title"] * 101])
    def test_what_are_no_fields(self, index: Any, fields: Any) -> None:
        with pytest.raises(QueryError, match="field"):
            index.search("x", fields=fields)
        with pytest.raises(QueryError, match="field"):
            index.get("1", fields=fields)

    # -- cursors

    @pytest.mark.parametrize("options", [{}, {"mode": "lexical"}, {"mode": "vector", "sort": "-i"}])
    def test_a_cursor_goes_through_the_ranking(self, index: Any, options: Any) -> None:
        index.add(Document(f"n{i}", f"kettle number {i}", metadata={"i": i}) for i in range(40))
        whole = index.search("kettle", k=41, filter={"i": {"gte": 0}}, **options)
        page = index.search("kettle", k=15, filter={"i": {"gte": 0}}, cursor=True, **options)
        assert page.hits == whole.hits[:15]
        assert page.total == whole.total
        second = index.next_page(page.cursor)
        assert second.hits == whole.hits[15:30] == index.next_page(page.cursor).hits
        last = index.next_page(second.cursor)
        assert (last.hits, last.cursor) == (whole.hits[30:], None)
        assert index.search("kettle", k=50, cursor=True, **options).cursor is None
        assert whole.cursor is None

    def test_a_cursor_shows_what_is_left(self, index: Any) -> None:
        index.add(Document(f"n{i}", "kettle", metadata={"open": True, "i": i}) for i in range(40))
        page = index.search("kettle", k=10, filter={"open": True}, sort="i", cursor=True)
        index.delete(["n12", "n0"])
        index.update_metadata({"open": False}, ids=["n13"])
        index.add([Document("n14", "a teapot", metadata={"open": True}), Document("new", "kettle")])
        second = index.next_page(page.cursor)
        assert self.ids(second) == ["n10", "n11", *(f"n{i}" for i in range(14, 22))]
        assert [hit.rank for hit in second] == [11, 12, *range(15, 23)]
        assert second.hits[2].document.text == "a teapot"
        index.delete(everything=True)
        last = index.next_page(second.cursor)
        assert (last.hits, last.cursor) == ((), None)

    def test_what_is_no_cursor(self, index: Any) -> None:
        index.add(Document(f"n{i}", "kettle") for i in range(5))
        cursor = index.search("kettle", k=2, cursor=True).cursor
        name, _, place = cursor.rpartition(".")
        assert place == "2"
        places = ("", "-1", "9" * 5000, "²", "\ud800")
        for bad in ("", ".", "x.2", name, *(f"{name}.{place}" for place in places)):
            with pytest.raises(CursorExpired, match="search again"):
                index.next_page(bad)
        assert index.next_page(f"{name}.99999").hits == ()
        for bad in (None, 5, b"x"):
            with pytest.raises(QueryError, match="a str"):
                index.next_page(bad)
        for bad in (1, "yes", np.ones(3)):
            with pytest.raises(QueryError, match="cursor is"):
                index.search("x", cursor=bad)
        with pytest.raises(QueryError, match="one search"):
            index.search_many(["a", "b"], cursor=True)

    # -- groups

    def test_documents_are_grouped_by_their_metadata(self, index: Any) -> None:
        tags: list[Any] = ["a", "b", "a", None, ["c", "a"], "b", [], 1, True, 1.0]
        index.add(
            Document(f"n{i}", "teapot " * (10 - i) + "rope", metadata={"tag": tag, "i": i})
            for i, tag in enumerate(tags)
        )
        for mode in ("lexical", "hybrid", "vector"):
            options = {"mode": mode, "filter": {"i": {"gte": 0}}}
            rank = {hit.id: hit.rank for hit in index.search("teapot", k=20, **options)}
            groups = [["n0", "n2", "n4"], ["n1", "n5"], ["n3"], ["n6"], ["n7", "n9"], ["n8"]]
            best = {min(group, key=lambda id: rank[id]): len(group) - 1 for group in groups}
            found = index.search("teapot", group_by="tag", **options)
            assert [(hit.id, hit.folded) for hit in found] == [
                (id, best[id]) for id in sorted(best, key=lambda id: rank[id])
            ]
            page = index.search("teapot", group_by="tag", k=2, offset=3, **options)
            assert page.hits == found.hits[3:5]
            assert {hit.folded for hit in index.search("teapot", **options)} == {0}
            cheapest = index.search("teapot", group_by="tag", sort="-i", **options)
            assert [(hit.id, hit.folded) for hit in cheapest] == [
                ("n9", 1),
                ("n8", 0),
                ("n6", 0),
                ("n5", 1),
                ("n4", 2),
                ("n3", 0),
            ]
            first = index.search("teapot", group_by="tag", k=4, cursor=True, **options)
            assert first.hits + index.next_page(first.cursor).hits == found.hits

    def test_passages_are_ranked_each_for_itself(self, index: Any) -> None:
        index.add([Document("book", self.long(), "Diary"), Document("map", "An old map of a lighthouse.")])
        for mode in ("hybrid", "lexical", "vector"):
            found = index.search("cook treasure lighthouse", mode=mode, group_by=None, k=300)
            assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
            assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
            places = [(hit.id, hit.passage) for hit in found]
            assert len(set(places)) == len(places)
            pages = [
                index.search("cook treasure lighthouse", mode=mode, group_by=None, k=2, offset=at).hits
                for at in (0, 2)
            ]
            assert pages[0] + pages[1] == found.hits[:4]
            for hit in found:
                snippet = hit.highlights.snippet
                assert hit.document.text[snippet.start :].startswith(snippet.text)
                if hit.passage is not None:
                    assert hit.passage.start <= snippet.start <= hit.passage.end
        words = index.search("cook treasure lighthouse", mode="lexical", group_by=None).hits
        assert (words[0].id, words[0].passage.heading[-1]) == ("book", "Day 41")
        assert "treasure" in words[0].document.text[slice(*words[0].passage)]
        assert [hit.id for hit in words] == ["book", "map"]
        near = index.search("harbour boats mud tide", mode="vector", group_by=None, k=300).hits
        assert sum(hit.id == "book" for hit in near) > 10

    def test_passages_of_short_documents_rank_as_they_do(self, index: Any) -> None:
        for mode in ("hybrid", "lexical", "vector"):
            documents = index.search("kettle of steel 水壶", mode=mode)
            passages = index.search("kettle of steel 水壶", mode=mode, group_by=None)
            assert [(hit.id, hit.score, hit.passages) for hit in passages] == [
                (hit.id, pytest.approx(hit.score, abs=1e-5), hit.passages) for hit in documents
            ]

    @pytest.mark.parametrize(
        "options",
        [
            {"group_by": ""},
            {"group_by": 5},
            {"group_by": None, "sort": "price"},
            {"group_by": None, "cursor": True},
            {"group_by": None, "min_score": 0.5},
            {"group_by": None, "reranker": lambda *_: None},
        ],
    )
    def test_what_cannot_be_grouped(self, index: Any, options: Any) -> None:
        with pytest.raises(QueryError, match="group_by"):
            index.search("kettle", **options)
        with pytest.raises(QueryError, match="search_many"):
            index.run({"a": "kettle"}, group_by=None)
        assert index.run({"a": "kettle"}, group_by="document") == index.run({"a": "kettle"})

    # -- passages

    def long(self) -> str:
        """Some 60,000 characters under headings: paragraph 41 alone names the treasure."""
        filler = "The harbour was quiet and the boats lay in the mud until the tide came back. "
        parts = [f"## Day {n}\n\n{filler * 12}" for n in range(60)]
        parts[41] += "Then the cook found the treasure beneath the lighthouse. "
        return "# Diary\n\n" + "\n\n".join(parts)

    def test_a_long_document_is_found_by_its_best_passage(self, index: Any) -> None:
        short = "A treasure lies beneath a tree, says the old map. " + "It says little else. " * 40
        index.add([Document("book", self.long(), "Diary"), Document("map", short)])
        for mode in ("lexical", "hybrid"):
            found = index.search("cook treasure lighthouse", mode=mode)
            hit = found.hits[0]
            assert hit.id == "book"
            assert "treasure" in hit.document.text[slice(*hit.passage)]
            assert hit.passage.heading[-1] == "Day 41"
            assert len(hit.passage) == 2
            assert hit.passages[0] == hit.passage
            assert hit.passage[1] - hit.passage[0] < 4000
            assert [one.id for one in found].count("book") == 1

    def test_a_context_is_made_of_passages_and_their_neighbours(self, index: Any) -> None:
        index.add([Document("book", self.long(), "Diary")])
        found = index.context("cook treasure lighthouse", mode="lexical", neighbours=0)
        assert [(one.id, one.heading) for one in found] == [("book", ("Day 41",))]
        (passage,) = index.search("cook treasure lighthouse", mode="lexical").hits[0].passages
        assert (found.passages[0].start, found.passages[0].end) == passage
        wider = index.context("cook treasure lighthouse", mode="lexical")
        assert wider.passages[0].start < passage.start < passage.end < wider.passages[0].end
        vector = letters(["Kettle a kettle of steel, 1.7 l"])[0]
        first = next(iter(index.context(vector=vector, mode="vector", tokens=20)))
        assert first.text == PRODUCTS[2].text
        with pytest.raises(QueryError, match="min_relevance needs a calibration"):
            index.context("kettle", min_relevance=0.5)

    def test_a_long_document_counts_as_one(self, index: Any) -> None:
        index.add([Document("book", self.long(), "Diary")])
        assert index.search("harbour", mode="lexical").total == 1
        assert index.search("harbour", mode="lexical", filter={"price": {"gt": 0}}).total == 0
        assert len(index) == 5
        index.delete(["book"])
        assert index.search("harbour", mode="lexical").total == 0
        assert self.ids(index.search("kettle", mode="lexical")) == ["3"]

    def test_many_long_documents_do_not_crowd_each_other_out(self, index: Any) -> None:
        text = "\n\n".join(["A paragraph on lighthouses and boats and harbours, again. " * 40] * 6)
        index.add([Document(f"b{i}", text) for i in range(30)] + [Document("one", "lighthouses")])
        found = index.search("lighthouses", mode="lexical", k=40)
        assert len(set(self.ids(found))) == len(found) == found.total == 31
        options = {"mode": "lexical", "k": 10}
        pages = [self.ids(index.search("lighthouses", offset=at, **options)) for at in (0, 10, 20, 30)]
        assert [id for page in pages for id in page] == self.ids(found)

    def test_passages_given_with_vectors_are_those_of_both_legs(self, index: Any) -> None:
        made = [letters(["red fox"])[0], letters(["blue whale"])[0]]
        index.add(
            [Document("two", "red fox. blue whale", vector=np.array(made), passages=[(0, 8), (9, 19)])]
        )
        assert index.search("whale", mode="lexical").hits[0].passage == (9, 19)
        assert index.search("fox", mode="lexical").hits[0].passages == ((0, 8),)
        assert index.search("blue whale", mode="vector").hits[0].passage == (9, 19)

    def test_no_word_outside_given_passages_is_lost(self, index: Any) -> None:
        text = "red fox. A hedgehog between. blue whale; and an owl"
        vectors = letters(["blue whale", "red fox"])
        index.add([Document("two", text, vector=vectors, passages=[(29, 39), (0, 8)])])
        for word in ("fox", "hedgehog", "whale", "owl"):
            (hit,) = index.search(word, mode="lexical").hits
            assert word in text[slice(*hit.passage)]
        assert index.search("blue whale", mode="vector").hits[0].passage == (29, 39)
