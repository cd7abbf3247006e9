"""Extract the text of files in a separate process.

The text keeps the structure of the document: headings as in Markdown (``# ``), a blank line between blocks,
``- `` before an item of a list, a form feed between pages. Files may be malicious, so a separate process
reads them, with limits on time and memory; if it dies, another one is started.
"""

from __future__ import annotations

from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.process import Bounds, Extractor, check

__all__ = ["Bounds", "Extracted", "Extractor", "check"]
