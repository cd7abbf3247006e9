"""A state of the index, which searches read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from hybrid.ledger.ledger import Ledger
from hybrid.ledger.passages import Piece, whole, with_rows
from hybrid.ledger.past import Kept
from hybrid.ledger.tables import Tables
from hybrid.lexical.bm25 import LexicalView
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Filter, asks_metadata
from hybrid.metadata.kept import KeptColumns
from hybrid.metadata.sorting import SortKey, order
from hybrid.rerank.matching import Texts
from hybrid.settings import Profiles, Settings
from hybrid.store.analysis import Analysis
from hybrid.store.voters import KeptVoters, Voters
from hybrid.suggest.kept import KeptLookups
from hybrid.suggest.lookups import Lookups
from hybrid.types import Analyzer, Document, Mask, Ordinals, Ties
from hybrid.vector.view import VectorView

_STEP: Final = 1000  # documents a step


@dataclass(frozen=True)
class Snapshot:
    """The index as of sequence number ``seq``: the first ``count`` ordinals, of which ``live`` are
    alive. Ledger, tables and columns may know more by now; nothing of that is shown."""

    seq: int
    count: int
    lexical: LexicalView
    vectors: VectorView
    settings: Settings
    analysis: Analysis
    ledger: Ledger
    tables: Tables
    kept_columns: KeptColumns
    kept_lookups: KeptLookups
    kept_voters: KeptVoters

    @cached_property
    def live(self) -> Mask:
        return self.ledger.lifetimes.live(self.count, self.seq)

    @property
    def ties(self) -> Ties:
        """The place of each ordinal in the order of ties."""
        return self.ledger.lifetimes.ties

    @cached_property
    def size(self) -> int:
        """The number of living documents."""
        return int(np.count_nonzero(self.live))

    @property
    def profiles(self) -> Profiles:
        """The profiles that the index has served with, and the one that serves now."""
        return self.ledger.profiles

    @property
    def columns(self) -> Columns:
        """The metadata of at least the first ``count`` ordinals."""
        return self.kept_columns.columns(self.count)

    @property
    def analyzer(self) -> Analyzer:
        return self.analysis.analyzer

    @property
    def lookups(self) -> Lookups:
        """The words of this state or of one shortly before."""
        return self.kept_lookups.of(self.lexical)

    def allowed(self, where: Filter | None) -> Mask | None:
        """The documents that may be answered: alive and passing the filter; None where all may."""
        if where is None:
            return None if self.size == self.count else self.live
        columns = self.columns if asks_metadata(where) else Columns()
        return self.live & columns.mask(where, self.count, self.places)

    def passing(self, where: Filter | None) -> Mask:
        """The living documents that pass the filter, bool (count,)."""
        allowed = self.allowed(where)
        return self.live if allowed is None else allowed

    def found(self, ids: Iterable[str]) -> dict[str, int]:
        """The ordinals of the living documents that have one of ``ids``, ascending."""
        return self.ledger.found(ids, self.count, self.seq)

    def places(self, ids: Iterable[str]) -> Ordinals:
        """The ordinals alone, int64 (n,)."""
        return np.array(list(self.found(ids).values()), np.int64)

    def terms(self, query: str) -> list[str]:
        """The terms that the lexical leg is asked for."""
        return self.analysis.query(query)

    def also(self, query: str) -> list[str]:
        """The terms of the synonyms of its words."""
        return self.analysis.also(query)

    @cached_property
    def voters(self) -> Voters:
        """The past queries that vote."""
        return self.kept_voters.of(self.seq, self.count)

    def asked(self, numbers: Sequence[int]) -> list[str]:
        """The texts of past queries, by their numbers."""
        return [past.query for past in self.tables.past.named(numbers)]

    def past(self) -> Iterator[Kept]:
        """The past queries, oldest first."""
        return self.tables.past.at(self.seq)

    def ids(self, ordinals: Ordinals) -> list[str]:
        return self.ledger.ids(ordinals.tolist())

    def documents(self, ordinals: Sequence[int]) -> list[Document]:
        return self.ledger.documents(ordinals)

    def pieces(self, ordinals: Sequence[int]) -> dict[int, list[Piece]]:
        """The passages of those of ``ordinals`` that are several."""
        return self.tables.passages(ordinals) if self.lexical.cut else {}

    def texts(self, ordinals: Ordinals) -> Texts:
        """The terms of some documents, in their order."""
        return self.analysis.texts(ordinals.tolist())

    def listed(self, where: Filter | None, by: Sequence[SortKey]) -> Ordinals:
        """The living documents that pass, ``by`` their metadata, then ascending."""
        passing = np.flatnonzero(self.passing(where))
        return passing[order(self.columns, by, passing)] if by else passing

    def everything(self, where: Filter | None = None, by: Sequence[SortKey] = ()) -> Iterator[Document]:
        """All documents that are ``listed``, with their vectors (n, dim) and passages."""
        listed, rows = self.listed(where, by), self.vectors.rows
        for start in range(0, len(listed), _STEP):
            part = listed[start : start + _STEP]
            pieces = self.pieces(part.tolist())
            for ordinal, document in zip(part, self.documents(part.tolist()), strict=True):
                own = pieces.get(int(ordinal)) or whole(document.text)
                yield with_rows(document, rows[rows.of(np.array([ordinal]))], own)
