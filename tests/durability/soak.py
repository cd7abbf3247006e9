"""Replace the whole corpus several times over under search load, and see what is left of it:
``python -m tests.durability.soak --minutes 10``.

Exit status 1 when a promise is broken: an answer that fits no state, recall that drifts, files or memory
that grow, a compacted index of more than 1.5 times a fresh build, a byte of a deleted document.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from hybrid import Index, Pool
from tests.durability.footprint import disk_use, footprint, machine, one_arena, show
from tests.durability.history import TOKEN, History, Version
from tests.durability.load import Load, fill, measure, percentiles
from tests.durability.reader import Reader

_QUERIES: Final = 100
_DRIFT: Final = 0.02  # of recall@10
_DISK: Final = 1.5  # times a fresh build


@dataclass(frozen=True)
class State:
    """What the index is like at one time."""

    documents: int
    resident_mb: float
    anonymous_mb: float
    open_files: int
    disk_mb: float
    p50_ms: float
    p99_ms: float
    recall_at_10: float

    @classmethod
    def of(cls, folder: Path, reader: Reader, n: int, seconds: float) -> State:
        """Searches for ``seconds``; the index is at rest in state ``n``."""
        latency, seen = percentiles([measure(reader, seconds)]), footprint()
        return cls(
            documents=len(reader.index),
            resident_mb=round(seen.resident / 1e6, 1),
            anonymous_mb=round(seen.anonymous / 1e6, 1),
            open_files=seen.files,
            disk_mb=round(disk_use(folder) / 1e6, 3),
            p50_ms=latency["p50"],
            p99_ms=latency["p99"],
            recall_at_10=recall(reader.index, reader.history, n),
        )


def recall(index: Index | Pool, history: History, n: int) -> float:
    """Of the vector leg: the share of the ten nearest in state ``n`` that it finds."""
    living = [Version(id, stamp) for id, stamp in history.state(n).items()]
    vectors = np.stack([history.vector(version) for version in living])
    queries = np.random.default_rng(5).standard_normal((_QUERIES, history.dim)).astype(np.float32)
    found = 0
    for query in queries:
        nearest = {living[i].id for i in np.argsort(-(vectors @ query))[:10]}
        hits = index.search(vector=query, mode="vector", k=10)
        found += len(nearest & {hit.id for hit in hits})
    return round(found / (10 * _QUERIES), 4)


def tokens_in(folder: Path) -> set[bytes]:
    """Every unique token that the raw bytes of any file below ``folder`` hold."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {token for path in files for token in re.findall(TOKEN, path.read_bytes())}


def remains(folder: Path, history: History, n: int) -> list[str]:
    """Bytes of the dead in ``folder``, which holds state ``n``; and of the living, if they are missing."""
    living = {Version(id, stamp) for id, stamp in history.state(n).items()}
    dead = (version for version in history.versions(n) if version not in living)
    kept = _tokens(history, living)
    found = tokens_in(folder)
    broken = []
    if left := (_tokens(history, dead) - kept) & found:
        broken.append(f"{len(left)} tokens of deleted documents are left, such as {min(left)!r}")
    if lacking := kept - found:
        broken.append(f"{len(lacking)} tokens of living documents are in no file: this check is blind")
    return broken


def _tokens(history: History, versions: Iterable[Version]) -> set[bytes]:
    found: set[bytes] = set()
    for version in versions:
        found |= history.tokens(version)
        found.add(version.id.partition("-")[2].encode())
    return found


def run(folder: Path, history: History, minutes: float, pause: float = 2.0) -> dict[str, Any]:
    """The report; what is broken is under "broken"."""
    path = folder / "idx"
    with fill(path, history) as index:
        load = Load(path, index, history, threads=2, processes=1)
        reader = Reader(index, history, load.clock, "main", 99)
        states = {"start": State.of(path, reader, history.filled, pause)}
        load.start()
        with load.crowd():
            load.wait(60 * minutes)
        tallies = load.finish()
        n = load.clock.acked
        states["end"] = State.of(path, reader, n, pause)
        dead = index.stats()["dead"]
        index.compact()
        states["compacted"] = State.of(path, reader, n, pause)
        broken = [*load.complaints(tallies), *index.verify(), *remains(path, history, n)]
        broken += _stray(index, history, n)
    fresh = _fresh(folder / "fresh", history, n)
    replaced = sum(len(history.step(i).adds) for i in range(history.filled + 1, n + 1))
    return {
        "machine": machine(),
        "minutes": minutes,
        "steps": load.steps.turns,
        "corpus_replaced_times": round(replaced / history.documents, 1),
        "dead_before_compaction": dead,
        "searches": sum(tally.turns for tally in tallies[1:]),
        "whole": sum(tally.wholes for tally in tallies),
        **{name: asdict(state) for name, state in states.items()},
        "fresh_build_mb": round(fresh / 1e6, 3),
        "growth": load.growth(tallies),
        "broken": broken + _drifted(states, fresh),
    }


def _stray(index: Index, history: History, n: int) -> list[str]:
    """Whether the index holds state ``n``."""
    expected = history.state(n)
    wrong = [id for id, stamp in expected.items() if index.get(id) != history.body(Version(id, stamp))]
    lost = [f"{len(wrong)} documents are not as they were written, such as {wrong[0]!r}"] if wrong else []
    many = [f"{len(index)} documents, but {len(expected)} live"] if len(index) != len(expected) else []
    return lost + many


def _fresh(path: Path, history: History, n: int) -> int:
    """The bytes of a new index of the same documents."""
    living = [history.document(Version(id, stamp)) for id, stamp in history.state(n).items()]
    with Index.create(path, encoder=None, analyzer="english") as index:
        for start in range(0, len(living), 1000):
            index.add(living[start : start + 1000])
    return disk_use(path)


def _drifted(states: dict[str, State], fresh: int) -> list[str]:
    start, end, compacted = states["start"], states["end"], states["compacted"]
    broken = []
    for name, state in (("end", end), ("compacted", compacted)):
        if state.recall_at_10 < start.recall_at_10 - _DRIFT:
            broken.append(f"recall@10 drifted from {start.recall_at_10} to {state.recall_at_10} ({name})")
    if compacted.open_files > start.open_files + 10:
        broken.append(f"open files grew from {start.open_files} to {compacted.open_files}")
    if compacted.disk_mb * 1e6 > _DISK * fresh:
        broken.append(
            f"disk use after compaction is {compacted.disk_mb * 1e6 / fresh:.2f} of a fresh build"
        )
    return broken


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 5.0,
    documents: Annotated[int, typer.Option(help="How many the index holds.")] = 8000,
    dim: Annotated[int, typer.Option(help="Numbers a vector has.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Wear an index out and see what is left."""
    one_arena()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hybrid-soak-") as folder:
        report = run(Path(folder), History(documents, dim=dim, touched=400), minutes)
    report["took_minutes"] = round((time.monotonic() - started) / 60, 1)
    show(report, as_json)
    raise typer.Exit(1 if report["broken"] else 0)


if __name__ == "__main__":
    typer.run(main)
