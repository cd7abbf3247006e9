"""What the embedded peers, and the engine, do beside being fast: are documents there that were acknowledged
before kill -9, and do words find Chinese text and part numbers as they stand?

Each with the tokenizer that it has for that, of the texts as they are.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from hybrid import Document, Index
from hybrid.types import Matrix
from tests.benchmarks.house import House
from tests.benchmarks.peers import qdrant, zvec
from tests.benchmarks.report import Report

KILLS: Final = 6
_BATCH: Final = 20
_DIM: Final = 64

CHINESE: Final = {
    "降噪耳机": "索尼无线降噪耳机,续航三十小时",
    "热水壶": "不锈钢电热水壶,容量一点七升",
    "充电宝": "大容量充电宝,支持快速充电",
    "運動鞋": "男士运动鞋,轻便透气",
    "键盘": "机械键盘，青轴，有线连接",
    "高血压": "高血压患者的饮食建议",
    "人工智能": "人工智能在医疗影像中的应用",
    "iPhone手机壳": "适用于iPhone15手机壳防摔",
    "ＵＳＢ数据线": "USB数据线三米加长",
    "图书馆": "北京大学图书馆开放时间",
}
PARTS: Final = {
    "WH-1000XM5": "Sony WH-1000XM5 headphones",
    "wh1000xm4": "Sony WH-1000XM4 headphones",
    "RTX 4090": "graphics card RTX4090 with 24 GB",
    "ABC-12345-X": "valve ABC-12345-X of steel",
    "12345": "seal for ABC-12345-Y",
    "M8x20": "screw M8x20 zinc",
    "C++": "a book on C++",
    "3.5mm": "cable 3.5mm to 6.35mm",
}


class Tool(Protocol):
    name: str

    def create(self, folder: Path) -> None: ...

    def open(self, folder: Path) -> None: ...

    def put(self, first: int, texts: list[str], vectors: Matrix) -> None:
        """Returns when the documents are acknowledged."""
        ...

    def held(self, numbers: Sequence[int]) -> int:
        """How many of them are there."""
        ...

    def words(self, text: str) -> list[int]:
        """The first ten by words alone."""
        ...


class Ours:
    name = "hybrid-retrieval"

    def create(self, folder: Path) -> None:
        self._index = Index.create(folder / "ours", encoder=None)

    def open(self, folder: Path) -> None:
        self._index = Index.open(folder / "ours")

    def put(self, first: int, texts: list[str], vectors: Matrix) -> None:
        rows = enumerate(zip(texts, vectors, strict=True), first)
        self._index.add(Document(str(i), text, vector=vector) for i, (text, vector) in rows)

    def held(self, numbers: Sequence[int]) -> int:
        return len(numbers) - len(self._index.absent(map(str, numbers)))

    def words(self, text: str) -> list[int]:
        return [int(hit.id) for hit in self._index.search(text, mode="lexical")]


class Zvec:
    name = "zvec"

    def create(self, folder: Path) -> None:
        words = {"tokenizer_name": "jieba", "filters": ["lowercase", "ascii_folding"]}
        self._collection = zvec.create(folder / "zvec", _DIM, words)

    def open(self, folder: Path) -> None:
        self._collection = import_module("zvec").open(str(folder / "zvec"))

    def put(self, first: int, texts: list[str], vectors: Matrix) -> None:
        zvec.put(self._collection, first, texts, vectors)

    def held(self, numbers: Sequence[int]) -> int:
        return len(self._collection.fetch(list(map(str, numbers))))

    def words(self, text: str) -> list[int]:
        library: Any = import_module("zvec")
        asked = library.Query("text", fts=library.Fts(match_string=text))
        return [int(one.id) for one in self._collection.query(asked, topk=10, output_fields=[])]


class Edge:
    name = "Qdrant Edge"

    def create(self, folder: Path) -> None:
        self._shard = qdrant.create(folder / "qdrant", _DIM)

    def open(self, folder: Path) -> None:
        self._shard = import_module("qdrant_edge").EdgeShard.load(str(folder / "qdrant"))

    @property
    def _words(self) -> Any:
        return qdrant.words(import_module("qdrant_edge").TokenizerType.Multilingual, 8.0)

    def put(self, first: int, texts: list[str], vectors: Matrix) -> None:
        qdrant.put(self._shard, self._words, first, texts, vectors)

    def held(self, numbers: Sequence[int]) -> int:
        return len(self._shard.retrieve(list(numbers), False, False))

    def words(self, text: str) -> list[int]:
        library: Any = import_module("qdrant_edge")
        sparse = library.Query.Nearest(self._words.embed_query(text), using="words")
        return [int(one.id) for one in self._shard.query(library.QueryRequest(10, query=sparse))]


TOOLS: Final[dict[str, type[Tool]]] = {"ours": Ours, "zvec": Zvec, "edge": Edge}


def run(house: House) -> Report:
    report = Report("probes", kills=KILLS, batch=_BATCH)
    found = report.table(
        "Found first by words alone", note="The share of queries whose document comes first."
    )
    killed = report.table(
        "kill -9 during writes",
        note=f"A process that inserts {_BATCH} documents at a time, killed at any moment. `refused`: how "
        "often what it left could not be opened; `lost`: documents acknowledged before, of all.",
    )
    folder = house.folder / "probes"
    shutil.rmtree(folder, ignore_errors=True)
    for name, make in TOOLS.items():
        try:
            (folder / name).mkdir(parents=True)
            found.add(what=make.name, **_probed(make(), folder / name))
        except ImportError as error:
            found.add(what=name, missing=str(error))
            continue
        killed.add(what=make().name, **_killed(name, folder))
    return report


def _probed(tool: Tool, folder: Path) -> dict[str, float]:
    texts = [*CHINESE.values(), *PARTS.values()]
    tool.create(folder)
    tool.put(0, texts, _vectors(len(texts)))
    shares = {}
    for kind, probes in (("Chinese", CHINESE), ("part numbers", PARTS)):
        firsts = [(tool.words(query) or [-1])[0] == texts.index(text) for query, text in probes.items()]
        shares[kind] = float(np.mean(firsts))
    return shares


def _killed(name: str, folder: Path) -> dict[str, int]:
    refused = lost = acknowledged = 0
    for turn in range(KILLS):
        place = folder / f"{name}-{turn}"
        place.mkdir()
        asked = [sys.executable, "-m", "tests.benchmarks.probes", name, str(place)]
        writer = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()  # the first batch
        time.sleep(random.Random(turn).random())
        writer.send_signal(signal.SIGKILL)
        known = _BATCH + _BATCH * writer.stdout.read().count("\n")
        writer.wait()
        acknowledged += known
        tool = TOOLS[name]()
        try:
            tool.open(place)
        except Exception:
            refused += 1
            lost += known
            continue
        lost += known - tool.held(range(known))
    return {"acknowledged": acknowledged, "lost": lost, "refused": refused}


def _vectors(number: int) -> Matrix:
    made = np.random.default_rng(1).standard_normal((number, _DIM)).astype(np.float32)
    unit: Matrix = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def write(name: str, folder: Path) -> None:
    """Insert without end; a line for each batch that was acknowledged."""
    tool, texts = TOOLS[name](), list(CHINESE.values()) * 2
    tool.create(folder)
    first = 0
    while True:
        tool.put(first, texts[:_BATCH], _vectors(_BATCH))
        first += _BATCH
        sys.stdout.write(f"{first}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
