"""Queries: BEIR's ``queries.jsonl``, or two columns separated by a tab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hybrid.corpora import jsonl, records
from hybrid.corpora.encodings import as_path, check_file, named, text_lines
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.limits import shown

_HEADER_IDS = {"_id", "id", "qid", "query-id", "query_id"}
_HEADER_TEXTS = {"text", "query"}


def read_queries(path: str | Path) -> dict[str, str]:
    """Query id -> text, in the file's order, from ``.jsonl`` (``_id`` or ``id``, and ``text``) or from
    ``.tsv`` or ``.txt`` (id, tab, text; a header row is recognised)."""
    path = as_path(path)
    check_file(path)
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".tsv", ".txt"):
        raise CorpusError(
            f"{named(path)}: queries are read from .jsonl, or from .tsv or .txt with id, tab, text"
        )
    queries = _collect(path, jsonl.read(path, _query) if kind == ".jsonl" else _tabbed(path))
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


def _tabbed(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in text_lines(path):
        query_id, tab, text = line.partition("\t")
        if not query_id or not tab:
            raise CorpusError(f"{named(path)}:{number}: expected a query's id, a tab and its text")
        if number == 1 and query_id.lower() in _HEADER_IDS and text.lower() in _HEADER_TEXTS:
            continue
        yield query_id, text
