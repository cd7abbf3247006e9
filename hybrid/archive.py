"""Arrays that are kept beside the ledger, so that the next process need not work them out of it again.

Only ever a cache: what is missing, damaged or another index's is worked out once more.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.files import sync

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


def write(path: Path, uuid: str, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Put a JSON ``header`` and ``arrays`` in place of what ``path`` holds, by a rename. An error of the
    machine's is only logged."""
    draft = path.with_suffix(".tmp")
    named: dict[str, Any] = {_HEADER: text({**header, "format": _FORMAT, "uuid": uuid}), **arrays}
    try:
        with draft.open("wb") as file:
            np.savez(file, **named)
        sync(draft)
        os.replace(draft, path)
    except OSError as error:
        _log.warning("%s: not kept: %s", path, error)


def read(
    path: Path, uuid: str, take: Callable[[dict[str, Any], Mapping[str, NDArray[Any]]], _T], nothing: _T
) -> _T:
    """What ``take`` makes of the header and the arrays in ``path``, each of which has a checksum, as it
    reads them; ``nothing`` where they are of no use."""
    try:
        with np.load(path) as kept:
            header = json.loads(kept[_HEADER].tobytes())
            if (header["format"], header["uuid"]) != (_FORMAT, uuid):
                raise ValueError("belongs to another index or version")
            return take(header, kept)
    except FileNotFoundError:
        return nothing
    except Exception as error:  # numpy and zipfile meet damage in many ways
        _log.warning("%s: not used: %s", path, error)
        return nothing


def text(value: object) -> NDArray[np.uint8]:
    """A JSON value as an array."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
