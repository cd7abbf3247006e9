"""A disk: what is durable of it, what is not, and what a power cut leaves (see ``cuts``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.durability.cuts import Fate, PowerCut
from tests.durability.strace import Event, Unsupported

SECTOR: Final = 512
VOLATILE: Final = "-shm"
"""How the names of files end that are mapped memory: a cut takes them."""
Tree: TypeAlias = dict[str, bytes | None]
"""Path -> content, None for a folder."""


@dataclass(frozen=True)
class Write:
    at: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncation:
    """The file got this length."""

    at: int
    length: int


@dataclass
class File:
    synced: bytes = b""
    pending: list[Write | Truncation] = field(default_factory=list)
    length: int = 0

    def change(self, change: Write | Truncation) -> None:
        if isinstance(change, Write) and change.offset < 0:  # to the end
            change = replace(change, offset=self.length)
        end = change.length if isinstance(change, Truncation) else change.offset + len(change.data)
        self.length = end if isinstance(change, Truncation) else max(self.length, end)
        self.pending.append(change)

    def sync(self, before: int) -> None:
        """Make durable what had happened before event number ``before``."""
        covered = [change for change in self.pending if change.at < before]
        self.synced = _applied(self.synced, covered, ("kept",), Random(0))
        self.pending = [change for change in self.pending if change.at >= before]

    def content(self, fates: Sequence[Fate], random: Random) -> bytes:
        """What a cut leaves, each pending change met by one of the ``fates``."""
        return _applied(self.synced, self.pending, fates, random)


def _applied(
    data: bytes, changes: list[Write | Truncation], fates: Sequence[Fate], random: Random
) -> bytes:
    if not changes:
        return data
    room = bytearray(data)
    for change in changes:
        _apply(room, change, random.choice(fates), random)
    return bytes(room)


def _apply(data: bytearray, change: Write | Truncation, fate: Fate, random: Random) -> None:
    if fate == "lost":
        return
    if isinstance(change, Truncation):
        _resize(data, change.length)
        return
    _resize(data, max(len(data), change.offset + len(change.data)))
    if fate == "torn":
        _tear(data, change, random)
    elif fate == "kept":
        data[change.offset : change.offset + len(change.data)] = change.data


def _tear(data: bytearray, change: Write, random: Random) -> None:
    """Some sectors new, the others as they were; or all up to one."""
    sectors = range(change.offset // SECTOR, (change.offset + len(change.data) - 1) // SECTOR + 1)
    cut, share = random.randint(0, len(sectors)), random.choice([None, 0.2, 0.5, 0.8])
    for number, sector in enumerate(sectors):
        if (number < cut) if share is None else (random.random() < share):
            start = max(change.offset, sector * SECTOR)
            end = min(change.offset + len(change.data), (sector + 1) * SECTOR)
            data[start:end] = change.data[start - change.offset : end - change.offset]


def _resize(data: bytearray, length: int) -> None:
    del data[length:]
    data.extend(bytes(length - len(data)))


@dataclass(frozen=True)
class Entry:
    """``name`` now means ``node``, or nothing; a rename took it from the name ``source``."""

    at: int
    name: str
    node: Node | None
    source: str | None = None

    def enter(self, entries: dict[str, Node]) -> None:
        if self.source is not None and entries.get(self.source) is self.node:
            del entries[self.source]
        if self.node is None:
            entries.pop(self.name, None)
        else:
            entries[self.name] = self.node


@dataclass(eq=False)
class Folder:
    synced: dict[str, Node] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)
    now: dict[str, Node] = field(default_factory=dict)

    def change(self, entry: Entry) -> None:
        self.pending.append(entry)
        entry.enter(self.now)

    def sync(self, before: int) -> None:
        covered = [entry for entry in self.pending if entry.at < before]
        for entry in covered:
            entry.enter(self.synced)
        self.pending = [entry for entry in self.pending if entry.at >= before]

    def entries(self, path: str, cut: PowerCut, random: Random) -> dict[str, Node]:
        """The names after a cut, each pending change made or undone."""
        entries = dict(self.synced)
        for entry in self.pending:
            whim = cut.of(path + entry.name)
            if random.random() < (whim.deaths if entry.node is None else whim.births):
                entry.enter(entries)
        return entries


Node: TypeAlias = File | Folder


class Disk:
    """The folder that was recorded, as of some event, with what is durable of it and what is not."""

    def __init__(self) -> None:
        self._root = Folder()
        self._happened = 0

    def apply(self, event: Event, *, ignored: bool = False) -> None:
        """Let the next event happen; ``ignored`` lets it pass without effect."""
        if not ignored and event.action != "mark":
            self._do(event)
        self._happened += 1

    def _do(self, event: Event) -> None:
        at = self._happened
        if event.action == "sync":
            if (node := self._find(event.path)) is not None:
                node.sync(event.began)
        elif event.action in ("write", "cut"):
            self._file(event.path).change(_change(event, at))
        else:
            self._rename(event, at)

    def _rename(self, event: Event, at: int) -> None:
        folder, name = self._place(event.path)
        if event.action == "file" and name not in folder.now:
            folder.change(Entry(at, name, File()))
        elif event.action == "folder":
            folder.change(Entry(at, name, Folder()))
        elif event.action == "unlink":
            folder.change(Entry(at, name, None))
        elif event.action == "link":
            target, new = self._place(event.target)
            target.change(Entry(at, new, folder.now[name]))
        elif event.action == "rename":
            target, new = self._place(event.target)
            if target is not folder:
                raise Unsupported(f"rename to another folder: {event.path} {event.target}")
            folder.change(Entry(at, new, folder.now[name], name))

    def _place(self, path: str) -> tuple[Folder, str]:
        parent, _, name = path.rpartition("/")
        folder = self._find(parent)
        if not isinstance(folder, Folder):
            raise Unsupported(f"{path}: in a folder that is not known")
        return folder, name

    def _find(self, path: str) -> Node | None:
        node: Node | None = self._root
        for name in path.split("/") if path else ():
            node = node.now.get(name) if isinstance(node, Folder) else None
        return node

    def _file(self, path: str) -> File:
        if not isinstance(found := self._find(path), File):
            raise Unsupported(f"{path}: a file that is not known")
        return found

    def after(self, cut: PowerCut, random: Random) -> Tree:
        """What a power cut now leaves."""
        tree: Tree = {}
        self._grow(tree, "", self._root, cut, random)
        return tree

    def _grow(self, tree: Tree, path: str, folder: Folder, cut: PowerCut, random: Random) -> None:
        for name, node in sorted(folder.entries(path, cut, random).items()):
            below = path + name
            if isinstance(node, Folder):
                tree[below] = None
                self._grow(tree, f"{below}/", node, cut, random)
            elif not name.endswith(VOLATILE):
                tree[below] = node.content(cut.of(below).fates, random)

    def unsynced(self, path: str) -> bool:
        """Whether an fsync of this file or folder would do anything."""
        node = self._find(path)
        return node is not None and bool(node.pending)

    def pending(self) -> Iterator[str]:
        """The paths of what is not synced: files, and names that came or went."""
        return _pending("", self._root)


def _pending(path: str, folder: Folder) -> Iterator[str]:
    yield from (path + entry.name for entry in folder.pending)
    for name, node in folder.now.items():
        if isinstance(node, Folder):
            yield from _pending(f"{path}{name}/", node)
        elif node.pending:
            yield path + name


def _change(event: Event, at: int) -> Write | Truncation:
    if event.action == "cut":
        return Truncation(at, event.offset)
    return Write(at, event.offset, event.data)


def lay(tree: Tree, folder: Path) -> None:
    """Write ``tree`` below the empty ``folder``."""
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def read(folder: Path) -> Tree:
    """What lies below ``folder``."""
    paths = sorted(path for path in folder.rglob("*") if not path.name.endswith(VOLATILE))
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in paths}
