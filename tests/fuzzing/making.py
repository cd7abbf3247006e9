"""Targets: making and opening an index with any arguments, and the names of measures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hybrid import Index, MemoryIndex, restore
from hybrid.evaluate import parse
from tests.fuzzing.inputs import ODD, TEXTS, VALUES
from tests.fuzzing.target import Target, World, outcome

_NAMES = st.sampled_from(
    ["idx", "a\nb", "文", "x" * 300, "a/b/c", "\0", "\ud800", "file", "file/x", "full", " ", "\x1b"]
)
_STRANGE = VALUES.filter(lambda value: not isinstance(value, (str, bytes, os.PathLike)))
_SILENT = _STRANGE.filter(lambda value: not callable(value))  # a callable is an encoder
_METRICS = st.sampled_from(["cosine", "ip", "l2"])
_ANALYZERS = st.sampled_from(["mixed", "english"]) | TEXTS | _STRANGE


def _make(world: World, input: tuple[Any, Any, Any, Any]) -> None:
    name, encoder, analyzer, metric = input
    path, root = _placed(world, name)
    try:
        kind, made = outcome(lambda: Index.create(path, encoder=encoder, analyzer=analyzer, metric=metric))
        if kind == "answer":
            made.close()
        outcome(lambda: Index.open(path, encoder=encoder).close())
        outcome(lambda: Index.open(path, read_only=True).close())
        outcome(lambda: restore(path, root / "other"))
        if not isinstance(name, str) or name != "idx":
            return
        its, _ = outcome(lambda: MemoryIndex(encoder=encoder, analyzer=analyzer, metric=metric))
        assert its == kind, f"Index: {kind}, MemoryIndex: {its}"
    finally:
        shutil.rmtree(root)


def _placed(world: World, name: Any) -> tuple[Any, Path]:
    root = world.folder / "made"
    (root / "full").mkdir(parents=True)
    (root / "full" / "something").touch()
    (root / "file").touch()
    return f"{root}/{name}" if isinstance(name, str) else name, root


def _measures(_: World, text: Any) -> None:
    outcome(lambda: parse(text))


_MEASURES = st.lists(
    st.sampled_from(
        ["nDCG", "@10", "@", "0", "(rel=2)", "(", ")", "R", "AP", " ", "gains={0: 1}", "**9**9**9", "'x'"]
    )
).map("".join)

_ARGUMENTS = st.tuples(_NAMES | _STRANGE, st.none() | _SILENT, _ANALYZERS, _METRICS | ODD)

TARGETS = [
    Target("create, open, restore", _ARGUMENTS, _make),
    Target("measures", TEXTS | _MEASURES, _measures),
]
