"""Whether an index that is built again may take the place of the one that serves."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import InputError
from hybrid.learn import gate, replace
from hybrid.learn.replacing import NAME
from hybrid.learn.split import fingerprint, hold_out
from hybrid.types import Qrels
from tests.encoder_models import LETTERS

MANY = 40
_random = np.random.default_rng(0)
_WORDS = ["".join(_random.choice(list(LETTERS), 8)) for _ in range(2 * MANY)]
ANSWERS, QUESTIONS = _WORDS[:MANY], _WORDS[MANY:]
_PLACES = {word: place % MANY for place, word in enumerate(_WORDS)}
QUERIES = {f"q{i}": word for i, word in enumerate(QUESTIONS)}
QRELS: Qrels = {f"q{i}": {f"d{i}": 1} for i in range(MANY)}


def knows(texts: list[str]) -> list[NDArray[np.float64]]:
    """Which question a word asks or answers, and beside that so little that nothing ties."""
    return [(np.eye(MANY)[_PLACES[text]] if text in _PLACES else 0.0) + _noise(text) for text in texts]


def _noise(text: str) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(text.encode())).normal(0, 0.02, MANY)


def guesses(texts: list[str]) -> list[list[float]]:
    return [[1.0, *(float(ord(letter)) for letter in text[:4].ljust(4))] for text in texts]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=guesses) as index:
        index.add(Document(f"d{i}", word) for i, word in enumerate(ANSWERS))
        yield index


def encoder_of(index: Index) -> str:
    return str(index.stats()["encoder"]).rpartition(".")[2]


def test_a_better_encoder_takes_over_with_its_evidence(index: Index) -> None:
    told = set[str]()
    found = replace(
        partial(index.reindex, encoder=knows),
        QUERIES,
        QRELS,
        known={"chosen by": "a test"},
        progress=lambda stage, _done, _total: told.add(stage),
    )
    assert (found.verdict.outcome, found.verdict.installs) == ("better", NAME)
    assert (found.train, found.held_out, found.verdict.control) == (0, MANY, None)
    assert list(found.systems) == [
        *("serving", "serving: lexical leg", "serving: vector leg"),
        *("re-indexed", "re-indexed: lexical leg", "re-indexed: vector leg"),
    ]
    assert {figures.train for figures in found.systems.values()} == {0.0}
    assert encoder_of(index) == "knows"
    evidence = index.profiles[index.profiles.serves].evidence
    assert evidence["chosen by"] == "a test"
    assert evidence["winner"] == NAME
    assert evidence["held out"]["re-indexed: vector leg"] == 1.0
    assert told == {"serving", NAME}


def test_a_worse_encoder_is_refused(index: Index) -> None:
    assert index.reindex(encoder=knows)
    found = replace(partial(index.reindex, encoder=guesses), QUERIES, QRELS)
    assert (found.verdict.outcome, found.installs) == ("not better", None)
    assert encoder_of(index) == "knows"


def remembers(texts: list[str]) -> list[NDArray[np.float64]]:
    """The answers of the first half of the questions."""
    known = {*ANSWERS[: MANY // 2], *QUESTIONS[: MANY // 2]}
    return [one for text in texts for one in knows([text if text in known else f"about {text}"])]


@pytest.mark.parametrize(("accept", "serves"), [(None, "guesses"), ("known", "remembers")])
def test_a_memory_of_training_is_no_better_encoder(
    index: Index, accept: gate.Accept | None, serves: str
) -> None:
    trained = {f"t{i}": f"seen {word}" for i, word in enumerate(QUESTIONS[: MANY // 2])}
    found = replace(
        partial(index.reindex, encoder=remembers),
        QUERIES | trained,
        {**QRELS, **{f"t{i}": {f"d{i}": 1} for i in range(MANY // 2)}},
        trained=set(map(fingerprint, trained.values())),
        accept=accept,
    )
    assert (found.train, found.held_out, found.related) == (MANY // 2, MANY, MANY // 2)
    assert found.left_out == {"trained on, so not to judge": MANY // 2}
    assert found.verdict.outcome == "known documents"
    assert found.verdict.control is not None
    apart = found.verdict.challengers[NAME].apart
    assert [one and one.queries for one in (apart.known, apart.unknown)] == [MANY // 2, MANY // 2]
    assert encoder_of(index) == serves


def test_a_near_copy_of_what_was_trained_on_is_known(index: Index) -> None:
    """Though it asks for another document."""
    texts = {id: f"{text} {text[::-1]} {text[:5]} {text[3:]}" for id, text in QUERIES.items()}
    copies = {f"t{i}": f"{texts[f'q{i}']} again" for i in range(3)}
    found = replace(
        partial(index.reindex, encoder=knows),
        texts | copies,
        {**QRELS, **{id: {"elsewhere": 1} for id in copies}},
        trained=set(map(fingerprint, copies.values())),
    )
    assert found.related == 3
    known = found.verdict.challengers[NAME].apart.known
    assert known is not None
    assert known.queries == 3


def test_too_few_queries_are_refused_before_anything_is_built(index: Index) -> None:
    def never(*, accept: object) -> None:
        raise AssertionError(accept)

    few: Qrels = {id: QRELS[id] for id in list(QRELS)[:5]}
    with pytest.raises(InputError, match=r"5 judged queries, of 5 families.*judge at least \d+ more"):
        replace(never, QUERIES, few)
    trained = set(map(fingerprint, QUESTIONS))
    with pytest.raises(InputError, match="0 judged queries"):
        replace(never, QUERIES, QRELS, trained=trained)
    assert encoder_of(index) == "guesses"


def test_judgments_to_test_by_are_held_out_and_the_others_known() -> None:
    train: Qrels = {id: QRELS[id] for id in list(QRELS)[:20]}
    test: Qrels = {id: QRELS[id] for id in list(QRELS)[18:]}
    split = hold_out(QUERIES, train, test, {fingerprint(QUESTIONS[30].upper() + " ")})
    assert set(split.train.texts) == {*(f"q{i}" for i in range(18)), "q30"}
    assert set(split.held_out.texts) == {f"q{i}" for i in range(18, MANY) if i != 30}
    assert split.left_out == {"held out, so not to train on": 2, "trained on, so not to judge": 1}


def test_a_fingerprint_is_of_what_all_spellings_share() -> None:
    assert fingerprint("  Two\n words") == fingerprint("two words")
    assert fingerprint("two words") == "a03f1d611645eb53ad16c1af546ca0792dc884505bab57ede80f4dad6b911d3a"
    assert len(fingerprint("\ud800")) == 64
