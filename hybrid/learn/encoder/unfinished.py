"""A run of training that is not finished, in a folder beside the one that its bundle will be in.

run.json                what the run is: a run with anything else cannot go on from here
checkpoint.safetensors  the parameters that train and their best values so far, Adam's two averages of each,
                        and in the header, as JSON, the `Course`

Nothing else in the folder is read, and nothing is unpickled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from hybrid.disk.folder import Folder
from hybrid.errors import EncoderFailed, InputError, StorageError
from hybrid.limits import brief, shown

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX: Final = ".unfinished"
_RUN: Final = "run.json"
_CHECKPOINT: Final = "checkpoint.safetensors"
_LOCK: Final = ".lock"
_COURSE: Final = "course"
_MOST: Final = 1_000_000  # bytes of run.json


class Check(BaseModel):
    """The mean loss on the families that stop training, after a number of steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    loss: float


class Course(BaseModel):
    """How far a run is: ``steps`` done, all checks, the first of them before any step; ``finished``: no
    step is to come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = 0
    checks: tuple[Check, ...] = ()
    finished: bool = False

    @property
    def best(self) -> Check:
        """The check with the lowest loss, the first of equals."""
        return min(self.checks, key=lambda check: check.loss)


@dataclass(frozen=True)
class Checkpoint:
    """``tensors``: role and parameter ("now.NAME", "best.NAME", "mean.NAME", "square.NAME") -> values."""

    course: Course
    tensors: dict[str, Tensor]


def check_new(out: Path) -> None:
    """Raises InputError if ``out``, the folder of a bundle that is to be, exists."""
    if out.exists():
        raise InputError(f"{out} exists already; choose another folder for the trained encoder")


class Unfinished:
    """The folder of a run; `claim` gives it to one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def claim(cls, out: Path, run: Mapping[str, Any]) -> Iterator[Unfinished]:
        """Begin ``run``, the values that it depends on by name, or go on with it.

        Raises InputError if ``out`` exists, or the folder beside it holds something else or a run that
        differs; StorageError if another process is at it, or the folder cannot be written.
        """
        check_new(out)  # another process may have been faster
        path = out.with_name(out.name + SUFFIX)
        there = {one.name for one in path.iterdir()} if path.is_dir() else set()
        if there and not there & {_RUN, _LOCK}:
            raise InputError(f"{path} is no run of train-encoder; choose another folder, or move it away")
        try:
            path.mkdir(parents=True, exist_ok=True)
            with FileLock(path / _LOCK, timeout=0):
                own = cls(path)
                own._begin(json.loads(json.dumps(run)))
                yield own
        except Timeout:
            raise StorageError(f"{path}: another process trains there") from None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def _begin(self, run: dict[str, Any]) -> None:
        if (self.path / _RUN).exists():
            self._compare(self._read(), run)
        else:
            with closing(Folder.open(self.path)) as folder, folder.replacing(_RUN) as file:
                file.write(json.dumps(run, indent=2).encode())

    def _read(self) -> Any:
        with (self.path / _RUN).open("rb") as file:
            try:
                return json.loads(file.read(_MOST))
            except (ValueError, RecursionError):
                raise self._damaged(_RUN) from None

    def _compare(self, stored: Any, run: Mapping[str, Any]) -> None:
        known = stored if isinstance(stored, dict) else {}
        for name, value in run.items():
            if known.get(name) != value:
                raise InputError(
                    f"{self.path} is an unfinished run with other {name} ({shown(known.get(name))}, now "
                    f"{shown(value)}); give the same to go on with it, or delete the folder"
                )

    def load(self) -> Checkpoint | None:
        """Read the last checkpoint; None where there is none yet. Raises EncoderFailed if it is damaged."""
        from safetensors import SafetensorError, safe_open

        path = self.path / _CHECKPOINT
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                course = Course.model_validate_json((file.metadata() or {}).get(_COURSE, ""))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, ValidationError, RuntimeError, ValueError) as error:
            raise self._damaged(_CHECKPOINT, brief(error)) from None
        return Checkpoint(course, tensors)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the last checkpoint, whole or not at all."""
        from safetensors.torch import save

        tensors = {name: one.detach().cpu().contiguous() for name, one in checkpoint.tensors.items()}
        content = save(tensors, {_COURSE: checkpoint.course.model_dump_json()})
        with closing(Folder.open(self.path)) as folder:
            with folder.replacing(_CHECKPOINT) as file:
                file.write(content)
            folder.sync()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def mismatch(self) -> EncoderFailed:
        """The error for a checkpoint of other parameters."""
        return self._damaged(_CHECKPOINT, "it has other parameters")

    def diverged(self, steps: int) -> EncoderFailed:
        """The error for a loss that is no number any more."""
        return EncoderFailed(
            f"the loss is no number after {steps:,} steps; delete {self.path} and train with a smaller lr"
        )

    def _damaged(self, name: str, why: str = "not JSON") -> EncoderFailed:
        return EncoderFailed(f"{self.path / name} is damaged ({why}); delete {self.path} and train again")
