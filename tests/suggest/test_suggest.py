"""Did you mean, and autocomplete, on an index and on its textbook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from hybrid import Correction, Document, Index, MemoryIndex

Engine: TypeAlias = Index | MemoryIndex

DOCUMENTS = [
    Document("1", "Protein binding of the receptor", "Proteins", metadata={"lang": "en"}),
    Document("2", "手机壳在银行旁边的商店", metadata={"lang": "zh"}),
    Document("3", "Show the shower; the WH-1000XM5 shows headphones", metadata={"lang": "en"}),
    Document("4", "绿色女儿,你好", metadata={"lang": "zh"}),
]


@pytest.fixture(params=["index", "memory"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made: Engine = (
        MemoryIndex() if request.param == "memory" else Index.create(tmp_path / "idx", encoder=None)
    )
    with made:
        made.add(DOCUMENTS)
        yield made


def corrected(engine: Engine, query: str, **options: object) -> str | None:
    found = engine.suggest(query, **options)  # type: ignore[arg-type]
    return None if found is None else found.query


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("protien", "protein"),
        ("Protien bindin", "Protein binding"),
        ("PROTIEN", "PROTEIN"),
        ("+protien -kettle", "+protein -kettle"),
        ("xheadphones", "headphones"),
        ("headhpones of the recpetor", "headphones of the receptor"),
        ("手鸡", "手机"),
        ("我的手鸡，protien", "我的手机，protein"),
    ],
)
def test_a_misspelt_word_is_corrected_where_it_stands(engine: Engine, query: str, meant: str) -> None:
    assert corrected(engine, query) == meant
    assert corrected(engine, meant) is None


@pytest.mark.parametrize(
    "query",
    [
        "protein",
        "receptors",  # another form of a word that is there
        "shwo",  # short
        "xrotein",  # the first letter counts double
        "recptr",  # two edits in a word of six letters
        "protein5",
        "recepter-7",
        "protei*",
        "protien~",
        "the PROTIEN of mice",
        "and of the",
        "手机",
        "不是",
        "",
        " \ud800 ",
    ],
)
def test_what_is_left_alone(engine: Engine, query: str) -> None:
    assert engine.suggest(query) is None


def test_a_correction_says_where_and_how_many(engine: Engine) -> None:
    found = engine.suggest("of  Protien")
    assert found is not None
    assert found.corrections == (Correction(4, 11, "Protein", 1, 0),)


def test_a_rare_spelling_gives_way_to_one_that_is_a_hundred_times_as_frequent(engine: Engine) -> None:
    engine.add([Document("t", "recieve"), *(Document(f"r{i}", "receive") for i in range(100))])
    assert engine.suggest("recieve") is None
    engine.add([Document("r", "receive")])
    found = engine.suggest("recieve")
    assert found is not None
    assert found.corrections == (Correction(0, 7, "receive", 101, 1),)


def test_the_filter_leaks_no_word(engine: Engine) -> None:
    zh = {"lang": "zh"}
    assert corrected(engine, "protien", filter=zh) is None
    assert corrected(engine, "手鸡", filter={"lang": "en"}) is None
    assert corrected(engine, "手鸡", filter=zh) == "手机"
    assert engine.autocomplete("pro", filter=zh) == []
    assert engine.autocomplete("sho", filter=zh)[0] == "手机"
    assert "手机" not in engine.autocomplete("sho", filter={"lang": "en"})


def test_what_is_deleted_is_not_suggested_and_what_is_added_is(engine: Engine) -> None:
    engine.delete(["1", "2"])
    assert engine.suggest("protien") is None
    assert engine.suggest("手鸡") is None
    assert engine.autocomplete("pro") == []
    assert "手机" not in engine.autocomplete("sj")
    engine.add([Document("5", "Protection")])
    assert engine.autocomplete("pro") == ["protection"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("sh", "show"),
        ("Prot", "Protein"),
        ("binding of rec", "binding of receptor"),
        ("wh-10", "wh-1000xm5"),
        ("shouji", "手机"),
        ("sj", "手机"),
        ("nihao", "你好"),
        ("nh", "你好"),
        ("nver", "女儿"),
        ("nuer", "女儿"),
        ("ne", "女儿"),
        ("yinhang", "银行"),
        ("lv", "绿色"),
        ("lu", "绿色"),
        ("lü", "绿色"),
        ("我的手", "我的手机"),
        ("红色shouj", "红色手机"),
    ],
)
def test_the_last_word_is_completed(engine: Engine, typed: str, first: str) -> None:
    assert first in engine.autocomplete(typed)


def test_completions_are_ordered_by_how_many_documents_hold_them(engine: Engine) -> None:
    engine.add([Document(f"s{i}", "shopping") for i in range(3)])
    assert engine.autocomplete("shop") == ["shopping"]
    assert engine.autocomplete("sho", limit=1) == ["shopping"]
    assert engine.autocomplete("show", limit=2) == ["show", "shower"]


@pytest.mark.parametrize("typed", ["", " ", "show ", "zzz", "。"])
def test_where_there_is_nothing_to_complete(engine: Engine, typed: str) -> None:
    assert engine.autocomplete(typed) == []


def test_a_search_carries_the_suggestion_and_does_not_follow_it(engine: Engine) -> None:
    results = engine.search("protien", mode="lexical")
    assert len(results) == 0
    assert results.suggestion is not None
    assert results.suggestion.query == "protein"
    assert engine.search("protein", mode="lexical").suggestion is None
    assert engine.search("protien", mode="lexical", filter={"lang": "zh"}).suggestion is None
