"""Latency: whose turn it is, what is timed, and what is left out. By a clock of the test's own."""

from __future__ import annotations

import pytest

from hybrid.backends.memory import MemoryIndex
from hybrid.encoders import HashEncoder
from hybrid.evaluate import Latency, System, Timings, by_mode, time_searches
from hybrid.evaluate.latency import sample
from hybrid.fusion import RRF
from hybrid.types import Document, Fusion, Mode

COST = {"lexical": 1.0, "vector": 2.0, "hybrid": 4.0}
ENCODING = 100.0


class Slow:
    """An index whose searches take the time they are said to; a text's first by meaning takes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.asked: list[tuple[str, Mode, Fusion | None]] = []
        self._known: set[str] = set()
        monkeypatch.setattr("hybrid.evaluate.latency.time.perf_counter", lambda: self.now)

    def search(self, query: str, *, k: int, mode: Mode, fusion: Fusion | None) -> None:
        assert k == 10
        self.asked.append((query, mode, fusion))
        self.now += COST[mode]
        if mode != "lexical" and query not in self._known:
            self._known.add(query)
            self.now += ENCODING


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


def test_encoding_is_told_apart_from_searching(slow: Slow) -> None:
    found = time_searches(slow, ["a", "b", "c"], by_mode(["lexical", "vector", "hybrid"]))
    assert found.systems == {mode: Latency(cost, cost, cost, 3) for mode, cost in COST.items()}
    assert found.encoding == Latency(ENCODING, ENCODING, ENCODING, 2)  # the first text loads the model


def test_without_a_second_text_encoding_is_not_known(slow: Slow) -> None:
    assert time_searches(slow, ["a"], by_mode(["vector"])) == Timings({"vector": Latency(2, 2, 2, 1)}, None)


def test_the_systems_take_turns_in_beginning(slow: Slow) -> None:
    systems = {"words": System("lexical"), "rrf": System("hybrid", RRF()), "meaning": System("vector")}
    time_searches(slow, ["a", "b"], systems)
    rrf = ("hybrid", RRF())
    assert slow.asked == [
        *(("a", *rrf), ("a", "lexical", None), ("a", *rrf), ("a", "vector", None)),
        *(("b", *rrf), ("b", *rrf), ("b", "vector", None), ("b", "lexical", None)),
    ]


def test_words_alone_need_nothing_first(slow: Slow) -> None:
    found = time_searches(slow, ["a", "b"], by_mode(["lexical"]))
    assert slow.asked == [("a", "lexical", None), ("b", "lexical", None)]
    assert found == Timings({"lexical": Latency(1, 1, 1, 2)}, None)


def test_percentiles(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(i) for i in range(101)]
    monkeypatch.setattr(slow, "search", lambda text, **_: setattr(slow, "now", slow.now + int(text)))
    found = time_searches(slow, texts, by_mode(["lexical"]))
    assert found.systems["lexical"].to_json() == pytest.approx(
        {"p50": 50, "p95": 95, "p99": 99, "queries": 101}
    )


def test_progress_is_told_by_texts(slow: Slow) -> None:
    told: list[tuple[int, int]] = []
    systems = by_mode(["lexical", "vector"])
    time_searches(slow, ["a", "b"], systems, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]


def test_nothing_to_time(slow: Slow) -> None:
    assert time_searches(slow, [], by_mode(["lexical"])) == Timings({}, None)


def test_a_sample_is_spread_and_bounded() -> None:
    assert sample([str(i) for i in range(1000)], 4) == ["0", "250", "500", "750"]
    assert len(sample(map(str, range(5000)))) == 200
    assert sample(["a", "b", "a"]) == ["a", "b"]
    assert sample([]) == []


def test_an_index_can_be_timed() -> None:
    index = MemoryIndex(encoder=HashEncoder())
    index.add([Document("1", "a kettle"), Document("2", "a lamp")])
    found = time_searches(index, ["kettle", "lamp"], by_mode(["lexical", "hybrid"]))
    assert list(found.systems) == ["lexical", "hybrid"]
    assert all(0 < latency.p50 <= latency.p95 <= latency.p99 < 10 for latency in found.systems.values())
