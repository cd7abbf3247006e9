"""What a process did to the files below a folder, in order, with the data: recorded by strace.

Effects count from the moment a call returned; an fsync covers what had returned before it was called.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

Action: TypeAlias = Literal["file", "folder", "write", "cut", "rename", "unlink", "link", "sync", "mark"]

_CALLS: Final = (
    "openat,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,rename,renameat,"
    "renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,fsync,fdatasync,dup,dup2,"
    "dup3,fcntl,sendfile,copy_file_range,syncfs,sync_file_range"
)
_BY_NAME: Final[dict[str, Action | None]] = {
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "mkdir": "folder",
    "mkdirat": "folder",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "rmdir": "unlink",
    "link": "link",
    "linkat": "link",
    "symlink": None,
    "symlinkat": None,
    "truncate": None,
    "creat": None,
}
_MARK: Final = "//marks"
_LINE: Final = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?", re.DOTALL)
_UNFINISHED: Final = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>")
_RESUMED: Final = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR: Final = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")


class Unsupported(Exception):
    """The traced process did something to its files that is not modelled."""


@dataclass(frozen=True)
class Event:
    """One thing that happened. Paths are relative to the folder. ``began``: how many events had happened
    when the call was made."""

    action: Action
    path: str
    began: int
    data: bytes = b""
    offset: int = 0
    target: str = ""


def record(command: Sequence[str], folder: Path, marks: Path) -> list[Event]:
    """Run ``command``; what it did below ``folder``, and the lines it wrote to ``marks``."""
    trace = marks.with_suffix(".strace")
    options = [
        "-f",
        "-y",
        "-xx",
        "-s",
        str(1 << 24),
        "--seccomp-bpf",
        "-e",
        f"trace={_CALLS}",
        "-e",
        "signal=none",
    ]
    subprocess.run(["strace", *options, "-o", str(trace), *command], check=True)
    return list(_Reader(folder, marks).events(trace))


@dataclass
class _Open:
    offset: int = 0
    append: bool = False


@dataclass
class _Call:
    name: str
    arguments: str
    result: int
    file: bytes
    """The path of the descriptor that the call returned, whatever links led there."""
    began: int

    @property
    def data(self) -> bytes:
        """What was written; of a writev the parts joined."""
        found = _STRING.findall(self.arguments)
        if any(cut for _, cut in found):
            raise Unsupported(f"{self.name}: strace cut its data short")
        return b"".join(_plain(text) for text, _ in found)[: self.result]

    @property
    def numbers(self) -> list[int]:
        """The last arguments that are plain numbers."""
        return [int(number) for number in re.findall(r", (\d+)(?=,|$)", self.arguments)]


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class _Reader:
    """Turns the lines of strace into events. One table of descriptors serves all processes, since only one
    at a time has files open below the folder."""

    def __init__(self, folder: Path, marks: Path) -> None:
        self._folder, self._marks = os.fsencode(folder), os.fsencode(marks)
        self._open: dict[int, _Open] = {}
        self._count = 0

    def events(self, trace: Path) -> Iterator[Event]:
        with trace.open(encoding="ascii") as lines:
            for call in self._calls(lines):
                for event in self._understood(call):
                    self._count += 1
                    yield event

    def _calls(self, lines: Iterable[str]) -> Iterator[_Call]:
        """Calls that succeeded, in the order in which they returned."""
        waiting: dict[str, tuple[str, int]] = {}
        for line in lines:
            began = self._count
            if found := _UNFINISHED.match(line):
                waiting[found[1]] = found[2], began
                continue
            if (found := _RESUMED.match(line)) and found[1] in waiting:
                start, began = waiting.pop(found[1])
                line = f"{found[1]} {start}{found[2]}"
            if (found := _LINE.match(line)) and int(found[4]) >= 0:
                yield _Call(found[2], found[3], int(found[4]), _plain(found[5] or ""), began)

    def _understood(self, call: _Call) -> Iterator[Event]:
        if call.name in _BY_NAME:
            return self._named(call)
        descriptor = _DESCRIPTOR.match(call.arguments)
        if descriptor is None or descriptor[1] == "AT_FDCWD":
            return self._opened(call) if call.name == "openat" else iter(())
        path = self._below(_plain(descriptor[2]))
        if path is None or descriptor[3]:  # elsewhere, or a file that has no name any more
            return iter(())
        return self._on(call, int(descriptor[1]), path)

    def _below(self, path: bytes) -> str | None:
        """The path relative to the folder; None where it lies elsewhere."""
        if path == self._marks:
            return _MARK
        if path == self._folder or path.startswith(self._folder + b"/"):
            return os.fsdecode(path[len(self._folder) + 1 :])
        return None

    def _paths(self, call: _Call) -> list[str | None]:
        """The paths among the arguments, each completed by the folder that stands before it."""
        found = re.findall(r'(?:<((?:\\x[0-9a-f]{2})*)>, )?"((?:\\x[0-9a-f]{2})*)"', call.arguments)
        return [self._below(os.path.join(_plain(base), _plain(path))) for base, path in found]

    def _opened(self, call: _Call) -> Iterator[Event]:
        path = self._below(call.file)
        if path is None:
            return
        self._open[call.result] = _Open(append="O_APPEND" in call.arguments)
        if "O_CREAT" in call.arguments and path != _MARK:
            yield Event("file", path, call.began)
        if "O_TRUNC" in call.arguments:
            yield Event("cut", path, call.began)

    def _named(self, call: _Call) -> Iterator[Event]:
        paths = self._paths(call)
        if all(path is None for path in paths):
            return
        if None in paths or (action := _BY_NAME[call.name]) is None:
            raise Unsupported(f"{call.name}: {paths}")
        yield Event(action, paths[0] or "", call.began, target=paths[1] or "" if len(paths) > 1 else "")

    def _on(self, call: _Call, descriptor: int, path: str) -> Iterator[Event]:
        match call.name:
            case "fcntl":
                if "F_DUPFD" in call.arguments:
                    self._open[call.result] = self._open[descriptor]
            case "dup" | "dup2" | "dup3":
                self._open[call.result] = self._open[descriptor]
            case "lseek":
                self._open.setdefault(descriptor, _Open()).offset = call.result
            case "fsync" | "fdatasync":
                yield Event("sync", path, call.began)
            case "ftruncate":
                yield Event("cut", path, call.began, offset=call.numbers[-1])
            case "write" | "writev":
                yield self._written(call, self._open[descriptor], path)
            case "pwrite64":
                yield Event("write", path, call.began, call.data, call.numbers[-1])
            case "openat":  # relative to a folder
                yield from self._opened(call)
            case _:
                raise Unsupported(f"{call.name}: {path}")

    def _written(self, call: _Call, file: _Open, path: str) -> Event:
        if path == _MARK:
            return Event("mark", "", call.began, call.data)
        start = -1 if file.append else file.offset
        file.offset += call.result
        return Event("write", path, call.began, call.data, start)
