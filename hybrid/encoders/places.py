"""The sources of weight files: installed packages and the model hub. Every file's checksum is verified."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

from hybrid.hub import quiet
from hybrid.limits import brief


class Unavailable(Exception):
    """A place does not have a file; names the place and the reason."""


class Place(Protocol):
    """A source of files, each identified by its SHA-256."""

    def fetch(self) -> dict[str, Path]:
        """Fetch the files: name -> path on this machine. Raises Unavailable."""
        ...


@dataclass(frozen=True)
class Packaged:
    """Files inside an installed distribution; ``files``: path there -> SHA-256."""

    distribution: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"the package {self.distribution}"

    def fetch(self) -> dict[str, Path]:
        try:
            home = distribution(self.distribution)
        except PackageNotFoundError:
            raise Unavailable(
                f"{self} is not installed (pip install 'hybrid-retrieval[offline]')"
            ) from None
        paths = {name: Path(str(home.locate_file(name))) for name in self.files}
        return {path.name: _checked(path, self.files[name], str(self)) for name, path in paths.items()}


@dataclass(frozen=True)
class Hub:
    """Files of a Hugging Face repository at one revision; ``files``: path there -> SHA-256."""

    repository: str
    revision: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"the model hub's {self.repository} at {self.revision}"

    def fetch(self) -> dict[str, Path]:
        return {
            Path(name).name: _checked(self._get(name), sha256, str(self))
            for name, sha256 in self.files.items()
        }

    def _get(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.constants import HF_HUB_OFFLINE

        try:
            with quiet():
                return Path(hf_hub_download(self.repository, name, revision=self.revision, etag_timeout=5))
        except Exception as error:  # the hub's client passes on errors of its HTTP library
            why = "HF_HUB_OFFLINE is set and the hub's cache lacks it" if HF_HUB_OFFLINE else brief(error)
            raise Unavailable(f"{self} is not available ({why})") from None


def _checked(path: Path, sha256: str, place: str) -> Path:
    if not path.is_file():
        raise Unavailable(f"{place} lacks {path.name}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise Unavailable(f"{place} has another {path.name} than expected (its SHA-256 differs)")
    return path
