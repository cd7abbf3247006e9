"""What is in an index: counts, sizes, identities."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from hybrid.disk.folder import Folder
from hybrid.ledger import bodies, database, roster
from hybrid.metadata import kept
from hybrid.store.generation import Generation
from hybrid.store.voters import FOLDER
from hybrid.vector.graph import Graph

_PARTS: Final = {
    "ledger": (database.FILE,),
    "bodies": (bodies.FILE,),
    "vectors": ("text.",),
    "lexical": ("lexical-",),
    "graph": ("graph",),
    "past_graph": (FOLDER,),
    "kept": (kept.FILE, roster.FILE),
}
"""How the names of the files and folders of each part begin."""


def stats(generation: Generation) -> dict[str, Any]:
    """Counts and sizes (in bytes) of its newest snapshot, ready for JSON."""
    snapshot = generation.snapshot
    settings, graph = snapshot.settings, snapshot.vectors.graph
    return {
        "documents": snapshot.size,
        "dead": snapshot.count - snapshot.size,
        "passages": snapshot.lexical.searcher.num_docs,
        "sequence": snapshot.seq,
        "generation": generation.folder.path.name,
        "encoder": settings.encoder and settings.encoder.id,
        "analyzer": settings.analyzer.id,
        "metric": settings.metric,
        "dimension": generation.ledger.dim or None,
        "vectors": len(snapshot.vectors.rows),
        "vectors_in_graph": graph.rows if graph else 0,
        "graph_library": graph.library if isinstance(graph, Graph) else None,
        "ann": str(settings.ann),
        "past_queries": snapshot.tables.past.count(snapshot.seq),
        "segments": snapshot.lexical.searcher.num_segments,
        "profile": snapshot.profiles.serving.model_dump(),
        "bytes": {part: _size(generation.folder, names) for part, names in _PARTS.items()},
    }


def _size(folder: Folder, beginnings: tuple[str, ...] = ("",)) -> int:
    """The bytes of the files whose names begin so, and of those in such folders."""
    total = 0
    for name in folder.names():
        if name.startswith(beginnings):
            with suppress(FileNotFoundError):  # it goes while somebody writes
                total += _within(folder, name) if folder.is_folder(name) else folder.stat(name).st_size
    return total


def _within(folder: Folder, name: str) -> int:
    with folder.opened(name) as inner:
        return _size(inner)
