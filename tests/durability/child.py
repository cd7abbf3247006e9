"""Runs a test's function in an interpreter of its own: in a mount namespace with a small disk, as another
user, or under limits that must not outlive it."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hybrid import Document, Index

NOBODY: Final = 65534
_ROOT: Final = Path(__file__).parents[2]
_MOUNT: Final = 'mount -t tmpfs -o size="$1",mode=777 tmpfs "$2" && shift 2 && exec "$@"'
_BIND: Final = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def run(
    function: Callable[..., object], *arguments: object, before: Sequence[str] = (), timeout: float = 300
) -> str:
    """What ``function``, a module's own, printed when called with ``arguments`` as text; an
    AssertionError with its traceback where it failed."""
    done = start(function, *arguments, before=before)
    try:
        output, errors = done.communicate(timeout=timeout)
    finally:
        done.kill()
    assert done.returncode == 0, f"exit status {done.returncode}\n{output}\n{errors}"
    return output


def start(
    function: Callable[..., object], *arguments: object, before: Sequence[str] = (), talk: bool = False
) -> subprocess.Popen[str]:
    """``function`` under way; its standard output and error can be read, and its input written."""
    name = function.__name__
    code = f"import sys; from {function.__module__} import {name}; {name}(*sys.argv[1:])"
    command = [*before, sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    stdin = pipe if talk else subprocess.DEVNULL
    return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, cwd=_ROOT)


def with_small_disk(folder: Path, size: str) -> list[str]:
    """The command that gives what follows it a disk of ``size`` ("4m") at ``folder``, alone."""
    return [*_namespace(), "sh", "-c", _MOUNT, "sh", size, str(folder)]


def read_only(folder: Path) -> list[str]:
    """The command that gives what follows it ``folder`` without the right to write."""
    return [*_namespace(), "sh", "-c", _BIND, "sh", str(folder)]


def _namespace() -> list[str]:
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *own, "--mount"]


@functools.cache
def mounting() -> str | None:
    """Why nothing can be mounted here; None where it can."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*with_small_disk(Path(folder), "1m"), "true"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"no mount namespace here: {error}"
    return None if done.returncode == 0 else f"no mount namespace here: {done.stderr.strip()}"


def become(user: int, group: int, *groups: int) -> None:
    """Give this process away for good. What it may import afterwards is another matter: so everything
    that an index needs is used once before."""
    with tempfile.TemporaryDirectory() as folder:
        with Index.create(Path(folder, "i"), encoder=None, analyzer="english") as index:
            index.add([Document("1", "words", vector=[1.0, 0.0])])
            index.search("words", vector=[1.0, 0.0], filter={"a": 1})
            index.compact()
        with Index.open(Path(folder, "i"), read_only=True) as index:
            index.verify()
    os.setgroups(list(groups))
    os.setgid(group)
    os.setuid(user)
    os.environ["HOME"] = "/"
    tempfile.tempdir = None


@contextmanager
def limit(kind: int, soft: int) -> Iterator[None]:
    """A resource limit of this process for a while."""
    before, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (before, hard))


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
