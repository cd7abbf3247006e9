"""A random program of adds, updates, deletes, reopens, compactions and searches: Index and MemoryIndex
must agree. BM25 statistics count dead documents until compaction, so before it the lexical leg must find
the same documents, and after it rank them the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hybrid import RRF, Document, Index, MemoryIndex, Results
from hybrid.metadata.facets import Ranges
from hybrid.settings import Profile
from hybrid.types import Mode

WORDS = ["kettle", "steel", "headphones", "iPhone15", "降噪", "耳机", "水壶", "手机壳", "c++", "running"]
STOP_WORDS = ["the", "it", "of", "你好", "不是", "IT行业"]
IDS = st.sampled_from([f"d{i}" for i in range(12)])
TEXTS = st.lists(st.sampled_from(WORDS + STOP_WORDS), max_size=12).map(" ".join)
LONG_TEXTS = st.lists(TEXTS, min_size=2, max_size=4).map(
    lambda parts: "\n\n".join(" ".join([part] * 40) for part in parts)
)
QUERIES = TEXTS | st.lists(st.sampled_from(STOP_WORDS), max_size=4).map(" ".join)
QUERIES |= st.lists(
    st.sampled_from(
        [*WORDS, "-kettle", "+steel", '"running kettle"', "“噪 耳”", "title:耳机", "ke*", "stele~"]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
METADATA = st.fixed_dictionaries(
    {}, optional={"n": st.integers(0, 3), "tags": st.lists(st.sampled_from("ab"))}
)
SOME = st.lists(IDS, max_size=4).map(lambda ids: {"_id": {"in": ids}})
FILTERS = (
    st.sampled_from([None, {"n": {"gte": 2}}, {"tags": "a"}, {"not": {"n": {"exists": True}}}])
    | SOME
    | SOME.map(lambda some: {"not": some, "n": {"exists": True}})
)
VECTORS = st.none() | st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text, vector = draw(TEXTS | LONG_TEXTS), draw(VECTORS)
    text = text if text.strip() else "" if vector else "kettle"
    return Document(draw(IDS), text, draw(TEXTS), draw(METADATA), vector)


BATCHES = st.lists(documents(), min_size=1, max_size=6, unique_by=lambda document: document.id)


class Agreement(RuleBasedStateMachine):
    @initialize(boost=st.sampled_from([0.0, 0.5]), depth=st.sampled_from([100, (3, 100)]))
    def start(self, boost: float, depth: int | tuple[int, int]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hybrid-agreement-"))
        self.index = Index.create(self.folder / "idx", encoder=None)
        profile = Profile(title_boost=boost, depth=depth)
        self.index.install(profile)
        self.memory = MemoryIndex(profile=profile)
        self.exact = True

    @rule(batch=BATCHES)
    def add(self, batch: list[Document]) -> None:
        self.exact &= not any(self.memory.get(document.id) for document in batch)
        assert self.index.add(batch) == self.memory.add(batch)

    @rule(ids=st.lists(IDS, max_size=4))
    def delete(self, ids: list[str]) -> None:
        deleted = self.memory.delete(ids)
        self.exact &= not deleted
        assert self.index.delete(ids) == deleted

    @rule(where=FILTERS.filter(bool), n=st.none() | st.integers(0, 3))
    def update(self, where: dict[str, Any], n: int | None) -> None:
        self.exact &= not self.memory.count(filter=where)
        changed = self.memory.update_metadata({"n": n}, filter=where)
        assert self.index.update_metadata({"n": n}, filter=where) == changed

    @rule(where=FILTERS.filter(bool))
    def delete_passing(self, where: dict[str, Any]) -> None:
        deleted = self.memory.delete(filter=where)
        self.exact &= not deleted
        assert self.index.delete(filter=where) == deleted

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = Index.open(self.folder / "idx")

    @rule()
    def compact(self) -> None:
        self.index.compact()
        self.exact = True

    @rule(query=QUERIES, where=FILTERS, k=st.integers(1, 15))
    def search_words(self, query: str, where: dict[str, Any] | None, k: int) -> None:
        mine, its = self.both(query, filter=where, k=20, mode="lexical")
        assert {hit.id for hit in mine} == {hit.id for hit in its}
        assert mine.total == its.total
        if self.exact:
            assert np.allclose([hit.score for hit in mine], [hit.score for hit in its], rtol=1e-5)
            self.same_order(*self.both(query, filter=where, k=k, mode="lexical"))

    @rule(query=st.none() | QUERIES, where=FILTERS)
    def count(self, query: str | None, where: dict[str, Any] | None) -> None:
        wanted = ["tags", Ranges("n", (1, 3))]
        for ask in (
            lambda index: index.count(query=query, filter=where),
            lambda index: index.facets(wanted, query=query, filter=where),
            lambda index: index.values("n", query=query, filter=where),
            lambda index: index.range("n", query=query, filter=where),
            lambda index: list(index.documents(where)),
        ):
            assert ask(self.index) == ask(self.memory)

    @rule(vector=VECTORS.filter(bool), where=FILTERS, k=st.integers(1, 15))
    def search_meaning(self, vector: list[int], where: dict[str, Any] | None, k: int) -> None:
        mine, its = self.both(None, vector=vector, filter=where, k=k, mode="vector")
        self.same_order(mine, its)
        assert mine.total == its.total

    @precondition(lambda self: self.exact)
    @rule(query=QUERIES, vector=VECTORS.filter(bool), where=FILTERS, k=st.integers(1, 15))
    def search_both(self, query: str, vector: list[int], where: dict[str, Any] | None, k: int) -> None:
        mine, its = self.both(query, vector=vector, filter=where, k=k, mode="hybrid", fusion=RRF())
        assert np.allclose([hit.score for hit in mine], [hit.score for hit in its], atol=2e-3)

    def both(self, query: str | None, **options: Any) -> tuple[Results, Results]:
        return self.index.search(query, **options), self.memory.search(query, **options)

    def same_order(self, mine: Results, its: Results) -> None:
        """Equal up to documents whose scores differ by no more than float32 rounds."""
        assert len(mine) == len(its)
        assert np.allclose([hit.score for hit in mine], [hit.score for hit in its], rtol=1e-5, atol=1e-6)
        scores = {hit.id: hit.score for hit in its}
        for hit, expected in zip(mine, its, strict=True):
            assert hit.id == expected.id or np.isclose(
                hit.score, scores.get(hit.id, hit.score), rtol=1e-5, atol=1e-6
            )

    @invariant()
    def same_documents(self) -> None:
        assert len(self.index) == len(self.memory)
        for id in ("d0", "d5", "d11"):
            assert self.index.get(id) == self.memory.get(id)

    def teardown(self) -> None:
        assert self.index.verify() == []
        self.index.close()
        shutil.rmtree(self.folder)


Agreement.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAgreement = Agreement.TestCase


def test_hybrid_ranks_as_the_textbook_does(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    batch = [
        Document(str(i), " ".join(random.choice(WORDS, 8)), vector=random.normal(size=16))
        for i in range(400)
    ]
    memory = MemoryIndex()
    memory.add(batch)
    modes: list[Mode] = ["hybrid", "lexical", "vector"]
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(batch)
        for _ in range(20):
            query, vector = " ".join(random.choice(WORDS, 3)), random.normal(size=16)
            for mode in modes:
                mine = index.search(query, vector=vector, mode=mode, k=20)
                its = memory.search(query, vector=vector, mode=mode, k=20)
                assert [hit.id for hit in mine] == [hit.id for hit in its]
