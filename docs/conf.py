"""The site of the documentation, for Sphinx: make docs.

The source is the whole repository, so that the links between pages and READMEs are the same on the site.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import jieba

project = "hybrid-retrieval"
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "corpora/README.md",
    "fusion/README.md",
    "rerank/README.md",
    "tests/*/README.md",
]
extensions = ["myst_parser", "sphinx.ext.autodoc"]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
add_module_names = False

html_theme = "furo"
html_title = project
html_search_language = "zh"  # and English: words of both are found
jieba.setLogLevel(logging.WARNING)
jieba.dt.tmp_dir = str(Path(__file__).parent.parent / "build")  # not in a folder that all users share
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["site"]
html_copy_source = False

_LITERAL = re.compile(r"(``.+?``|`.+?`)", re.DOTALL)


def plain(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings are text, not markup: what is in backticks is code, indented lines stay as they are."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).splitlines()


def _paragraph(text: str) -> str:
    if re.search(r"^\s", text, re.MULTILINE):
        return "::\n\n" + re.sub("^", "    ", text, flags=re.MULTILINE)
    parts = _LITERAL.split(text)
    escaped = [re.sub(r"([\\*|_<>])", r"\\\1", part) for part in parts[::2]]
    code = [f"``{part.strip('`')}``\\ " for part in parts[1::2]]
    return "".join(a + b for a, b in zip(escaped, [*code, ""], strict=True))


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", plain)
