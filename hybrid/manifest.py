"""Small JSON files that say what lies beside them, and that notice when they are damaged."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hybrid.errors import IndexCorrupt
from hybrid.files import sync

_LARGEST: Final = 64_000_000  # bytes; a manifest has some hundred


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Put ``value`` in place of what ``path`` holds, by a rename. The folder is the caller's to sync."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_bytes(_sealed(value))
    sync(draft)
    os.replace(draft, path)


def read(path: Path) -> dict[str, Any]:
    """What was written. Raises FileNotFoundError, IndexCorrupt."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST)
        value = json.loads(text)
        del value["crc"]
        if _sealed(value) == text:
            return dict(value)
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise IndexCorrupt(f"{path}: damaged: {cause}") from cause
    raise IndexCorrupt(f"{path}: damaged: its checksum is another")


def _sealed(value: Mapping[str, Any]) -> bytes:
    crc = zlib.crc32(json.dumps(value).encode())
    return json.dumps({**value, "crc": crc}).encode() + b"\n"
