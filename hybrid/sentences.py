"""Where sentences end, in Chinese and English."""

from __future__ import annotations

from typing import Final

import regex

END: Final = regex.compile(
    r"""
      [。！？；…]++ [”’」』）》"')\]]*+
    | (?: (?<! [!?]) [!?]++
        | (?<! \.) \.{2,}+
        | (?<! \. | \b (?: \p{Lu} | Dr | Mr | Mrs | Ms | Prof | St | No | vs | e\.g | i\.e ) ) \.
      ) [”’"')\]]*+ (?=\s)
    | \n++
    """,
    regex.VERBOSE,
)
"""A match ends where a sentence does; one of line breaks where a line does. Runs of marks are taken whole,
so that a million of them take time in proportion."""
