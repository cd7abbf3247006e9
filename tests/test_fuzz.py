"""Hostile input, a little in each run; ``python -m tests.durability.fuzz`` tries as much as time allows."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzzing.apart import Apart
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
        phases=tuple(Phase) if target.shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attempt(input: Any) -> None:
        signal.alarm(PATIENCE)
        target.check(world, input)

    attempt()
    world.close()


def test_what_ends_the_process_apart_is_a_finding_and_the_next_input_is_tried() -> None:
    apart = Apart()
    try:
        with pytest.raises(AssertionError, match=r"judging:end ended the process: status -11"):
            apart("tests.fuzzing.judging:end", None)
        apart("tests.fuzzing.judging:measure", ("AP", {"q": {"d": -2}}, {"q": [("d", 1.0)]}))
        with pytest.raises(AssertionError, match="ValueError"):
            apart("tests.fuzzing.judging:measure", "no input")
    finally:
        apart.close()
