"""Suggestions: how many typos are put right, how many correct queries are changed, and what it costs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from string import ascii_uppercase, digits
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from hybrid import Document, Index
from hybrid.analyzers.segment import is_han
from hybrid.corpora import read_documents, read_qrels, read_queries
from hybrid.search.searcher import Searcher
from hybrid.search.suggesting import Answerable
from hybrid.suggest.pinyin import pinyin
from tests.benchmarks.house import House, fill, kept
from tests.benchmarks.report import Report, Table
from tests.benchmarks.typing_errors import typos
from tests.benchmarks.vocabulary import LANGUAGES, vocabulary, zipf

_TYPOS: Final = 500  # of each language
_CORRECT: Final = 1_000
_LENGTH: Final = 60  # words of a made-up document
_name: Final = re.compile(r"\b[A-Z][a-z]{3,} [A-Z][a-z]{3,}\b")


def run(house: House) -> Report:
    if house.plan.data is not None:
        return _judged(house.plan.data)
    path = kept(house.folder / "typed", lambda draft: fill(draft, documents(house.plan.documents)))
    report = Report("suggestions", documents=house.plan.documents)
    with Index.open(path, read_only=True) as index, index.searcher() as searcher:
        _time(searcher, report)
    return report


# --- quality, on a collection


def _judged(folder: Path) -> Report:
    texts, queries = list(read_documents(folder)), _queries(folder)
    report = Report("suggestions", documents=len(texts), collection=folder.name)
    with TemporaryDirectory() as place, Index.create(Path(place) / "idx", encoder=None) as index:
        index.load(texts)
        with index.searcher() as searcher:
            right(searcher, report.table("Typos put right"), _TYPOS)
            table = report.table("Correct queries that are changed")
            kinds = {"queries": queries[:_CORRECT], "names": names(texts), "parts": part_numbers(_CORRECT)}
            for kind, correct in kinds.items():
                _changed(searcher, table, kind, correct[:_CORRECT])
    return report


def _queries(folder: Path) -> list[str]:
    """Those of the training and development splits."""
    judged = {id for split in ("train", "dev") for id in _split(folder / "qrels" / f"{split}.tsv")}
    return [text for id, text in read_queries(folder / "queries.jsonl").items() if id in judged]


def _split(path: Path) -> Iterable[str]:
    return read_qrels(path) if path.exists() else ()


def right(searcher: Searcher, table: Table, number: int) -> None:
    """How many of ``number`` typos of each language are put right."""
    held = Answerable(searcher.snapshot, None)

    def known(word: str) -> bool:
        return held.holds(word) or (not is_han(word) and held.finding(word) > 0)

    for language in LANGUAGES:
        found = list(typos(searcher.snapshot.lookups.vocabulary, language, number, known))
        good = [word for word, typo in found if (made := searcher.suggest(typo)) and made.query == word]
        if found:
            table.add(language=language, typos=len(found), right=len(good) / len(found))


def _changed(searcher: Searcher, table: Table, kind: str, correct: list[str]) -> None:
    changed = [query for query in correct if searcher.suggest(query) is not None]
    if correct:
        table.add(queries=kind, number=len(correct), changed=len(changed) / len(correct))


def names(texts: list[Document]) -> list[str]:
    """Pairs of capitalised words, as they stand in the texts."""
    return sorted({found for one in texts for found in _name.findall(one.text)})


def part_numbers(number: int) -> list[str]:
    """Like WH-1000XM5, KSM880TC and abc12345."""
    random = Random(5)

    def some(characters: str, least: int, most: int) -> str:
        return "".join(random.choices(characters, k=random.randint(least, most)))

    made = [
        some(ascii_uppercase, 2, 6)
        + random.choice(("-", "", " "))
        + some(digits, 1, 5)
        + some(ascii_uppercase, 0, 3)
        for _ in range(number)
    ]
    return [one.lower() if random.random() < 0.3 else one for one in made]


# --- time, on a made-up collection


def documents(number: int) -> Iterator[Document]:
    """Documents of words by Zipf's law, in English and Chinese by turns; half are of either shelf."""
    random = np.random.default_rng(3)
    for place in range(number):
        language = LANGUAGES[place % len(LANGUAGES)]
        words = vocabulary(language).words
        drawn = np.searchsorted(zipf(len(words)), random.random(_LENGTH))
        text = (" " if language == "en" else "").join(words[one] for one in drawn)
        yield Document(str(place), text, metadata={"shelf": place // 2 % 2})


def _time(searcher: Searcher, report: Report) -> None:
    start = time.thread_time()
    lookups = searcher.snapshot.lookups
    read = time.thread_time()
    _ = lookups.spelling, lookups.homophones, lookups.completions
    made = time.thread_time()
    report.table("Before the first suggestion").add(
        words=len(lookups.vocabulary), **{"read, s": read - start, "sort, s": made - read}
    )
    table = report.table("CPU time of one", note="`filter` passes half of the documents.")
    held = Answerable(searcher.snapshot, None)
    asked = {
        language: [typo for _, typo in typos(lookups.vocabulary, language, _TYPOS, held.holds)]
        for language in LANGUAGES
    }
    for filter in (None, {"shelf": 1}):
        for language, wrong in asked.items():
            times = _times(partial(searcher.suggest, filter=filter), wrong)
            table.add(what=f"suggestion, {language}", filter=filter is not None, **times)
        for kind, typed in _typed(lookups.vocabulary.words).items():
            times = _times(partial(searcher.autocomplete, filter=filter), typed)
            table.add(what=f"autocomplete, {kind}", filter=filter is not None, **times)


def _typed(words: list[str]) -> dict[str, list[str]]:
    random = Random(1)
    some = random.sample(words, min(len(words), 500))
    english = [word for word in some if word.isascii()]
    chinese = [word for word in some if is_han(word)]
    spoken = ["".join(pinyin(word)) for word in chinese]
    return {
        **{f"{n} letters": sorted({word[:n] for word in english}) for n in (1, 2, 3, 5)},
        "a character": sorted({word[0] for word in chinese}),
        "pinyin": spoken,
        "initials": ["".join(one[0] for one in pinyin(word)) for word in chinese],
    }


def _times(ask: Callable[[str], Any], texts: list[str]) -> dict[str, float]:
    took = []
    for text in texts:
        start = time.thread_time()
        ask(text)
        took.append((time.thread_time() - start) * 1000)
    return {"p50, ms": float(np.median(took)), "p95, ms": float(np.percentile(took, 95))}
