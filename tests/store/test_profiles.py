"""Serving profiles: installed, kept, gone back to, carried along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from hybrid import RRF, Document, Index, Linear, restore
from hybrid.errors import HybridError, IndexReadOnly, SettingsError
from hybrid.fusion import dump
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile, Profiles
from tests.asking import of_now

OTHER = Profile(fusion=dump(RRF(k=10)), depth=(50, 20), title_boost=0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "idx"
    random = np.random.default_rng(0)
    with Index.create(path, encoder=None) as index:
        index.add(
            Document(f"d{i}", f"word{i % 7} other{i % 3}", f"word{i % 5}", vector=random.normal(size=4))
            for i in range(80)
        )
    return path


def answers(index: Index) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search("word1 other2", vector=[1, 0.5, 0, 0], k=15)]


def test_a_new_index_serves_the_default(path: Path) -> None:
    with Index.open(path, read_only=True) as index:
        assert index.profiles.serves == 1
        assert index.profiles.serving == Profile()


def test_an_installed_profile_serves_from_the_next_search_on(path: Path) -> None:
    with Index.open(path) as index, Index.open(path, read_only=True) as reader:
        before = answers(index)
        assert answers(reader) == before
        assert index.install(OTHER, {"data": "train", "seed": 3}) == 2
        after = answers(index)
        expected = index.search("word1 other2", vector=[1, 0.5, 0, 0], k=15, fusion=RRF(k=10))
        assert after != before
        assert {id for id, _ in after} <= {hit.id for hit in expected}
        assert answers(reader) == after
        assert reader.profiles.history[1].evidence == {"data": "train", "seed": 3}
        assert index.use(1) == 1
        assert answers(index) == answers(reader) == before
        assert [one.number for one in index.profiles.history] == [1, 2]
        with pytest.raises(SettingsError, match="there is no profile 3; there are 1 to 2"):
            index.use(3)
        with pytest.raises(IndexReadOnly):
            reader.install(OTHER)


def test_profiles_outlive_reopening_compaction_backup_and_restore(path: Path, tmp_path: Path) -> None:
    with Index.open(path) as index:
        index.install(OTHER)
        index.compact()
        index.backup(tmp_path / "backup")
        known = index.profiles
    restore(tmp_path / "backup", tmp_path / "restored")
    for place in (path, tmp_path / "backup", tmp_path / "restored"):
        with Index.open(place) as index:
            assert index.profiles == known
            assert index.verify() == []


def test_another_encoder_or_analyzer_serves_the_default_again(path: Path) -> None:
    with Index.open(path) as index:
        index.install(OTHER)
        index.reindex(analyzer="english")
        assert index.profiles.serves == 3
        assert index.profiles.serving == Profile()
        assert index.profiles[2].profile == OTHER
        index.reindex(analyzer="mixed")
        assert len(index.profiles.history) == 3


def test_a_profile_installed_while_a_compaction_runs_is_not_lost(path: Path) -> None:
    with Index.open(path) as index:
        store = index._store
        with store.holding() as generation:
            index.install(OTHER)
            store._compact_from(generation)
        assert index.profiles.serving == OTHER


@pytest.mark.parametrize(
    "profile",
    [
        Profile(fusion={"method": "magic"}),
        Profile(fusion={"method": "rrf", "k": -1}),
        Profile(fusion={"method": "linear", "weights": [0, 0]}),
    ],
)
def test_a_fusion_that_cannot_serve_is_refused(path: Path, profile: Profile) -> None:
    with Index.open(path) as index:
        with pytest.raises(HybridError):
            index.install(profile)
        assert len(index.profiles.history) == 1


@pytest.mark.parametrize("evidence", [{"a": float("nan")}, {"a": object()}])
def test_evidence_is_json(path: Path, evidence: dict[str, Any]) -> None:
    with Index.open(path) as index, pytest.raises(SettingsError, match="evidence"):
        index.install(OTHER, evidence)


@pytest.mark.parametrize(
    "fields",
    [{"depth": 0}, {"depth": (5, 0)}, {"title_boost": -1}, {"title_boost": float("inf")}, {"x": 1}],
)
def test_a_profile_checks_its_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Profile(**fields)


@pytest.mark.parametrize("fields", [{"serves": 2}, {"serves": 0}, {"history": []}])
def test_profiles_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    value = Profiles.first(Profile()).model_dump() | fields
    with pytest.raises(ValidationError):
        Profiles.model_validate(value)


def test_runs_of_many_profiles_are_those_of_each(path: Path) -> None:
    profiles = [
        Profile(),
        OTHER,
        Profile(depth=5),
        Profile(fusion=dump(Linear((0.3, 0.7), "min-max", complete=True)), depth=(7, 60)),
        Profile(title_boost=2),
        Profile(depth=3),
    ]
    queries = {"1": "word1 other2", "2": "word3", "3": "nothing known"}

    def encoder(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1, text.count("o"), 2] for text in texts], np.float32)

    with Index.open(path) as index:
        index.reindex(encoder=encoder)
        together = of_now(index, Searcher.run_profiles, queries, profiles, k=12)
        for profile, run in zip(profiles, together, strict=True):
            index.install(profile)
            assert index.run(queries, k=12) == run
