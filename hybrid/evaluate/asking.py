"""The judged queries, asked of an index: one run for each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hybrid.errors import InputError
from hybrid.evaluate.identical import own
from hybrid.search.legs import Legs
from hybrid.types import Fusion, Lacking, Mode, Qrels, Run, Steps

_BATCH = 32


@dataclass(frozen=True)
class System:
    """A way to ask an index: the legs that answer and, of both, their fusion (None: as it is served)."""

    mode: Mode = "hybrid"
    fusion: Fusion | None = None


class Searchable(Protocol):
    """An index that can be evaluated: an Index, a MemoryIndex, a test's double."""

    def run(
        self, queries: Mapping[str, str], /, *, k: int, mode: Mode, fusion: Fusion | None, lacking: Lacking
    ) -> Run:
        """For each query id the best ``k`` documents of its text, best first, without those that
        ``lacking`` names for it."""
        ...


def answering(legs: Legs) -> list[Mode]:
    """The ways to ask an index that has ``legs``: each leg, then both. InputError if no leg can answer."""
    if not legs.there:
        raise InputError(f"nothing can answer a query of text: {legs}")
    return [*legs.there, "hybrid"] if legs.both else [*legs.there]


def by_mode(modes: Sequence[Mode]) -> dict[str, System]:
    """One system a mode, called like it."""
    return {mode: System(mode) for mode in modes}


def run_modes(
    index: Searchable,
    queries: Mapping[str, str],
    qrels: Qrels,
    modes: Sequence[Mode],
    *,
    k: int,
    ignore_identical_ids: bool = False,
) -> dict[str, Run]:
    """Mode -> the run of all judged queries: ``run_systems`` where the modes are the systems."""
    systems = by_mode(modes)
    return run_systems(index, queries, qrels, systems, k=k, ignore_identical_ids=ignore_identical_ids)


def run_systems(
    index: Searchable,
    queries: Mapping[str, str],
    qrels: Qrels,
    systems: Mapping[str, System],
    *,
    k: int,
    ignore_identical_ids: bool = False,
    progress: Steps | None = None,
) -> dict[str, Run]:
    """System -> the run of all judged queries, ``k`` hits each, through the path that serves users.

    Judged queries that ``queries`` lacks, or gives no text, are in no run (see `Report.unasked`). With
    ``ignore_identical_ids`` no query is answered by the document that has its id. ``progress`` is told,
    after each batch, how many of all the searches are done: (done, total).
    """
    asked = answerable(queries, qrels)
    runs: dict[str, Run] = {name: {} for name in systems}
    total, done = len(asked) * len(systems), 0
    for start in range(0, len(asked), _BATCH):
        batch = {query: queries[query] for query in asked[start : start + _BATCH]}
        lacking = own(batch) if ignore_identical_ids else {}
        # The systems inside: an index that remembers query vectors encodes each query once for all.
        for name, system in systems.items():
            runs[name] |= index.run(batch, k=k, mode=system.mode, fusion=system.fusion, lacking=lacking)
            done += len(batch)
            if progress is not None:
                progress(done, total)
    return runs


def answerable(queries: Mapping[str, str], qrels: Qrels) -> list[str]:
    """The ids of the judged queries that have a text."""
    return [query for query in qrels if queries.get(query, "").strip()]
