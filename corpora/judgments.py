"""Relevance judgments (qrels): BEIR's three columns, or TREC's four."""

from __future__ import annotations

import re
from pathlib import Path

from hybrid.corpora.assumed import Assuming
from hybrid.corpora.encodings import text_lines
from hybrid.corpora.files import as_path, check_file
from hybrid.errors import CorpusError
from hybrid.limits import named, shown
from hybrid.types import Qrels

_GRADE = re.compile(r"([+-]?[0-9]{1,9})(?:\.0*)?")
_DIGIT = re.compile(r"[0-9]")


def read_qrels(path: str | Path, *, encoding: str | None = None, assuming: Assuming | None = None) -> Qrels:
    """Read judgments: query id -> {document id: grade}, in the file's order; it may be packed (``.gz``).

    BEIR: query, document and grade separated by tabs, with or without a header row. TREC: query, iteration
    (ignored), document and grade separated by white space. Grades are integers; 1.0 is accepted for 1. For
    ``encoding`` and ``assuming`` see `read_documents`.
    """
    path = as_path(path)
    check_file(path)
    qrels: Qrels = {}
    for place, (number, line) in enumerate(text_lines(path, encoding, assuming)):
        fields = _fields(line)
        if place == 0 and fields and not _DIGIT.search(fields[2]):
            continue  # BEIR's header: query-id, corpus-id, score
        try:
            _add(qrels, fields)
        except ValueError as error:
            raise CorpusError(f"{named(path)}:{number}: {error}") from error
    if not qrels:
        raise CorpusError(f"{named(path)}: holds no judgment")
    return qrels


def _fields(line: str) -> list[str]:
    """Split into (query, document, grade). If tabs give 3 columns, only tabs separate: BEIR ids may contain
    spaces."""
    tabbed = line.split("\t")
    if len(tabbed) == 3:
        return tabbed
    spaced = line.split()
    return [spaced[0], *spaced[2:]] if len(spaced) == 4 else []


def _add(qrels: Qrels, fields: list[str]) -> None:
    if not all(fields) or len(fields) != 3:
        raise ValueError(
            "expected query, tab, document, tab, grade (BEIR) or query, 0, document, grade (TREC)"
        )
    query_id, document_id, grade = fields
    if (whole := _GRADE.fullmatch(grade.strip())) is None:
        raise ValueError(f"the grade {shown(grade)} is not an integer")
    judged = qrels.setdefault(query_id, {})
    if judged.setdefault(document_id, int(whole[1])) != int(whole[1]):
        raise ValueError(
            f"document {shown(document_id)} was judged for query {shown(query_id)} before, "
            "with another grade"
        )
