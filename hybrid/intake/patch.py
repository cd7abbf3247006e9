"""Changes of metadata, as JSON Merge Patch (RFC 7396) has them: keys are set, objects within objects are
changed key by key, and null takes a key away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from hybrid.errors import DocumentError
from hybrid.intake.documents import check_metadata
from hybrid.limits import shown
from hybrid.types import Document


@dataclass(frozen=True)
class Patch:
    """Checked ``changes``."""

    changes: Mapping[str, Any]

    @classmethod
    def of(cls, changes: Mapping[str, Any]) -> Self:
        """Raises DocumentError."""
        if not isinstance(changes, Mapping):
            raise DocumentError(f"changes of metadata are an object, not {shown(changes)}")
        return cls(check_metadata(changes, "changes"))

    def __call__(self, document: Document) -> Document | None:
        """The document with the changes; None where they change nothing. Raises DocumentError where its
        metadata would be larger than `hybrid.limits` allows."""
        merged = check_metadata(_merged(document.metadata, self.changes), f"document {shown(document.id)}")
        same = json.dumps(merged) == json.dumps(document.metadata)  # True == 1 otherwise
        return None if same else replace(document, metadata=merged)


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
