"""Indexes as each released format version wrote them, kept to see that they still open.

    python -m tests.golden.make

writes ``format-N-ANALYZER-FIELDS.tar.gz`` for the format, the analyzer and the number of fields of the
keyword index of today, if it is not there.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Final

from hybrid import Document, Index
from hybrid.analyzers import Mixed
from hybrid.lexical.terms import FIELDS
from hybrid.settings import FORMAT

FOLDER: Final = Path(__file__).parent
REPLACED: Final = Document("1", "an electric kettle", "Kettle", {"price": 30}, vector=[0.0, 1.0, 0.0])
BATCH: Final = (
    Document("1", "a kettle of steel", "Kettle", {"price": 35, "tags": ["kitchen"]}, [0.6, 0.8, 0.0]),
    Document("2", "不锈钢电热水壶", "水壶", {"price": 29.5, "maker": {"country": "CN"}}, [0.5, 0.8, 0.1]),
    Document("3", "主动降噪,续航三十小时", "无线耳机", {"price": 2**70}, [-0.2, 0.1, 0.9]),
    Document("4", "words alone"),
    Document("5", "two windows", vector=[[0.1, 0.2, 0.3], [0.3, 0.2, -0.1]], passages=[(0, 3), (4, 11)]),
)
DELETED: Final = "gone"
TODAY: Final = f"format-{FORMAT}-{Mixed().id}-{len(FIELDS)}"


def make(path: Path) -> None:
    """An index with a replaced and a deleted document, whose ledger and legs each saw two commits."""
    with Index.create(path, encoder=None) as index:
        index.add([REPLACED, Document(DELETED, "soon gone", vector=[1.0, 0.0, 0.0])])
        index.add(BATCH)
        index.delete([DELETED])


if __name__ == "__main__":
    archive = FOLDER / f"{TODAY}.tar.gz"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as folder, tarfile.open(archive, "w:gz") as tar:
            make(Path(folder, "idx"))
            tar.add(Path(folder, "idx"), "idx")
