"""Nothing acknowledged is lost to a power cut, and each fsync is there for a reason. A bounded part of what
``make power`` tries."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.durability.cuts import EVERYTHING, EXTREMES, NOTHING, Split, Whim, site
from tests.durability.disk import Disk, Tree
from tests.durability.strace import Action, Event

ROOT = Path(__file__).parents[2]
NAMES = EXTREMES[2]
GUARDED = [
    *("text.f32", "text.ord", "text.span", "ledger.db-wal", "ledger.db", "current"),
    *("generation folder", "index folder", "parent folder"),
    *("ledger.db-wal, on opening", "index folder, on opening"),
]
"""Without the fsyncs of these something is lost; without the others it would be built again."""


def disk(*events: tuple[Action, str] | tuple[Action, str, bytes | str]) -> Disk:
    """What these events leave; each began when the ones before it had returned."""
    made = Disk()
    for number, (action, path, *more) in enumerate(events):
        data = b"".join(part for part in more if isinstance(part, bytes))
        target = "".join(part for part in more if isinstance(part, str))
        made.apply(Event(action, path, number, data=data, target=target))
    return made


def left(made: Disk, cut: Whim | Split) -> Tree:
    return made.after(cut, Random(0))


def test_what_is_not_synced_may_be_lost() -> None:
    made = disk(("file", "a"), ("write", "a", b"one"))
    assert left(made, NOTHING) == {}
    assert left(made, EVERYTHING) == {"a": b"one"}
    assert left(made, NAMES) == {"a": b""}
    assert left(made, EXTREMES[3]) == {"a": b"\0\0\0"}


def test_a_file_is_safe_when_it_and_its_folder_are_synced() -> None:
    file = [("file", "a"), ("write", "a", b"one"), ("sync", "a")]
    assert left(disk(*file), NOTHING) == {}  # type: ignore[arg-type]
    assert left(disk(*file, ("sync", "")), NOTHING) == {"a": b"one"}  # type: ignore[arg-type]


def test_a_rename_is_undone_or_done() -> None:
    both = disk(
        *(("file", "old"), ("sync", "old"), ("file", "new"), ("write", "new", b"1"), ("sync", "new")),
        *(("sync", ""), ("rename", "new", "old")),
    )
    assert left(both, NOTHING) == {"old": b"", "new": b"1"}
    assert left(both, EVERYTHING) == {"old": b"1"}


def test_an_fsync_covers_what_had_returned_before_it_began() -> None:
    made = disk(("file", "a"), ("sync", ""), ("write", "a", b"1"))
    made.apply(Event("sync", "a", began=2))  # it was under way when the write returned
    assert left(made, NOTHING) == {"a": b""}


def test_a_torn_write_keeps_whole_sectors() -> None:
    made = disk(("file", "a"), ("write", "a", bytes([1]) * 5120))
    content = made.after(EXTREMES[1], Random(0))["a"]
    torn = [made.after(Whim("torn", 1, 1, ("torn",)), Random(seed))["a"] for seed in range(20)]
    assert content == bytes([1]) * 5120
    assert len(set(torn)) > 5
    for data in torn:
        assert data is not None
        assert all(len(set(data[start : start + 512])) == 1 for start in range(0, 5120, 512))


def test_one_site_may_fare_worse_than_the_others() -> None:
    made = disk(("folder", "i"), ("file", "i/current"), ("file", "i/writer.lock"))
    assert left(made, Split("current", NOTHING, EVERYTHING)) == {"i": None, "i/writer.lock": b""}
    assert site("i/g12/lexical-3/abc.term") == "lexical files"
    assert site(".i.1a2b.tmp/g1/text.f32") == "text.f32"


@pytest.fixture(scope="module")
def output() -> str:
    """Of the harness as a command: it forks, which a process that runs tests should not."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: what the engine writes cannot be recorded")
    command = [sys.executable, "-m", "tests.durability.power", "--points", "16", "--kills", "2"]
    command += [part for where in GUARDED for part in ("--site", where)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    assert "different states" in done.stdout, done.stdout + done.stderr
    return done.stdout


def numbers(output: str, name: str) -> list[int]:
    """States, rebuilt and lost of a line of a table."""
    line = next(line for line in output.splitlines() if line.strip().startswith(f"{name} "))
    return [int(word) for word in line.split()[-3:]]


def test_power_cuts_lose_nothing(output: str) -> None:
    states, _, lost = numbers(output, "once")
    assert states > 200
    assert lost == 0, output


def test_nor_do_cuts_after_kills(output: str) -> None:
    killed = [line for line in output.splitlines() if line.strip().startswith("killed before")]
    assert len(killed) == 2
    assert all(line.split()[-1] == "0" for line in killed), output


@pytest.mark.parametrize("where", GUARDED)
def test_without_an_fsync_something_is_lost(output: str, where: str) -> None:
    _, _, lost = numbers(output, where)
    assert lost > 0, output
