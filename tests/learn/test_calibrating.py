"""Calibrating an index: what is learned from, what is reported, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.errors import InputError
from hybrid.learn.calibrating import FEWEST, PRECISIONS, Calibrated, calibrate
from hybrid.rerank.calibration import SIGNALS, Signals
from hybrid.settings import Profile, Profiles
from hybrid.types import Mode, Qrels
from tests.asking import of_now
from tests.search.test_relevance import WORDS, letters

QUERIES = {f"q{i}": f"text {i}" for i in range(200)}
QRELS: Qrels = {id: {f"{id}-{rank}": int(rank == 0) for rank in range(3)} for id in QUERIES}


class Double:
    """Ten hits a query. The first is relevant, and ``tells`` so; without it the others move up."""

    def __init__(self, tells: float = 2.0, hits: int = 10) -> None:
        self.tells, self.hits = tells, hits
        self.profiles = Profiles.first(Profile())
        self.asked: list[tuple[str, Mode, bool]] = []

    def signals(
        self, queries: Mapping[str, str], mode: Mode, lacking: Mapping[str, Iterable[str]]
    ) -> Iterator[tuple[str, list[str], Signals]]:
        for id in queries:
            gone = set(lacking.get(id, ()))
            assert gone <= {f"{id}-0"}
            self.asked.append((id, mode, bool(gone)))
            rng = np.random.default_rng([int(id[1:]), mode == "hybrid", bool(gone)])
            ranks = [rank for rank in range(self.hits + 1) if f"{id}-{rank}" not in gone][: self.hits]
            similar = rng.normal(size=len(ranks)) + self.tells * (np.array(ranks) == 0)
            known = {"similarity"} if mode == "vector" else set(SIGNALS)
            columns = {
                name: (similar if name in known else np.full(len(ranks), np.nan)).astype(np.float32)
                for name in SIGNALS
            }
            yield id, [f"{id}-{rank}" for rank in ranks], columns


def calibrated(double: Double, seed: int = 0, modes: tuple[Mode, ...] = ("hybrid", "vector")) -> Calibrated:
    return calibrate(double, QUERIES, QRELS, modes, seed=seed)


@pytest.fixture(scope="module")
def telling() -> Calibrated:
    return calibrated(Double(3.0))


@pytest.fixture(scope="module")
def silent() -> Calibrated:
    return calibrated(Double(0.0))


def test_every_query_is_asked_in_every_mode_and_a_quarter_again() -> None:
    double, batches = Double(), list[int]()
    found = calibrate(double, QUERIES, QRELS, ["hybrid", "vector"], progress=batches.append)
    assert (found.queries, found.twins) == (200, 50)
    assert sum(batches) == 200
    assert max(batches) < 100
    assert sorted(double.asked) == sorted(set(double.asked))
    again = {
        mode: {id for id, asked, gone in double.asked if gone and asked == mode} for mode in found.trust
    }
    assert again["hybrid"] == again["vector"]
    assert len(again["hybrid"]) == 50


def test_what_can_be_told_is_told(telling: Calibrated) -> None:
    found = telling
    assert found.refused is None
    for mode in ("hybrid", "vector"):
        trust = found.trust[mode]
        assert trust.reliability.hits == 2500
        assert trust.asked.hits == 2000
        assert trust.reliability.skill > 0.4
        assert trust.reliability.ece < 2 * trust.reliability.by_chance
        assert trust.abstention.queries == 250
        assert trust.abstention.precision == pytest.approx(0.8)
        assert list(trust.operating) == list(PRECISIONS)
        points = [point for point in trust.operating.values() if point is not None]
        assert len(points) == 3
        assert all(point.precision >= wanted for wanted, point in zip(PRECISIONS, points, strict=True))
        assert points[0].answered == 1
        assert trust.unanswerable < 0.2


def test_the_seed_decides(telling: Calibrated) -> None:
    double = Double(3.0)
    assert calibrated(double) == telling
    other = Double(3.0)
    assert calibrated(other, seed=1) != telling
    assert {id for id, _, gone in other.asked if gone} != {id for id, _, gone in double.asked if gone}


def test_what_tells_nothing_is_refused(silent: Calibrated) -> None:
    assert silent.trust["vector"].reliability.skill <= 0.005
    assert silent.trust["vector"].operating[0.9] is None
    useless = calibrated(Double(-3.0), modes=("vector", "hybrid"))  # more never counts against a document
    assert useless.refused is not None
    assert "mode vector" in useless.refused
    assert "200 queries" in useless.refused
    assert calibrated(Double(-3.0), modes=("hybrid", "vector")).refused is None


def test_a_threshold_that_a_few_queries_pass_is_luck(silent: Calibrated, telling: Calibrated) -> None:
    for trust in (*silent.trust.values(), *telling.trust.values()):
        assert all(point is None or point.answered * 250 >= 9.5 for point in trust.operating.values())
        assert trust.abstention.curve[0].answered * 250 < 9.5


def test_queries_without_a_hit_count_as_wrong() -> None:
    class Silent(Double):
        def signals(
            self, queries: Mapping[str, str], mode: Mode, lacking: Mapping[str, Iterable[str]]
        ) -> Iterator[tuple[str, list[str], Signals]]:
            for id, hits, columns in super().signals(queries, mode, lacking):
                keep = 0 if int(id[1:]) % 2 else 10
                yield id, hits[:keep], {name: column[:keep] for name, column in columns.items()}

    trust = calibrated(Silent(3.0), modes=("hybrid",)).trust["hybrid"]
    assert trust.abstention.queries == 250
    assert trust.abstention.precision == pytest.approx(0.4, abs=0.05)
    assert trust.reliability.hits == pytest.approx(1250, abs=100)


def test_too_few_queries() -> None:
    few = dict(list(QRELS.items())[: FEWEST - 1])
    with pytest.raises(InputError, match=f"29 judged queries have a text; .* {FEWEST} or more"):
        calibrate(Double(), QUERIES, few, ["hybrid"])
    with pytest.raises(InputError, match="0 judged queries"):
        calibrate(Double(), {}, QRELS, ["hybrid"])
    with pytest.raises(InputError, match="no judged hit"):
        calibrate(Double(hits=0), QUERIES, QRELS, ["hybrid"])


def test_the_report_is_json(telling: Calibrated) -> None:
    found = telling
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["queries"] == 200
    assert told["refused"] is None
    assert len(told["models"]) == 3
    hybrid = told["modes"]["hybrid"]
    assert hybrid["reliability"]["skill"] == pytest.approx(found.trust["hybrid"].reliability.skill)
    curve, whole = hybrid["abstention"]["curve"], found.trust["hybrid"].abstention.curve
    assert 25 < len(curve) < 60 < len(whole)
    assert (curve[0]["threshold"], curve[-1]["answered"]) == (whole[0].threshold, 1)
    assert set(hybrid["operating"]) == {"0.5", "0.7", "0.9"}
    evidence = json.loads(json.dumps(found.evidence(), allow_nan=False))
    assert evidence["ranks like profile"] == 1
    assert evidence["modes"]["vector"]["calibration error"] == round(
        found.trust["vector"].reliability.ece, 4
    )


def test_through_an_index(tmp_path: Path) -> None:
    """What is installed says of fresh queries what it promised."""
    rng = np.random.default_rng(0)
    words = [a + b for a in WORDS for b in WORDS]
    texts = [" ".join(rng.choice(words, 6)) for _ in range(300)]
    asked = {f"q{i}": " ".join(rng.choice(text.split(), 2)) for i, text in enumerate(texts)}
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(300)}
    with Index.create(tmp_path / "idx", encoder=letters) as index:
        index.add(Document(f"d{i}", text) for i, text in enumerate(texts))
        train = {id: qrels[id] for id in list(qrels)[:200]}
        found = of_now(index, calibrate, asked, train, ["hybrid", "lexical", "vector"])
        assert found.refused is None
        assert found.trust["hybrid"].reliability.skill > 0.2
        assert found.install(index) == index.profiles.serves == 2
        first = [(index.search(asked[f"q{i}"]).hits[0], f"d{i}") for i in range(200, 300)]
    promised = np.mean([hit.relevance or 0.0 for hit, _ in first])
    assert promised == pytest.approx(np.mean([hit.id == id for hit, id in first]), abs=0.15)
