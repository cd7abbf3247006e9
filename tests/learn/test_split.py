"""The split: by text, by seed, and nothing judged on what it was chosen by."""

from __future__ import annotations

import pytest

from hybrid.errors import InputError
from hybrid.learn.families import into_folds
from hybrid.learn.split import split
from hybrid.types import Qrels

QUERIES = {f"q{i}": f"text {i}" for i in range(60)}
QRELS: Qrels = {query: {"d": 1} for query in QUERIES}


def test_a_third_is_held_out_and_nothing_is_on_both_sides() -> None:
    train, held_out, left_out = split(QUERIES, QRELS, None, 0, 1000)
    assert (len(train), len(held_out), left_out) == (40, 20, {})
    assert train.texts.keys() | held_out.texts.keys() == QUERIES.keys()
    assert train.qrels.keys() == train.texts.keys()


def test_the_seed_decides_and_the_order_of_the_files_does_not() -> None:
    backwards = dict(reversed(QRELS.items()))
    assert split(QUERIES, QRELS, None, 3, 1000) == split(
        dict(reversed(QUERIES.items())), backwards, None, 3, 1000
    )
    assert split(QUERIES, QRELS, None, 3, 1000) != split(QUERIES, QRELS, None, 4, 1000)


def test_queries_of_one_text_stay_together() -> None:
    queries = {f"{i} {copy}": f"Text  {i}" if copy else f"text {i}" for i in range(30) for copy in (0, 1)}
    train, held_out, _ = split(queries, {query: {"d": 1} for query in queries}, None, 0, 1000)
    assert {id.split()[0] for id in train.texts}.isdisjoint(id.split()[0] for id in held_out.texts)
    assert len(held_out) == 20


def test_queries_that_say_nothing_are_left_out_and_counted() -> None:
    queries = QUERIES | {"empty": " ", "irrelevant": "x", "bare": "y"}
    qrels = QRELS | {"empty": {"d": 1}, "unknown": {"d": 1}, "irrelevant": {"d": 0, "e": -1}, "bare": {}}
    train, held_out, left_out = split(queries, qrels, None, 0, 1000)
    assert train.texts.keys() | held_out.texts.keys() == QUERIES.keys()
    assert left_out == {"no text": 2, "no relevant document": 2}


def test_what_the_test_judgments_judge_does_not_train() -> None:
    queries = QUERIES | {"same": "TEXT 7"}
    test: Qrels = {f"q{i}": {"e": 2} for i in range(5, 10)}
    train, held_out, left_out = split(queries, QRELS | {"same": {"d": 1}}, test, 0, 1000)
    assert list(held_out.texts) == ["q5", "q6", "q7", "q8", "q9"]
    assert held_out.qrels["q5"] == {"e": 2}
    assert len(train) == 55
    assert "same" not in train.texts
    assert left_out == {"held out, so not to train on": 6}


def test_no_more_train_than_asked_and_the_rest_judges() -> None:
    train, held_out, left_out = split(QUERIES, QRELS, None, 0, 25)
    assert (len(train), len(held_out), left_out) == (25, 35, {})
    test: Qrels = {f"q{i}": {"e": 1} for i in range(20)}
    train, held_out, left_out = split(QUERIES, QRELS, test, 0, 25)
    assert (len(train), len(held_out)) == (25, 20)
    assert left_out == {"held out, so not to train on": 20, "more than 25 to train on": 15}


@pytest.mark.parametrize(
    ("queries", "qrels", "test"),
    [
        ({}, QRELS, None),
        (QUERIES, {"q1": {"d": 1}}, None),
        (QUERIES, {query: {"d": 0} for query in QUERIES}, None),
        (QUERIES, QRELS, {"q1": {"d": 0}}),
        (QUERIES, QRELS, {"other": {"d": 1}}),
        (QUERIES, QRELS, QRELS),
    ],
)
def test_too_little_is_an_error_in_one_line(
    queries: dict[str, str], qrels: Qrels, test: Qrels | None
) -> None:
    with pytest.raises(InputError, match=r"judged queries to train on and \d+ held out") as error:
        split(queries, qrels, test, 0, 1000)
    assert "\n" not in str(error.value)


def test_folds_have_every_row_once() -> None:
    folds = into_folds([f"q{row}" for row in range(23)], 1)
    assert sorted(row for fold in folds for row in fold.tolist()) == list(range(23))
    assert {len(fold) for fold in folds} == {4, 5}


def test_near_copies_and_queries_of_one_document_stay_together() -> None:
    claims = {
        f"{i} {how}": f"drug{i} {how} the risk of illness{i}"
        for i in range(20)
        for how in ("raises", "lowers")
    }
    asked = claims | {f"{i} also": f"unlike{i}" for i in range(20)}
    qrels: Qrels = {id: {f"d {id}": 1} for id in claims} | {
        f"{i} also": {f"d {i} raises": 1} for i in range(20)
    }
    for seed in range(3):
        found = split(asked, qrels, None, seed, 1000)
        assert {id.split()[0] for id in found.train.texts}.isdisjoint(
            id.split()[0] for id in found.held_out.texts
        )
        assert (len(found.train), len(found.held_out)) == (39, 21)
        assert not found.known.any()


def test_what_is_known_from_training_is_told_of_test_judgments() -> None:
    test: Qrels = {"q50": {"other": 1}, "q51": {"d7": 1, "new": 1}, "q52": {"d7": 0, "new": 2}}
    train: Qrels = {f"q{i}": {f"d{i}": 1} for i in range(40)}
    found = split(QUERIES, train, test, 0, 1000)
    assert found.known.tolist() == [False, True, False]
    families = found.families
    assert families["q51"] == families["q7"]
    assert families["q50"] not in {families[id] for id in train}


def test_queries_of_too_few_texts_are_too_few() -> None:
    with pytest.raises(InputError, match="judged queries to train on"):
        split({f"q{i}": f"text {i % 4}" for i in range(60)}, QRELS, None, 0, 1000)
