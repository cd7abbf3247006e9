"""Past queries as lines of JSON: what ``hybrid export --past-queries`` writes and ``hybrid learn
--past-queries`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from hybrid.cli.reading import Keys, records
from hybrid.ledger.past import PastQuery

_KEYS: Final = Keys(("query", "answers"), ("origin", "user", "time"))


def line(past: PastQuery) -> bytes:
    return orjson.dumps(asdict(past), option=orjson.OPT_APPEND_NEWLINE)


def read(path: Path, encoding: str | None) -> Iterator[PastQuery]:
    """Raises CorpusError, naming the line, for one that is no past query."""
    return records(path, encoding, _made, "a past query", _KEYS)


def _made(record: Mapping[str, Any]) -> PastQuery:
    return PastQuery(**record)
