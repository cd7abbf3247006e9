"""How much of a query the best keyword match covers, and what the default ranking makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hybrid import Candidates, Document, Index, Linear, MemoryIndex, Rocchio, Softplus
from hybrid.fusion import QueryTerms
from hybrid.okapi import K1, idf
from hybrid.order import Pool
from hybrid.search.evidence import Evidence
from tests.contracts.index import letters

DOCUMENTS = [
    Document("kettle", "a kettle of steel for boiling water"),
    Document("harbour", "the harbour in the year 2015 was quiet"),
    Document("lamp", "lamp lamp lamp lamp lamp with paper shade"),
    Document("pump", "pump for water"),
]
NOTHING = [Candidates.none()] * 2
EVEN = Rocchio(Linear((0.5, 0.5), Softplus(), complete=True))


@pytest.fixture(params=["index", "memory"])
def shop(request: Any, tmp_path: Path) -> Iterator[Any]:
    make: Any = MemoryIndex if request.param == "memory" else partial(Index.create, tmp_path / "shop")
    with make(encoder=letters, analyzer="english") as shop:
        shop.add(DOCUMENTS)
        yield shop


def known(shop: Any, words: list[str]) -> QueryTerms:
    if isinstance(shop, MemoryIndex):
        return Evidence(shop._state, None, Pool.of(NOTHING, shop._state.ties), words).terms()
    with shop.searcher() as searcher:
        return Evidence(searcher.snapshot, None, Pool.of(NOTHING, searcher.snapshot.ties), words).terms()


def test_the_most_is_what_the_eight_rarest_words_can_give(shop: Any) -> None:
    rare, common, unknown = idf(1, 4), idf(2, 4), idf(0, 4)
    assert known(shop, ["water", "pump"]).most == pytest.approx((K1 + 1) * (common + rare))
    assert known(shop, ["pump", "pump", "x"]).most == pytest.approx((K1 + 1) * (2 * rare + unknown))
    many = [f"word{n}" for n in range(7)]
    assert known(shop, ["water", "pump", *many]).most == pytest.approx((K1 + 1) * (7 * unknown + rare))
    assert known(shop, []).most == 0


def test_a_year_alone_does_not_carry_a_question_in_other_words(shop: Any) -> None:
    def gap(fusion: Rocchio) -> float:
        found = shop.search(
            "que faire au port en 2015", vector=letters(["pump for water"])[0], fusion=fusion
        )
        scores = {hit.id: hit.score for hit in found}
        return float(scores["harbour"] - scores["pump"])

    assert gap(Rocchio(share=0)) < gap(Rocchio(EVEN.first, share=0))


def test_an_explanation_says_what_the_fusion_makes_of_the_query(shop: Any) -> None:
    query = "que faire au port en 2015"
    said = shop.explain(query, "harbour")
    assert len(said.notes) == 1
    assert said.notes[0] in str(said)
    assert "lexical weight x" in said.notes[0]
    even = shop.explain(query, "harbour", fusion=EVEN)
    assert even.notes == ()
    assert said.fusion["lexical"] < even.fusion["lexical"]
    assert shop.explain("lamp", "lamp").notes == ()


def test_synonyms_do_not_lower_what_is_covered(shop: Any) -> None:
    shop.set_synonyms(["lamp, lantern, light, torch, candle"])
    assert shop.explain("lamp", "lamp").notes == ()


def test_both_backends_cover_alike(tmp_path: Path) -> None:
    queries = ["water 2015 x y z", "a lamp of steel", "quiet paper pump harbour year lamp", "nothing"]
    memory = MemoryIndex(encoder=letters, analyzer="english")
    memory.add(DOCUMENTS)
    with Index.create(tmp_path / "shop", encoder=letters, analyzer="english") as index:
        index.add(DOCUMENTS)
        for query in queries:
            found = index.search(query, k=4).hits
            other = memory.search(query, k=4).hits
            assert [hit.id for hit in found] == [hit.id for hit in other]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in other], abs=1e-4)
            assert index.explain(query, "pump").notes == memory.explain(query, "pump").notes
