"""Arrays cached beside the ledger, so that the next process need not compute them from it again.

Only a cache: an array that is missing, damaged or of another index is computed again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.disk.folder import Folder

KEEP_AT: Final = 20_000
"""New documents; the arrays of fewer take less than half a second to compute."""
_SHARE: Final = 10  # at least a tenth of all documents must be new, too
_FORMAT: Final = 1
_HEADER: Final = "header"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def worth_writing(count: int, kept: int) -> bool:
    """Whether enough of ``count`` documents are newer than the ``kept`` ones to write the cache again."""
    return count - kept >= max(KEEP_AT, count // _SHARE)


def write(
    folder: Folder, name: str, uuid: str, header: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Replace the file ``name`` by a JSON ``header`` and ``arrays``. Logs an OSError instead of raising
    it."""
    named: dict[str, Any] = {_HEADER: text({**header, "format": _FORMAT, "uuid": uuid}), **arrays}
    try:
        with folder.replacing(name) as file:
            np.savez(file, **named)
    except OSError as error:
        _log.warning("%s: not kept: %s", folder / name, error)


def read(
    folder: Folder,
    name: str,
    uuid: str,
    take: Callable[[dict[str, Any], Mapping[str, NDArray[Any]]], _T],
    nothing: _T,
) -> _T:
    """Call ``take`` with the header and the arrays in ``name`` and return its result. Each array is checked
    against its checksum as ``take`` reads it. Returns ``nothing`` if the file cannot be used."""
    try:
        with folder.reading(name) as file, np.load(file) as kept:
            header = json.loads(kept[_HEADER].tobytes())
            if (header["format"], header["uuid"]) != (_FORMAT, uuid):
                raise ValueError("belongs to another index or version")
            return take(header, kept)
    except FileNotFoundError:
        return nothing
    except Exception as error:  # numpy and zipfile raise many kinds of errors for a damaged file
        _log.warning("%s: not used: %s", folder / name, error)
        return nothing


def text(value: object) -> NDArray[np.uint8]:
    """Encode a JSON value as an array."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
