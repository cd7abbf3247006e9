"""Queries: BEIR's ``queries.jsonl``, or two columns separated by a tab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hybrid.corpora import jsonl, records
from hybrid.corpora.assumed import Assuming
from hybrid.corpora.encodings import text_lines
from hybrid.corpora.files import as_path, check_file, kind
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.limits import named, shown

_HEADER_IDS = {"_id", "id", "qid", "query-id", "query_id"}
_HEADER_TEXTS = {"text", "query"}


def read_queries(
    path: str | Path, *, encoding: str | None = None, assuming: Assuming | None = None
) -> dict[str, str]:
    """Read queries: id -> text, in the file's order, from ``.jsonl`` (``_id`` or ``id``, and ``text``) or
    from ``.tsv`` or ``.txt`` (id, tab, text; a header row is recognised), packed (``.gz``) or not. For
    ``encoding`` and ``assuming`` see `read_documents`."""
    path = as_path(path)
    check_file(path)
    if kind(path) not in (".jsonl", ".tsv", ".txt"):
        raise CorpusError(
            f"{named(path)}: queries are read from .jsonl, or from .tsv or .txt with id, tab, text"
        )
    options = Options(encoding=encoding, assuming=assuming)
    if kind(path) == ".jsonl":
        queries = _collect(path, jsonl.read(path, _query, options))
    else:
        queries = _collect(path, _tabbed(path, text_lines(path, encoding, assuming)))
    if not queries:
        raise CorpusError(f"{named(path)}: holds no query")
    return queries


def _collect(path: Path, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    queries: dict[str, str] = {}
    for query_id, text in pairs:
        if queries.setdefault(query_id, text) != text:
            raise CorpusError(f"{named(path)}: query {shown(query_id)} occurs twice, with different texts")
    return queries


def _query(record: dict[str, Any]) -> tuple[str, str]:
    if "text" not in record:
        raise BadRecord('no "text"')
    return records.identifier(record), records.string(record, "text")


def _tabbed(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    for place, (number, line) in enumerate(lines):
        query_id, tab, text = line.partition("\t")
        if not query_id or not tab:
            raise CorpusError(f"{named(path)}:{number}: expected a query's id, a tab and its text")
        if place == 0 and query_id.lower() in _HEADER_IDS and text.lower() in _HEADER_TEXTS:
            continue
        yield query_id, text
