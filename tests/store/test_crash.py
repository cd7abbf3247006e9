"""Nothing acknowledged is lost to kill -9. Forty kills; ``make crash`` does a thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.durability.crash import REACHED

ROOT = Path(__file__).parents[2]


def crash(*options: str) -> subprocess.CompletedProcess[str]:
    """The harness as a command: it forks, which a process that runs tests should not."""
    command = [sys.executable, "-m", "tests.durability.crash", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)


def counts(output: str, way: str) -> list[int]:
    """Kills, losses and rebuilds of a line of the table."""
    line = next(line for line in output.splitlines() if line.strip().startswith(f"{way} "))
    return [int(word) for word in line.split()[-3:]]


def test_forty_kills_lose_nothing() -> None:
    done = crash("--kills", "40", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    kills, losses, _ = counts(done.stdout, "all")
    assert losses == 0
    assert kills >= 30  # some lives outrun a random moment
    assert all(counts(done.stdout, point)[0] for point in REACHED)


def test_a_leg_that_is_not_caught_up_is_noticed() -> None:
    done = crash("--kills", "30", "--without", "replay")
    assert done.returncode == 1, done.stdout + done.stderr
    assert counts(done.stdout, "all")[1] > 0


def test_an_acknowledgement_before_the_commit_is_noticed() -> None:
    done = crash("--kills", "15", "--without", "commit")
    assert done.returncode == 1, done.stdout + done.stderr
    assert counts(done.stdout, "all")[1] > 0


def test_a_change_that_readers_are_not_told_of_is_noticed() -> None:
    done = crash("--kills", "15", "--without", "count")
    assert done.returncode == 1, done.stdout + done.stderr
    assert counts(done.stdout, "all")[1] > 0
