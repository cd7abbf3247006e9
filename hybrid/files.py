"""fsync, of files and of the folders that name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

READERS: Final = 4
"""Threads that read and check what is large."""


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """fsync a folder and everything below it."""
    for root, _, names in os.walk(folder):
        for name in names:
            sync(Path(root, name))
        sync(Path(root))
