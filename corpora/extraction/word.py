"""DOCX, by way of HTML."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import some
from hybrid.corpora.extraction.html import text_of
from hybrid.corpora.extraction.packed import unpacked
from hybrid.corpora.options import Options
from hybrid.errors import require

_STYLES: Final = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => h2:fresh
"""


def read(path: Path, _: Options) -> Iterator[Extracted]:
    require("reading DOCX", "mammoth", "selectolax", extra="files")
    import mammoth

    with unpacked(path, "a DOCX") as archive:
        archive.read("word/document.xml")
        archive.check_office()
        title = archive.title()
        without = mammoth.images.img_element(lambda _: {})
        made = mammoth.convert_to_html(
            io.BytesIO(archive.content),
            style_map=_STYLES,
            convert_image=without,
            external_file_access=False,
        )
    page = text_of(made.value)
    yield Extracted(some(page.text), title or page.heading)
