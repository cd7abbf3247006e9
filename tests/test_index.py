"""Index: the contract, and what a directory on disk adds to it."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hybrid
from hybrid import Document, Index
from hybrid.analyzers import Mixed
from hybrid.encoders import HashEncoder
from hybrid.errors import (
    DocumentError,
    EncoderError,
    IndexClosed,
    IndexExists,
    IndexLocked,
    IndexMismatch,
    IndexNotFound,
    IndexReadOnly,
    ModelNotFound,
    SettingsError,
)
from hybrid.index import reindex
from hybrid.lexical.terms import Terms
from tests.contracts.index import PRODUCTS, IndexContract, letters


class TestContract(IndexContract):
    def make(self, folder: Path, **settings: Any) -> Index:
        return Index.create(folder, **settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        index.add(PRODUCTS)
    return tmp_path / "idx"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index.open(path, encoder=letters) as index:
        yield index


def ids(results: hybrid.Results) -> list[str]:
    return [hit.id for hit in results]


# -- the directory


def test_what_was_written_is_there_after_reopening(index: Index) -> None:
    assert len(index) == 4
    assert [index.get(d.id) for d in PRODUCTS] == PRODUCTS
    assert ids(index.search("kettle", k=1)) == ["3"]
    assert index.verify() == []


def test_create_refuses_an_existing_index(path: Path) -> None:
    with pytest.raises(IndexExists, match="idx"):
        Index.create(path, encoder=None)


def test_open_needs_an_index(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(IndexNotFound, match="hybrid index"):
            Index.open(tmp_path / "nowhere", read_only=read_only)
        with pytest.raises(IndexNotFound):
            Index.open(tmp_path, read_only=read_only)


def test_a_failed_create_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="metric 'manhattan'"):
        Index.create(tmp_path / "idx", encoder=None, metric="manhattan")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="klingon"):
        Index.create(tmp_path / "idx", encoder=None, analyzer="klingon")
    with pytest.raises(ModelNotFound, match="no-such/model"):
        Index.create(tmp_path / "idx", encoder="no-such/model")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_index_may_be_moved_and_copied(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "copy")
    path.rename(tmp_path / "moved")
    for place in ("copy", "moved"):
        with Index.open(tmp_path / place, encoder=letters) as index:
            assert ids(index.search("kettle", k=1)) == ["3"]
            assert index.verify() == []


def test_one_writer_in_this_process_or_another(index: Index, path: Path) -> None:
    with pytest.raises(IndexLocked, match="another writer"):
        Index.open(path)
    code = (
        "import sys, hybrid\n"
        "try: hybrid.Index.open(sys.argv[1])\n"
        "except hybrid.HybridError as error: print(type(error).__name__)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == "IndexLocked"
    index.close()
    Index.open(path).close()


def test_a_closed_index_says_so(index: Index) -> None:
    index.close()
    index.close()
    for use in (
        lambda: index.search("x"),
        lambda: index.add([]),
        lambda: len(index),
        lambda: index.get("1"),
    ):
        with pytest.raises(IndexClosed, match="closed"):
            use()


def test_a_fork_must_open_its_own(index: Index) -> None:
    def child(queue: Any) -> None:
        try:
            index.search("x", mode="lexical")
        except IndexClosed as error:
            queue.put(str(error))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert "fork" in queue.get(timeout=30)
    process.join()


# -- readers


def test_readers_see_commits_with_their_next_search(index: Index, path: Path) -> None:
    with Index.open(path, encoder=letters, read_only=True) as reader:
        index.add([Document("5", "a brand new toaster")])
        assert ids(reader.search("toaster", mode="lexical")) == ["5"]
        assert reader.search("toaster").sequence == index.search("toaster").sequence
        index.delete(["5", "3"])
        assert ids(reader.search("toaster kettle", mode="lexical")) == []
        index.compact()
        index.add([Document("6", "a kettle again")])
        assert ids(reader.search("kettle", mode="lexical")) == ["6"]
        assert len(reader) == 4
        with pytest.raises(IndexReadOnly, match="read_only"):
            reader.add([Document("7", "x")])


def test_searching_from_many_threads_while_writing(index: Index) -> None:
    stop, errors = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            try:
                results = index.search("steel kettle", k=50, filter={"price": {"gt": 0}})
                assert len(set(ids(results))) == len(results)
                assert all(hit.document.metadata["price"] > 0 for hit in results)
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(15):
        index.add(
            [Document(f"t{j}", f"kettle {i} {j}", metadata={"price": i + 1}) for j in range(i, i + 5)]
        )
        index.delete([f"t{i}"])
        if i % 7 == 6:
            index.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert index.verify() == []


# -- identities


def test_another_encoder_is_refused_and_the_way_out_named(path: Path) -> None:
    with pytest.raises(IndexMismatch, match=r"letters.*hash.*hybrid reindex"):
        Index.open(path, encoder=HashEncoder(32))
    Index.open(path).close()  # the refusal left no lock behind


def test_an_encoder_of_the_programs_own_must_be_passed(path: Path) -> None:
    with Index.open(path) as index:
        assert ids(index.search("kettle", mode="lexical")) == ["3"]
        with pytest.raises(EncoderError, match=r"letters.*Index.open\(path, encoder=…\)"):
            index.search("kettle")


def test_another_analyzer_is_refused(path: Path) -> None:
    with pytest.raises(IndexMismatch, match=r"built with analyzer 'mixed-2', opened with 'mixed-2\+"):
        Index.open(path, analyzer=Mixed(user_words=("降噪王",)))


def test_a_user_dictionary_lives_in_the_index(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None, analyzer=Mixed(user_words=("云里雾",))) as index:
        index.add([Document("1", "云里雾加湿器")])
    with Index.open(tmp_path / "idx") as index:
        assert ids(index.search("云里雾")) == ["1"]
        index.compact()
    with Index.open(tmp_path / "idx") as index:
        assert ids(index.search("云里雾")) == ["1"]


# -- care


def test_compaction_drops_the_dead_and_keeps_the_rest(index: Index, path: Path) -> None:
    index.add([Document(f"n{i}", f"secret{i} kettle") for i in range(50)])
    index.delete([f"n{i}" for i in range(0, 50, 2)])
    before = index.search("kettle", k=100, mode="vector")
    assert index.stats()["dead"] == 25
    index.compact()
    after = index.search("kettle", k=100, mode="vector")
    assert index.stats()["dead"] == 0
    assert [(h.id, h.document, h.passage) for h in after] == [(h.id, h.document, h.passage) for h in before]
    assert after.sequence >= before.sequence
    assert len(list(path.glob("g*"))) == 1
    assert index.verify() == []
    index.close()
    assert not any(b"secret2 " in file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_reindexing_with_another_encoder_and_analyzer(path: Path) -> None:
    stats = reindex(path, encoder=HashEncoder(48), analyzer="chinese")
    assert (stats["dimension"], stats["analyzer"], stats["documents"]) == (48, "chinese-2", 4)
    with Index.open(path, encoder=HashEncoder(48)) as index:
        assert ids(index.search("水壶", k=1)) == ["4"]
        assert index.verify() == []


def test_an_index_without_encoder_gets_one(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(PRODUCTS)
        index.reindex(encoder=letters)
        assert ids(index.search("kettle of steel", mode="vector", k=1)) == ["3"]


@pytest.mark.parametrize("victim", ["lexical", "segment", "half"])
def test_a_lexical_leg_that_is_gone_or_behind_comes_back(path: Path, victim: str) -> None:
    folder = path / "g1" / "lexical-1"
    if victim == "lexical":
        shutil.rmtree(folder)
    elif victim == "segment":
        for file in folder.glob("*.idx"):
            file.write_bytes(b"")
    else:
        (folder / "meta.json").write_text("{")
    with Index.open(path, encoder=letters) as index:
        assert ids(index.search("kettle", mode="lexical")) == ["3"]
        assert index.verify() == []


def test_verify_finds_what_disagrees_and_repair_mends_it(path: Path) -> None:
    with Index.open(path, encoder=letters) as index:
        generation = index._store.generation
        generation.projection.lexical.apply(
            4, [[Terms([], ["intruder"])]], []
        )  # a document that the ledger does not have
        generation.snapshot = generation._look()
        problems = index.verify()
        assert any("too many" in problem for problem in problems)
        index.repair()
        assert index.verify() == []
        generation.projection.lexical.apply(4, [], [0])  # and one that the lexical leg lost
        generation.snapshot = generation._look()
        assert any("lacks 1 documents" in problem for problem in index.verify())
        index.repair()
        assert index.verify() == []
        assert ids(index.search("headphones", mode="lexical")) == ["1"]


def test_a_crash_between_the_two_commits_is_made_good(path: Path) -> None:
    with Index.open(path, encoder=letters) as index:
        ledger = index._store.generation.ledger
        ledger.commit([Document("5", "committed but not projected"), Document("3", "replaced")])
        ledger.commit([], deleted=["5", "1"])
        with Index.open(path, read_only=True, encoder=letters) as reader:
            assert set(ids(reader.search("kettle headphones", mode="lexical"))) == {
                "1",
                "3",
            }  # as of before
            assert len(reader) == 4
    with Index.open(path, encoder=letters) as index:
        assert ids(index.search("projected kettle headphones replaced", mode="lexical")) == ["3"]
        assert len(index) == 3
        assert index.verify() == []


def test_several_windows_of_one_document_count_once(tmp_path: Path) -> None:
    class Narrow(HashEncoder):
        """Sees forty words at a time."""

        max_tokens = 40

        def token_offsets(self, text: str) -> NDArray[np.int64]:
            spans = [match.span() for match in re.finditer(r"\w+", text)]
            return np.array(spans, np.int64).reshape(-1, 2)

    with Index.create(tmp_path / "idx", encoder=Narrow(64)) as index:
        filler = "Nothing to see in this sentence about weather. " * 400
        index.add(
            [Document("long", filler + "The treasure lies under the old oak tree."), Document("b", filler)]
        )
        assert index.stats()["vectors"] > 2
        hit = index.search("treasure under the old oak tree", mode="vector").hits[0]
        assert hit.id == "long"
        assert hit.passage is not None
        assert "treasure" in hit.document.text[slice(*hit.passage)]
        assert len(index.search("weather", mode="vector", k=10)) == 2


def test_a_document_that_is_only_a_vector(index: Index) -> None:
    index.add([Document("v", vector=letters(["zzzz"])[0])])
    assert index.search("zzzz", mode="vector").hits[0].id == "v"
    assert index.verify() == []


def test_progress_adds_up_to_the_documents(index: Index) -> None:
    seen: list[float] = []
    index.add([Document(f"p{i}", "word " * i) for i in range(1, 20)], progress=seen.append)
    assert sum(seen) == pytest.approx(19)
    index.add([Document("v", vector=[1.0] * 32)], progress=seen.append)
    assert sum(seen) == pytest.approx(20)


def test_lists_are_expected(index: Index) -> None:
    with pytest.raises(DocumentError, match=r"write \[document\]"):
        index.add(Document("1", "x"))  # type: ignore[arg-type]
    with pytest.raises(DocumentError, match=r"write \['1'\]"):
        index.delete("1")


def test_the_encoder_is_not_loaded_to_open_or_to_search_words(path: Path) -> None:
    code = (
        "import sys, hybrid\n"
        "with hybrid.Index.open(sys.argv[1], read_only=True) as index:\n"
        "    index.search('kettle', mode='lexical')\n"
        "print(sorted({'torch', 'onnxruntime', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_read_only_folder_can_be_read(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.chmod(0o500)
    with Index.open(path, read_only=True) as index:
        assert len(index) == 4


def test_normalisers_use_the_observed_minimum_where_theory_knows_none(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None, metric="l2") as index:
        index.add([Document(str(i), vector=[float(i), 0.0]) for i in range(4)])
        results = index.search(
            vector=[0.0, 0.0], fusion=hybrid.Linear(weights=(0, 1), normalize="theoretical-min-max")
        )
        assert [round(hit.score, 4) for hit in results] == [1.0, round(8 / 9, 4), round(5 / 9, 4), 0.0]
        assert np.isfinite([hit.score for hit in results]).all()


def test_sequence_numbers_only_grow_also_across_compactions(index: Index) -> None:
    seen = [index.stats()["sequence"]]
    for i in range(4):
        index.add([Document("again", f"text {i}")])
        index.compact()
        seen.append(index.stats()["sequence"])
    index.delete([document.id for document in index.documents()])
    index.compact()
    seen.append(index.stats()["sequence"])
    assert seen == sorted(set(seen))
