"""A map that holds for new questions is learned and serves; memory of known documents does not pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index, Profile
from hybrid.errors import InputError
from hybrid.fusion import Linear, dump
from hybrid.learn import adapt, adapting
from hybrid.learn import examples as gathered
from hybrid.learn.adapting import NAME, UNMOVED
from hybrid.learn.examples import gather
from hybrid.learn.querymap import Examples, cut, fit
from hybrid.learn.split import Sample
from hybrid.types import Qrels
from tests.caesar import CountedLetters, documents, questions, shifted, words

WORDS = words(90)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapting") / "idx"
    with Index.create(path, encoder=CountedLetters()) as index:
        index.add(documents(WORDS))
    return path


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index.open(path, encoder=CountedLetters()) as index:
        index.use(1)
        yield index


def test_what_holds_for_new_documents_is_found_and_serves(index: Index) -> None:
    asked, judged = questions(WORDS)
    stages = []
    with index.searcher() as searcher:
        found = adapt(searcher, asked, judged, progress=lambda stage, *_: stages.append(stage))
    assert found.verdict.outcome == "better"
    assert found.systems[NAME].held_out > found.systems["serving"].held_out + 0.3
    assert found.tried[str(found.choice)] > found.tried[UNMOVED] + 0.3
    assert {"train queries", "cross-validation", "held-out queries"} <= set(stages)
    number = found.install(index)
    assert index.profiles.serves == number
    assert index.profiles[number or 0].evidence["choice"] == vars(found.choice)
    run = index.run(asked, k=1)
    assert sum(run[query][0][0] in judged[query] for query in asked) > len(asked) / 2


def remembering() -> tuple[dict[str, str], Qrels, Qrels]:
    """Questions of letters that say nothing of their documents; and judgments of others, half of them the
    same letters in another order, the rest about documents of their own."""
    letters = words(60, seed=5)
    asked = {f"q{number}": text for number, text in enumerate(letters[:30])}
    asked |= {f"again{number}": text[::-1] for number, text in enumerate(letters[:30])}
    asked |= {f"new{number}": text for number, text in enumerate(letters[30:])}
    train = {f"q{number}": {f"d{number}": 1} for number in range(30)}
    known = {f"again{number}": {f"d{number}": 1} for number in range(30)}
    return asked, train, known | {f"new{number}": {f"d{number + 30}": 1} for number in range(30)}


def test_memory_of_known_documents_is_served_only_where_it_is_accepted(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapting, "PENALTIES", (0.03,))
    asked, train, test = remembering()
    index.install(Profile(fusion=dump(Linear((0, 1)))))
    with index.searcher() as searcher:
        found = adapt(searcher, asked, train, test_qrels=test)
        accepted = adapt(searcher, asked, train, test_qrels=test, accept="known")
    apart = found.verdict.challengers[NAME].apart
    assert apart.known is not None
    assert apart.known.difference > 0.3
    assert found.verdict.outcome == "known documents"
    assert found.installs is None
    assert found.install(index) is None
    assert accepted.verdict.outcome == "known documents"
    assert accepted.install(index) == index.profiles.serves
    assert index.profiles.serving.adapter is not None


def test_noise_is_not_installed(index: Index) -> None:
    random = np.random.default_rng(2)
    asked, judged = questions(WORDS)
    mixed = random.permutation(list(judged)).tolist()
    with index.searcher() as searcher:
        found = adapt(searcher, asked, {id: judged[other] for id, other in zip(judged, mixed, strict=True)})
    assert found.installs is None


def test_the_fit_lowers_the_loss_and_a_strong_penalty_forbids_it() -> None:
    encoder, asked = CountedLetters(), [shifted(word) for word in WORDS]
    targets = [np.array([number]) for number in range(len(WORDS))]
    none = [np.array([], np.int64)] * len(WORDS)
    examples = Examples(encoder.queries(asked), encoder.documents(WORDS), targets, none)
    map = fit(examples, 0.01)
    assert map.tobytes() == fit(examples, 0.01).tobytes()
    [moves] = cut(map, [26])
    assert (moves.reads @ moves.writes) == pytest.approx(map, abs=1e-5)
    moved = np.array([moves(query) for query in examples.queries])
    assert ((moved @ examples.rows.T).argmax(axis=1) == np.arange(len(WORDS))).mean() > 0.95
    assert np.abs(fit(examples, 1e6)).max() < 1e-4


def test_the_gradient_is_that_of_the_loss() -> None:
    from hybrid.learn.querymap import _loss

    random = np.random.default_rng(0)
    queries, rows = (random.normal(size=(n, 4)).astype(np.float32) for n in (3, 9))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    targets, hidden = [[0], [1, 2], [3]], [[4, 5], [], [6]]
    lists = [[np.array(own, np.int64) for own in all] for all in (targets, hidden)]
    loss = _loss(Examples(queries, rows, *lists), 0.5)
    place, direction = 0.1 * random.normal(size=16), random.normal(size=16)
    step = 1e-2
    slope = (loss(place + step * direction)[0] - loss(place - step * direction)[0]) / (2 * step)
    assert loss(place)[1] @ direction == pytest.approx(slope, rel=1e-2)
    logits = (queries + queries @ place.reshape(4, 4)) @ rows.T / 0.05
    for query, own in enumerate(hidden):
        logits[query, own] = -np.inf
    likely = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -np.mean([likely[query, own].mean() for query, own in enumerate(targets)])
    assert loss(place)[0] == pytest.approx(expected + 0.25 * place @ place, rel=1e-4)


def test_the_nearest_vector_stands_for_a_document_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "idx", encoder=CountedLetters()) as index:
        index.add([Document("gone", "aaa"), Document("one", "ccc")])
        index.add([Document("two", "", vector=CountedLetters().documents(["aab", "zzz"]))])
        index.delete(["gone"])
        asked = {"a": "a", "z": "z", "x": "x"}
        judged = {"a": {"two": 1, "missing": 1}, "z": {"two": 2, "one": 0}, "x": {"missing": 1}}
        with index.searcher() as searcher:
            found = gather(searcher, Sample(asked, judged), 0)
    near = [[found.rows[row].argmax() for row in own] for own in found.targets]
    far = [[found.rows[row].argmax() for row in own] for own in found.hidden]
    assert near == [[0], [25], []]
    assert far == [[25], [0], []]
    assert len(found.rows) == 3
    assert len(found.answered) == 2
    monkeypatch.setattr(gathered, "MAX_ANSWERS", 1)
    with Index.open(tmp_path / "idx", encoder=CountedLetters()) as index, index.searcher() as searcher:
        own = Sample({"c": "c"}, {"c": {"one": 2, "two": 1}}, ignore_identical_ids=True)
        found = gather(searcher, own, 0)
    assert [found.rows[row].argmax() for row in found.targets[0]] == [2]
    assert sorted(found.rows[row].argmax() for row in found.hidden[0]) == [0, 25]


def test_a_map_of_no_query_moves_none() -> None:
    nobody = Examples(np.empty((0, 4), np.float32), np.eye(4, dtype=np.float32), [], [])
    assert not fit(nobody, 0.1).any()


def test_what_cannot_be_adapted(index: Index, tmp_path: Path) -> None:
    asked, judged = questions(WORDS)
    with index.searcher() as searcher:
        with pytest.raises(InputError, match="judged queries to train on"):
            adapt(searcher, asked, {"q1": judged["q1"]})
        with pytest.raises(InputError, match="no relevant document of a train query"):
            adapt(searcher, asked, {id: {"missing": 1} for id in judged})
    with Index.create(tmp_path / "words", encoder=None) as bare:
        bare.add(documents(WORDS))
        with bare.searcher() as searcher, pytest.raises(InputError, match="moves the vectors of queries"):
            adapt(searcher, asked, judged)
    with Index.create(tmp_path / "ip", encoder=CountedLetters(), metric="ip") as other:
        other.add(documents(WORDS))
        with other.searcher() as searcher, pytest.raises(InputError, match='the metric "cosine"'):
            adapt(searcher, asked, judged)
