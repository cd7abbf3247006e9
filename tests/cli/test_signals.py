"""SIGTERM and Ctrl-C: one line, the right exit status, and nothing acknowledged is lost."""

from __future__ import annotations

import gc
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index
from hybrid.ledger import database
from hybrid.ledger.rows import Rows
from hybrid.vector.leg import VectorLeg
from tests.conftest import lines
from tests.durability import child
from tests.durability.history import History
from tests.durability.trial import Trial

DOCUMENTS = 10_000
BATCH = 1_000
STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text(lines(*({"_id": f"d{i}", "text": f"word {i % 97}"} for i in range(DOCUMENTS))))
    return path


def hybrid(*arguments: object) -> subprocess.Popen[str]:
    """The command, with Ctrl-C as a terminal would let it through."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from hybrid.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def stop(process: subprocess.Popen[str], number: signal.Signals, after: float) -> bool:
    """Send a signal: the command must end and say so in one line. False if it was done before."""
    try:
        time.sleep(after)
        process.send_signal(number)
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    if output:
        return False
    assert process.returncode == STATUS[number], errors
    assert errors.startswith("hybrid: "), errors
    assert errors.count("\n") == 1, errors
    return True


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
def test_indexing_that_is_stopped(tmp_path: Path, corpus: Path, number: signal.Signals) -> None:
    chance = random.Random(number)
    stopped = 0
    for turn in range(3):
        path = tmp_path / f"idx{turn}"
        process = hybrid("index", corpus, "--to", path, "--encoder", "none")
        _await(path.exists, process)
        stopped += stop(process, number, after=chance.uniform(0, 0.5))
        with Index.open(path) as index:
            assert index.verify() == []
            count = len(index)
            assert count % BATCH == 0
            assert index.get(f"d{count}") is None
            assert {f"d{i}" for i in range(count)} == {document.id for document in index.documents()}
            index.add([Document("one more", "word")])
            assert index.search("word", mode="lexical").total == count + 1
    assert stopped, "every run was over before its signal"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "idx"
    with Index.create(path, encoder=None) as index:
        index.add([Document(f"d{i}", f"word {i % 97}") for i in range(DOCUMENTS)])
    return path


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
def test_a_compaction_that_is_stopped(tmp_path: Path, filled: Path, number: signal.Signals) -> None:
    chance = random.Random(number)
    path = shutil.copytree(filled, tmp_path / "idx")
    stopped = 0
    for _ in range(3):
        process = hybrid("compact", path)
        _await(lambda: len(list(path.glob("g*"))) > 1, process)
        stopped += stop(process, number, after=chance.uniform(0, 0.7))
        with Index.open(path) as index:
            assert index.verify() == []
            assert len(index) == DOCUMENTS
        assert len(list(path.glob("g*"))) == 1
    assert stopped, "every run was over before its signal"


def _await(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def test_ctrl_c_at_any_moment_leaves_an_index_that_works(tmp_path: Path) -> None:
    output = child.run(interrupt_again_and_again, tmp_path / "idx")
    assert int(output.split()[-1]) > 10


def interrupt_again_and_again(path: str) -> None:
    """A timer raises KeyboardInterrupt somewhere in an add, a delete or a compaction."""
    chance = random.Random(3)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    trial = Trial(Path(path), History(documents=300, touched=40))
    hits = 0
    for turn in range(40):
        trial.history.step(trial.done + 1)  # made beforehand: the history must not be interrupted
        try:
            with _alarm(chance.uniform(0.0005, 0.06)):
                trial.attempt(trial.index.compact) if turn % 4 == 0 else trial.step()
        except KeyboardInterrupt:
            hits += 1
        trial.mend()
    assert not trial.met
    trial.check()
    sys.stdout.write(f"{hits}\n")


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def interrupt_after(statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes once, when the next such statement is done."""
    execute = database._Connection.execute

    def interrupt(connection: database._Connection, sql: str, *more: Any) -> sqlite3.Cursor:
        cursor = execute(connection, sql, *more)
        if sql == statement:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return cursor

    monkeypatch.setattr(database._Connection, "execute", interrupt)


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "COMMIT"])
def test_a_transaction_interrupted_at_its_edges_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Ctrl-C comes when the statement is done, before the next line."""
    with Index.create(tmp_path / "idx", encoder=None) as index:
        interrupt_after(statement, monkeypatch)
        with pytest.raises(KeyboardInterrupt) as kept:
            index.add([Document("a", "word")])
        index.add([Document("b", "word")])
        del kept
        gc.collect()
        done = {"a", "b"} if statement == "COMMIT" else {"b"}
        assert {hit.id for hit in index.search("word", mode="lexical")} == done


@pytest.mark.parametrize("statement", ["BEGIN", "COMMIT"])
def test_nor_does_a_look_at_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None) as index, Index.open(path, read_only=True) as reader:
        index.add([Document("a", "word")])
        interrupt_after(statement, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            reader.search("word", mode="lexical")
        assert [hit.id for hit in reader.search("word", mode="lexical")] == ["a"]
        index.add([Document("b", "word")])
        assert {hit.id for hit in reader.search("word", mode="lexical")} == {"a", "b"}


def interrupted(_leg: VectorLeg, _rows: Rows) -> None:
    raise KeyboardInterrupt


def test_what_was_interrupted_before_it_showed_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second delete finds nothing left to do, yet what the first one did must show."""
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("a", "word"), Document("b", "word")])
        with monkeypatch.context() as patch:
            patch.setattr(VectorLeg, "view", interrupted)
            with pytest.raises(KeyboardInterrupt):
                index.delete(["a"])
        assert index.delete(["a"]) == 0
        assert [hit.id for hit in index.search("word", mode="lexical")] == ["b"]
        assert index.get("a") is None
