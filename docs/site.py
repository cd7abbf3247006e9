"""A hook of mkdocs: the READMEs of the repository are pages of the site, and links to them lead there."""

from __future__ import annotations

import re
from os.path import relpath
from pathlib import Path, PurePosixPath
from posixpath import normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "README.zh.md": "zh/index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "NOTICE": "project/notice.md",
    "corpora/README.md": "project/corpora.md",
    "fusion/README.md": "project/fusion.md",
    "rerank/README.md": "project/rerank.md",
    "tests/benchmarks/README.md": "project/benchmarks.md",
    "tests/durability/README.md": "project/durability.md",
}
"""Files of the repository beside docs/, and their pages on the site."""

_SOURCES = {page: source for source, page in PAGES.items()}
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    here = page.file.src_uri
    source = PurePosixPath(_SOURCES.get(here, f"docs/{here}"))

    def link(found: re.Match[str]) -> str:
        target = normpath(str(source.parent / found[2]))
        there = PAGES.get(target, target.removeprefix("docs/"))
        return f"{found[1]}{relpath(there, PurePosixPath(here).parent)}{found[3] or ''}{found[4]}"

    return _LINK.sub(link, markdown)
