"""Judged collections, each with the encoder that it is ranked with, in two parts: one to develop on, one
that is read once, after everything is chosen.

Two kinds are made of the files of a collection. *Other language*: questions to paragraphs in another
language than theirs, of parallel paragraphs; half of the paragraphs, by a hash, ask in each part. *FAQ*:
short questions as the documents, and the long descriptions that people gave with them as the queries.
Three more, to develop on, are unlike the questions that most collections have. *Joined*: two or three
queries that ask for one document, one after the other. *Excerpts*: two sentences, asking for the document
that they were taken out of. *Titles*: documents of nothing but a title.
"""

from __future__ import annotations

import random
import re
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
_JOINED: Final = 3  # queries
_LONG: Final = 6  # sentences
_EXCERPTS: Final = 400
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


def joined(name: str, data: Path, split: str, part: Part) -> Judged:
    """Up to three queries with a relevant document in common as one; relevant is what all of them want."""
    whole = _whole(name, data, split, part)
    wanted = {query: {id for id, grade in of.items() if grade > 0} for query, of in whole.qrels.items()}
    asking: dict[str, list[str]] = {}
    for query in sorted(wanted):
        for document in sorted(wanted[query]):
            asking.setdefault(document, []).append(query)
    queries, qrels, used = dict[str, str](), dict[str, dict[str, int]](), set[str]()
    for document in sorted(asking):
        some = [query for query in asking[document] if query not in used][:_JOINED]
        if len(some) > 1:
            used |= set(some)
            id = "+".join(some)
            queries[id] = " ".join(whole.queries[query].strip().rstrip(".") + "." for query in some)
            qrels[id] = dict.fromkeys(set.intersection(*(wanted[query] for query in some)), 1)
    return Judged(whole.documents, queries, qrels)


def excerpts(name: str, data: Path, split: str, part: Part) -> Judged:
    """Two sentences of each of some documents ask for the rest of it."""
    whole, queries, documents = _whole(name, data, split, part), dict[str, str](), list[Document]()
    rng = random.Random(2)
    long = [one.id for one in whole.documents if len(_sentences(one.text)) >= _LONG]
    asking = set(rng.sample(long, min(_EXCERPTS, len(long))))
    for one in whole.documents:
        if one.id not in asking:
            documents.append(one)
            continue
        sentences = _sentences(one.text)
        at = rng.randrange(1, len(sentences) - 3)
        queries[one.id] = " ".join(sentences[at : at + 2])
        rest = " ".join(sentences[:at] + sentences[at + 2 :])
        documents.append(Document(one.id, rest, title=one.title))
    return Judged(documents, queries, {id: {id: 1} for id in queries})


def _sentences(text: str) -> list[str]:
    """Sentences; pieces of twelve words where there are none."""
    found, words = re.split(r"(?<=[.!?])\s+", text), text.split()
    return found if len(found) >= _LONG else [" ".join(words[i : i + 12]) for i in range(0, len(words), 12)]


def titles(make: Callable[[str, Path, str, Part], Judged]) -> Callable[[str, Path, str, Part], Judged]:
    """The same queries where the documents are their titles."""

    def made(name: str, data: Path, split: str, part: Part) -> Judged:
        judged = make(name, data, split, part)
        documents = [Document(one.id, one.title) for one in judged.documents if one.title.strip()]
        there = {one.id for one in documents}
        qrels = dict[str, dict[str, int]]()
        for query, of in judged.qrels.items():
            kept = {id: grade for id, grade in of.items() if id in there}
            if any(grade > 0 for grade in kept.values()):
                qrels[query] = kept
        return Judged(documents, judged.queries, qrels)

    return made


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
    Pair("scifact_joined", MINILM, {"develop": "train"}, partial(joined, "scifact")),
    Pair("nfcorpus_joined", MINILM, {"develop": "dev"}, partial(joined, "nfcorpus_preproc")),
    Pair("scifact_excerpts", MINILM, {"develop": "train"}, partial(excerpts, "scifact")),
    Pair("nfcorpus_excerpts", MINILM, {"develop": "dev"}, partial(excerpts, "nfcorpus_preproc")),
    Pair("scifact_titles", MINILM, {"develop": "train"}, partial(titles(_whole), "scifact")),
    Pair("scifact_titles_excerpts", MINILM, {"develop": "train"}, partial(titles(excerpts), "scifact")),
)
"""The 14 pairs of the documentation, and the kinds that are made."""
