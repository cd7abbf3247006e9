"""The files of a model: fetched from the hub without pickles, checked, and told apart."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hybrid.errors import EncoderFailed, ModelNotFound, require
from hybrid.hub.names import Reference
from hybrid.hub.silence import quiet
from hybrid.limits import brief

_FETCHED: Final = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.metadata"]
"""Weights as data, configurations, and vocabularies: neither pickles nor code."""

_SKIPPED: Final = ["onnx/*", "openvino/*"]


def folder(name: str) -> Path | None:
    """Return the folder of that name by its absolute path; None if there is none."""
    try:
        found = Path(name).expanduser()
        return found.absolute() if found.is_dir() else None
    except (OSError, RuntimeError):  # too long for a path; the home of nobody
        return None


def snapshot(reference: Reference, subject: str) -> Path:
    """Return the folder of a model in the hub's cache, named by its commit; download it if it is missing.

    ``subject`` names the model in errors. Raises ModelNotFound, MissingExtra.
    """
    require(f"{subject} from the hub", "sentence_transformers", "huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    repository, revision = reference.repository, reference.revision
    cached = None
    with suppress(OSError, ValueError):  # ValueError: the hub's client takes it for no name at all
        cached = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    if cached is not None and any(cached.rglob("*.safetensors")):
        return cached
    why = "HF_HUB_OFFLINE is set"
    if not HF_HUB_OFFLINE:
        try:
            with quiet():
                fetched = snapshot_download(
                    repository,
                    revision=revision,
                    etag_timeout=5,
                    allow_patterns=_FETCHED,
                    ignore_patterns=_SKIPPED,
                )
            return Path(fetched)
        except Exception as error:  # the hub's client passes on errors of its HTTP library
            why = brief(error)
    if cached is not None:
        return cached
    raise ModelNotFound(
        f"{subject} is nowhere to be found: no folder of that name, not in the hub's cache "
        f"({HF_HUB_CACHE}), not on the model hub as {reference} ({why})"
    )


def as_data(folder: Path, subject: str) -> dict[str, Any]:
    """Return the arguments by which a model of sentence-transformers loads from ``folder`` as data: from
    safetensors, without code of its own.

    Raises EncoderFailed if weights are there only as a pickle.
    """
    for path in sorted(folder.rglob("*.bin")):
        if not path.name.startswith(("pytorch_model", "adapter_model")):
            continue
        if not any(path.parent.glob("*.safetensors")):
            raise EncoderFailed(
                f"{subject} has weights only as a pickle ({path.relative_to(folder)}), which could run "
                "code; convert it where you trust it: "
                "model.save_pretrained(folder, safe_serialization=True)"
            )
    return {
        "model_name_or_path": str(folder),
        "local_files_only": True,
        "trust_remote_code": False,
        "model_kwargs": {"use_safetensors": True},
    }


def fingerprint(folder: Path, *patterns: str) -> str:
    """Return the beginning of the SHA-256 of the files that match."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in folder.rglob(pattern)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
