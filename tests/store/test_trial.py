"""A re-index on trial: a new generation that is asked beside the one that serves, and stays or goes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.disk import failpoints
from hybrid.encoders import HashEncoder
from hybrid.errors import EncoderError, StorageError
from hybrid.search.searcher import Searcher
from hybrid.store import store
from tests.commands import contents
from tests.durability import child

DOCUMENTS = [Document(f"d{i}", f"kettle number {i}") for i in range(30)]
OLD, NEW = HashEncoder(16), HashEncoder(48)
EVIDENCE = {"verdict": "better"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=OLD) as index:
        index.add(DOCUMENTS)
        yield index
    failpoints.disarm()


def folders(index: Index) -> list[str]:
    return sorted(path.name for path in index._store.path.iterdir())


def no(_serving: Searcher, _new: Searcher) -> None:
    return None


def yes(_serving: Searcher, _new: Searcher) -> Mapping[str, Any]:
    return EVIDENCE


def test_both_are_asked_each_with_its_own_encoder(index: Index) -> None:
    def judge(serving: Searcher, new: Searcher) -> Mapping[str, Any]:
        for searcher, encoder in ((serving, OLD), (new, NEW)):
            assert searcher.snapshot.vectors.dim == encoder.dim
            found = searcher.search("kettle number 7", mode="vector", k=3)
            assert found.hits[0].id == "d7"
        return EVIDENCE

    assert index.reindex(encoder=NEW, accept=judge)
    assert folders(index) == ["current", "g2", "writer.lock"]
    assert index.stats()["encoder"] == NEW.id
    assert index.profiles[index.profiles.serves].evidence == EVIDENCE
    assert len(index.profiles.history) == 2
    assert index.search("kettle number 7", mode="vector", k=1).hits[0].id == "d7"
    assert index.verify() == []


@pytest.mark.parametrize("settings", [{"encoder": NEW}, {"analyzer": "english"}])
def test_what_is_refused_leaves_nothing(index: Index, settings: Any) -> None:
    index.flush()
    before, around = contents(index._store.path / "g1"), folders(index)
    assert not index.reindex(**settings, accept=no)
    assert contents(index._store.path / "g1") == before
    assert folders(index) == around
    assert index.stats()["encoder"] == OLD.id
    assert index.search("kettle number 7", mode="vector", k=1).hits[0].id == "d7"
    index.add([Document("later", "a later one")])
    assert len(index) == len(DOCUMENTS) + 1


def test_a_judge_that_fails_leaves_nothing(index: Index) -> None:
    def fail(_serving: Searcher, _new: Searcher) -> None:
        raise RuntimeError("no verdict")

    around = folders(index)
    with pytest.raises(RuntimeError, match="no verdict"):
        index.reindex(encoder=NEW, accept=fail)
    assert folders(index) == around
    assert index.search("kettle number 7", mode="vector", k=1).hits[0].id == "d7"


@pytest.mark.parametrize("settings", [{"encoder": NEW}, {"analyzer": "english"}, {}])
def test_what_is_written_while_it_is_judged_is_in_the_new_one(index: Index, settings: Any) -> None:
    """Also so many deaths that a compaction begins."""

    def judge(_serving: Searcher, new: Searcher) -> Mapping[str, Any]:
        index.add([Document("d1", "a samovar"), Document("later", "a teapot")], wait="durable")
        index.delete(["d2"])
        index.learn({"q": "tea"}, {"q": {"later": 1}})
        assert index.search("samovar", mode="lexical").hits[0].id == "d1"
        assert new.get("later") is None
        return EVIDENCE

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "DEAD_SHARE", 0.0)
        index._store._compact_at = 1
        assert index.reindex(**settings, accept=judge)
    assert index.search("samovar", mode="lexical").hits[0].id == "d1"
    assert len(index) == len(DOCUMENTS)
    assert index.get("d2") is None
    assert index.get("later") is not None
    assert [past.query for past in index.past_queries()] == ["tea"]
    assert index.profiles[index.profiles.serves].evidence == EVIDENCE
    assert index.verify() == []


def test_a_rebuild_within_a_trial_wins(index: Index) -> None:
    def judge(_serving: Searcher, _new: Searcher) -> Mapping[str, Any]:
        index.compact()
        index.add([Document("later", "a teapot")])
        return EVIDENCE

    with pytest.raises(StorageError, match="rebuilt while a re-index was judged; re-index once more"):
        index.reindex(encoder=NEW, accept=judge)
    assert index.stats()["encoder"] == OLD.id
    assert index.get("later") is not None
    assert folders(index) == ["current", "g2", "writer.lock"]
    assert index.verify() == []


def test_past_queries_are_encoded_anew(index: Index) -> None:
    index.learn({"q": "tea pot"}, {"q": {"d1": 1}})
    assert index.reindex(encoder=NEW, accept=yes)
    with index.searcher() as searcher:
        [kept] = searcher.past()
    assert kept.vector is not None
    assert np.allclose(kept.vector, NEW.queries(["tea pot"])[0])


def test_readers_stay_with_what_serves_and_follow_the_switch(index: Index) -> None:
    with Index.open(index._store.path, encoder=OLD, read_only=True) as reader:

        def judge(_serving: Searcher, _new: Searcher) -> Mapping[str, Any]:
            assert reader.stats()["analyzer"] == "mixed-2"
            assert len(reader.search("kettle", mode="lexical").hits) == 10
            return EVIDENCE

        assert not index.reindex(analyzer="english", accept=lambda one, two: judge(one, two) and None)
        assert reader.stats()["analyzer"] == "mixed-2"
        assert index.reindex(analyzer="english", accept=judge)
        assert reader.stats()["analyzer"] == "english-2"
        assert reader.search("kettle number 7", mode="vector", k=1).hits[0].id == "d7"


def test_what_cannot_be_asked_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=OLD) as index:
        index.add(DOCUMENTS)

    def never(texts: list[str]) -> list[list[float]]:
        raise AssertionError(texts)

    with Index.open(tmp_path / "idx") as index, pytest.raises(EncoderError, match="pass it"):
        index.reindex(encoder=never, accept=yes)


@pytest.mark.parametrize("where", ["rebuild.batch", "judged", "rebuild.filled"])
def test_a_crash_leaves_the_old_one_and_no_draft(tmp_path: Path, where: str) -> None:
    path = tmp_path / "idx"
    process = child.start(tried_and_killed, path, where)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert any(path.glob("g*.tmp"))
    with Index.open(path, encoder=OLD, read_only=True) as reader:
        assert reader.search("kettle number 7", mode="vector", k=1).hits[0].id == "d7"
    assert any(path.glob("g*.tmp"))
    with Index.open(path, encoder=OLD) as index:
        assert folders(index) == ["current", "g1", "writer.lock"]
        assert index.verify() == []
        assert len(index) == len(DOCUMENTS) + (where == "judged")


def tried_and_killed(path: str, where: str) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if where != "judged":
        failpoints.arm(where, die)  # type: ignore[arg-type]
    with Index.create(path, encoder=OLD) as index:
        index.add(DOCUMENTS)

        def judge(_serving: Searcher, _new: Searcher) -> Mapping[str, Any]:
            if where == "judged":
                index.add([Document("later", "a teapot")])
                die()
            return EVIDENCE

        index.reindex(encoder=NEW, accept=judge)
        sys.exit("not killed")


def broken(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("point", ["rebuild.batch", "rebuild.filled", "rebuild.switched"])
def test_a_fault_leaves_one_of_the_two(index: Index, point: failpoints.FailPoint) -> None:
    failpoints.arm(point, broken(OSError(5, "Input/output error")))
    with pytest.raises(StorageError):
        index.reindex(analyzer="english", accept=yes)
    failpoints.disarm()
    index.flush()
    index.add([Document("later", "a teapot")])
    assert index.stats()["analyzer"] == ("english-2" if point == "rebuild.switched" else "mixed-2")
    assert len(index) == len(DOCUMENTS) + 1
    assert index.verify() == []
