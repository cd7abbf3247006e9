"""Filters on ids: ``{"_id": {"in": [...]}}`` and its opposite, over a real index."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.errors import FilterError
from hybrid.ledger.ledger import Ledger
from hybrid.types import Mode

ALIKE = ("plumless", "buckeroo")  # one CRC-32, which is what memory holds of an id


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=None) as made:
        made.add([Document(id, "kettle", metadata={"n": i}, vector=[1, i]) for i, id in enumerate(ALIKE)])
        made.add(
            [Document(f"d{i}", "kettle", metadata={"n": i, "_id": "x"}, vector=[1, i]) for i in range(9)]
        )
        yield made


def found(index: Index, where: dict[str, Any], mode: Mode = "hybrid") -> set[str]:
    results = index.search("kettle", vector=[1, 0], mode=mode, k=50, filter=where)
    assert results.total == len(results)
    return {hit.id for hit in results}


@pytest.mark.parametrize("mode", ["lexical", "vector", "hybrid"])
def test_some_and_all_others(index: Index, mode: Mode) -> None:
    everyone = {*ALIKE, *(f"d{i}" for i in range(9))}
    assert found(index, {"_id": "d3"}, mode) == {"d3"}
    assert found(index, {"_id": {"in": ["d3", "d5", "no such id", ""]}}, mode) == {"d3", "d5"}
    assert found(index, {"not": {"_id": {"in": ["d3", "d5", "no such id"]}}}, mode) == everyone - {
        "d3",
        "d5",
    }
    assert found(index, {"_id": {"in": ["d3", "d5"]}, "n": {"gt": 3}}, mode) == {"d5"}
    assert found(index, {"_id": {"in": []}}, mode) == set()
    assert found(index, {"_id": {"exists": True}}, mode) == everyone


def test_ids_that_memory_cannot_tell_apart(index: Index) -> None:
    assert zlib.crc32(ALIKE[0].encode()) == zlib.crc32(ALIKE[1].encode())
    assert found(index, {"_id": ALIKE[0]}) == {ALIKE[0]}
    assert ALIKE[0] in found(index, {"not": {"_id": ALIKE[1]}})


def test_who_is_deleted_or_replaced(index: Index, tmp_path: Path) -> None:
    wanted = {"_id": {"in": ["d1", "d2", "d3"]}}
    with Index.open(tmp_path / "idx", read_only=True) as reader:
        index.delete(["d1"])
        index.add([Document("d2", "kettle", metadata={"n": 77})])
        for one in (index, reader):
            assert found(one, wanted, "lexical") == {"d2", "d3"}
            assert found(one, wanted | {"n": 77}, "lexical") == {"d2"}
        index.compact()
        assert found(index, wanted, "lexical") == found(reader, wanted, "lexical") == {"d2", "d3"}


def test_metadata_of_that_name_stays_and_is_not_asked(index: Index) -> None:
    assert found(index, {"_id": "x"}) == set()
    document = index.get("d1")
    assert document is not None
    assert document.metadata == {"n": 1, "_id": "x"}


def test_metadata_is_not_read_for_ids_alone(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "metadata", None)
    assert found(index, {"or": [{"_id": "d1"}, {"not": {"not": {"_id": "d2"}}}]}) == {"d1", "d2"}


def test_thousands(index: Index) -> None:
    index.add([Document(f"m{i}", "kettle") for i in range(5000)])
    some = [f"m{i}" for i in np.random.default_rng(0).permutation(20_000)[:9000].tolist()]
    held = set(some) & {f"m{i}" for i in range(5000)}
    results = index.search("kettle", k=10, mode="lexical", filter={"_id": {"in": some}})
    assert (results.total, {hit.id for hit in results} <= held) == (len(held), True)
    with pytest.raises(FilterError, match="more than 100,000 values"):
        index.search("kettle", filter={"_id": {"in": ["x"] * 100_001}})


def test_any_text_may_be_asked_for(index: Index) -> None:
    assert found(index, {"_id": {"in": ["\ud800", "a\0b", "d1", "x" * 10_000]}}) == {"d1"}
