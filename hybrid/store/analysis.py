"""The analyzer of a generation, and the terms that it makes of documents and queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Final

from hybrid import analyzers
from hybrid.errors import IndexMismatch, SettingsError
from hybrid.ledger.ledger import Ledger, Listed
from hybrid.ledger.passages import Pieces, whole
from hybrid.ledger.tables import Tables
from hybrid.lexical import forward
from hybrid.lexical.synonyms import Synonyms
from hybrid.lexical.terms import Terms, joined, of_passages, of_query
from hybrid.lexical.userwords import NewWords, new_words
from hybrid.rerank.matching import Texts
from hybrid.settings import AnalyzerRef
from hybrid.types import Analyzer, Document, Ordinals

_STEP: Final = 1000  # documents a step


class Analysis:
    """Analyses with the analyzer that the ledger names, or with the ``given`` one of the same identity."""

    def __init__(self, ledger: Ledger, tables: Tables, given: Analyzer | None, home: Path) -> None:
        """``home``: where the index was when it was opened, for messages."""
        self._ledger, self._tables, self._home = ledger, tables, home
        self.given = given
        self._reference = ledger.settings.analyzer
        self._rows = forward.ForwardCache()
        self._more: tuple[tuple[str | None, ...], Synonyms, NewWords] | None = None  # and what of

    @cached_property
    def analyzer(self) -> Analyzer:
        """Raises IndexMismatch where it is not the one that the index was built with."""
        analyzer = self.given or self._reference.make()
        if analyzer.id != self._reference.id:
            raise IndexMismatch(
                f"{self._home}: built with analyzer {self._reference.id!r}, opened with {analyzer.id!r}; "
                f"run: hybrid reindex {self._home}"
            )
        return analyzer

    def successor(self) -> AnalyzerRef | None:
        """The analyzer that takes the place of the index's, which is an earlier version of it."""
        try:
            analyzer = self.given or self._reference.make()
        except SettingsError:  # the program's own, which was not given
            return None
        former = analyzers.former_id(analyzer) == self._reference.id
        return AnalyzerRef.of(analyzer) if former else None

    def change(self, reference: AnalyzerRef) -> None:
        """Analyse with another analyzer from now on."""
        self._reference = reference
        vars(self).pop("analyzer", None)

    # -- terms

    def query(self, text: str) -> list[str]:
        """The terms that the keyword index is asked for."""
        return of_query(self.analyzer, text)

    @property
    def synonyms(self) -> list[str]:
        """The synonym rules. Raises IndexCorrupt."""
        return self._lines("synonyms") or []

    @property
    def wanted(self) -> AnalyzerRef:
        """The analyzer that documents are to have: the index's, with the user words given since. Raises
        IndexCorrupt."""
        given = self._lines("user_words")
        return self._reference if given is None else self._reference.with_words(given)

    @property
    def new_words(self) -> list[str]:
        """The user words that the documents were not analysed with."""
        return new_words(self._reference.user_words, self.wanted.user_words)

    def _lines(self, name: Listed) -> list[str] | None:
        id = self._ledger.listed(name)
        return None if id is None else [str(line) for line in json.loads(self._tables.model(id))]

    def also(self, text: str) -> list[str]:
        """The terms of the synonyms of a query's words, and of user words that no document has yet."""
        key = self._ledger.listed("synonyms"), self._ledger.listed("user_words"), self._reference.id
        if key[:2] == (None, None):
            return []
        if (known := self._more) is None or known[0] != key:
            synonyms = Synonyms(self.synonyms, self.analyzer)
            known = self._more = key, synonyms, NewWords(self.new_words, self.analyzer)
        return [*known[1].terms(text), *known[2].terms(text)]

    def document(self, document: Document, pieces: Pieces | None = None) -> list[Terms]:
        """The terms of each of its passages, under which the keyword index finds it; None for one."""
        return of_passages(self.analyzer, document, pieces or whole(document.text))

    def stored(self, ordinals: Sequence[int]) -> Iterator[list[Terms]]:
        """The same for documents of the ledger."""
        cut = self._tables.passages(ordinals)
        for ordinal, document in zip(ordinals, self._ledger.documents(ordinals), strict=True):
            yield self.document(document, cut.get(ordinal))

    # -- the table ``forward``

    def texts(self, ordinals: Sequence[int]) -> Texts:
        """The terms of some documents, in their order."""
        return self._rows.texts(ordinals, self._tables.forward, self._packed)

    def packed(
        self, first: int, documents: Sequence[Document], terms: Sequence[Sequence[Terms]]
    ) -> Callable[[], Mapping[int, bytes]]:
        """Makes the table's rows of new documents, which get the ordinals from ``first`` on."""
        made = zip(count(first), documents, terms, strict=False)
        return lambda: {
            ordinal: forward.packed(ordinal, joined(own), one.text) for ordinal, one, own in made
        }

    def keep(self, ordinals: Ordinals, progress: Callable[[float], None]) -> None:
        """Make the table, with a row for each of ``ordinals``."""
        self._tables.keep_forward({})
        for start in range(0, len(ordinals), _STEP):
            part = ordinals[start : start + _STEP].tolist()
            known = self._tables.forward(part)
            made = {ordinal: row for ordinal, row in self._packed(part) if known.get(ordinal) != row}
            self._tables.keep_forward(made)
            progress(len(part))

    def _packed(self, ordinals: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        documents = self._ledger.documents(ordinals)
        for ordinal, document, terms in zip(ordinals, documents, self.stored(ordinals), strict=True):
            yield ordinal, forward.packed(ordinal, joined(terms), document.text)
