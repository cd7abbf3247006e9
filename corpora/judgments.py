"""Relevance judgments (qrels): BEIR's three columns, or TREC's four."""

from __future__ import annotations

import re
from pathlib import Path

from hybrid.corpora.encodings import as_path, check_file, named, text_lines
from hybrid.errors import CorpusError
from hybrid.limits import shown
from hybrid.types import Qrels

_GRADE = re.compile(r"[+-]?[0-9]{1,9}")
_DIGIT = re.compile(r"[0-9]")


def read_qrels(path: str | Path) -> Qrels:
    """Query id -> {document id: grade}, in the file's order.

    BEIR: query, document and grade separated by tabs, under a header row or without one. TREC: query,
    iteration (ignored), document and grade separated by white space. Grades are integers.
    """
    path = as_path(path)
    check_file(path)
    qrels: Qrels = {}
    for number, line in text_lines(path):
        fields = _fields(line)
        if number == 1 and fields and not _DIGIT.search(fields[2]):
            continue  # BEIR's header: query-id, corpus-id, score
        try:
            _add(qrels, fields)
        except ValueError as error:
            raise CorpusError(f"{named(path)}:{number}: {error}") from error
    if not qrels:
        raise CorpusError(f"{named(path)}: holds no judgment")
    return qrels


def _fields(line: str) -> list[str]:
    """(query, document, grade). Only tabs separate where they give 3 columns: BEIR ids may hold spaces."""
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
    if not _GRADE.fullmatch(grade.strip()):
        raise ValueError(f"the grade {shown(grade)} is not an integer")
    judged = qrels.setdefault(query_id, {})
    if judged.setdefault(document_id, int(grade)) != int(grade):
        raise ValueError(
            f"document {shown(document_id)} was judged for query {shown(query_id)} before, "
            "with another grade"
        )
