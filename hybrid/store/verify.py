"""Whether the parts of a generation agree with one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from hybrid.errors import IndexCorrupt
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.terms import Field
from hybrid.limits import MAX_LENGTH, shown
from hybrid.store.generation import Generation
from hybrid.store.snapshot import Snapshot
from hybrid.types import Ordinals

_STEP: Final = 1000  # documents a step
_NAMED: Final = 10


def disagreements(generation: Generation) -> Iterator[str]:
    """Where ledger, legs and vectors contradict one another: one line each. Reads everything."""
    snapshot, ledger = generation.snapshot, generation.ledger
    yield from ledger.check()
    yield from generation.tables.check()
    held, expected = snapshot.lexical.ordinals(), np.flatnonzero(snapshot.live)
    if len(missing := np.setdiff1d(expected, held)):
        yield f"lexical leg: lacks {len(missing)} documents, the first with ordinal {missing[0]}"
    if len(excess := _excess(generation, np.setdiff1d(held, expected))):
        yield f"lexical leg: holds {len(excess)} documents too many, the first with ordinal {excess[0]}"
    for field in snapshot.lexical.fields:
        yield from _vocabulary(generation, snapshot.lexical, field, held)
    rows = ledger.rows  # before the count, which may grow meanwhile
    strangers = rows.ordinals >= ledger.lifetimes.count
    if strangers.any():
        yield f"vectors: {int(strangers.sum())} rows belong to no document"
    yield from generation.vector.disagreements(rows)


def unsearchable(snapshot: Snapshot) -> Iterator[str]:
    """A line for each thing that is sound and that no search finds, with the way out."""
    rows, long = snapshot.vectors.rows, snapshot.vectors.long
    owners = np.unique(rows.ordinals[long])
    if len(living := owners[snapshot.live[owners]]):
        first = snapshot.ids(living[:_NAMED])
        named = ", ".join(map(shown, first)) + (", …" if len(living) > _NAMED else "")
        yield (
            f"vectors: {len(living)} documents have vectors too long for float32, which no search finds: "
            f"{named}; add them again with vectors of at most {MAX_LENGTH:.3g}, or delete them, and compact"
        )


def overdue(generation: Generation) -> Iterator[str]:
    """A line for what searches do without until the index is built again, with the way out."""
    analysis = generation.analysis
    wanted, known = analysis.wanted.user_words, generation.settings.analyzer.user_words
    if wanted != known:
        new = len(analysis.new_words)
        yield (
            f"user words: the documents were analysed with others ({new:,} are new, which searches find as "
            f"phrases); run: hybrid reindex {generation.home}"
        )


def _excess(generation: Generation, dead: Ordinals) -> Ordinals:
    """Of what the lexical leg holds and does not live: all but the largest ordinal. A reader beside a
    crashed writer knows that the dead have yet to go."""
    count = generation.snapshot.count
    return dead[dead >= count] if generation.read_only else dead[dead != count - 1]


def _vocabulary(generation: Generation, view: LexicalView, field: Field, held: Ordinals) -> Iterator[str]:
    """Analyse every document again; each term must have the same document frequency in the leg."""
    expected: dict[str, int] = {}
    try:
        for first in range(0, len(held), _STEP):
            for passages in generation.analysis.stored(held[first : first + _STEP].tolist()):
                for terms in passages:
                    for term in set(terms.of(field)):
                        expected[term] = expected.get(term, 0) + 1
    except IndexCorrupt:
        return  # the ledger's own complaint says more
    actual = view.vocabulary(field)
    if wrong := [
        term for term in expected.keys() | actual.keys() if expected.get(term) != actual.get(term)
    ]:
        yield f"lexical leg: {len(wrong)} {field} disagree with the documents, such as {min(wrong)!r}"
