"""Files that a reader of another package reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hybrid import plugins
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.errors import PluginError
from hybrid.types import Document


def read(path: Path, name: str) -> Iterator[Extracted]:
    """What the reader of that ``name`` makes of a file. Raises PluginError where it fails, or makes neither
    a text nor documents."""
    if (plugin := plugins.find("readers", name)) is None:
        raise PluginError(f"no installed package has a reader {name!r}")
    found = plugins.made(plugin, path)
    if isinstance(found, str):
        yield Extracted(found)
        return
    for one in found:
        if not isinstance(one, Document):
            raise PluginError(f"{plugin} returns a {type(one).__name__}, which is no Document")
        yield Extracted.of(one)
