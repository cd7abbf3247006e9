"""From nothing to the first answer: imports, and the command line on a small index."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from hybrid import Index, corpora
from hybrid.errors import ModelNotFound
from tests.benchmarks.house import House, kept
from tests.benchmarks.report import Report

ENCODERS: Final = {"all-MiniLM-L6-v2": "waterproof jacket", "multilingual-e5-small": "怎样清洗保温杯"}
_TIMES: Final = 7


def run(house: House) -> Report:
    report = Report("cold", processes=_TIMES)
    table = report.table(
        "Cold processes",
        note="Wall time of whole processes, Python's own start included; files are in the page cache.",
    )
    for code in ("pass", "import hybrid", "from hybrid import Index"):
        table.add(what=f"python -c '{code}'", **_cells([sys.executable, "-c", code]))
    for encoder, query in ENCODERS.items():
        try:
            path = small_index(house.plan.out / "cache", encoder)
        except ModelNotFound as error:
            table.add(what=f"hybrid search, {encoder}", missing=str(error))
            continue
        command = str(Path(sys.executable).with_name("hybrid"))
        table.add(what=f"hybrid search, {encoder}", **_cells([command, "search", str(path), query]))
    return report


def small_index(folder: Path, encoder: str) -> Path:
    """The bundled sample, encoded."""

    def make(draft: Path) -> None:
        with Index.create(draft, encoder=encoder) as index:
            index.add(corpora.read_documents(corpora.sample()))

    return kept(folder / f"sample-{encoder}", make)


def _cells(command: list[str]) -> dict[str, float]:
    took, cpu = np.array([_run(command) for _ in range(_TIMES + 1)][1:]).T
    low, middle, high = np.percentile(took, [25, 50, 75]).tolist()
    return {
        "median s": middle,
        "IQR s": high - low,
        "least s": float(min(took)),
        "CPU s": float(np.median(cpu)),
    }


def _run(command: list[str]) -> tuple[float, float]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    took, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took, used
