"""Read files of queries, judgments and runs for the commands, and report assumptions on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid import corpora
from hybrid.cli.output import complain
from hybrid.corpora import Assumed
from hybrid.evaluate import read_run
from hybrid.types import Qrels, Run

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


def run(path: Path, encoding: str | None) -> Run:
    return read_run(path, encoding=encoding, assuming=tell)
