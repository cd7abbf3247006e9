"""Files stay open as long as somebody uses them, and are closed by whoever releases them."""

from __future__ import annotations

import os
from pathlib import Path

from hybrid.disk.folder import Folder
from hybrid.lexical.pins import Pins


class User:
    """Anything that can be referred to weakly."""


def opened(*paths: Path) -> list[bool]:
    targets = {_target(descriptor) for descriptor in os.listdir("/proc/self/fd")}
    return [any(target.startswith(str(path)) for target in targets) for path in paths]


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return ""


def test_files_are_open_while_in_use(tmp_path: Path) -> None:
    one, two, folder = tmp_path / "one", tmp_path / "two", Folder.open(tmp_path)
    for path in (one, two):
        path.write_bytes(b"x")
    pins, first, second = Pins(), User(), User()
    pins.hold(first, folder, ["one", "two", "missing"])
    pins.hold(second, folder, ["two"])
    assert opened(one, two) == [True, True]
    one.unlink()
    two.unlink()
    del first
    assert opened(one, two) == [True, True]
    pins.release()
    assert opened(one, two) == [False, True]
    del second
    pins.release()
    assert opened(one, two) == [False, False]


def test_all_are_closed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"x")
    pins, user = Pins(), User()
    pins.hold(user, Folder.open(tmp_path), ["one"])
    pins.close()
    assert opened(path) == [False]
    del user
    pins.release()
    pins.hold(other := User(), Folder.open(tmp_path), ["one"])
    assert opened(path) == [True]
    del other
    pins.close()
    pins.release()
