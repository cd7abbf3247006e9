"""The supported kinds of files, by suffix."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from hybrid.corpora.files import kind, plain_name

MARKDOWN: Final = (".md", ".markdown")
_PROSE: Final = (
    ".txt .text .log .rst .org .adoc .tex .bib .srt .vtt .json .xml .yaml .yml .toml .ini .cfg .conf "
    ".properties .diff .patch"
)
_CODE: Final = (
    ".asm .awk .bat .c .cc .clj .cljs .cmake .coffee .cpp .cs .css .cu .cxx .d .dart .el .elm .erl .ex "
    ".exs .f90 .fs .go .gradle .graphql .groovy .h .hh .hpp .hs .hxx .java .jl .js .jsx .kt .kts .less "
    ".lisp .lua .m .mjs .ml .mli .mm .nim .nix .pas .php .pl .pm .proto .ps1 .py .pyi .r .rb .rs .s .sass "
    ".scala .scm .scss .sh .bash .zsh .fish .sql .svelte .swift .tcl .tf .ts .tsx .vb .vim .vue .zig"
)
_BARE: Final = (
    "authors changelog changes copying dockerfile gemfile install license makefile news notice rakefile "
    "readme todo"
)
TEXT: Final = (*MARKDOWN, *_PROSE.split(), *_CODE.split())
NAMES: Final = frozenset(_BARE.split())
"""Text files without a suffix, in lower case."""

RECORDS: Final = (".jsonl", ".csv", ".tsv", ".parquet")
STREAMED: Final = (*RECORDS, ".mbox")
"""Read piece by piece, however large."""

HTML: Final = (".html", ".htm", ".xhtml")
FORMATS: Final = (*HTML, ".pdf", ".docx", ".xlsx", ".epub", ".eml", ".mbox")
OLD: Final = {".doc": ".docx", ".xls": ".xlsx"}
"""Old formats, and the format to save them in."""

UNDERSTOOD: Final = (
    "a BEIR folder (with corpus.jsonl), .jsonl, .csv, .tsv or .parquet with an id in each record, a folder "
    "of files, or one file: text, Markdown, source code, .html, .pdf, .docx, .xlsx, .epub, .eml, .mbox; "
    "any of these may be packed (.gz)"
)


def kind_of(path: Path, readers: Collection[str] = ()) -> str | None:
    """Return the suffix that says what a file contains, ``.txt`` for a README without one; None if it is
    not supported. ``readers`` of other packages, which are named like suffixes, support further ones."""
    if path.suffix.lower()[1:] in readers:
        return path.suffix.lower()
    end = kind(path)
    if not end and plain_name(path).name.lower() in NAMES:
        return ".txt"
    return end if end in TEXT or end in RECORDS or end in FORMATS or end in OLD else None
