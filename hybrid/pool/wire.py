"""What goes through the pipes between a pool and its workers: pickles, each after its length.

Unpickling runs what the pickle says, so both ends trust one another: a pipe is made for one worker, is
inherited by nobody else, and has no name under which anybody could open it.
"""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any, Final

from hybrid.errors import NotPicklable
from hybrid.limits import brief

_LENGTH: Final = struct.Struct("<Q")


def send(stream: IO[bytes], frame: bytes) -> None:
    stream.write(_LENGTH.pack(len(frame)) + frame)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """The next frame. Raises EOFError where the other end has gone."""
    length = stream.read(_LENGTH.size)
    if len(length) == _LENGTH.size:
        (size,) = _LENGTH.unpack(length)
        if len(frame := stream.read(size)) == size:
            return frame
    raise EOFError


def packed(value: object, what: str) -> bytes:
    """``value`` as a frame. Raises NotPicklable, which says of what."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as cause:  # whatever the value's own __reduce__ raises
        raise NotPicklable(
            f"{what} cannot be passed between processes: {brief(cause)}; pass what can be pickled: values, "
            "and functions and classes that a module defines (no lambda, generator or open file)"
        ) from cause


def unpacked(frame: bytes, what: str) -> Any:
    """What was packed. Raises NotPicklable where it needs what this process cannot import."""
    try:
        return pickle.loads(frame)
    except Exception as cause:
        raise NotPicklable(
            f"{what} cannot be read in another process: {brief(cause)}; define functions and classes in a "
            "module that can be imported, not in the program itself"
        ) from cause


def answer(frame: bytes, what: str) -> Any:
    """The value that was answered. Raises the error that was."""
    value, error = unpacked(frame, what)
    if error is not None:
        raise error
    return value
