"""The ``hybrid`` command in this process, and files to run it on."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from hybrid import Document, Index
from tests.encoder_models import bundle_of_letters


class Said(NamedTuple):
    """What a command wrote to stdout and to stderr."""

    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str | Path | float, status: int = 0) -> Said:
    """What ``hybrid`` says, if it ends with ``status``."""
    from hybrid.cli import main  # not above: its consoles keep the COLUMNS that conftest removes

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        patch.object(sys, "argv", ["hybrid", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main()
    said = Said(*(written.detach().getvalue().decode() for written in (out, err)))
    assert left.value.code == status, (left.value.code, said)
    assert "Traceback" not in said.err
    return said


def answer(*arguments: str | Path | float) -> Any:
    """What ``hybrid`` says to programs."""
    return run(*arguments, "--json").json


def refusal(*arguments: str | Path | float, status: int = 2) -> str:
    """The one line that ``hybrid`` with these arguments ends with."""
    out, err = run(*arguments, status=status)
    assert out == ""
    assert err.startswith("hybrid: ")
    assert err.count("\n") == 1
    return err


class Files(NamedTuple):
    """An index and judged queries."""

    folder: Path
    queries: Path
    qrels: Path

    @property
    def arguments(self) -> list[str | Path]:
        return [self.folder, "--queries", self.queries, "--qrels", self.qrels]


def judged_files(
    folder: Path,
    documents: Iterable[Document],
    queries: Mapping[str, str],
    judged: Iterable[tuple[str, str]],
) -> Files:
    """In ``folder`` an index of ``documents``, over an encoder that only counts letters, ``queries``, and
    the pairs of query and document that are ``judged`` relevant."""
    bundle_of_letters(folder / "letters")
    with Index.create(folder / "idx", encoder=folder / "letters") as index:
        index.add(documents)
    files = Files(folder / "idx", folder / "queries.jsonl", folder / "qrels.tsv")
    files.queries.write_text(
        "".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in queries.items())
    )
    files.qrels.write_text("".join(f"{query}\t{id}\t1\n" for query, id in judged))
    return files


def contents(folder: Path) -> dict[str, str]:
    """What is in each file; locks and the empty log that a reader makes are no content."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.stat().st_size and not file.name.endswith((".lock", "-shm"))
    }
