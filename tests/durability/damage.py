"""Every file of an index truncated, flipped, deleted, or swapped with another index's.

    python -m tests.durability.damage --rounds 200

Each round damages one file of a copy of an index, opens it in a child process, as writer or as reader, and
asks for every document and every answer. Allowed: a typed error, or answers that equal those of the sound
index (the file was rebuilt, or the damage is to something that means nothing). Not allowed: another
answer, another exception, the death of the process.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hybrid
import hybrid.disk.cache
import hybrid.vector.leg
from hybrid import Document, HybridError, Index, analyzers
from tests.durability.forks import Report, Work, side_by_side

SEAL_AT: Final = 64
STATES: Final = {"closed": "hnsw", "crashed": "hnsw", "coded": "ivf_pq", "in bits": "binary"}
"""How an index was left, and its vector index."""
_EACH: Final = 30  # documents of a batch
_LONG: Final = 0.1  # of the documents are several passages
_SECONDS: Final = 300.0  # until a child counts as hung
WORDS: Final = ("kettle", "steel", "headphones", "iPhone15", "降噪", "耳机", "水壶", "手机壳", "running")

Answers = dict[Any, Any]
Damage = Callable[[Path, Path, random.Random], None]


def build(folder: Path, seed: int, ann: str, *, crash: bool) -> None:
    """An index with several segments, deaths, a graph, and (``crash``) a log that was not folded in."""
    vars(hybrid.vector.leg)["SEAL_AT"] = vars(hybrid.disk.cache)["KEEP_AT"] = SEAL_AT
    draw = np.random.default_rng(seed)
    index = Index.create(folder, encoder=None, ann=ann)
    for batch in range(6):
        index.add(_document(f"s{seed}-{batch}-{i}", draw) for i in range(_EACH))
    index.close()
    index = Index.open(folder)
    index.delete([f"s{seed}-2-{i}" for i in range(0, _EACH, 3)])
    index.add([_document(f"s{seed}-1-{i}", draw) for i in range(5)])
    if crash:
        os._exit(0)
    index.close()


def _document(id: str, draw: np.random.Generator) -> Document:
    text = " ".join(draw.choice(WORDS, 6))
    if draw.random() < _LONG:
        text = "\n\n".join(" ".join(draw.choice(WORDS, 90)) for _ in range(9))
    return Document(id, text, metadata={"n": int(draw.integers(9))}, vector=draw.normal(size=8))


def answers(folder: Path, read_only: bool) -> Answers:
    """Everything that an index says. Raises HybridError where it refuses."""
    vars(hybrid.vector.leg)["SEAL_AT"] = vars(hybrid.disk.cache)["KEEP_AT"] = SEAL_AT
    with Index.open(folder, read_only=read_only) as index:
        said: Answers = {"size": len(index)}
        said["documents"] = [(d.id, d.text, d.metadata, _bytes(d.vector)) for d in index.documents()]
        said["got"] = [index.get(f"s1-{batch}-{i}") for batch in range(6) for i in range(0, _EACH, 7)]
        vector = np.linspace(-1, 1, 8)
        for word in WORDS:
            for where in (None, {"n": {"lt": 4}}):
                found = index.search(word, k=500, mode="lexical", filter=where)
                said["lexical", word, where is None] = {hit.id: hit.passages for hit in found}, found.total
        said["vector"] = [(h.id, h.score) for h in index.search(vector=vector, k=50, mode="vector")]
        said["hybrid"] = {h.id for h in index.search("kettle 耳机", vector=vector, k=400, depth=400)}
        if not read_only:
            said["sound"] = index.verify()
        return said


def _bytes(vector: Any) -> bytes:
    return b"" if vector is None else np.asarray(vector).tobytes()


# -- what can happen to a file


def truncated(file: Path, _: Path, draw: random.Random) -> None:
    os.truncate(file, draw.randrange(file.stat().st_size) if file.stat().st_size else 0)


def flipped(file: Path, _: Path, draw: random.Random) -> None:
    if data := bytearray(file.read_bytes()):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        file.write_bytes(data)


def zeroed(file: Path, _: Path, draw: random.Random) -> None:
    """A sector that was never written."""
    data = bytearray(file.read_bytes())
    start = draw.randrange(max(1, len(data))) // 512 * 512
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    file.write_bytes(data)


def deleted(file: Path, _: Path, __: random.Random) -> None:
    file.unlink()


def swapped(file: Path, other: Path, draw: random.Random) -> None:
    """The file of the same kind from another index."""
    kinds = [
        path for path in files(other) if path.suffix == file.suffix and path.parent.name == file.parent.name
    ]
    same = [path for path in kinds if path.name == file.name] or kinds
    if same:
        shutil.copyfile(draw.choice(same), file)


DAMAGES: Final[tuple[Damage, ...]] = (truncated, flipped, zeroed, deleted, swapped)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("lock"))


def kind(file: Path) -> str:
    """What a file is, without the names that differ from index to index."""
    if file.parent.name.startswith("lexical-"):
        return "lexical/" + (file.name if file.name.endswith("json") else f"*{file.suffix}")
    return f"graph-N{file.suffix}" if file.suffix in (".hnsw", ".ann") else file.name


@dataclass(frozen=True)
class Case:
    """One round, reproducible."""

    state: str
    file: str
    damage: Damage
    seed: int
    read_only: bool

    def __str__(self) -> str:
        role = "reader" if self.read_only else "writer"
        return f"{self.damage.__name__} {self.file} of the {self.state} index, {role}, seed {self.seed}"


class Range:
    """Sound indexes in ``folder``, and what they say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        analyzers.by_name("mixed").terms("词典")  # its dictionary, once, for all the children
        shelf = [(state, name) for state in STATES for name in ("mine", "other")]
        for _ in side_by_side((self._built(state, name) for state, name in shelf), _SECONDS):
            pass
        self.expected: dict[tuple[str, bool], Answers] = {}
        for state in STATES:
            for reader in (False, True):
                self.expected[state, reader] = self._recorded(state, reader)

    def _built(self, state: str, name: str) -> Work:
        seed = 1 if name == "mine" else 2
        return lambda _: build(self._folder / state / name, seed, STATES[state], crash=state == "crashed")

    def _recorded(self, state: str, reader: bool) -> Answers:
        """The answers of the sound index. In a child: this process must stay without threads."""
        record = self._folder / "answers"
        copy = shutil.copytree(self._folder / state / "mine", self._folder / "copy")
        ended = list(
            side_by_side([lambda _: record.write_bytes(pickle.dumps(answers(copy, reader)))], _SECONDS)
        )
        shutil.rmtree(copy)
        if ended != [[]]:
            raise RuntimeError(f"the sound index does not answer: {ended}")
        said: Answers = pickle.loads(record.read_bytes())
        return said

    def cases(self, rounds: int, seed: int) -> list[Case]:
        """Every file and damage in turn, each time at another place."""
        draw = random.Random(seed)
        every = [
            (state, str(file.relative_to(self._folder / state / "mine")), damage, reader)
            for state in STATES
            for file in files(self._folder / state / "mine")
            for damage in DAMAGES
            for reader in (False, True)
        ]
        draw.shuffle(every)
        places: Counter[str] = Counter()  # of each kind of file in turn, however many files it has
        turns: list[tuple[int, str, Damage, str, bool]] = []
        for state, name, damage, reader in every:
            places[kind(Path(name))] += 1
            turns.append((places[kind(Path(name))], name, damage, state, reader))
        turns.sort(key=lambda turn: turn[0])
        return [
            Case(state, name, damage, draw.randrange(2**32), reader)
            for _, name, damage, state, reader in islice(cycle(turns), rounds)
        ]

    def outcomes(self, cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
        """With each case "refused", "same", or what went wrong."""
        ends = side_by_side(map(self._tried, cases), _SECONDS)
        for case, end in zip(cases, ends, strict=True):
            yield case, str(end[-1][1]) if end else "it said nothing"

    def _tried(self, case: Case) -> Work:
        def work(report: Report) -> None:
            with tempfile.TemporaryDirectory(dir=self._folder) as temporary:
                copy = shutil.copytree(self._folder / case.state / "mine", Path(temporary, "idx"))
                case.damage(copy / case.file, self._folder / case.state / "other", random.Random(case.seed))
                report("outcome", self._outcome(copy, case))

        return work

    def _outcome(self, copy: Path, case: Case) -> str:
        try:
            said = answers(copy, case.read_only)
        except HybridError:
            return "refused"
        expected = self.expected[case.state, case.read_only]
        wrong = [key for key in expected if said[key] != expected[key]]
        return f"WRONG answer: {wrong[0]}" if wrong else "same"


def main(
    rounds: Annotated[int, typer.Option(help="How many files to damage.")] = 500,
    seed: int = 0,
) -> None:
    """Damage files and see what the index says; exit status 1 if it ever says what is not so."""
    out = Console()
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hybrid-damage-") as folder:
        shelf = Range(Path(folder))
        rounded = track(
            shelf.outcomes(shelf.cases(rounds, seed)), "damaging", rounds, console=Console(stderr=True)
        )
        for case, outcome in rounded:
            bad = outcome not in ("same", "refused")
            counts[kind(Path(case.file)), case.damage.__name__]["wrong" if bad else outcome] += 1
            if bad:
                wrong.append(f"{outcome}: {case}")
    table = Table("file", *(damage.__name__ for damage in DAMAGES), title="refused / same answers / wrong")
    for name in sorted({file for file, _ in counts}):
        cells = (counts[name, damage.__name__] for damage in DAMAGES)
        table.add_row(name, *(f"{c['refused']} / {c['same']} / {c['wrong']}" for c in cells))
    out.print(table)
    for line in wrong:
        out.print(line, soft_wrap=True)
    out.print(f"{rounds} files damaged, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
