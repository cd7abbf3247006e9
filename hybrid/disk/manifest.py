"""Manifests: small JSON files, with a checksum, that describe the files beside them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt

_LARGEST: Final = 64_000_000  # bytes; a manifest has some hundred


def write(folder: Folder, name: str, value: Mapping[str, Any]) -> None:
    """Replace the manifest ``name`` by ``value``. The caller must sync the folder."""
    with folder.replacing(name) as file:
        file.write(_sealed(value))


def read(folder: Folder, name: str) -> dict[str, Any]:
    """Read a manifest. Raises FileNotFoundError, IndexCorrupt."""
    try:
        text = folder.read(name, _LARGEST)
        value = json.loads(text)
        del value["crc"]
        if _sealed(value) == text:
            return dict(value)
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise IndexCorrupt(f"{folder / name}: damaged: {cause}") from cause
    raise IndexCorrupt(f"{folder / name}: damaged: its checksum is wrong")


def _sealed(value: Mapping[str, Any]) -> bytes:
    crc = zlib.crc32(json.dumps(value).encode())
    return json.dumps({**value, "crc": crc}).encode() + b"\n"
