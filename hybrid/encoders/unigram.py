"""Unigram tokenizers with large vocabularies, memory-mapped from disk.

The tokenizers library keeps a vocabulary of 250,000 pieces in 300 MB of memory and takes a second to build
it. Here the library still normalises the text and cuts it at white space, but the search for the likeliest
pieces of each word (Viterbi; Kudo, ACL 2018) runs over mapped files:

tokenizer.json   of the tokenizers library, without the vocabulary
pieces.marisa    the pieces: a trie that numbers them
pieces.npy       float64 (2, pieces): the log probability of each piece, and its token id
unigram.json     parameters of the vocabulary

Ids and offsets are exactly those of the library: the same sums in the same order.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hybrid.encoders.tokens import TOKENIZER, bounds, open_tokenizer

_TRIE = "pieces.marisa"
_TABLE = "pieces.npy"
_FACTS = "unigram.json"

_UNKNOWN_PENALTY = 10.0
"""The log probability of an unknown character is this much lower than that of any piece."""


class _Facts(BaseModel):
    """The id of the unknown token, the length of the longest piece in characters, the lowest log
    probability."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unknown: int
    longest: int
    lowest: float


def is_in(folder: Path) -> bool:
    return (folder / _FACTS).is_file()


def write(source: Path, folder: Path) -> None:
    """Convert ``source``, the ``tokenizer.json`` of a Unigram tokenizer, to the files of this module."""
    import marisa_trie
    import orjson
    from tokenizers import models

    model = orjson.loads(source.read_bytes())["model"]
    pieces, scores = zip(*model["vocab"], strict=True)
    trie = marisa_trie.Trie(pieces)
    keys = [trie[piece] for piece in pieces]
    table = np.empty((2, len(pieces)))
    table[0, keys], table[1, keys] = scores, np.arange(len(pieces))
    trie.save(str(folder / _TRIE))
    np.save(folder / _TABLE, table)
    facts = _Facts(unknown=model["unk_id"], longest=max(map(len, pieces)), lowest=min(scores))
    (folder / _FACTS).write_text(facts.model_dump_json() + "\n", encoding="utf-8")
    words = open_tokenizer(source)
    # Without pieces, each word comes back as one unknown token with the word as its text.
    words.model = models.Unigram([(pieces[facts.unknown], 0.0)], 0, False)
    words.save(str(folder / TOKENIZER), pretty=False)


class UnigramTokens:
    """The ``Tokens`` of a tokenizer that ``write`` wrote into ``folder``."""

    def __init__(self, folder: Path) -> None:
        import marisa_trie
        from tokenizers import models

        self._facts = _Facts.model_validate_json((folder / _FACTS).read_bytes())
        self._trie = marisa_trie.Trie().mmap(str(folder / _TRIE))
        table = np.load(folder / _TABLE, mmap_mode="r")
        self._scores, self._ids = table[0].data, table[1].data  # indexing costs half as much as in numpy
        self._words = open_tokenizer(folder / TOKENIZER)
        self._added = {token.content for token in self._words.get_added_tokens_decoder().values()}
        # Without merges every character is a token with an offset.
        self._characters = open_tokenizer(folder / TOKENIZER)
        unknown = str(self._words.id_to_token(0))
        self._characters.model = models.BPE({unknown: 0}, [], unk_token=unknown, fuse_unk=False)

    def ids(self, text: str) -> list[int]:
        return [token for word in self._words.encode(text).tokens for token, _ in self._tokens(word)]

    def offsets(self, text: str) -> NDArray[np.int64]:
        spans = [span for start, end in bounds(text) for span in self._spans(text[start:end], start)]
        return np.array(spans, np.int64).reshape(-1, 2)

    def _spans(self, text: str, shift: int) -> list[tuple[int, int]]:
        """Return the characters of each token of a short text that begins at ``shift``."""
        characters = self._characters.encode(text, add_special_tokens=False).offsets
        spans, at = [], 0
        for word in self._words.encode(text, add_special_tokens=False).tokens:
            if word in self._added:  # the other tokenizer also makes it one token
                ends = [at, at + 1]
            else:
                ends = [at, *(at + end for _, end in self._tokens(word))]
            spans += [
                (shift + characters[first][0], shift + characters[end - 1][1])
                for first, end in pairwise(ends)
            ]
            at = ends[-1]
        return spans

    def _tokens(self, word: str) -> list[tuple[int, int]]:
        """Return the likeliest tokens of a word, in order: the id, and the end in the word."""
        unknown = self._facts.unknown
        back = self._best(word)
        tokens: list[tuple[int, int]] = []
        at = len(word)
        while at:
            start, token = back[at]
            if token == unknown and tokens and tokens[-1][0] == unknown:  # adjacent ones are merged
                tokens[-1] = (unknown, tokens[-1][1])
            else:
                tokens.append((token, at))
            at = start
        return tokens[::-1]

    def _best(self, word: str) -> list[tuple[int, int]]:
        """Return, for each position in ``word``, the start and the id of the last of the likeliest tokens
        up to it."""
        scores, ids, prefixes = self._scores, self._ids, self._trie.iter_prefixes_with_ids
        longest, stranger = self._facts.longest, self._facts.lowest - _UNKNOWN_PENALTY
        best = [0.0, *[-np.inf] * len(word)]
        back = [(0, 0)] * len(best)
        for start in range(len(word)):
            here, known = best[start], False
            for piece, key in prefixes(word[start : start + longest]):
                end = start + len(piece)
                known = known or end == start + 1
                if scores[key] + here > best[end]:
                    best[end], back[end] = scores[key] + here, (start, int(ids[key]))
            if not known and stranger + here > best[start + 1]:
                best[start + 1], back[start + 1] = stranger + here, (start, self._facts.unknown)
        return back
