"""Runs as TREC files: ``query Q0 document rank score tag``, one line a hit.

Two rules make every tool read exactly our ranking. Tools sort by score, as float32, and break ties by
document id; so scores are written strictly decreasing. Tools split at white space; so white space in
an id is percent-encoded, with control characters and the percent sign itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np

from hybrid.corpora import Assuming
from hybrid.corpora.encodings import text_lines
from hybrid.corpora.files import as_path
from hybrid.errors import CorpusError, InputError, StorageError
from hybrid.ledger.lifetimes import keys, marks
from hybrid.limits import named
from hybrid.order import places
from hybrid.types import Candidates, Run, Scores

# U+FEFF would be taken for a byte order mark at the head of a file; lone surrogates have no UTF-8.
_UNSAFE = re.compile(r"[\s%\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_WRITTEN = 1e38  # leaves room to go below it


def write_run(run: Run, path: str | Path, tag: str) -> None:
    """Write ``run`` as a TREC file, whole or not at all; ``tag`` names the system.

    Scores are rounded to float32 and lowered by as little as makes them strictly decrease.
    """
    write_whole(path, _lines(run, encode(tag)))


def write_whole(path: str | Path, lines: Iterable[str]) -> None:
    """Write a text file, whole or not at all, and the folders it needs. StorageError where that fails."""
    path = Path(path)
    if path.exists() and not path.is_file():  # a folder; or a device, which would be no device afterwards
        raise StorageError(f"{path}: cannot be written: not a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_run(path: str | Path, *, encoding: str | None = None, assuming: Assuming | None = None) -> Run:
    """A run from a TREC file of ours or another tool's, packed (``.gz``) or not, ranked by score as
    float32, as trec_eval does, and equal scores in the order of ties of a search
    (`hybrid.types.Candidates`), so that no system has an order of its own; trec_eval takes these by
    descending document id. The rank column does not count. ``encoding`` and ``assuming`` are those of
    `hybrid.corpora.read_documents`."""
    path = as_path(path)
    found: dict[str, dict[str, float]] = {}
    for number, line in text_lines(path, encoding, assuming):
        _add(found, line, f"{named(path)}:{number}")
    return {decode(query): _ranked(hits) for query, hits in found.items()}


def encode(name: str) -> str:
    """An id as one token of a TREC file."""
    if not name:
        raise InputError("a TREC file has no place for an empty id or tag")
    return _UNSAFE.sub(_percent, name)


def decode(token: str) -> str:
    """Undo `encode`; a token of another tool whose percent signs mean nothing stays as it is."""
    if "%" not in token:
        return token
    try:
        return unquote_to_bytes(token).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return token


def strictly_decreasing(scores: list[float]) -> Scores:
    """The largest float32 values, none above its own score, each below the one before it.

    Works on the integers that order floats: neighbouring floats differ by one.
    """
    bits = np.asarray(scores, dtype=np.float32).view(np.int32).astype(np.int64)
    keys = np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
    ranks = np.arange(len(keys))
    keys = np.minimum.accumulate(keys + ranks) - ranks
    bits = np.where(keys >= 0, keys, -keys | 0x80000000)
    return bits.astype(np.uint32).view(np.float32)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _lines(run: Run, tag: str) -> Iterator[str]:
    for query_id, hits in run.items():
        query, scores = encode(query_id), [score for _, score in hits]
        if not all(abs(score) <= _LARGEST_WRITTEN for score in scores):
            raise InputError(
                f"query {query_id!r}: a score is not a number, or beyond ±{_LARGEST_WRITTEN:g}"
            )
        decreasing = strictly_decreasing(scores).tolist()
        for rank, ((document, _), score) in enumerate(zip(hits, decreasing, strict=True), start=1):
            # 9 significant digits tell any two float32 apart.
            yield f"{query} Q0 {encode(document)} {rank} {score:.9g} {tag}\n"


def _add(found: dict[str, dict[str, float]], line: str, where: str) -> None:
    fields = line.split()
    if len(fields) != 6:
        raise CorpusError(
            f"{where}: expected 6 columns (query Q0 document rank score tag), found {len(fields)}"
        )
    query, _, document, _, score, _ = fields
    hits = found.setdefault(query, {})
    if document in hits:
        raise CorpusError(f"{where}: document {document!r} is ranked twice for query {query!r}")
    hits[document] = _score(score, where)


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not abs(score) <= _LARGEST:
        raise CorpusError(f"{where}: the score {text!r} is not a number that float32 holds")
    return score


def _ranked(hits: dict[str, float]) -> list[tuple[str, float]]:
    documents = sorted((decode(document), score) for document, score in hits.items())
    scores = np.array([score for _, score in documents], np.float32)
    ties = places(keys(marks(id for id, _ in documents)), np.arange(len(documents)))
    ranked = Candidates.ranked(np.arange(len(documents)), scores, ties=ties)
    return [documents[place] for place in ranked.ordinals.tolist()]
