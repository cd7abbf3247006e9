"""Read files of queries, judgments and runs for the commands, and report assumptions on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from hybrid import corpora
from hybrid.cli.output import complain
from hybrid.corpora import Assumed
from hybrid.corpora.encodings import text_lines
from hybrid.corpora.files import as_path, check_file
from hybrid.errors import CorpusError, InputError
from hybrid.evaluate import read_run
from hybrid.limits import named, shown
from hybrid.types import Qrels, Run

T = TypeVar("T")
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="The encoding of all text files. [UTF-8, or detected for each file]"),
]


def tell(found: Assumed) -> None:
    """Report an assumption in one line on stderr."""
    complain(str(found))


def queries(path: Path, encoding: str | None) -> dict[str, str]:
    return corpora.read_queries(path, encoding=encoding, assuming=tell)


def qrels(path: Path, encoding: str | None) -> Qrels:
    return corpora.read_qrels(path, encoding=encoding, assuming=tell)


def records(
    path: Path, encoding: str | None, make: Callable[[Mapping[str, Any]], T], what: str, keys: Keys
) -> Iterator[T]:
    """Yield what ``make`` makes of each line of a file, a JSON object that is ``what`` ("a click"). Raises
    CorpusError, naming the line, where ``make`` raises InputError or the object has other ``keys``."""
    check_file(path := as_path(path))
    for number, line in text_lines(path, encoding, tell):
        try:
            yield make(keys.check(json.loads(line), what))
        except (InputError, ValueError, RecursionError) as cause:
            raise CorpusError(f"{named(path)}:{number}: {_said(cause)}") from cause


def _said(cause: Exception) -> str:
    if isinstance(cause, InputError):
        return str(cause)
    return "nested too deep" if isinstance(cause, RecursionError) else f"not valid JSON: {cause}"


class Keys(NamedTuple):
    """The keys that the object of a line needs, and those that it may have."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]

    def check(self, record: Any, what: str) -> Mapping[str, Any]:
        """Return ``record`` if it is an object with such keys. Raises InputError."""
        if not isinstance(record, dict):
            raise InputError(f"{what} is a JSON object, not {shown(record)}")
        if missing := [name for name in self.needed if name not in record]:
            raise InputError(f'no "{missing[0]}"')
        known = (*self.needed, *self.optional)
        if strange := record.keys() - set(known):
            raise InputError(f"unknown key {shown(min(strange))}; {what} has {', '.join(known)}")
        return record


def run(path: Path, encoding: str | None) -> Run:
    return read_run(path, encoding=encoding, assuming=tell)
