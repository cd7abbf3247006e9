"""How past queries vote is chosen on some of them, and judged on others, of other families."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index, Profile
from hybrid.encoders import HashEncoder
from hybrid.errors import InputError
from hybrid.fusion import Voting
from hybrid.learn import vote
from hybrid.learn.silencing import Silencing, without_kin
from hybrid.learn.split import Sample
from hybrid.learn.voting import NAME
from hybrid.rerank import Features
from hybrid.search.votes import VOTED

KINDS = 4
ASKED = 30


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four kinds of things, each with an answer in words of its own."""
    path = tmp_path_factory.mktemp("voting") / "idx"
    rng = np.random.default_rng(0)
    with Index.create(path, encoder=HashEncoder()) as index:
        documents = [Document(f"d{i}", " ".join(_words(rng, 6))) for i in range(60)]
        index.add(documents)
        index.add([Document(f"answer{kind}", f"zzz{kind} yyy{kind} xxx{kind}") for kind in range(KINDS)])
    return path


def _words(rng: np.random.Generator, many: int) -> list[str]:
    return ["".join(map(chr, rng.integers(97, 110, 5))) for _ in range(many)]


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index.open(path, encoder=HashEncoder()) as index:
        index.forget(before=1e10)
        yield index


def learn(index: Index, noise: bool) -> None:
    rng = np.random.default_rng(1)
    texts, qrels = {}, {}
    for kind in range(KINDS):
        topic = _words(rng, 3)
        for number in range(ASKED):
            id = f"{kind}-{number}"
            texts[id] = " ".join([*topic, *_words(rng, 6)])
            answer = f"d{rng.integers(60)}" if noise else f"answer{kind}"
            qrels[id] = {answer: 1}
    index.learn(texts, qrels)


def test_what_helps_beyond_the_control_is_found_and_serves(index: Index) -> None:
    learn(index, noise=False)
    stages = []
    with index.searcher() as searcher:
        found = vote(searcher, progress=lambda stage, *_: stages.append(stage))
    assert found.verdict.outcome == "better"
    assert found.systems[NAME].held_out > found.systems["serving"].held_out + 0.3
    assert found.installs is not None
    assert found.installs.voting is not None
    assert {"thresholds", "weights", "newcomers", "held-out queries"} <= set(stages)
    number = found.install(index)
    assert index.profiles.serves == number
    assert index.profiles.serving.voting == found.installs.voting
    index.use(1)


def test_what_does_not_hold_is_not_installed(index: Index) -> None:
    learn(index, noise=True)
    with index.searcher() as searcher:
        found = vote(searcher, accept="known")
    assert found.installs is None
    assert found.install(index) is None
    assert index.profiles.serving == Profile()


def test_an_index_without_judged_past_queries(index: Index) -> None:
    with index.searcher() as searcher, pytest.raises(InputError, match="no past query was judged"):
        vote(searcher)


def test_no_query_of_its_family_votes_on_one_that_trains(index: Index) -> None:
    rng = np.random.default_rng(2)
    topics = [_words(rng, 4) for _ in range(8)]
    texts = {
        f"{kind}-{i}": " ".join([*topics[kind], *_words(rng, 2)]) for kind in range(8) for i in range(3)
    }
    index.learn(texts, {id: {f"answer{int(id[0]) % 4}" if id[0] < "4" else f"d{id[0]}": 1} for id in texts})
    index.install(Profile(voting=Voting(8, 0.0)))
    kin = Sample({"q": texts["0-1"]}, {"q": {"answer0": 1}})
    other = Sample({"q": "quite another question"}, {"q": {"d30": 1}})
    with index.searcher() as searcher:
        for sample, silent in ((kin, 3), (other, 0)):
            learning = without_kin(searcher, sample)
            assert isinstance(learning, Silencing)
            assert len(learning.unheard["q"]) == silent
        assert _votes(searcher.candidates(kin.texts, VOTED))["answer0"] > 0
        assert _votes(without_kin(searcher, kin).candidates(kin.texts, VOTED, lacking={}))["answer0"] == 0
    index.use(1)
    with index.searcher() as searcher:
        assert without_kin(searcher, kin) is searcher


def _votes(found: Iterator[tuple[str, list[str], Features]]) -> dict[str, float]:
    [(_, ids, columns)] = found
    return dict(zip(ids, columns["votes_judged"].tolist(), strict=True))
