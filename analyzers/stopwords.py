"""The lists of words too common to search for: ``stopwords_en.txt`` and ``stopwords_zh.txt``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal


@cache
def stop_words(language: Literal["en", "zh"]) -> frozenset[str]:
    lines = files("hybrid.analyzers").joinpath(f"stopwords_{language}.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
