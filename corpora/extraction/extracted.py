"""A document as it is extracted from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hybrid.corpora import records
from hybrid.limits import MAX_TEXT, MAX_TITLE
from hybrid.texts import clean
from hybrid.types import Document


@dataclass(frozen=True)
class Extracted:
    """A document of a file. ``part`` tells it from the others in the same file: a message of a mailbox, a
    record of a table; the only one of a file has none. The rest is as in `hybrid.types.Document`."""

    text: str
    title: str = ""
    part: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: Any = None
    passages: Any = None

    @classmethod
    def of(cls, document: Document) -> Self:
        """Make one of a record that has its own id."""
        return cls(
            document.text,
            document.title,
            document.id,
            document.metadata,
            document.vector,
            document.passages,
        )

    def cleaned(self) -> Self:
        """Replace what UTF-8 cannot encode; BadRecord if the text is too long."""
        if len(self.text) > MAX_TEXT:
            raise records.BadRecord(f"longer than {MAX_TEXT:,} characters; cut it into several files")
        title = " ".join(clean(self.title).split())[:MAX_TITLE]
        kept = (clean(self.part), self.metadata, self.vector, self.passages)
        return type(self)(clean(self.text), title, *kept)

    def document(self, file: str, title: str, metadata: Mapping[str, Any]) -> Document:
        """As a document of ``file``, which is its id or begins it; ``title`` where it has none itself."""
        id = records.identifier({"id": f"{file}#{self.part}" if self.part else file})
        shown = self.title or title
        held = {**self.metadata, **metadata}
        return Document(id, self.text, shown, held, self.vector, self.passages)
