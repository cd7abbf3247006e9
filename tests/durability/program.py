"""A reproducible random program of operations on an index, and what they should come to.

Operation ``n`` of a program depends on the seed and on ``n`` alone, so a process that takes over from one
that was killed goes on where it stopped, and everybody with the same seed knows what was meant to happen.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from hybrid import Document, Index, MemoryIndex
from hybrid.disk import cache
from hybrid.ledger import changes, pending
from hybrid.types import Wait
from hybrid.vector import leg, view

Kind: TypeAlias = Literal["create", "add", "delete", "update", "compact", "reopen"]

IDS: Final = tuple(f"d{i}" for i in range(48))
DIM: Final = 6
FAMILIES: Final = ("hnsw", "ivf_pq", "ivf_flat", "ivf_sq8", "binary")
_ENGLISH: Final = (
    "kettle",
    "steel",
    "headphones",
    "iPhone15",
    "noise",
    "cancelling",
    "running",
    "c++",
    "shoes",
)
_CHINESE: Final = ("降噪", "耳机", "水壶", "手机壳", "不锈钢", "跑步鞋", "无线", "充电器")
_LONG: Final = 0.06  # of the documents are several passages
_MANY: Final = 5000  # characters of such a document
_WEIGHTS: Final[dict[Kind, int]] = {"add": 55, "delete": 20, "update": 8, "reopen": 9, "compact": 8}


def shrink() -> None:
    """Make this process seal rows into the graph, and search it, from some dozens of rows on; sync the
    arrays after some commits, not some hundred; and have its readers trust the counter of changes."""
    pending.MOST = 700  # type: ignore[misc]
    leg.SEAL_AT, view.EXACT_ROWS = 16, 24  # type: ignore[misc]
    cache.KEEP_AT = 16  # type: ignore[misc]
    changes.PERIOD = 3600.0  # type: ignore[misc]


def warm_up() -> None:
    """Load now what would otherwise be loaded in every process that is forked."""
    memory = MemoryIndex()
    memory.add([Document("a", "kettle 降噪耳机", vector=[1.0] * DIM)])
    memory.search("kettle", vector=[1.0] * DIM)
    np.unique([1])  # imports numpy.ma
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Operation:
    kind: Kind
    documents: tuple[Document, ...] = ()
    ids: tuple[str, ...] = ()
    wait: Wait = "searchable"
    where: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def remember(self, memory: MemoryIndex) -> None:
        """Do to ``memory`` what this does to an index."""
        if self.kind == "add":
            memory.add(self.documents)
        elif self.kind == "delete":
            memory.delete(self.ids)
        elif self.kind == "update":
            memory.update_metadata(self.changes, filter=self.where)


@dataclass(frozen=True)
class Program:
    """Operations numbered from 0; number 0 makes the index. The kinds of the first are as the ``script``
    says, the others are drawn."""

    seed: int
    script: Sequence[Kind] = ()

    def __getitem__(self, step: int) -> Operation:
        random = Random(f"{self.seed}/{step}")
        kind = self._kind(step, random)
        if kind == "add":
            ids = random.sample(IDS, random.randint(1, 8))
            documents = tuple(_document(random, id, step) for id in ids)
            return Operation(kind, documents, wait=_wait(random))
        if kind == "delete":
            ids = random.sample(IDS, random.randint(1, 4))
            return Operation(kind, ids=tuple(ids), wait=_wait(random))
        if kind == "update":
            changes = {"step": step, "even": step % 2 == 0, "changed": step}
            return Operation(kind, where={"even": random.random() < 0.5}, changes=changes)
        return Operation(kind)

    def _kind(self, step: int, random: Random) -> Kind:
        if step < len(self.script):
            return self.script[step]
        return "create" if step == 0 else random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    def memory(self, steps: int) -> MemoryIndex:
        """The state after the first ``steps`` operations."""
        memory = MemoryIndex()
        for step in range(steps):
            self[step].remember(memory)
        return memory


def _wait(random: Random) -> Wait:
    return random.choice(("searchable", "durable"))


def _document(random: Random, id: str, step: int) -> Document:
    """``step`` stands in its title and its metadata, so that versions can be told apart."""
    words = random.choices(_ENGLISH + _CHINESE, k=random.randint(0, 12))
    text = random.choice([" ", ""]).join(words)
    if random.random() < _LONG:
        text = "\n\n".join([text] * (_MANY // (len(text) + 1)))
    vector = None if random.random() < 0.15 else [random.gauss(0, 1) for _ in range(DIM)]
    return Document(id, text, f"step{step}", {"step": step, "even": step % 2 == 0}, vector)


@dataclass
class Query:
    """What one comparison asks: words and a vector, with a filter or without."""

    text: str
    vector: list[float]
    where: Mapping[str, Any] | None


def queries(random: Random, steps: int, count: int) -> list[Query]:
    """``count`` questions that documents of the first ``steps`` operations may answer."""
    found: list[Query] = []
    for _ in range(count):
        words = [*random.sample(_ENGLISH + _CHINESE, 2), f"step{random.randint(0, steps)}"]
        some = {"_id": {"in": random.sample(IDS, len(IDS) // 2)}}
        where: Any = random.choice(
            [None, {"even": True}, {"step": {"gte": steps // 2}}, some, {"not": some}]
        )
        found.append(Query(" ".join(words), [random.gauss(0, 1) for _ in range(DIM)], where))
    return found


@dataclass
class Life:
    """Runs a program's operations on the index at ``path`` and says before and after each what it does."""

    path: Path
    program: Program
    begin: Callable[[int], object]
    done: Callable[[int], object]
    index: Index | None = field(default=None)

    def run(self, step: int) -> None:
        operation = self.program[step]
        self.begin(step)
        self._action(step, operation)()
        self.done(step)

    def _action(self, step: int, operation: Operation) -> Callable[[], object]:
        if operation.kind == "create":
            return self._create
        index = self.index
        assert index is not None
        actions: dict[Kind, Callable[[], object]] = {
            "add": partial(index.add, operation.documents, wait=operation.wait),
            "delete": partial(index.delete, operation.ids, wait=operation.wait),
            "update": partial(index.update_metadata, operation.changes, filter=operation.where),
            "compact": index.compact if step % 2 else partial(self._try, serves=step % 4 == 0),
            "reopen": self._reopen,
        }
        return actions[operation.kind]

    def _create(self) -> None:
        family = FAMILIES[self.program.seed % len(FAMILIES)]
        self.index = Index.create(self.path, encoder=None, ann=family)

    def _reopen(self) -> None:
        assert self.index is not None
        self.index.close()
        self.index = Index.open(self.path)

    def _try(self, serves: bool) -> None:
        """Build the index again, which compacts it, before a judge that lets it serve or not."""
        assert self.index is not None
        self.index.reindex(accept=lambda old, new: {} if serves and len(old) == len(new) else None)
