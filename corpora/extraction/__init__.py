"""Files to text: what people keep, read in a process of its own.

The text keeps the structure of the document: headings as in Markdown (``# ``), a blank line between blocks,
``- `` before an item of a list, a form feed between pages. A file may be built to harm whoever reads it: a
process apart reads it, with limits on time and memory, and another one takes its place when it dies.
"""

from __future__ import annotations

from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.process import Bounds, Extractor, check

__all__ = ["Bounds", "Extracted", "Extractor", "check"]
