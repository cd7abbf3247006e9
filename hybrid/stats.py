"""What is in an index: counts, sizes, identities."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hybrid.generation import Snapshot

_PARTS: Final = {
    "ledger": "ledger.db*",
    "vectors": "text.*",
    "lexical": "lexical-*/*",
    "graph": "graph*",
    "kept": "*.npz",
}


def stats(snapshot: Snapshot) -> dict[str, Any]:
    """Of one snapshot, ready for JSON; sizes in bytes."""
    generation = snapshot.generation
    settings, graph = generation.settings, snapshot.vectors.graph
    return {
        "documents": snapshot.size,
        "dead": snapshot.count - snapshot.size,
        "sequence": snapshot.seq,
        "generation": generation.folder.name,
        "encoder": settings.encoder and settings.encoder.id,
        "analyzer": settings.analyzer.id,
        "metric": settings.metric,
        "dimension": generation.ledger.dim or None,
        "vectors": len(snapshot.vectors.rows),
        "vectors_in_graph": graph.rows if graph else 0,
        "graph_precision": settings.graph_precision,
        "segments": snapshot.lexical.searcher.num_segments,
        "profile": generation.ledger.profiles.serving.model_dump(),
        "bytes": {part: _size(generation.folder, pattern) for part, pattern in _PARTS.items()},
    }


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
