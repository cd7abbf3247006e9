"""Arrays that are kept beside the ledger, so that the next process need not work them out of it again.

Only ever a cache: what is missing, damaged or another index's is worked out once more.
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
"""Documents; to work out what fewer amount to takes less than half a second."""
_SHARE: Final = 10  # and one in so many of all
_FORMAT: Final = 1
_HEADER: Final = "header"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def worth_writing(count: int, kept: int) -> bool:
    """Whether so many of ``count`` documents came after those that are ``kept``."""
    return count - kept >= max(KEEP_AT, count // _SHARE)


def write(
    folder: Folder, name: str, uuid: str, header: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Put a JSON ``header`` and ``arrays`` in place of what ``name`` has. Logs errors of the machine's."""
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
    """What ``take`` makes of the header and the arrays in ``name``, each of which has a checksum, as it
    reads them; ``nothing`` where they are of no use."""
    try:
        with folder.reading(name) as file, np.load(file) as kept:
            header = json.loads(kept[_HEADER].tobytes())
            if (header["format"], header["uuid"]) != (_FORMAT, uuid):
                raise ValueError("belongs to another index or version")
            return take(header, kept)
    except FileNotFoundError:
        return nothing
    except Exception as error:  # numpy and zipfile meet damage in many ways
        _log.warning("%s: not used: %s", folder / name, error)
        return nothing


def text(value: object) -> NDArray[np.uint8]:
    """A JSON value as an array."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
