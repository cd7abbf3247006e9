"""Name the systems that ``hybrid evaluate`` compares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

from hybrid import fusion
from hybrid.cli import reading
from hybrid.corpora.files import plain_name
from hybrid.errors import InputError, QueryError
from hybrid.evaluate import System, answering, by_mode
from hybrid.search.legs import Legs
from hybrid.search.request import MODES
from hybrid.search.searcher import Searcher
from hybrid.types import Fusion, Mode, Run

_NAMED: Final = re.compile(r"([^={}/\\\s]+)=(.+)", re.DOTALL)


def named_systems(searcher: Searcher, mode: str | None, fusions: Iterable[str]) -> dict[str, System]:
    """Return the modes of ``--mode``, or all that the index supports, and each ``--fusion``, by name."""
    legs = searcher.legs
    systems = by_mode(_modes(mode, legs))
    for text in fusions:
        if not legs.both:
            raise QueryError(f"--fusion {text}: there is nothing to fuse: {legs}")
        name, value = _fusion(text)
        _free(name, systems, f"--fusion {text}")
        systems[name] = System("hybrid", value)
    return systems


def foreign_runs(texts: Iterable[str], taken: Iterable[str], encoding: str | None) -> dict[str, Run]:
    """Read the run of each ``--run [NAME=]FILE``, by its name or its file's stem, which must not be one of
    those ``taken``."""
    files: dict[str, Path] = {}
    for text in texts:
        # A file may have "=" in its own name.
        named = None if Path(text).is_file() else _NAMED.fullmatch(text)
        file = Path(named[2] if named else text)
        name = named[1] if named else plain_name(file).stem
        _free(name, [*taken, *files], f"--run {text}")
        files[name] = file
    return {name: reading.run(file, encoding) for name, file in files.items()}


def _modes(text: str | None, legs: Legs) -> list[Mode]:
    if text is None:
        return answering(legs)
    modes = [part.strip() for part in text.split(",")]
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise QueryError(
            f"--mode {unknown[0]!r} is not known; give some of {', '.join(MODES)}, separated by commas"
        )
    if lacking := [mode for mode in modes if mode not in ("hybrid", *legs.there)]:
        raise QueryError(f"--mode {lacking[0]}: {legs}")
    return cast(list[Mode], modes)


def _fusion(text: str) -> tuple[str, Fusion]:
    """Parse ``rrf``, ``{"method": "rrf", "k": 20}``, or either of them after ``name=``."""
    named = _NAMED.fullmatch(text)
    wanted = named[2] if named else text
    try:
        stored: Any = json.loads(wanted) if wanted.lstrip().startswith("{") else {"method": wanted}
    except ValueError as error:
        raise QueryError(f"--fusion {text}: not JSON: {error}") from error
    try:
        value = fusion.load(stored)
    except InputError as error:
        raise QueryError(f"--fusion {text}: {error}") from error
    return named[1] if named else stored["method"], value


def _free(name: str, taken: Iterable[str], where: str) -> None:
    if name in taken:
        raise InputError(f"{where}: there is a system {name!r} already; give another name: NAME=…")
