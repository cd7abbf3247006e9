"""Targets: documents with any Python values, analyzers on any text, user words and dictionaries."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import strategies as st

from hybrid import Document, analyzers
from hybrid.intake.documents import check_batch
from tests.fuzzing.inputs import JSON, TEXTS, VALUES, WORDS, mutated
from tests.fuzzing.target import Target, World, outcome

IDS = st.sampled_from(["a", "b", "c"]) | TEXTS
METADATA = st.dictionaries(TEXTS, JSON | VALUES, max_size=3)
VECTORS = st.none() | st.lists(st.floats(width=32), min_size=31, max_size=33) | VALUES
PASSAGES = st.none() | st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 5)), max_size=2) | VALUES
MILD_DOCUMENTS = st.builds(Document, IDS, WORDS | TEXTS, WORDS | TEXTS, METADATA)
ROUGH_DOCUMENTS = st.builds(
    Document, IDS | VALUES, TEXTS | VALUES, TEXTS | VALUES, METADATA | VALUES, VECTORS, PASSAGES
)
BATCHES = st.lists(MILD_DOCUMENTS | ROUGH_DOCUMENTS, max_size=3)


def _add(world: World, batch: Any) -> None:
    mine, its = (outcome(partial(index.add, batch)) for index in (world.index, world.memory))
    assert mine == its, f"Index: {mine}, MemoryIndex: {its}"
    if mine[0] != "answer":
        return
    added = check_batch(batch)
    for document in added:
        assert (
            world.index.get(document.id) == world.memory.get(document.id) == replace(document, vector=None)
        )
        assert json.loads(json.dumps(document.metadata)) == document.metadata
    found = {hit.id for hit in world.index.search("kettle 耳机", k=100, mode="lexical")}
    assert found == {hit.id for hit in world.memory.search("kettle 耳机", k=100, mode="lexical")}
    ids = [document.id for document in added]
    assert world.index.delete(ids) == world.memory.delete(ids) == len(ids)


def _check(_: World, batch: Any) -> None:
    kind, checked = outcome(lambda: check_batch(batch))
    if kind == "answer":
        assert check_batch(checked) == checked


def _terms(_: World, text: str) -> None:
    for analyzer in (analyzers.Mixed(), analyzers.English(), analyzers.Chinese()):
        spans = analyzer.spans(text)
        assert analyzer.with_stop_words(text)[0] == [term for term, _, _ in spans] == analyzer.terms(text)
        for term, start, end in spans:
            assert term.split() == [term]
            assert 0 < len(term.encode()) <= 255
            assert 0 <= start < end <= len(text)


def _user_words(_: World, words: Any) -> None:
    kind, analyzer = outcome(lambda: analyzers.by_name("chinese", words))
    if kind == "answer":
        text = "降噪耳机 and T恤 " + " ".join(words)
        terms = analyzer.terms(text)
        assert all(0 < len(term.encode()) <= 255 for term in terms)
        assert analyzer.id.encode()


def _dictionary(world: World, content: bytes) -> None:
    path = world.folder / "words.txt"
    path.write_bytes(content)
    kind, words = outcome(lambda: analyzers.read_user_dictionary(path))
    if kind == "answer":
        _user_words(world, words)


def _stop_words(_: World, words: Any) -> None:
    for name in ("mixed", "english", "chinese"):
        kind, analyzer = outcome(partial(analyzers.by_name, name, (), words))
        if kind == "answer":
            text = "the 你好 don't " + " ".join(words or ())
            spans = analyzer.spans(text)
            assert analyzer.terms(text) == [term for term, _, _ in spans]
            assert analyzer.id.encode()


def _name(_: World, name: Any) -> None:
    outcome(lambda: analyzers.by_name(name))


_DICTIONARIES = [
    "降噪耳机壳 100 n\nT恤\n卡拉OK 3\n".encode(),
    "\ufeff# 注释\r\n\r\n  词 5 n\r\n".encode(),
    "词\u3000 9\n".encode("gb18030"),
]
_ENTRIES = st.lists(st.sampled_from(["降噪 5", "T恤", "x 0", "两 个 词", "ﷺ", "字" * 101]) | TEXTS | VALUES)

TARGETS = [
    Target("add", BATCHES | VALUES, _add),
    Target("add, mostly right", st.lists(MILD_DOCUMENTS, max_size=3, unique_by=lambda d: d.id), _add),
    Target("documents.check_batch", BATCHES | st.lists(VALUES, max_size=2), _check),
    Target("analyzers", st.lists(TEXTS | WORDS, max_size=6).map("".join), _terms),
    Target("user words", _ENTRIES | VALUES, _user_words),
    Target(
        "user dictionaries", st.binary(max_size=60) | mutated(_DICTIONARIES, [b"#", b" 0\n"]), _dictionary
    ),
    Target("stop words", _ENTRIES.map(tuple) | VALUES, _stop_words),
    Target("analyzers.by_name", TEXTS | VALUES, _name),
]
