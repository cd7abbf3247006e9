"""The pool under siege, and that the harness notices where it does not hold."""

from __future__ import annotations

from pathlib import Path

from tests.durability.workers import once, siege


def test_killing_workers_beside_a_writer_falsifies_no_answer(tmp_path: Path) -> None:
    report = siege(tmp_path / "idx", 1.0, 300, 1, stops=False)
    assert report["complaints"] == []
    assert report["killed"] >= 2
    assert report["late"] == 0


def test_a_pool_that_does_not_ask_again_is_found_out(tmp_path: Path) -> None:
    with once():
        report = siege(tmp_path / "idx", 60.0, 300, 2, stops=False)
    assert any("WorkerDied" in line for line in report["complaints"])
