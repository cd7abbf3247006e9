"""Write ``analyzers/lookalikes.txt`` from Unicode's table of radicals and strokes.

    python -m tests.lookalikes EquivalentUnifiedIdeograph.txt

The table is part of the Unicode Character Database (Debian: /usr/share/unicode, package unicode-data).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

TABLE: Final = Path(str(files("hybrid.analyzers").joinpath("lookalikes.txt")))
_line: Final = re.compile(
    r"(?P<first>[0-9A-F]{4,6})(?:\.\.(?P<last>[0-9A-F]{4,6}))?\s*;\s*(?P<to>[0-9A-F]{4,6})"
)
_HEAD: Final = """\
# Radicals and strokes that NFKC leaves as they are, and below each the ideograph that it looks like.
# Written by tests/lookalikes.py from {source}; see NOTICE.
"""


def equivalents(source: str) -> Iterator[tuple[str, str]]:
    """The pairs of Unicode's table that NFKC does not fold already."""
    for match in filter(None, map(_line.match, source.splitlines())):
        first, to = int(match["first"], 16), chr(int(match["to"], 16))
        for code in range(first, int(match["last"] or match["first"], 16) + 1):
            if unicodedata.normalize("NFKC", chr(code)) == chr(code):
                yield chr(code), to


def table(source: str) -> str:
    name = source.partition("\n")[0].removeprefix("# ")
    lines = map("".join, zip(*equivalents(source), strict=True))
    return _HEAD.format(source=name) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(Path(sys.argv[1]).read_text("utf-8")), "utf-8")
