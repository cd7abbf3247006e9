"""Judged collections, each with the encoder that it is ranked with, in two parts: one to develop on, one
that is read once, after everything is chosen.

Two kinds are made of the files of a collection. *Other language*: questions to paragraphs in another
language than theirs, of parallel paragraphs; half of the paragraphs, by a hash, ask in each part. *FAQ*:
short questions as the documents, and the long descriptions that people gave with them as the queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import orjson

from hybrid import Document, corpora
from hybrid.types import Qrels

Part: TypeAlias = Literal["develop", "test"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
E5: Final = "multilingual-e5-small"
MINILM: Final = "all-MiniLM-L6-v2"
_LEAST_DESCRIPTION: Final = 8  # characters; a shorter one says no more than its question


class Judged(NamedTuple):
    """The documents of a collection, and the queries and judgments of one part of it."""

    documents: list[Document]
    queries: Mapping[str, str]
    qrels: Qrels


@dataclass(frozen=True)
class Pair:
    """A collection, made of a folder of data, and an encoder. ``splits``: the file of judgments of each
    part that there is."""

    name: str
    encoder: str
    splits: Mapping[Part, str]
    make: Callable[[Path, str, Part], Judged]

    def judged(self, data: Path, part: Part) -> Judged:
        return self.make(data, self.splits[part], part)


def _whole(name: str, data: Path, split: str, part: Part) -> Judged:
    """A BEIR folder as it is."""
    del part
    folder = data / name
    documents = list(corpora.read_documents(folder, lambda _: None))  # cranfield has empty ones
    qrels = corpora.read_qrels(folder / "qrels" / f"{split}.tsv")
    return Judged(documents, corpora.read_queries(folder / "queries.jsonl"), qrels)


def other_language(language: str, data: Path, split: str, part: Part) -> Judged:
    """The paragraphs in ``language`` ("en" or "zh"), which their ids begin with, and the questions in the
    other one to those of them that are in this ``part``."""
    mixed = _whole("xquad_mixed", data, split, part)
    english = {one.id: one.text for one in mixed.documents if one.id.startswith("en-")}
    ours = [one for one in mixed.documents if one.id.startswith(f"{language}-")]
    asking = {one.id for one in ours if part_of(english[f"en-{one.id[3:]}"]) == part}
    asked = {query: of for query, of in mixed.qrels.items() if not query.startswith(f"{language}-")}
    answered = {query: {id: 1 for id in of if id in asking} for query, of in asked.items()}
    return Judged(ours, mixed.queries, {query: of for query, of in answered.items() if of})


def part_of(text: str) -> Part:
    """The part of a paragraph: even hashes are developed on."""
    return PARTS[blake2b(text.encode(), digest_size=8).digest()[-1] % 2]


def described(data: Path, split: str, part: Part) -> Judged:
    """Patients' questions as documents, asked for by their descriptions."""
    del part
    folder = data / "zh_medqa"
    asked = [orjson.loads(line) for line in (folder / "queries.jsonl").read_bytes().splitlines()]
    descriptions = {one["_id"]: one["metadata"]["ask"].strip() for one in asked}
    short = {one["_id"]: one["text"].strip() for one in asked}
    ids = corpora.read_qrels(folder / "qrels" / f"{split}.tsv")
    queries = {
        id: text
        for id, text in descriptions.items()
        if id in ids and len(text) >= _LEAST_DESCRIPTION and text != short[id]
    }
    documents = [Document(one["_id"], one["text"]) for one in asked]
    return Judged(documents, queries, {id: {id: 1} for id in queries})


def _plain(name: str, encoder: str, **splits: str) -> Pair:
    return Pair(name, encoder, splits, partial(_whole, name))  # type: ignore[arg-type]


PAIRS: Final = (
    _plain("scifact", MINILM, develop="train", test="test"),
    _plain("scifact", E5, develop="train", test="test"),
    _plain("nfcorpus_preproc", MINILM, develop="dev", test="test"),
    _plain("nfcorpus_preproc", E5, develop="dev", test="test"),
    _plain("cranfield", MINILM, test="test"),
    _plain("cranfield", E5, test="test"),
    _plain("cacm", MINILM, test="test"),
    _plain("cacm", E5, test="test"),
    _plain("adi", MINILM, test="test"),
    _plain("adi", E5, test="test"),
    _plain("xquad_mixed", E5, test="test"),
    _plain("cmrc2018", E5, develop="dev", test="test"),
    _plain("zh_medqa", E5, develop="train", test="test"),
    _plain("qbqtc_zh", E5, develop="dev", test="test"),
    _plain("stackfaq", MINILM, develop="dev", test="dev"),  # it has nothing else
    _plain("stackfaq", E5, develop="dev", test="dev"),
    Pair("zh_medqa_faq", E5, {"develop": "train", "test": "test"}, described),
    Pair("xquad_zh_to_en", E5, {"develop": "test", "test": "test"}, partial(other_language, "en")),
    Pair("xquad_en_to_zh", E5, {"develop": "test", "test": "test"}, partial(other_language, "zh")),
)
"""The 14 pairs of the documentation, and the two kinds that are made."""
