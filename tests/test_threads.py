"""A program's exit status is its own, whatever threads are at work when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index, threads

ROWS = 5000  # more than are searched without a graph
RUNS = 2  # of those of which two in three used to end in SIGABRT

PROGRAM = """
import atexit, os, sys, threading, time
import numpy as np
import hybrid
from hybrid import Document, Index
path, rows = sys.argv[1], np.random.default_rng(0).normal(size=(6000, 32)).astype(np.float32)
def some(n=5000):
    return [Document(str(i), f"word{i % 97} kettle", vector=rows[i]) for i in range(n)]
def forever(work):
    def loop():
        while True:
            work()
    threading.Thread(target=loop, daemon=True).start()
    time.sleep(0.3)
"""

ENDINGS = {
    "vectors were added": ("index = Index.create(path, encoder=None); index.add(some())", 0),
    "nothing holds the index": ("Index.create(path, encoder=None).add(some())", 0),
    "exits with a status": ("index = Index.create(path, encoder=None); index.add(some()); sys.exit(3)", 3),
    "an exception": ("index = Index.create(path, encoder=None); index.add(some()); raise LookupError", 1),
    "a graph of rounded vectors": (
        "index = Index.create(path, encoder=None, ann='hnsw(precision=int8)'); index.add(some())",
        0,
    ),
    "a compaction": (
        "index = Index.create(path, encoder=None); index.add(some()); index.delete(map(str, range(4000)))",
        0,
    ),
    "durable adds": (
        "index = Index.create(path, encoder=None)\nfor d in some(50): index.add([d], wait='durable')",
        0,
    ),
    "a thread that searches": (
        "index = Index.create(path, encoder=None); index.add(some())\n"
        "forever(lambda: index.search('kettle word3', vector=rows[5500]))",
        0,
    ),
    "threads that write": (
        "index = Index.create(path, encoder=None); index.add(some())\n"
        "forever(lambda: index.add(some(300)))\nforever(lambda: index.delete(['7']))",
        0,
    ),
    "a thread that outlives the main one": (
        "index = Index.create(path, encoder=None); index.add(some())\n"
        "def late():\n    time.sleep(0.5); assert index.search('kettle', vector=rows[0]).hits\n"
        "    index.load(iter(some())); index.close(); Index.open(path).close(); os._exit(7)\n"
        "threading.Thread(target=late).start()",
        7,
    ),
    "an exit handler that closes": (
        "index = Index.create(path, encoder=None); index.add(some()); atexit.register(index.close)",
        0,
    ),
    "an exit handler that writes": (
        "index = Index.create(path, encoder=None); index.add(some())\n"
        "def last():\n    index.add(some(100)); assert index.search('kettle', vector=rows[0]).hits\n"
        "    sys.stdout.write('written')\n"
        "atexit.register(last)",
        0,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_status_is_the_programs_own(tmp_path: Path, ending: str) -> None:
    code, status = ENDINGS[ending]
    for run in range(RUNS if "vectors" in ending else 1):
        done = _run(code, tmp_path / str(run))
        assert done.returncode == status, done.stderr
        assert (not done.stderr) == (status != 1), done.stderr
    if ending == "an exit handler that writes":
        assert done.stdout == "written"
    with Index.open(tmp_path / "0") as index:
        assert index.verify() == []


def test_a_reader_whose_graph_is_not_saved(tmp_path: Path) -> None:
    assert _run(ENDINGS["vectors were added"][0], tmp_path / "idx").returncode == 0
    code = "print(len(Index.open(path, read_only=True).search('kettle', vector=rows[0])))"
    for _ in range(RUNS):
        done = _run(code, tmp_path / "idx")
        assert (done.returncode, done.stdout, done.stderr) == (0, "10\n", "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing(tmp_path: Path, method: str) -> None:
    code = f"""
    import multiprocessing
    def child(path):
        index = Index.create(path, encoder=None)
        index.add(some())
        sys.exit(5)
    if __name__ == "__main__":
        index = Index.create(path + "-parent", encoder=None); index.add(some())
        made = multiprocessing.get_context("{method}").Process(target=child, args=(path,))
        made.start(); made.join()
        sys.exit(made.exitcode)
    """
    file = tmp_path / "program.py"
    file.write_text(PROGRAM + textwrap.dedent(code))
    command = [sys.executable, "-W", "ignore", str(file), str(tmp_path / "idx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (5, "")


def _run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


# -- the parts


def test_each_keeps_the_order_and_raises_the_first_error() -> None:
    assert threads.each(lambda n: n * n, range(20), 4) == [n * n for n in range(20)]
    assert threads.each(str, [], 4) == []

    def fail(n: int) -> int:
        if n % 3 == 2:
            raise LookupError(n)
        return n

    with pytest.raises(LookupError, match="2"):
        threads.each(fail, range(20), 3)


def test_each_is_done_by_this_thread_where_no_other_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert threads.each(lambda _: threading.get_ident(), range(5), 4) == [threading.get_ident()] * 5
    assert not threads.start(threading.Thread())


def test_a_pool_that_takes_no_more() -> None:
    pool = ThreadPoolExecutor(1)
    assert threads.submit(pool, threading.get_ident).result() != threading.get_ident()
    pool.shutdown()
    assert threads.submit(pool, threading.get_ident).result() == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        threads.submit(pool, lambda: 1 // 0).result()


def test_without_threads_searches_are_exact_and_writes_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "start", lambda _: False)
    random = np.random.default_rng(0)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        rows = random.normal(size=(ROWS, 4)).astype(np.float32)
        index.add([Document(str(i), "word", vector=row) for i, row in enumerate(rows)])
        index.add([Document("late", "kettle", vector=rows[0])], wait="durable")
        assert [hit.id for hit in index.search("kettle", mode="lexical")] == ["late"]
        assert index.search(vector=rows[7], mode="vector", k=1).hits[0].id == "7"
        index.compact()
    with Index.open(tmp_path / "idx") as index:
        assert len(index) == ROWS + 1


class TestInside:
    """Whoever is on the way in when the door shuts waits; the door waits for whoever is in."""

    def started(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def test_it_waits_for_who_is_in(self) -> None:
        inside, out = threads._Inside(), []

        def work() -> None:
            with inside:
                time.sleep(0.2)
                out.append(1)

        self.started(work)
        time.sleep(0.05)
        inside.close()
        assert out == [1]

    def test_nobody_comes_in_later_but_the_last_thread(self) -> None:
        inside, out = threads._Inside(), []
        inside.close()

        def work() -> None:
            with inside:
                out.append(1)

        self.started(work).join(0.1)
        assert out == []
        with inside:
            pass

    def test_a_thread_that_takes_long_stops_at_the_next_beginning(self) -> None:
        inside = threads._Inside()

        def work() -> None:
            with inside:
                while True:
                    with inside:
                        time.sleep(0.01)

        self.started(work)
        time.sleep(0.05)
        began = time.monotonic()
        inside.close()
        assert time.monotonic() - began < threads.PATIENCE

    def test_and_who_never_stops_is_not_waited_for_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threads, "PATIENCE", 0.1)
        inside, event = threads._Inside(), threading.Event()

        def work() -> None:
            with inside:
                event.wait()

        thread = self.started(work)
        time.sleep(0.05)
        inside.close()
        event.set()
        thread.join()


def test_a_forked_child_has_nobody_inside() -> None:
    with threads.inside:
        if not (child := os.fork()):
            threads.inside.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
