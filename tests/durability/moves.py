"""Directories that move under open handles: ``python -m tests.durability.moves --rounds 500``.

Each round is a seeded program. Some indexes lie at a few paths, one of them behind a link, one a copy of
another to the byte, and handles on them are open. The program writes, reads, compacts and backs up through
the handles; and between any two steps, or at a fail point in the middle of one, it moves directories, swaps
them, turns the link, deletes one and makes a new index where it lay, or changes the working directory.

The rule: a handle reads and writes the index that it opened, wherever that lies, or raises a typed error;
no other index changes. At the end every index that is left holds what was acknowledged to it, is sound, and
so is every backup. Exit status 1 if the rule was broken.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hybrid import Document, HybridError, Index
from hybrid.disk import failpoints
from hybrid.disk.failpoints import POINTS
from tests.durability.program import DIM, shrink

NAMES: Final = ("one", "two", "three")
LINK: Final = "link"
STEPS: Final = 30
_BATCH: Final = 24

Held = dict[str, int]
"""What an index holds: of each document the number of the step that wrote it."""


@dataclass
class Home:
    """An index, wherever it lies, and what it may hold: more than one thing after a write that failed in
    the middle, or while what is durable is yet to become searchable."""

    name: str
    states: list[Held] = field(default_factory=lambda: [{}])
    shown: list[Held] = field(default_factory=list)
    """What searches may find yet, before the last durable write."""
    deleted: bool = False

    def change(self, to: Callable[[Held], Held], *, done: bool, searchable: bool) -> None:
        after = [to(state) for state in self.states]
        self.shown = [] if done and searchable else [*self.shown, *self.states]
        self.states = after if done else [*self.states, *after]

    def allows(self, found: Held) -> bool:
        return found in [*self.states, *self.shown]


@dataclass
class Handle:
    home: Home
    index: Index
    read_only: bool


class Broken(AssertionError):
    """The rule was broken."""


class Round:
    """One program in the empty ``folder``."""

    def __init__(self, seed: int, folder: Path, tally: Counter[str]) -> None:
        self._random = Random(seed)
        self._folder, self._tally = folder, tally
        self._homes: dict[int, Home] = {}  # by the inode of their directories, wherever those are
        self._handles: list[Handle] = []
        self._copies: list[tuple[Path, list[Held]]] = []
        self._step = 0
        self._moving = threading.Lock()

    def run(self) -> None:
        try:
            self._begin()
            for self._step in range(1, STEPS + 1):
                with self._surprised():
                    self._choose()()
        finally:
            for handle in self._handles:
                self._attempt(handle, handle.index.close)
        self._judge()

    def _begin(self) -> None:
        for name in NAMES[:2]:
            self._make(name)
        self._twin()
        os.symlink("one", self._path(LINK))
        for name in (*NAMES, LINK):
            self._open(name)

    # -- what there is

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _make(self, name: str) -> None:
        index = Index.create(self._path(name), encoder=None)
        home = self._homes[_inode(self._path(name))] = Home(f"{name}@{self._step}")
        self._handles.append(Handle(home, index, read_only=False))
        self._add(self._handles[-1])

    def _twin(self) -> None:
        """A copy of the first to the byte, while that is open."""
        first = self._handles[0]
        first.index.flush()
        shutil.copytree(self._path("one"), self._path("three"), ignore=shutil.ignore_patterns("*-shm"))
        self._homes[_inode(self._path("three"))] = Home("three@0", list(first.home.states))

    def _open(self, name: str) -> None:
        """A reader, and a writer where there is none."""
        path = self._path(name)
        home = self._homes[_inode(path)]
        self._handles.append(Handle(home, Index.open(path, read_only=True), read_only=True))
        if not any(handle.home is home and not handle.read_only for handle in self._handles):
            self._handles.append(Handle(home, Index.open(path), read_only=False))

    def _choose(self) -> Callable[[], object]:
        handle = self._random.choice(self._handles)
        if self._random.random() < 0.3:
            return self._move
        acts: list[Callable[[Handle], object]] = [self._look, self._backup]
        if not handle.read_only:
            acts += [self._add] * 5 + [self._delete, self._delete, self._compact]
        act = self._random.choice(acts)
        return lambda: act(handle)

    # -- through a handle

    def _add(self, handle: Handle) -> None:
        ids = [f"d{self._random.randrange(60)}" for _ in range(self._random.randint(1, _BATCH))]
        documents = [_document(id, self._step, self._random) for id in dict.fromkeys(ids)]
        wait: Any = self._random.choice(("searchable", "durable"))
        done = self._attempt(handle, lambda: handle.index.add(documents, wait=wait))
        new = {document.id: self._step for document in documents}
        self._changed(handle, lambda held: held | new, done=done, searchable=wait == "searchable")

    def _delete(self, handle: Handle) -> None:
        known = sorted(handle.home.states[0])
        ids = self._random.sample(known, min(3, len(known)))
        done = self._attempt(handle, lambda: handle.index.delete(ids))
        self._changed(handle, lambda held: {id: held[id] for id in held if id not in ids}, done=done)

    def _compact(self, handle: Handle) -> None:
        self._changed(handle, dict, done=self._attempt(handle, handle.index.compact))

    def _changed(
        self, handle: Handle, to: Callable[[Held], Held], *, done: bool, searchable: bool = True
    ) -> None:
        if done and handle.home.deleted:
            raise Broken(f"step {self._step}: a write to a deleted index was acknowledged")
        handle.home.change(to, done=done, searchable=searchable)

    def _look(self, handle: Handle) -> None:
        def look() -> None:
            found = _contents(handle.index)
            if not handle.home.allows(found):
                raise Broken(
                    f"step {self._step}: {handle.home.name} answers {found}, not {handle.home.states}"
                )

        self._attempt(handle, look)

    def _backup(self, handle: Handle) -> None:
        to = self._folder / f"backup{self._step}"
        if self._attempt(handle, lambda: handle.index.backup(to)):
            self._copies.append((to, [*handle.home.states, *handle.home.shown]))

    def _attempt(self, handle: Handle, act: Callable[[], object]) -> bool:
        try:
            act()
        except HybridError as error:
            self._tally[f"{type(error).__name__}{' of a deleted index' * handle.home.deleted}"] += 1
            return False
        self._tally["done"] += 1
        return True

    # -- under the handles

    @property
    def _moves(self) -> list[Callable[[], object]]:
        return [self._swap, self._swap, self._away, self._relink, self._anew, self._chdir]

    @contextmanager
    def _surprised(self) -> Iterator[None]:
        """Every other time, a move in the middle of what the block does."""
        if self._random.random() < 0.5:
            point, visits = self._random.choice(POINTS), self._random.randint(1, 2)

            def surprise() -> None:
                nonlocal visits
                visits -= 1
                if visits == 0:
                    self._move()
                    self._tally[f"at {point}"] += 1

            failpoints.arm(point, surprise)
        try:
            yield
        finally:
            failpoints.disarm()

    def _move(self) -> None:
        """One at a time: a thread of an index may reach a fail point while the program moves another."""
        with self._moving:
            self._random.choice(self._moves)()

    def _two(self) -> tuple[Path, Path]:
        first, second = self._random.sample(NAMES, 2)
        return self._path(first), self._path(second)

    def _swap(self) -> None:
        first, second = self._two()
        aside = self._folder / "aside"
        for source, target in ((first, aside), (second, first), (aside, second)):
            if source.exists():
                source.rename(target)

    def _away(self) -> None:
        """To another name, under another folder, or back."""
        name = self._random.choice(NAMES)
        away = self._folder / "deeper" / name
        away.parent.mkdir(exist_ok=True)
        if self._path(name).exists() and not away.exists():
            self._path(name).rename(away)
        elif away.exists() and not self._path(name).exists():
            away.rename(self._path(name))

    def _relink(self) -> None:
        draft = self._folder / "draft"
        os.symlink(self._random.choice(NAMES), draft)
        draft.rename(self._path(LINK))

    def _anew(self) -> None:
        """Delete a directory, and often make an index where it lay."""
        failpoints.disarm()  # this is no step through a handle
        path, step = self._path(self._random.choice(NAMES)), self._step  # which goes on meanwhile
        if not path.exists():
            return
        home = self._homes.pop(_inode(path))
        home.deleted = True
        while path.exists():  # a thread may just have made a file in it
            shutil.rmtree(path, ignore_errors=True)
        if self._random.random() < 0.7:
            with Index.create(path, encoder=None) as index:
                index.add([_document("new", step, self._random)])
            self._homes[_inode(path)] = Home(f"{path.name}@{step}", [{"new": step}])

    def _chdir(self) -> None:
        os.chdir(self._random.choice([self._folder, self._folder.parent]))

    # -- the end

    def _judge(self) -> None:
        for path in (*map(self._path, NAMES), *(self._folder / "deeper").glob("*")):
            if path.exists():
                home = self._homes[_inode(path)]
                self._check(path, home.states, home.name)
        for path, allowed in self._copies:
            self._check(path, allowed, path.name)

    def _check(self, path: Path, allowed: list[Held], name: str) -> None:
        with Index.open(path) as index:
            found = _contents(index)
            if found not in allowed:
                raise Broken(f"{name} holds {found}, not {allowed}")
            if complaints := index.verify():
                raise Broken(f"{name}: {complaints}")


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _document(id: str, step: int, random: Random) -> Document:
    vector = [random.gauss(0, 1) for _ in range(DIM)]
    return Document(id, f"common {id}", metadata={"step": step}, vector=vector)


def _contents(index: Index) -> Held:
    """What it holds, and that both legs agree."""
    index_of = {document.id: int(document.metadata["step"]) for document in index.documents()}
    for hits in (
        index.search("common", mode="lexical", k=200),
        index.search(vector=np.ones(DIM), mode="vector", k=200),
    ):
        found = {hit.id: int(hit.document.metadata["step"]) for hit in hits}
        if found != index_of:
            later = {document.id: int(document.metadata["step"]) for document in index.documents()}
            if found != later:  # a reader may see a commit between the two
                raise Broken(f"a leg answers {found}, the ledger {index_of}")
    return index_of


def run(seed: int, tally: Counter[str]) -> str | None:
    """What went wrong in a round; None if nothing did."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="hybrid-moves-") as folder:
        made = Path(folder, "here")
        made.mkdir()
        try:
            Round(seed, made, tally).run()
        except Exception as error:
            return f"seed {seed}: {type(error).__name__}: {error}"
        finally:
            os.chdir(before)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable()
    shrink()
    console, tally = Console(), Counter[str]()
    seeds = range(arguments.seed, arguments.seed + arguments.rounds)
    broken = [
        found for seed in track(seeds, "moves", console=Console(stderr=True)) if (found := run(seed, tally))
    ]
    table = Table("what became of it", "times", box=None)
    for name, count in sorted(tally.items()):
        table.add_row(name, f"{count:,}")
    console.print(table)
    for line in broken:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
