"""Rerankers from judged queries to serving: what helps is installed, what does not is refused."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import InputError, ModelNotFound
from hybrid.evaluate import evaluate, parse
from hybrid.fusion import Linear, dump
from hybrid.learn.reranking import (
    Reranking,
    Settable,
    choose,
    cross_encoders,
    diversities,
    late_interactions,
    popularities,
    recencies,
)
from hybrid.learn.searchspace import leg
from hybrid.rerank import MMR, CrossEncoder, LateInteraction, Popularity, Recency
from hybrid.settings import Profile
from hybrid.types import Qrels
from tests.asking import of_now
from tests.cross_encoder_models import QRELS, QUERIES, cross_encoder, documents
from tests.hub_models import token_model

WORDS = Profile(fusion=dump(Linear((1, 0))), depth=20)
NOW = datetime(2026, 7, 1, tzinfo=UTC).timestamp()


def noise(texts: Sequence[str]) -> NDArray[np.float64]:
    """Vectors that know nothing."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=16) for text in texts])


def dated() -> list[Document]:
    """Of the documents of a place the right one was made last, and is sold most."""
    random = np.random.default_rng(0)
    right = {id for grades in QRELS.values() for id in grades}
    made = []
    for document in documents():
        day = 25 if document.id in right else random.integers(1, 20)
        sold = 500 if document.id in right else int(random.integers(20))
        metadata = {"made": f"2026-06-{day:02}", "sold": sold, "dull": int(random.integers(100))}
        made.append(Document(document.id, document.text, metadata=metadata))
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reranking") / "idx"
    with Index.create(path, encoder=noise) as index:
        index.add(dated())
        index.install(WORDS)
    return path


def chosen(path: Path, settings: list[Settable], qrels: Qrels = QRELS, seed: int = 0) -> Reranking:
    with Index.open(path, encoder=noise, read_only=True) as index:
        return of_now(index, choose, QUERIES, qrels, settings, seed=seed)


def installed(path: Path, found: Reranking) -> Index:
    """The index, open, with what was found."""
    index = Index.open(path, encoder=noise)
    assert found.keeps is not None
    assert found.install(index) == index.profiles.serves
    return index


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "idx"))


def test_a_cross_encoder_that_knows_is_installed_and_serves(copied: Path, trained: str) -> None:
    found = chosen(copied, cross_encoders(trained))
    assert found.verdict.outcome == "better"
    assert isinstance(found.reranker, CrossEncoder)
    assert found.name == "CrossEncoder"
    assert list(found.systems)[:2] == ["serving", "CrossEncoder"]
    assert found.systems["CrossEncoder"].held_out > 0.99 > 0.8 > found.systems["serving"].held_out
    assert found.systems["CrossEncoder"].train == max(found.tried.values())
    with installed(copied, found) as index:
        run = index.run(QUERIES, k=10)
        assert run == index.run(QUERIES, k=10, reranker=found.reranker)
        # another setting must be better than what serves by now
        again = of_now(index, choose, QUERIES, QRELS, cross_encoders(trained))
    assert again.installs is None
    assert again.profile == WORDS
    assert again.systems["serving"].held_out == found.systems["CrossEncoder"].held_out


def test_a_cross_encoder_that_knows_nothing_is_refused(made: Path, tmp_path: Path) -> None:
    untrained = cross_encoder(tmp_path / "untrained", steps=0)
    found = chosen(made, cross_encoders(str(untrained)))
    assert found.installs is None
    assert found.keeps is None
    assert found.verdict.outcome in ("not better", "below a guard")


def test_late_interaction_is_judged_at_every_weight(made: Path, tmp_path: Path) -> None:
    found = chosen(made, late_interactions(str(token_model(tmp_path))))
    assert isinstance(found.reranker, LateInteraction)
    assert found.reranker.version is not None
    assert list(found.systems)[:2] == ["serving", "LateInteraction"]
    assert len(found.tried) == 4
    assert len(set(found.tried.values())) > 1


def test_what_is_new_stands_first_where_that_is_right(copied: Path) -> None:
    found = chosen(copied, recencies("made", NOW))
    assert found.verdict.outcome == "better"
    assert found.name == "Recency"
    assert isinstance(found.reranker, Recency)
    assert found.reranker.now == NOW
    assert isinstance(found.keeps, Recency)
    assert found.keeps.now is None
    with installed(copied, found) as index:
        evidence = index.profiles[index.profiles.serves].evidence
    assert evidence["reranker"]["now"] == NOW
    assert evidence["winner"] == "Recency"
    assert evidence["queries judged"] == {"train": found.train, "held out": found.held_out}


def test_what_many_like_stands_first_where_that_is_right(copied: Path) -> None:
    found = chosen(copied, popularities("sold"))
    assert found.verdict.outcome == "better"
    assert isinstance(found.keeps, Popularity)
    assert found.systems["Popularity"].held_out > 0.95
    with installed(copied, found) as index:
        after = evaluate({"run": index.run(QUERIES, k=10)}, QRELS, parse("nDCG@10")).systems["run"]
    both = found.systems["Popularity"]
    together = (found.train * both.train + found.held_out * both.held_out) / len(QUERIES)
    assert after["nDCG@10"] == pytest.approx(together)


@pytest.mark.parametrize("settings", [popularities("dull"), diversities()], ids=["dull", "MMR"])
def test_what_does_not_help_is_refused(made: Path, settings: list[Settable]) -> None:
    found = chosen(made, settings)
    assert found.installs is None
    assert found.verdict.outcome == "not better"


def test_what_falls_below_a_leg_gives_way_to_it_without_a_reranker(copied: Path) -> None:
    with Index.open(copied, encoder=noise) as index:
        index.install(leg("vector"))
    found = chosen(copied, popularities("dull"))
    assert found.verdict.outcome == "repairs"
    assert found.installs == leg("lexical")
    assert found.keeps is None


def test_the_same_seed_gives_the_same_and_another_another(made: Path) -> None:
    first, again, other = (chosen(made, diversities(), seed=seed).to_json() for seed in (1, 1, 2))
    assert first == again
    assert first["systems"] != other["systems"]
    assert json.loads(json.dumps(first)) == first


def test_the_mildest_of_equals_is_chosen(made: Path) -> None:
    found = chosen(made, [MMR(1.0), MMR(1.0, 20), MMR(1.0, 10)])
    assert found.reranker == MMR(1.0)
    assert found.verdict.outcome == "not better"


def test_a_reranker_that_serves_is_replaced_not_reordered(copied: Path) -> None:
    with installed(copied, chosen(copied, popularities("sold"))) as index:
        found = of_now(index, choose, QUERIES, QRELS, popularities("dull"))
    assert found.profile == WORDS
    assert found.systems["Popularity"].held_out < found.systems["serving"].held_out
    assert found.installs is None


def test_what_no_candidate_has_is_an_error(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no candidate has a number under the metadata path 'none'"):
        chosen(made, popularities("none"))
    with pytest.raises(InputError, match="number under the metadata path 'text'"):
        chosen(made, recencies("text"))
    with pytest.raises(ModelNotFound, match="nowhere to be found"):
        chosen(made, cross_encoders("nobody/nothing"))
    with pytest.raises(InputError, match="0 judged queries"):
        chosen(made, diversities(), {})
    with Index.create(tmp_path / "words", encoder=None) as index:
        with pytest.raises(InputError, match="no leg finds a candidate"):
            of_now(index, choose, QUERIES, QRELS, diversities())
        index.add(dated())
        with pytest.raises(InputError, match="no candidate has a vector"):
            of_now(index, choose, QUERIES, QRELS, diversities())


def test_an_index_of_words_alone_is_reranked(tmp_path: Path) -> None:
    with Index.create(tmp_path / "words", encoder=None) as index:
        index.add(dated())
        found = of_now(index, choose, QUERIES, QRELS, popularities("sold"))
    assert found.verdict.outcome == "better"
