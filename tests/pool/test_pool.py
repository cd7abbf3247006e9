"""A Pool answers as an Index does, sees what is written, and survives its processes."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybrid
from hybrid import AsyncPool, Document, Index, Pool
from hybrid.errors import (
    CursorExpired,
    FilterError,
    IndexClosed,
    IndexNotFound,
    MissingExtra,
    NotPicklable,
    QueryError,
    WorkerDied,
    WorkerError,
    WorkerTimeout,
)
from hybrid.pool import process
from hybrid.search.request import Options
from tests.contracts.index import PRODUCTS
from tests.pool import passed
from tests.test_async_index import public

STREAMS = {"documents", "searcher", "impressions", "past_queries"}
"""What hands out a stream or a state, which belongs to one process."""

WRITES = {
    *("create", "open", "add", "load", "delete", "update_metadata", "install", "use", "keep_model"),
    *("keep_calibration", "keep_adapter", "set_synonyms", "set_user_words", "feedback", "log", "learn"),
    *("keep_past_queries", "forget", "flush", "finish_graph", "compact", "backup", "repair", "reindex"),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.create(tmp_path_factory.mktemp("pool") / "idx", encoder=passed.Letters()) as index:
        index.add(PRODUCTS)
        index.add(Document(f"n{n}", f"teapot number {n}", metadata={"n": n}) for n in range(30))
        yield index


@pytest.fixture(scope="module")
def pool(index: Index) -> Iterator[Pool]:
    with Pool(index._store.path, processes=2, encoder=passed.Letters()) as pool:
        yield pool


def pids(pool: Pool) -> list[int]:
    return [worker.pid for worker in pool._workers if worker.pid is not None]


def gone(pid: int) -> bool:
    """Whether a process has ended, within ten seconds."""
    for _ in range(1000):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


# -- the same methods


def test_it_has_the_methods_of_an_index_that_read() -> None:
    assert set(public(Pool)) - {"call", "processes", "leave"} == set(public(Index)) - STREAMS - WRITES


def test_it_has_them_awaited() -> None:
    assert set(public(AsyncPool)) - {"open"} == set(public(Pool)) - {"leave"}


@pytest.mark.parametrize(
    "name", sorted(set(public(Index)) & set(public(Pool)) - {"profiles", "synonyms", "user_words", "close"})
)
def test_signatures_are_those_of_an_index(name: str) -> None:
    its = inspect.signature(getattr(Index, name)).parameters
    for kind in (Pool, AsyncPool):
        assert inspect.signature(getattr(kind, name)).parameters == its
        assert getattr(kind, name).__doc__ == getattr(Index, name).__doc__


OPTIONS: list[Options] = [
    {},
    {"mode": "lexical"},
    {"filter": {"brand": "Aria"}},
    {"fusion": hybrid.RRF(k=9)},
]


def test_answers_are_those_of_an_index(pool: Pool, index: Index) -> None:
    for query in ("kettle", "降噪耳机", '"kettle of steel" -vase', "teapot"):
        for options in OPTIONS:
            mine, its = pool.search(query, **options), index.search(query, **options)
            assert (mine.hits, mine.total, mine.query) == (its.hits, its.total, its.query)
            assert mine.suggestion == its.suggestion
            assert [hit.highlights for hit in mine] == [hit.highlights for hit in its]
    assert pool.context("kettle") == index.context("kettle")
    assert pool.explain("kettle", "3") == index.explain("kettle", "3")
    assert pool.get("2") == PRODUCTS[1]
    assert pool.absent(["1", "x"]) == {"x"}
    assert (len(pool), pool.count(filter={"brand": "Aria"})) == (34, 2)
    assert pool.facets(["brand"]) == index.facets(["brand"])
    assert pool.values("price") == index.values("price")
    assert pool.range("price") == index.range("price")
    assert pool.run({"a": "kettle"}) == index.run({"a": "kettle"})
    assert pool.suggest("ketle") == index.suggest("ketle")
    assert pool.autocomplete("ket") == index.autocomplete("ket")
    assert pool.stats()["documents"] == index.stats()["documents"]
    assert (pool.verify(), pool.profiles) == ([], index.profiles)
    assert (pool.synonyms, pool.user_words) == ([], [])


def test_many_queries_in_one_call(pool: Pool, index: Index) -> None:
    vectors = np.eye(2, 32, dtype=np.float32)
    for ready in (None, vectors):
        mine = pool.search_many(["kettle", "耳机"], vectors=ready)
        its = index.search_many(["kettle", "耳机"], vectors=ready)
        assert [one.hits for one in mine] == [one.hits for one in its]
        assert [h.highlights for one in mine for h in one] == [h.highlights for one in its for h in one]
    assert [one.hits for one in pool.search_many(vectors=vectors)] == [
        one.hits for one in index.search_many(vectors=vectors)
    ]


def test_no_highlights_without_the_text(pool: Pool) -> None:
    assert [hit.highlights for hit in pool.search("kettle", fields=["title"])] == [None] * 10
    assert pool.search(vector=np.ones(32)).suggestion is None


def test_pages_come_from_the_worker_that_keeps_them(pool: Pool, index: Index) -> None:
    whole = [hit.id for hit in index.search("teapot", mode="lexical", k=30)]
    with ThreadPoolExecutor(4) as threads:

        def read(_: int) -> list[str]:
            page = pool.search("teapot", mode="lexical", k=4, cursor=True)
            ids = [hit.id for hit in page]
            while page.cursor is not None:
                page = pool.next_page(page.cursor)
                assert page.total == 30
                assert page.hits[0].highlights is not None
                ids += [hit.id for hit in page]
            return ids

        assert list(threads.map(read, range(8))) == [whole] * 8
    with pytest.raises(CursorExpired):
        pool.next_page("nobody.4")
    with pytest.raises(QueryError):
        pool.next_page(4)  # type: ignore[arg-type]


def test_threads_share_it(pool: Pool, index: Index) -> None:
    expected = [index.search(f"teapot {n}").hits for n in range(30)]
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda n: pool.search(f"teapot {n}").hits, range(30))
        assert list(found) == expected
        assert set(threads.map(lambda _: pool.call(passed.wait, 0.05), range(8))) == set(pids(pool))


# -- what is passed


def test_functions_run_beside_the_index(pool: Pool) -> None:
    lights = pool.search("ketle").hits[0].highlights
    assert lights is not None
    assert pool.call(passed.rendered, "ketle") == (lights.snippet.html(), 34, "kettle")
    assert pool.call(passed.pid) in pids(pool)
    with pytest.raises(EOFError):  # nothing to read, and what it prints is no answer
        pool.call(passed.printed)
    assert pool.get("2") == PRODUCTS[1]


def test_what_can_be_pickled_is_passed(pool: Pool, index: Index) -> None:
    found = pool.search("teapot", fusion=passed.Backwards())
    assert [hit.id for hit in found] == [
        hit.id for hit in index.search("teapot", fusion=passed.Backwards())
    ]
    assert found.hits != pool.search("teapot", fusion=hybrid.RRF()).hits


def test_what_cannot_be_pickled_is_an_error_that_says_so(pool: Pool, index: Index) -> None:
    with pytest.raises(NotPicklable, match=r"search: an argument cannot be passed .*no lambda"):
        pool.search("teapot", fusion=lambda legs, limit: legs[0])
    with pytest.raises(NotPicklable, match="the answer cannot be passed"):
        pool.call(passed.unpicklable)
    with pytest.raises(NotPicklable, match="encoder or analyzer cannot be passed"):
        Pool(index._store.path, encoder=lambda texts: np.ones((len(texts), 32)))


def test_errors_are_those_of_an_index(pool: Pool, index: Index) -> None:
    wrong: list[dict[str, Any]] = [
        {"k": 0},
        {"mode": "other"},
        {"filter": {"a": {"near": 1}}},
        {"min_score": 2},
    ]
    for options in wrong:
        with pytest.raises((QueryError, FilterError)) as its:
            index.search("kettle", **options)
        with pytest.raises(its.type) as mine:
            pool.search("kettle", **options)
        assert str(mine.value) == str(its.value)
    with pytest.raises(MissingExtra, match="pip install it") as missing:
        pool.call(passed.fail, "ours")
    assert missing.value.name == "thing"
    with pytest.raises(KeyError, match="theirs") as theirs:
        pool.call(passed.fail, "theirs")
    assert "in fail" in theirs.value.__notes__[0]
    with pytest.raises(WorkerError, match="Stubborn: one"):
        pool.call(passed.fail, "stubborn")
    with pytest.raises(SystemExit):
        pool.call(passed.fail, "exit")


def test_an_index_that_cannot_be_opened(tmp_path: Path, index: Index) -> None:
    with pytest.raises(IndexNotFound, match=f"{tmp_path}/nowhere"):
        Pool(tmp_path / "nowhere", processes=1)
    for wrong in ({"processes": 0}, {"timeout": 0}):
        with pytest.raises(QueryError, match=next(iter(wrong))):
            Pool(index._store.path, **wrong)  # type: ignore[arg-type]


# -- beside a writer


def test_the_next_search_of_every_worker_sees_a_write(pool: Pool, index: Index) -> None:
    with ThreadPoolExecutor(2) as threads:
        for letter in "bcdfghklmnpqrstvwxz":
            word = f"vase{letter}ord"
            index.add([Document("w", f"{word} of glass")])
            hits = list(threads.map(lambda _, word=word: pool.search(word, mode="lexical").hits, range(4)))
            assert [[hit.id for hit in one] for one in hits] == [["w"]] * 4
    index.delete(["w"])
    assert [pool.get("w") for _ in range(4)] == [None] * 4


def test_a_re_index_and_a_move_are_followed(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(PRODUCTS)
        with Pool(tmp_path / "idx", processes=1) as pool:
            assert len(pool.search("kettles")) == 1
            index.reindex(analyzer="english")
            index.add([Document("5", "kettles")])
            assert len(pool.search("kettle")) == 2
            (tmp_path / "idx").rename(tmp_path / "moved")
            assert len(pool.search("kettle")) == 2  # it holds the directory
            for _ in range(2):
                with pytest.raises(IndexNotFound):  # a new process does not
                    pool.call(passed.die)
            (tmp_path / "moved").rename(tmp_path / "idx")
            assert len(pool.search("kettle")) == 2


# -- processes that die and hang


def test_a_dead_worker_is_replaced_and_asked_again(pool: Pool, tmp_path: Path) -> None:
    before = pids(pool)
    os.kill(before[0], signal.SIGKILL)
    with ThreadPoolExecutor(2) as threads:
        after = set(threads.map(lambda _: pool.call(passed.wait, 0.2), range(2)))
    assert len(after - set(before)) == 1
    assert pool.call(passed.die_once, tmp_path / "marker") in pids(pool)
    with pytest.raises(WorkerDied, match=r"two worker processes ended in this call, the last with SIGKILL"):
        pool.call(passed.die)
    assert len(pool.search("kettle")) == 10


def test_a_worker_that_hangs_is_ended(index: Index, tmp_path: Path) -> None:
    with Pool(index._store.path, processes=1, timeout=0.5, encoder=passed.Letters()) as pool:
        before = pids(pool)[0]
        with pytest.raises(WorkerTimeout, match=r"no answer within 0\.5 s"):
            pool.call(passed.hang_once, tmp_path / "marker")
        assert gone(before)
        assert pool.call(passed.hang_once, tmp_path / "marker") == pids(pool)[0] != before
        with pytest.raises(TimeoutError):
            pool.call(passed.wait, 30)
        assert len(pool.search("kettle")) == 10


def test_an_interrupted_call_leaves_no_answer_for_the_next(pool: Pool) -> None:
    interrupt = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        pool.call(passed.wait, 5)
    interrupt.join()
    assert [pool.get(f"n{n}").id for n in range(4)] == [f"n{n}" for n in range(4)]  # type: ignore[union-attr]


def test_closing_is_bounded(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.pool.pool.PATIENCE", 0.3)
    pool = Pool(index._store.path, processes=2, encoder=passed.Letters())
    known = pids(pool)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(pool.call, passed.wait, seconds) for seconds in (0.1, 60, 60, 60)]
        time.sleep(0.05)
        start = time.monotonic()
        pool.close()
        pool.close()
        assert time.monotonic() - start < 30
        raised = [call.exception(30) for call in calls]
    assert sum(isinstance(error, IndexClosed) for error in raised) >= 3
    assert all(gone(pid) for pid in known)
    with pytest.raises(IndexClosed, match="make a new one"):
        pool.search("kettle")
    assert repr(pool).endswith("closed>")


PROGRAM = """
    import sys, hybrid
    from tests.pool import passed
    def main(index): return 1
    pool = hybrid.Pool(sys.argv[1], processes=2, encoder=passed.Letters())
    print(*(worker.pid for worker in pool._workers), flush=True)
"""


def program(index: Index, more: str) -> subprocess.Popen[str]:
    """A program of its own process group, as a terminal has one."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM) + textwrap.dedent(more)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, str(index._store.path)], start_new_session=True, **pipes)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_program(index: Index, how: int) -> None:
    asked = program(index, "pool.call(passed.wait, 60)")
    assert asked.stdout is not None
    known = [int(pid) for pid in asked.stdout.readline().split()]
    time.sleep(0.2)
    os.killpg(asked.pid, how)
    _, errors = asked.communicate(timeout=60)
    assert all(gone(pid) for pid in known)
    assert errors.count("Traceback") == (how == signal.SIGINT)  # its own
    assert "hybrid/pool/worker.py" not in errors


def test_a_program_that_forgets_to_close_it_ends(index: Index) -> None:
    more = "try: pool.call(main)\nexcept hybrid.HybridError as error: print(error)"
    asked = program(index, more)
    output, errors = asked.communicate(timeout=60)
    assert asked.returncode == 0
    assert errors == ""
    assert "define functions and classes in a module that can be imported" in output
    assert all(gone(int(pid)) for pid in output.splitlines()[0].split())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # it has threads; the child only looks
def test_a_forked_process_leaves_it_alone(pool: Pool) -> None:
    known = pids(pool)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            pool.search("kettle")
        except IndexClosed:
            pool.close()
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert pids(pool) == known
    assert len(pool.search("kettle")) == 10


# -- asyncio


def test_it_is_awaited_without_a_thread_for_each_call(index: Index) -> None:
    async def main() -> None:
        opened = await AsyncPool.open(index._store.path, processes=2, encoder=passed.Letters())
        async with opened as pool:
            threads = threading.active_count()
            found = await asyncio.gather(*(pool.search(f"teapot {n}") for n in range(30)))
            assert [one.hits[0].document for one in found] == [index.get(f"n{n}") for n in range(30)]
            assert threading.active_count() <= threads + pool.processes
            assert (await pool.profiles).serves == index.profiles.serves
            assert await pool.call(passed.rendered, "kettle") == pool._inner.call(passed.rendered, "kettle")
            assert await pool.count() == 34
            with pytest.raises(QueryError):
                await pool.search("x", k=0)
            calls = [asyncio.create_task(pool.call(passed.wait, 0.3)) for _ in range(4)]
            await asyncio.sleep(0.05)
            calls[3].cancel()  # before its turn
            assert len(await asyncio.gather(*calls[:3])) == 3
            assert repr(pool).startswith("<hybrid.AsyncPool ")
        with pytest.raises(IndexClosed):
            await pool.search("kettle")
        await pool.close()

    asyncio.run(main())


def test_the_bound_on_starting_is_kept(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START", 0.01)
    with pytest.raises(WorkerTimeout, match=r"no answer within 0\.01 s"):
        Pool(index._store.path, processes=1, encoder=passed.Letters())
