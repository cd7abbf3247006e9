"""What a seeded writer does, step by step, so that every process knows what an index must hold without
being told: each version of a document carries the number of the step that wrote it.

A step is one commit and touches several documents at once, so a view that holds half of it shows.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid import Document, Index

EVERYWHERE: Final = "common"
"""A word of every document."""
TOKEN: Final = rb"zq[a-p]{16}"
"""What the unique tokens look like in the bytes of a file."""
WORDS: Final = tuple(f"{a}{b}ord" for a in "bcdfgklmnp" for b in "aeiou")
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_FILL: Final = 1000  # documents a step while the index is filled
_LONG: Final = 13  # of 256 documents are several passages


class Version(NamedTuple):
    """A document as one step wrote it."""

    id: str
    stamp: int


@dataclass(frozen=True)
class Step:
    """One commit: versions to add (new ids or living ones, which they replace), or ids to delete."""

    adds: tuple[Version, ...] = ()
    deletes: tuple[str, ...] = ()


class History:
    """The steps of one seed, made as they are asked for; state ``n`` is the index after step ``n``, and
    state 0 is empty. May be asked from several threads."""

    def __init__(self, documents: int = 200, *, seed: int = 1, dim: int = 16, touched: int = 8) -> None:
        self.documents, self.seed, self.dim, self.touched = documents, seed, dim, touched
        self.deaths: dict[Version, int] = {}
        self._random = np.random.default_rng(seed)
        self._steps = [Step()]
        self._sizes = [0]
        self._stamps: dict[str, int] = {}  # of the living, as of the last step made
        self._living, self._gone = _Bag(), _Bag()
        self._named = 0
        self._lock = threading.Lock()

    @property
    def filled(self) -> int:
        """The first state that holds as many documents as were asked for."""
        return -(-self.documents // _FILL)

    def step(self, n: int) -> Step:
        with self._lock:
            while len(self._steps) <= n:
                self._take(self._next(len(self._steps)))
            return self._steps[n]

    def size(self, n: int) -> int:
        """How many documents state ``n`` holds."""
        self.step(n)
        return self._sizes[n]

    def state(self, n: int) -> dict[str, int]:
        """id -> stamp of all that live in state ``n``."""
        self.step(n)
        born = (version for step in self._steps[1 : n + 1] for version in step.adds)
        return {id: stamp for id, stamp in born if self.deaths.get(Version(id, stamp), n + 1) > n}

    def versions(self, n: int) -> Iterable[Version]:
        """All that any step up to ``n`` wrote."""
        self.step(n)
        return (version for step in self._steps[1 : n + 1] for version in step.adds)

    def apply(self, index: Index, n: int) -> None:
        """Do step ``n``."""
        step = self.step(n)
        if step.deletes:
            index.delete(step.deletes)
        else:
            index.add(self.document(version) for version in step.adds)

    def fits(self, versions: Iterable[Version], among: range, whole: bool) -> range:
        """The states, a stretch of ``among``, that hold all of ``versions``; if ``whole``, nothing else."""
        found = list(versions)
        self.step(max(among.stop - 1, 0))
        first = max((version.stamp for version in found), default=0)
        end = min((self.deaths.get(version, among.stop) for version in found), default=among.stop)
        states = range(max(first, among.start), min(end, among.stop))
        if not whole:
            return states
        right = [n for n in states if self._sizes[n] == len(found)]
        return range(right[0], right[-1] + 1) if right else range(0)

    # -- what a version looks like

    def document(self, version: Version) -> Document:
        body = self.body(version)
        return Document(body.id, body.text, body.title, body.metadata, self.vector(version))

    def body(self, version: Version) -> Document:
        """The document without its vector."""
        id, stamp = version
        digest = self._digest(f"{id}/{stamp}")
        words = " ".join(WORDS[byte % len(WORDS)] for byte in digest[:10])
        if digest[31] < _LONG:
            words = "\n\n".join([" ".join([words] * 10)] * 9)
        text = f"{EVERYWHERE} {words} {stamp_word(stamp)} {_token(digest[10:18])}"
        return Document(id, text, f"Title {id}", {"stamp": stamp, "token": _token(digest[18:26])})

    def vector(self, version: Version) -> NDArray[np.float32]:
        """float32 (dim,), of unit length."""
        numbers = np.random.default_rng(int.from_bytes(self._digest(f"v/{version.id}/{version.stamp}")[:8]))
        vector = numbers.standard_normal(self.dim).astype(np.float32)
        return vector / np.float32(np.linalg.norm(vector))

    def tokens(self, version: Version) -> set[bytes]:
        """Of text and metadata: they die with the version. (The id's, with the last version of it.)"""
        body = self.body(version)
        return {body.text.rsplit(" ", 1)[1].encode(), str(body.metadata["token"]).encode()}

    # -- making steps

    def _next(self, n: int) -> Step:
        missing = self.documents - len(self._living)
        if n <= self.filled:
            return Step(tuple(Version(self._new_id(), n) for _ in range(min(missing, _FILL))))
        kind = self._random.integers(3) if abs(missing) < 2 * self.touched else 1 + (missing > 0)
        some = self._living.draw(self._random, int(self._random.integers(2, self.touched + 1)))
        if kind == 1:
            return Step(deletes=tuple(some))
        if kind == 2:  # as many newcomers as replaced, half of them under ids of the dead
            back = self._gone.draw(self._random, len(some) // 2)
            some += [*back, *(self._new_id() for _ in range(len(some) - len(back)))]
        return Step(tuple(Version(id, n) for id in some))

    def _take(self, step: Step) -> None:
        n = len(self._steps)
        for id in (*step.deletes, *(version.id for version in step.adds)):
            if (stamp := self._stamps.pop(id, None)) is not None:
                self.deaths[Version(id, stamp)] = n
        for id in step.deletes:
            self._living.remove(id)
            self._gone.add(id)
        for id, stamp in step.adds:
            self._stamps[id] = stamp
            self._living.add(id)
            self._gone.remove(id)
        self._steps.append(step)
        self._sizes.append(len(self._living))

    def _new_id(self) -> str:
        self._named += 1
        return f"d{self._named}-{_token(self._digest(f'id/{self._named}')[:8])}"

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{text}".encode(), digest_size=32).digest()


class _Bag:
    """Ids to draw from: a list, and where each one stands in it."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id: str) -> None:
        if id not in self._places:
            self._places[id] = len(self._ids)
            self._ids.append(id)

    def remove(self, id: str) -> None:
        if (place := self._places.pop(id, None)) is None:
            return
        last = self._ids.pop()
        if last != id:
            self._ids[place], self._places[last] = last, place

    def draw(self, random: np.random.Generator, many: int) -> list[str]:
        places = random.choice(len(self._ids), size=min(many, len(self._ids)), replace=False)
        return [self._ids[place] for place in places] if len(places) else []


def stamp_word(stamp: int) -> str:
    """A word that only the documents of one step have; letters only, and nothing for a stemmer to take."""
    return f"kb{stamp:x}k".translate(_LETTERS)


def _token(digest: bytes) -> str:
    return "zq" + digest.hex().translate(_LETTERS)
