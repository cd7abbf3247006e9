"""The bundled sample is well formed, and holds what the demonstration and the filters need."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

SAMPLE = files("hybrid.corpora") / "sample"
KINDS = {
    "keyword",
    "code",
    "synonym",
    "crosslingual",
    "question",
    "mixed",
    "paraphrase",
    "traditional",
}
# A part number and one that is easily taken for it.
SIBLINGS = [
    ("7302071", "7302017"),
    ("CX-381A", "CX-318A"),
    ("E320", "E302"),
    ("KC-1182", "KC-1128"),
    ("0x80070570", "0x80070057"),
    ("TR-12", "TR-21"),
    ("GN-56", "GN-65"),
    ("K515", "K155"),
]

Record = Mapping[str, Any]


def records(name: str) -> list[Record]:
    return [json.loads(line) for line in (SAMPLE / name).read_text("utf-8").splitlines()]


def judgments() -> Iterator[tuple[str, str, int]]:
    header, *lines = (SAMPLE / "qrels" / "test.tsv").read_text("utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    for line in lines:
        query, document, grade = line.split("\t")
        yield query, document, int(grade)


DOCUMENTS = {document["_id"]: document for document in records("corpus.jsonl")}
QUERIES = {query["_id"]: query for query in records("queries.jsonl")}
JUDGMENTS = list(judgments())


def words(document: Record) -> str:
    return f"{document['title']} {document['text']}"


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def answers(query: str) -> list[Record]:
    return [DOCUMENTS[document] for judged, document, grade in JUDGMENTS if judged == query and grade == 2]


def documents_with(text: str) -> set[str]:
    return {id for id, document in DOCUMENTS.items() if text in words(document)}


def showcase(shows: str) -> Record:
    [query] = [query for query in QUERIES.values() if query["metadata"].get("shows") == shows]
    return query


def test_size() -> None:
    assert 280 <= len(DOCUMENTS) <= 340
    assert 75 <= len(QUERIES) <= 100
    assert 2 <= len(JUDGMENTS) / len(QUERIES) <= 4


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_ids_are_unique(name: str) -> None:
    repeated = [id for id, count in Counter(record["_id"] for record in records(name)).items() if count > 1]
    assert repeated == []


def test_no_two_documents_read_the_same() -> None:
    assert len({document["text"] for document in DOCUMENTS.values()}) == len(DOCUMENTS)


def test_text_is_clean() -> None:
    for record in [*DOCUMENTS.values(), *QUERIES.values()]:
        for text in (record["_id"], record["text"], record.get("title", "-")):
            assert text, record["_id"]
            assert text == text.strip()
            assert "\n" not in text
            assert not any("\ud800" <= character <= "\udfff" for character in text)


def test_every_judgment_is_about_something_that_exists() -> None:
    assert {query for query, _, _ in JUDGMENTS} <= set(QUERIES)
    assert {document for _, document, _ in JUDGMENTS} <= set(DOCUMENTS)
    assert {grade for _, _, grade in JUDGMENTS} == {0, 1, 2}


def test_no_pair_is_judged_twice() -> None:
    assert len({(query, document) for query, document, _ in JUDGMENTS}) == len(JUDGMENTS)


def test_every_query_has_an_answer() -> None:
    assert {query for query, _, grade in JUDGMENTS if grade == 2} == set(QUERIES)


def test_every_kind_of_query_is_there() -> None:
    kinds = Counter(query["metadata"]["kind"] for query in QUERIES.values())
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 5


def test_both_languages_are_there() -> None:
    languages = Counter(document["metadata"]["lang"] for document in DOCUMENTS.values())
    assert set(languages) == {"zh", "en", "mixed"}
    assert min(languages["zh"], languages["en"]) > len(DOCUMENTS) / 3
    assert languages["mixed"] >= 10
    chinese = sum(is_chinese(query["text"]) for query in QUERIES.values())
    assert len(QUERIES) / 3 < chinese < len(QUERIES) * 2 / 3


def test_metadata_has_the_promised_types() -> None:
    for document in DOCUMENTS.values():
        metadata = dict(document["metadata"])
        assert is_chinese(words(document)) == (metadata.pop("lang") != "en"), document["_id"]
        assert isinstance(metadata.pop("category"), str)
        assert date.fromisoformat(metadata.pop("date"))
        assert_tags(metadata.pop("tags"))
        assert isinstance(metadata.pop("brand", ""), str)
        assert ("price" in metadata) == ("in_stock" in metadata), document["_id"]
        assert_price(metadata.pop("price", 1))
        assert isinstance(metadata.pop("in_stock", True), bool)
        assert_place(metadata.pop("place", [0.0, 0.0]))
        assert metadata == {}, document["_id"]


def assert_tags(tags: list[str]) -> None:
    assert tags
    assert all(isinstance(tag, str) for tag in tags)
    assert len(set(tags)) == len(tags)


def assert_price(price: float) -> None:
    assert isinstance(price, int | float)
    assert not isinstance(price, bool)
    assert price > 0


def assert_place(place: list[float]) -> None:
    latitude, longitude = place
    assert -90 <= latitude <= 90
    assert -180 <= longitude <= 180


@pytest.mark.parametrize("key", ["brand", "price", "in_stock", "place"])
def test_metadata_that_some_have(key: str) -> None:
    values = [document["metadata"][key] for document in DOCUMENTS.values() if key in document["metadata"]]
    assert 15 < len(values) < len(DOCUMENTS) / 2
    assert len({str(value) for value in values}) > 1


@pytest.mark.parametrize(("code", "sibling"), SIBLINGS)
def test_part_numbers_have_siblings(code: str, sibling: str) -> None:
    assert sorted(code) == sorted(sibling) or len(set(code) ^ set(sibling)) == 1
    with_code, with_sibling = documents_with(code), documents_with(sibling)
    assert with_code
    assert with_sibling
    assert not with_code & with_sibling


def test_showcases_are_marked() -> None:
    marked = {query["_id"] for query in QUERIES.values() if query["metadata"].get("showcase") is True}
    shown = ["synonym", "part number", "across languages", "mixed script"]
    assert {showcase(shows)["_id"] for shows in shown} == marked


def test_synonym_shares_no_word_with_its_answer() -> None:
    query = showcase("synonym")
    for word in query["text"].lower().split():
        assert not any(word in words(document).lower() for document in DOCUMENTS.values()), word


def test_part_number_stands_in_one_document() -> None:
    query = showcase("part number")
    number = query["text"].split()[-1]
    assert documents_with(number) == {answer["_id"] for answer in answers(query["_id"])}


def test_across_languages_is_answered_in_the_other_one_only() -> None:
    query = showcase("across languages")
    assert is_chinese(query["text"])
    assert not any(is_chinese(words(document)) for document in answers(query["_id"]))
    assert documents_with(query["text"][:2]) == set()  # no Chinese document is on the subject


def test_traditional_and_simplified_meet() -> None:
    """Some answers are in Traditional characters and asked for in Simplified ones, some the reverse."""
    traditional = {
        id for id, document in DOCUMENTS.items() if "traditional" in document["metadata"]["tags"]
    }
    queries = [id for id, query in QUERIES.items() if query["metadata"]["kind"] == "traditional"]
    assert len(traditional) >= 4
    assert {answers(query)[0]["_id"] in traditional for query in queries} == {True, False}
