"""Hostile input, a little in each run; ``python -m tests.durability.fuzz`` tries as much as time allows."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzzing.every import TARGETS
from tests.fuzzing.target import Target, World

INPUTS = 25
FEW = 6
PATIENCE = 60  # seconds


@pytest.fixture(autouse=True)
def _quiet_and_impatient(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An index logs what it builds again; what hangs fails."""

    def hangs(*_: object) -> None:
        raise AssertionError(f"hangs for {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, hangs)
    with caplog.at_level(logging.CRITICAL):
        yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_an_answer_or_one_of_our_errors(target: Target, tmp_path: Path) -> None:
    world = World(tmp_path)

    @settings(
        max_examples=FEW if target.slow else INPUTS,
        deadline=None,
        database=None,
        derandomize=True,  # chance is for the command
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attempt(input: Any) -> None:
        signal.alarm(PATIENCE)
        target.check(world, input)

    attempt()
    world.close()
