"""The queries that an encoder was trained on, as far as its folder names them.

training.json    beside the model, a bundle or one of sentence-transformers: a JSON object; "queries" lists
                 the `hybrid.learn.split.fingerprint` of each query that had a part in the training, whether
                 it taught or chose when to stop. Other keys are its maker's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import orjson
import regex

from hybrid.encoders.registry import EncoderSpec, spec_of
from hybrid.errors import EncoderFailed
from hybrid.limits import MAX_FILE, shown

TRAINING: Final = "training.json"
_SHA256: Final = regex.compile("[0-9a-f]{64}")


def trained_on(spec: EncoderSpec | None) -> frozenset[str]:
    """The fingerprints in `TRAINING` of the folder that ``spec`` names; none if there is no such file, or
    ``spec`` is something else than a folder. Raises EncoderFailed for a file that is malformed."""
    place = None if spec is None else spec_of(spec)
    if place is None or not Path(place).is_absolute() or not (path := Path(place, TRAINING)).is_file():
        return frozenset()
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE:,} bytes")
        value = orjson.loads(path.read_bytes())
        listed = value.get("queries", []) if isinstance(value, dict) else None
        if not isinstance(listed, list):
            raise ValueError('no object with a list under "queries"')
        for one in listed:
            if not isinstance(one, str) or not _SHA256.fullmatch(one):
                raise ValueError(f"{shown(one)} is no SHA-256")
        return frozenset(listed)
    except (OSError, ValueError) as cause:
        said = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else cause
        raise EncoderFailed(f"{path}: {said}; train the encoder again, or delete the file") from cause
