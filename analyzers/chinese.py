"""Chinese: jieba's words and the words inside them, stop words, a user dictionary."""

from __future__ import annotations

import logging
import os
import stat
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid.analyzers.compounds import parts
from hybrid.analyzers.dictionary import parse_user_word, versioned
from hybrid.analyzers.segment import Part, ScriptAnalyzer, clip

if TYPE_CHECKING:
    from jieba import Tokenizer

HMM = True
EXTRA = ""

_loading = threading.Lock()


@dataclass(frozen=True)
class Chinese(ScriptAnalyzer):
    user_words: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return versioned("chinese-1", self.user_words)

    def _word(self, run: str) -> Sequence[Part]:
        return plain_word(run)

    def _han(self, run: str) -> Sequence[Part]:
        return chinese_run(run, self.user_words)


@lru_cache(maxsize=1 << 14)
def plain_word(run: str) -> tuple[Part, ...]:
    return tuple(Part(clip(term), start, end) for term, start, end in parts(run))


def chinese_run(run, user_words=()):
    tok = tokenizer(user_words)
    out = []
    at = 0
    singles = 0
    for word in tok.cut(run, HMM=HMM):
        n = len(word)
        for t, s, e in _subwords(word):
            out.append(Part(t, at + s, at + e))
        at += n
    return out


@lru_cache(maxsize=1 << 16)
def _subwords(word):
    freq = tokenizer(()).FREQ
    n = len(word)
    found = [(0, n)]
    if n > 2:
        found += [(i, i + 2) for i in range(n - 1) if freq.get(word[i : i + 2])]
    if n > 3:
        found += [(i, i + 3) for i in range(n - 2) if freq.get(word[i : i + 3])]
    if "b" in EXTRA and n > 2:
        found += [(i, i + 2) for i in range(n - 1)]
    if "c" in EXTRA and n > 1:
        found += [(i, i + 1) for i in range(n)]
    found = sorted(set(found), key=lambda p: (p[0], -p[1]))
    return tuple(Part(word[s:e], s, e) for s, e in found if word[s:e] not in stop_words())


@cache
def stop_words() -> frozenset[str]:
    p = Path(__file__).with_name("stopwords_zh.txt")
    return frozenset(l.strip() for l in p.read_text("utf-8").splitlines() if l.strip() and not l.startswith("#"))


@cache
def tokenizer(user_words):
    import jieba
    jieba.setLogLevel(60)
    t = jieba.Tokenizer()
    t.initialize()
    return t
