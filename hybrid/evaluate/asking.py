"""The judged queries, asked of an index: one run for each mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hybrid.types import Mode, Qrels, Run

_BATCH = 32


class Searchable(Protocol):
    """What can be evaluated: an Index, a MemoryIndex, a test's double."""

    def run(self, queries: Mapping[str, str], /, *, k: int, mode: Mode) -> Run:
        """For each query id the best ``k`` documents of its text, best first."""
        ...


def run_modes(
    index: Searchable,
    queries: Mapping[str, str],
    qrels: Qrels,
    modes: Sequence[Mode],
    *,
    k: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Run]:
    """Mode -> the run of all judged queries, ``k`` hits each, through the path that serves users.

    Judged queries that ``queries`` lacks, or gives no text, are in no run (see `Report.unasked`).
    ``progress`` is told, after each batch, how many of all the searches are done: (done, total).
    """
    asked = [query for query in qrels if queries.get(query, "").strip()]
    runs: dict[str, Run] = {mode: {} for mode in modes}
    total, done = len(asked) * len(modes), 0
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        # The modes inside: an index that remembers query vectors encodes each query once for all.
        for mode in modes:
            runs[mode] |= index.run({query: queries[query] for query in batch}, k=k, mode=mode)
            done += len(batch)
            if progress is not None:
                progress(done, total)
    return runs
