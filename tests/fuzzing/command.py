"""Targets: the command line with any arguments: exit status 0, 1 or 2, one line of complaint."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from typing import Any

import pytest
from hypothesis import strategies as st

from hybrid import Index
from hybrid.cli import main
from tests.fuzzing.inputs import JSON, TEXTS
from tests.fuzzing.target import DOCUMENTS, UNREADABLE, Target, World

_COMMANDS = [
    "index", "delete", "reindex", "search", "evaluate", "verify", "stats", "compact", "backup", "restore",
    "export", "x",
]  # fmt: skip
_OPTIONS = [
    "--json", "--to", "-k", "--mode", "--filter", "--analyzer", "--user-dict", "--stop-words", "--skip-bad",
    "--queries", "--qrels", "--measures", "--run-out", "--repair", "--help", "--no-such", "--", "-",
]  # fmt: skip
_FILES = ["c.jsonl", "c.csv", "q.tsv", "qrels.tsv", "none"]
_PATHS = ["{idx}", "{new}", "{data}", *(f"{{data}}/{name}" for name in _FILES)]
_WORDS = st.sampled_from([*_OPTIONS, *_PATHS]) | TEXTS.filter(lambda text: "\0" not in text)
_VALUES = st.sampled_from(
    ["0", "3", "-1", "x", "lexical", "lexical,vector", "mixed", "nDCG@10", "nDCG@0", "R(rel=2)@5"]
)
_FILTERS = (JSON | st.just({"n": {"lt": 5}})).map(json.dumps) | st.just("[" * 5000) | TEXTS


_LAST_RESORT = re.compile(r"^hybrid: (?!Usage)[A-Za-z]+(Error|Exception): ", re.MULTILINE)
"""How the command names an error that nobody expected."""


def _arguments(command: str) -> st.SearchStrategy[list[str]]:
    """Mostly what the command takes, in mostly the right places."""
    rest = st.lists(_WORDS | _VALUES, max_size=3)
    usual: dict[str, st.SearchStrategy[list[str]]] = {
        "search": st.tuples(TEXTS, _FILTERS).map(lambda pair: ["{idx}", pair[0], "--filter", pair[1]]),
        "index": st.sampled_from(_PATHS).map(lambda path: [path, "--to", "{new}", "--encoder", "none"]),
        "evaluate": st.just(["{idx}", "--queries", "{data}/q.tsv", "--qrels", "{data}/qrels.tsv"]),
        "delete": TEXTS.map(lambda text: ["{idx}", text]),
        "backup": st.just(["{idx}", "{new}"]),
        "restore": st.just(["{idx}", "{new}"]),
        "export": st.just(["{idx}", "{data}/out.jsonl"]),
    }
    return st.tuples(usual.get(command, st.just(["{idx}"])) | st.just([]), rest).map(
        lambda parts: [command, *parts[0], *parts[1]]
    )


def _run(world: World, arguments: list[str]) -> None:
    idx, new, data = world.folder / "template", world.folder / "new", world.folder / "data"
    shutil.rmtree(new, ignore_errors=True)
    if not idx.exists():
        with Index.create(idx, encoder=None) as index:
            index.add(DOCUMENTS)
        data.mkdir()
        (data / "c.jsonl").write_text('{"_id": "a", "text": "kettle"}\n')
        (data / "c.csv").write_text("id,text\nb,kettle\n")
        (data / "q.tsv").write_text("q1\tkettle\n")
        (data / "qrels.tsv").write_text("q1 0 d1 1\n")
    filled = [
        argument.replace("{idx}", str(idx)).replace("{new}", str(new)).replace("{data}", str(data))
        for argument in arguments
    ]
    if filled[0] == "index" and "--encoder" not in filled:
        filled += ["--encoder", "none"]  # the default would load a model
    status, out, err = _called(filled, world)
    assert status in (0, 1, 2), (status, err)
    assert "Traceback" not in err
    assert not _LAST_RESORT.search(err), err
    # Before the last two lines, usage and complaint, only records that were passed over are named.
    assert all(line.startswith("hybrid: ") for line in err.splitlines()), err
    assert status == 0 or err or out, "failed without a word"
    assert not any(map(UNREADABLE.search, err.split("\n"))), repr(err)


def _called(arguments: list[str], world: World) -> tuple[Any, str, str]:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    status: Any = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["hybrid", *arguments])
        patch.chdir(world.folder)
        try:
            main()
        except SystemExit as exit:
            status = exit.code
    out.flush()
    err.flush()
    return status, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()


TARGETS = [Target("command line", st.sampled_from(_COMMANDS).flatmap(_arguments), _run)]
