"""An index as it would be with another encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hybrid.encoders import EncoderSpec
from hybrid.index import Index
from hybrid.types import Progress


@contextmanager
def reencoded(index: Index, encoder: EncoderSpec, progress: Progress | None = None) -> Iterator[Index]:
    """A copy of ``index`` in a temporary folder, built again with ``encoder`` as `Index.reindex` does, for
    the time of the block. It ranks by the default profile. All documents are encoded, those with ready-made
    vectors, too. Raises what ``reindex`` raises, and StorageError where there is no room."""
    with TemporaryDirectory(prefix="hybrid-encoder-") as folder:
        copy = Path(folder) / "index"
        index.backup(copy)
        with Index.open(copy) as other:
            other.reindex(encoder=encoder, progress=progress)
            yield other
