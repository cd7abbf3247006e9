"""What an older version wrote opens, answers and can be written to. A format that does not must say how to
migrate, and be named here."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.analyzers import Mixed
from hybrid.errors import IndexMismatch
from tests.golden.make import BATCH, DELETED, FOLDER, TODAY

ARCHIVES = sorted(FOLDER.glob("format-*.tar.gz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path)  # our own; the argument `filter` came with Python 3.11.4
    return tmp_path / "idx"


@pytest.fixture
def memory() -> MemoryIndex:
    memory = MemoryIndex()
    memory.add(BATCH)
    return memory


def test_there_is_one_of_todays_format_and_analyzer() -> None:
    assert FOLDER / f"{TODAY}.tar.gz" in ARCHIVES


@pytest.mark.parametrize("read_only", [True, False])
def test_it_opens_and_answers(
    request: pytest.FixtureRequest, path: Path, memory: MemoryIndex, read_only: bool
) -> None:
    if read_only and Mixed().id not in request.node.name:  # of an analyzer that is no more
        with pytest.raises(IndexMismatch, match="hybrid reindex"):
            Index.open(path, read_only=True)
        Index.open(path).close()
    with Index.open(path, read_only=read_only) as index:
        assert index.verify() == []
        assert list(index.documents()) == list(memory.documents())
        assert index.get(DELETED) is None
        for query in ("kettle", "水壶", "降噪 steel", "of a"):
            mine, its = index.search(query, mode="lexical"), memory.search(query, mode="lexical")
            assert {hit.id for hit in mine} == {hit.id for hit in its}
        mine, its = (i.search(vector=[0.5, 0.6, 0.2], k=9) for i in (index, memory))
        assert [(hit.id, hit.passage) for hit in mine] == [(hit.id, hit.passage) for hit in its]
        assert [
            hit.id for hit in index.search("kettle", filter={"maker.country": "CN"}, mode="lexical")
        ] == []


def test_it_can_be_written_to_and_compacted(path: Path, memory: MemoryIndex) -> None:
    with Index.open(path) as index:
        for target in (index, memory):
            target.add([Document("6", "a sixth kettle", vector=[0.9, 0.1, 0.1])])
            target.delete(["2"])
        index.compact()
        mine, its = (i.search("kettle steel", vector=[0.5, 0.6, 0.2], k=9) for i in (index, memory))
        assert [hit.id for hit in mine] == [hit.id for hit in its]
        assert index.verify() == []
