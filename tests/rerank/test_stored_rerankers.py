"""Rerankers as JSON: what an index keeps is what serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index
from hybrid.errors import SettingsError
from hybrid.rerank import MMR, CrossEncoder, LambdaMART, LateInteraction, Popularity, Recency
from hybrid.rerank.lambdamart import dump as dump_learned
from hybrid.rerank.stored import dump, load
from hybrid.settings import Profile
from hybrid.types import Reranker
from tests.ties import by_ties

KEPT: list[Reranker] = [
    CrossEncoder("somebody/model", 20, 0.5),
    CrossEncoder("somebody/model", version="0123456789ab"),
    LateInteraction("somebody/model@main", 20, 0.5, "0123456789ab"),
    MMR(0.4, 10),
    Recency("made.date", 30, 0.5, 1e9),
    Recency("made.date", 30),
    Popularity("sold", 0.2),
]


@pytest.mark.parametrize("reranker", KEPT, ids=repr)
def test_what_is_stored_is_read(reranker: Reranker) -> None:
    stored = json.loads(json.dumps(dump(reranker)))
    assert load(stored) == reranker
    assert repr(load(stored)) == repr(reranker)


def test_a_learned_model_is_read_with_its_kind_and_without() -> None:
    model = LambdaMART(("coverage",), "trees", 0.5)
    stored = dump(model)
    assert stored["kind"] == "lambdamart"
    for one in (stored, dump_learned(model)):
        read = load(one)
        assert isinstance(read, LambdaMART)
        assert (read.features, read.model, read.base) == (("coverage",), "trees", 0.5)


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ({}, "a stored model cannot be read"),
        ({"kind": "oracle"}, "kind 'oracle', which neither"),
        ({"kind": ["mmr"]}, "neither this version"),
        ({"kind": "mmr", "balance": 2}, "cannot be read: MMR: balance is 2"),
        ({"kind": "mmr", "balance": "much"}, "cannot be read"),
        ({"kind": "recency"}, "cannot be read"),
        ({"kind": "popularity", "field": "sold", "more": 1}, "cannot be read"),
    ],
)
def test_anything_else_is_an_error_of_one_line(stored: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as raised:
        load(stored)
    assert "\n" not in str(raised.value)


def test_a_reranker_of_the_users_own_is_not_kept(tmp_path: Path) -> None:
    own: Any = lambda query, candidates, features: candidates  # noqa: E731
    with (
        Index.create(tmp_path / "idx", encoder=None) as index,
        pytest.raises(SettingsError, match="cannot be kept in an index: it is neither"),
    ):
        index.keep_model(own)


def test_what_is_kept_serves_after_reopening_compaction_and_until_another_is_used(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(Document(f"d{i}", "kettle", metadata={"sold": i}) for i in range(5))
        id = index.keep_model(Popularity("sold"))
        assert not index._store.generation.tables.has("forward")
        number = index.install(Profile(reranker=id))
        assert [hit.id for hit in index.search("kettle", k=2)] == ["d4", "d3"]
    with Index.open(tmp_path / "idx") as index:
        assert [hit.id for hit in index.search("kettle", k=2)] == ["d4", "d3"]
        assert index.explain("kettle", "d4").final is not None
        index.delete(["d4"])
        index.compact()
        assert [hit.id for hit in index.search("kettle", k=2)] == ["d3", "d2"]
        index.use(number - 1)
        assert [hit.id for hit in index.search("kettle", k=2)] == by_ties(f"d{i}" for i in range(4))[:2]
        assert index.verify() == []
