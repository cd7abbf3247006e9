"""Made-up collections at any scale: texts whose words, and vectors whose neighbours, follow topics.

Everything follows from a `Recipe`. Documents come in blocks that each have a random stream of their own, so
the first 10,000 of a million are the 10,000 of a small collection, and the queries fit both.

A document has a topic of its own and a share of a second. Two fifths of its words are of its topics, the
rest is background, both by Zipf's law. Its latent place (LATENT numbers) is the mean of its topics' places
and those of its first topical words; a random rotation and noise make the vector of it. So
documents that share words are neighbours. The latent dimensions and the noise decide how hard the
neighbours are to find (README.md has the comparison with real encoders' vectors).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from hybrid.types import Document, Matrix
from tests.benchmarks.vocabulary import LANGUAGES, Vocabulary, vocabulary, zipf

BLOCK: Final = 5_000
TOPICS: Final = 400
CATEGORIES: Final = 10
LATENT: Final = 128
SHARDS: Final = 10_000
"""``metadata.shard`` is uniform below this: {"shard": {"lt": n}} passes n of 10,000."""

_TOPIC_WORDS: Final = 250  # of each language
_TOPICAL: Final = 0.4
_SENTENCE: Final = 12  # words
_PLACED: Final = 12  # topical words that say where a document lies
_SPREAD: Final = 2.0  # of words about their topic
_NOISE: Final = 1.5  # of vectors about their place, by the length of that; spread over all dimensions
_QUERY_STREAM: Final = 1 << 40  # no block's number
_LENGTHS: Final = {"title": (6, 0.4, 2, 20), "text": (60, 0.6, 8, 500)}  # median, sigma, least, most

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """Which collection: how many ``documents``, from which ``seed``, with vectors of ``dim`` numbers."""

    documents: int
    seed: int = 6
    dim: int = 384

    def __str__(self) -> str:
        return f"{self.documents}-{self.seed}-{self.dim}"


@dataclass(frozen=True)
class Block:
    """Some documents in a row, the first with number ``first``. ``vectors`` are unit, float32 (n, dim)."""

    first: int
    titles: list[str]
    texts: list[str]
    metadata: list[dict[str, Any]]
    vectors: Matrix

    def documents(self) -> Iterator[Document]:
        for i, (title, text) in enumerate(zip(self.titles, self.texts, strict=True)):
            yield Document(
                str(self.first + i), text, title, metadata=self.metadata[i], vector=self.vectors[i]
            )


@dataclass(frozen=True)
class Query:
    """What is asked: words without function words, a unit vector, and the category that it is about."""

    text: str
    vector: NDArray[np.float32]
    category: int


class Corpus:
    """The collection of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._languages = [vocabulary(language) for language in LANGUAGES]
        self._offsets = np.array([0, len(self._languages[0].words)])
        self._popularity = zipf(TOPICS)
        self._topic_words, self._topics, self._words, self._rotation = meanings(recipe.seed, recipe.dim)

    def __len__(self) -> int:
        return self.recipe.documents

    def blocks(self) -> Iterator[Block]:
        """All documents, in order."""
        for first in range(0, len(self), BLOCK):
            yield self.block(first // BLOCK)

    def block(self, number: int) -> Block:
        """Block ``number``: the documents from ``number`` * BLOCK on."""
        first = number * BLOCK
        n = min(BLOCK, len(self) - first)
        rng = np.random.default_rng([self.recipe.seed, number])
        # All of a block, also where fewer are wanted: what is drawn must not depend on that.
        topics = self._drawn_topics(rng, BLOCK)
        mixture = rng.choice(3, BLOCK, p=(0.4, 0.4, 0.2))  # English, Chinese, both
        titles, _ = self._texts(rng, topics, mixture, "title")
        texts, places = self._texts(rng, topics, mixture, "text")
        vectors = self._vectors(rng, topics, places)
        metadata = self._metadata(rng, topics)
        return Block(first, titles[:n], texts[:n], metadata[:n], vectors[:n])

    def write_vectors(self, path: Path) -> Matrix:
        """All vectors, float32 (documents, dim), in a .npy file that is mapped, not read."""
        array = open_memmap(path, "w+", np.float32, (len(self), self.recipe.dim))
        for block in self.blocks():
            array[block.first : block.first + len(block.vectors)] = block.vectors
        array.flush()
        return np.asarray(array)

    def queries(self, count: int, shortest: int, longest: int, *, salt: int = 0) -> list[Query]:
        """``count`` queries of ``shortest`` to ``longest`` words; another ``salt``, other queries."""
        rng = np.random.default_rng([self.recipe.seed, _QUERY_STREAM + 2 + salt, shortest, longest])
        topics = self._drawn_topics(rng, count)
        mixture = rng.choice(2, count)
        lengths = rng.integers(shortest, longest, count, endpoint=True)
        owners = np.repeat(np.arange(count), lengths)
        words, of_topic, ranks = self._drawn_words(rng, topics[owners], mixture[owners], asked=True)
        places = self._places(topics, owners, of_topic, ranks)
        vectors = self._vectors(rng, topics, places)
        texts = [" ".join(self._plain[part]) for part in np.split(words, np.cumsum(lengths)[:-1])]
        categories = (topics[:, 0] % CATEGORIES).tolist()
        return [Query(*one) for one in zip(texts, vectors, categories, strict=True)]

    # -- words

    @cached_property
    def _plain(self) -> NDArray[np.object_]:
        return np.array([word for one in self._languages for word in one.words], object)

    @cached_property
    def _written(self) -> NDArray[np.object_]:
        """Every word as it stands in a text, and then every word as it ends a sentence."""
        english, chinese = (list(one.words) for one in self._languages)
        inside = [*(word + " " for word in english), *chinese]
        ending = [*(word + ". " for word in english), *(word + "。" for word in chinese)]
        return np.array([*inside, *ending], object)

    def _drawn_topics(self, rng: np.random.Generator, count: int) -> Integers:
        """(count, 2): each one's own topic, and another near by."""
        first = np.searchsorted(self._popularity, rng.random(count))
        return np.stack([first, (first + CATEGORIES * rng.integers(1, 8, count)) % TOPICS], axis=1)

    def _drawn_words(
        self, rng: np.random.Generator, topics: Integers, language: Integers, *, asked: bool = False
    ) -> tuple[Integers, Integers, Integers]:
        """One word for each of ``topics`` (n, 2) and ``language`` (n,): its number; the topic that it is
        of, or -1; its rank there."""
        n = len(topics)
        chance, of_second = rng.random(n), rng.random(n) < 0.25
        topic = np.where(of_second, topics[:, 1], topics[:, 0])
        ranks = np.searchsorted(zipf(_TOPIC_WORDS), chance)
        functional = self._languages[0].functional, self._languages[1].functional
        lower = [
            one.cumulative[f - 1] if asked else 0.0
            for one, f in zip(self._languages, functional, strict=True)
        ]
        background = np.empty(n, np.int64)
        for i, one in enumerate(self._languages):
            mine = language == i
            background[mine] = np.searchsorted(one.cumulative, lower[i] + (1 - lower[i]) * chance[mine])
        topical = rng.random(n) < (0.7 if asked else _TOPICAL)
        numbers = np.where(topical, self._topic_words[language, topic, ranks], background)
        return numbers + self._offsets[language], np.where(topical, topic, -1), ranks

    def _texts(
        self, rng: np.random.Generator, topics: Integers, mixture: Integers, field: str
    ) -> tuple[list[str], Doubles]:
        """The texts of one field, and where their topical words place the documents."""
        median, sigma, least, most = _LENGTHS[field]
        lengths = np.clip(rng.lognormal(np.log(median), sigma, len(topics)), least, most).astype(np.int64)
        owners = np.repeat(np.arange(len(topics)), lengths)
        ends = np.cumsum(lengths)
        within = np.arange(len(owners)) - np.repeat(ends - lengths, lengths)
        sentence = within // _SENTENCE
        either = (owners * 7919 + sentence) % 2  # sentences of a mixed text take turns
        language = np.where(mixture[owners] == 2, either, mixture[owners])
        words, of_topic, ranks = self._drawn_words(rng, topics[owners], language)
        last = (within % _SENTENCE == _SENTENCE - 1) | (np.r_[np.diff(owners), 1] > 0)
        pieces = self._written[words + last * len(self._plain)].tolist()
        starts = [0, *ends.tolist()]
        texts = ["".join(pieces[a:b]).rstrip() for a, b in pairwise(starts)]
        return texts, self._places(topics, owners, of_topic, ranks)

    # -- vectors

    def _places(self, topics: Integers, owners: Integers, of_topic: Integers, ranks: Integers) -> Doubles:
        """(n, LATENT): the mean of a document's topics and of its first topical words."""
        total = 2.0 * (0.75 * self._topics[topics[:, 0]] + 0.25 * self._topics[topics[:, 1]])
        weight = np.full(len(topics), 2.0)
        known = np.flatnonzero(of_topic >= 0)
        owner = owners[known]
        nth = np.arange(len(known)) - np.searchsorted(owner, owner)
        known, owner = known[nth < _PLACED], owner[nth < _PLACED]
        if len(known):
            starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
            sums = np.add.reduceat(self._words[of_topic[known], ranks[known]], starts)
            total[owner[starts]] += sums
            weight[owner[starts]] += np.diff(np.r_[starts, len(known)])
        return np.asarray(total / weight[:, None])

    def _vectors(self, rng: np.random.Generator, topics: Integers, places: Doubles) -> Matrix:
        vectors = places.astype(np.float32) @ self._rotation
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        noise = rng.standard_normal(vectors.shape, np.float32)
        vectors += noise * (_NOISE / np.sqrt(self.recipe.dim) * length)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors)

    # -- metadata

    def _metadata(self, rng: np.random.Generator, topics: Integers) -> list[dict[str, Any]]:
        """``shard`` and ``price`` know nothing of the text, ``category`` and ``tags`` follow the topic."""
        shard = rng.integers(0, SHARDS, len(topics)).tolist()
        price = np.round(rng.lognormal(3, 1, len(topics)), 2).tolist()
        category = (topics[:, 0] % CATEGORIES).tolist()
        tags = topics.tolist()
        return [
            {"shard": s, "price": p, "category": f"c{c}", "tags": [f"t{a}", f"t{b}"]}
            for s, p, c, (a, b) in zip(shard, price, category, tags, strict=True)
        ]


@cache
def meanings(seed: int, dim: int) -> tuple[Integers, Doubles, Matrix, Matrix]:
    """The topics of a seed: their words (languages, TOPICS, n), their places (TOPICS, LATENT), the places
    of their words (TOPICS, n, LATENT), and the way from places to vectors (LATENT, dim)."""
    rng = np.random.default_rng([seed, _QUERY_STREAM + 1])
    words = np.stack([_topic_words(rng, vocabulary(language)) for language in LANGUAGES])
    scales = np.arange(1, LATENT + 1) ** -0.2  # real vectors do not spread evenly either
    groups = rng.normal(size=(CATEGORIES, LATENT)) * scales
    topics = groups[np.arange(TOPICS) % CATEGORIES] + rng.normal(size=(TOPICS, LATENT)) * scales
    about = rng.standard_normal((TOPICS, _TOPIC_WORDS, LATENT), np.float32) * scales.astype(np.float32)
    # A topic's n-th word means the same in both languages, as a multilingual encoder has it.
    places = topics[:, None].astype(np.float32) + np.float32(_SPREAD) * about
    rotation = np.linalg.qr(rng.normal(size=(dim, LATENT)))[0].T
    return words, topics, places, rotation.astype(np.float32)


def _topic_words(rng: np.random.Generator, words: Vocabulary) -> Integers:
    """(TOPICS, _TOPIC_WORDS): for each topic some content words, of any frequency."""
    low, high = words.functional, len(words.words)
    # Even in the logarithm of the rank: a topic has common words and rare ones.
    drawn = np.exp(rng.uniform(np.log(low + 40), np.log(high), (TOPICS, _TOPIC_WORDS)))
    return np.asarray(drawn.astype(np.int64))
