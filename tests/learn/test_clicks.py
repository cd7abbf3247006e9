"""Clicks to judgments: what is learned from corrected clicks is nearly as good as what is learned from the
truth, where naive counting is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.errors import InputError
from hybrid.evaluate import evaluate, paired, parse
from hybrid.learn.clicks.exposures import count
from hybrid.learn.clicks.judgments import Impression, Judgments, Propensities, judgments, propensities
from hybrid.learn.split import split
from hybrid.ledger.impressions import MAX_RANK
from hybrid.types import Qrels, Run
from tests.click_model import (
    DEPTH,
    INVERSE,
    SERVED,
    Floats,
    Users,
    World,
    clicks_on,
    impression,
    position_based,
    served_log,
    stopping,
    trusting,
    world,
)

NAIVE = Propensities.known(np.ones(DEPTH))
"""As if every rank were looked at: clicks over impressions."""

# Impressions


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"query": " "}, "has no text"),
        ({"query": None}, "has no text"),
        ({"shown": ()}, "nothing was shown"),
        ({"shown": "ab"}, "must be a tuple"),
        ({"shown": ["a"]}, "must be a tuple"),
        ({"clicked": {"a"}}, "clicked a frozenset"),
        ({"shown": ("a", "")}, "'' is not a document id"),
        ({"shown": ("a", 7)}, "7 is not a document id"),
        ({"shown": ("a", "b", "a")}, "'a' was shown twice"),
        ({"clicked": frozenset({"a", "z"})}, "'z' was clicked but not shown"),
        ({"first": 0}, "first is 0"),
        ({"first": True}, "first is True"),
        ({"first": MAX_RANK}, "below rank 200"),
        ({"first": 10**5000}, "below rank 200"),
        ({"profile": -1}, "profile is -1"),
        ({"profile": "1"}, "profile is '1'"),
        ({"time": float("nan")}, "time is nan"),
        ({"time": -1.0}, "time is -1.0"),
        ({"time": 1.7e12}, "seconds since the epoch"),
        ({"time": 10**5000}, "seconds since the epoch"),
        ({"time": "now"}, "time is 'now'"),
    ],
)
def test_what_no_screen_can_have_shown_is_refused(changed: dict[str, Any], complaint: str) -> None:
    right: dict[str, Any] = {
        "query": "q",
        "shown": ("a", "b"),
        "clicked": frozenset(),
        "profile": 0,
        "time": 0,
    }
    assert Impression(**right).first == 1
    with pytest.raises(InputError, match=complaint) as refused:
        Impression(**(right | changed))
    assert "\n" not in str(refused.value)


def test_a_log_is_counted_by_query_document_and_rank() -> None:
    seen = count(
        [
            impression("Red  apples", ["a", "b"], ["a"]),
            impression("red apples ", ["b", "a"]),
            impression("red apples", ["a", "b"], ["a", "b"]),
            impression("pears", ["a"], ["a"], first=3),
        ]
    )
    assert seen.queries == ["Red  apples", "pears"]
    assert (seen.documents, seen.query.tolist(), seen.document.tolist()) == (
        ["a", "b"],
        [0, 0, 1],
        [0, 1, 0],
    )
    assert seen.shown.toarray().tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 1]]
    assert seen.clicks.toarray().tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("estimator", [propensities, judgments])
def test_a_log_without_impressions_is_an_error(estimator: Callable[[Any], object]) -> None:
    with pytest.raises(InputError, match="holds no impression"):
        estimator([])
    with pytest.raises(InputError, match="a log holds impressions, not 'q'"):
        estimator(["q"])


# Judgments


def times(number: int, *args: Any, **options: Any) -> list[Impression]:
    return [impression(*args, **options)] * number


def by_text(found: Judgments, text: str) -> tuple[dict[str, int], dict[str, float]]:
    [id] = [id for id, known in found.queries.items() if known == text]
    return found.qrels[id], found.rates[id]


def test_clicks_are_divided_by_looks() -> None:
    """A document clicked half as often at a rank that is looked at half as often is as good."""
    log = [
        *times(40, shown=["a", "b", "c"], clicked=["a", "b"]),
        *times(40, shown=["a", "b", "c"], clicked=["a"]),
        *times(20, shown=["a", "b", "c"]),
        *times(100, query="other", shown=["x", "y", "z"]),
    ]
    found = judgments(log, Propensities.known([1, 0.5, 0.25]))
    grades, rates = by_text(found, "q")
    prior, looks = found.rate, found.looks
    assert rates["a"] == pytest.approx((prior * looks + 80) / (looks + 100))
    assert rates["b"] == pytest.approx((prior * looks + 40) / (looks + 50))
    assert rates["c"] == pytest.approx((prior * looks + 0) / (looks + 25))
    assert grades == {"a": 3, "b": 3, "c": 0}
    assert by_text(judgments(log, NAIVE), "q")[0] == {"a": 3, "b": 1, "c": 0}


def test_a_grade_is_the_way_from_the_mean_to_the_best_in_thirds() -> None:
    clicks = {"a": 60, "b": 48, "c": 40, "d": 30, "e": 20, "f": 4, "g": 0}
    log = [
        impression(shown=list(clicks), clicked=[id for id, most in clicks.items() if row < most])
        for row in range(100)
    ]
    found = judgments(log, NAIVE)
    grades, rates = by_text(found, "q")
    assert found.rate == pytest.approx(sum(clicks.values()) / 700)
    assert grades == {"a": 3, "b": 2, "c": 1, "d": 0, "e": 0, "f": 0, "g": 0}
    way = rates["a"] - found.rate
    assert grades == {id: max(0, round(3 * (rate - found.rate) / way)) for id, rate in rates.items()}


def test_a_query_without_a_good_answer_does_not_get_one() -> None:
    log = [
        *times(50, shown=["a", "b"], clicked=["a"]),
        *times(98, query="nothing good", shown=["x", "y"]),
        *times(2, query="nothing good", shown=["x", "y"], clicked=["x"]),
    ]
    assert by_text(judgments(log, NAIVE), "nothing good")[0] == {"x": 0, "y": 0}


def test_what_was_hardly_looked_at_is_not_judged() -> None:
    p = Propensities.known([1, 0.25, 0.125])
    log = [*times(4, shown=["a", "b", "c"], clicked=["a"]), *times(1, query="page 2", shown=["a"], first=2)]
    found = judgments(log, p)
    assert by_text(found, "q")[0].keys() == {"a", "b"}
    assert list(found.queries.values()) == ["q"]
    assert by_text(judgments(log, p, least_looks=0.5), "q")[0].keys() == {"a", "b", "c"}
    assert by_text(judgments(log, p, least_looks=0.25), "page 2")[0] == {"a": 0}
    assert judgments(log, p, least_looks=9).qrels == {}


def test_clicks_do_not_decide_what_is_judged() -> None:
    """Or else, of what stood low, the lucky would be judged and the others not."""
    log = served_log(3, INVERSE, 1_000)
    unclicked = [impression(one.query, one.shown) for one in log]
    found, nothing = (
        judgments(log, Propensities.known(INVERSE)),
        judgments(unclicked, Propensities.known(INVERSE)),
    )
    assert {id: set(grades) for id, grades in found.qrels.items()} == {
        id: set(grades) for id, grades in nothing.qrels.items()
    }
    assert not any(grade for grades in nothing.qrels.values() for grade in grades.values())


def test_rates_are_drawn_to_the_mean_the_less_the_more_was_seen() -> None:
    log = (
        served_log(1, INVERSE, 5_000) + times(2, "rare", ["a"], ["a"]) + times(2_000, "often", ["a"], ["a"])
    )
    found = judgments(log)
    assert found.rate < by_text(found, "rare")[1]["a"] < 0.7
    assert by_text(found, "often")[1]["a"] > 0.99


def test_the_prior_is_the_distribution_of_the_true_rates() -> None:
    rng = np.random.default_rng(2)
    rates = rng.beta(0.5, 2, (400, 20))  # mean 0.2, variance 0.2 x 0.8 / 3.5
    rankings = [rng.permuted(np.tile(np.arange(20), (400, 1)), axis=1)[:, :DEPTH] for _ in range(3)]
    log = clicks_on(rng, rates, rankings, position_based(INVERSE**0.5), 20_000)
    found = judgments(log, Propensities.known(INVERSE**0.5))
    assert found.rate == pytest.approx(0.2, rel=0.05)
    assert found.looks == pytest.approx(3.5 / 0.8, rel=0.15)


def test_one_query_has_one_id_in_any_log() -> None:
    first = judgments(times(5, "Red  apples", ["a"], ["a"]))
    later = judgments(times(5, "pears") + times(5, " red APPLES", ["b"], ["b"]))
    assert list(first.queries.values()) == ["Red  apples"]
    assert first.queries.keys() < later.queries.keys()
    assert all(len(id) == 16 and id.isalnum() for id in later.queries)


def test_judgments_are_what_tuning_reads() -> None:
    found = judgments(served_log(2, INVERSE, 5_000))
    train, held_out, _ = split(found.queries, found.qrels, None, 0, 1000)
    assert len(train) + len(held_out) > 100


@pytest.mark.parametrize("least", [0, -1, float("nan"), "2", None, True])
def test_least_looks_is_a_positive_number(least: Any) -> None:
    with pytest.raises(InputError, match="least_looks"):
        judgments(times(1), least_looks=least)


def test_propensities_that_lack_ranks_are_an_error() -> None:
    with pytest.raises(InputError, match="down to rank 12; propensities are given for 10"):
        judgments([impression(shown=["a"], first=12)], NAIVE)


IDS = st.sampled_from(["a", "b", "c", "\ud800", "tab\tid", "d" * 300])
IMPRESSIONS = st.builds(
    lambda query, shown, hits, first: impression(
        query, shown, [id for id, hit in zip(shown, hits, strict=False) if hit], first
    ),
    st.sampled_from(["q", "Q ", "查询", "\ud800", "'; DROP TABLE--"]),
    st.lists(IDS, min_size=1, unique=True),
    st.lists(st.booleans()),
    st.sampled_from([1, 1, 1, 4, 31]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(IMPRESSIONS, min_size=1, max_size=30), st.floats(0.01, 10))
def test_any_log_makes_judgments(log: list[Impression], least: float) -> None:
    found = judgments(log, least_looks=least)
    clicked = {id for one in log for id in one.clicked}
    assert found.queries.keys() == found.qrels.keys() == found.rates.keys()
    assert np.isfinite(found.propensities.values).all()
    for id, grades in found.qrels.items():
        assert grades
        assert grades.keys() == found.rates[id].keys()
        assert all(grade in range(4) and (grade == 0 or id in clicked) for id, grade in grades.items())
        assert all(np.isfinite(rate) and rate >= 0 for rate in found.rates[id].values())


# The loop: clicks -> judgments -> a better ranking

TRAIN, TEST = slice(0, 200), slice(200, 400)
READERS = position_based(INVERSE)


@cache
def simulated(seed: int, size: int, users: Users = READERS) -> tuple[World, list[Impression]]:
    """A world of 400 queries, and the clicks of users on the first 200 of them."""
    rng = np.random.default_rng(seed)
    here = world(rng, queries=400)
    asked = World(here.features[TRAIN], here.grades[TRAIN])
    return here, clicks_on(
        rng, asked.attraction, [asked.ranked(weights) for weights in SERVED], users, size
    )


def table(found: Judgments, of: Mapping[str, Mapping[str, float]]) -> Floats:
    """(200, 20): NaN where nothing was judged."""
    values = np.full((200, 20), np.nan)
    for id, text in found.queries.items():
        for document, value in of[id].items():
            values[int(text.removeprefix("query ")), int(document[1:])] = value
    return values


def counted(log: list[Impression]) -> Floats:
    """(200, 20): clicks; NaN where nothing was shown."""
    shown = Counter((one.query, id) for one in log for id in one.shown)
    clicks = Counter((one.query, id) for one in log for id in one.clicked)
    values = np.full((200, 20), np.nan)
    for query, document in shown:
        values[int(query.removeprefix("query ")), int(document[1:])] = clicks[query, document]
    return values


def least_squares(features: Floats, grades: Floats) -> Floats:
    """The linear ranker that tells the judged documents of a query apart best."""
    judged = ~np.isnan(grades)
    number = np.maximum(judged.sum(axis=1), 1)
    means = np.where(judged[..., None], features, 0).sum(axis=1) / number[:, None]
    levels = np.nansum(grades, axis=1) / number
    x, y = features - means[:, None], grades - levels[:, None]
    return np.asarray(np.linalg.lstsq(x[judged], y[judged])[0])


def ndcg(here: World, scores: Mapping[str, Floats], queries: slice) -> dict[str, Floats]:
    """System -> nDCG@10 of each query, against the true grades; NaN scores stand last."""
    truth: Qrels = {
        f"{q}": {f"d{d}": int(grade) for d, grade in enumerate(grades)}
        for q, grades in enumerate(here.grades[queries])
    }
    runs = {name: _run(np.nan_to_num(given, nan=-np.inf)) for name, given in scores.items()}
    report = evaluate(runs, truth, parse("nDCG@10"))
    return {name: np.array(list(found["nDCG@10"].values())) for name, found in report.per_query.items()}


def _run(scores: Floats) -> Run:
    order = np.argsort(-scores, axis=1, kind="stable")
    return {
        f"{q}": [(f"d{d}", float(-place)) for place, d in enumerate(row)] for q, row in enumerate(order)
    }


def graded(log: list[Impression], propensities: Propensities | None = None) -> Floats:
    found = judgments(log, propensities)
    return table(found, found.qrels)


def learned(here: World, labels: Mapping[str, Floats]) -> dict[str, Floats]:
    """nDCG@10 on queries that nobody asked before, by rankers trained on ``labels``."""
    rankers = {name: least_squares(here.features[TRAIN], grades) for name, grades in labels.items()}
    scores = {name: here.features[TEST] @ weights for name, weights in rankers.items()}
    return ndcg(here, scores | {"served": here.features[TEST] @ SERVED[0]}, TEST)


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_ranker_trained_on_corrected_clicks_is_nearly_as_good_as_one_trained_on_the_truth(
    size: int,
) -> None:
    for seed in (1, 2, 3):
        here, log = simulated(seed, size)
        labels = {
            "corrected": graded(log),
            "naive": graded(log, NAIVE),
            "counted": counted(log),
            "truth": here.grades[TRAIN].astype(np.float64),
        }
        found = learned(here, labels)
        mean = {name: float(values.mean()) for name, values in found.items()}
        assert mean["served"] < 0.65
        assert mean["truth"] > 0.95
        assert mean["corrected"] > mean["truth"] - 0.06
        assert mean["corrected"] > mean["naive"] + 0.08
        assert mean["corrected"] > mean["counted"] + 0.08
        assert paired(found["corrected"], found["naive"]).p < 0.001


def test_to_take_the_unjudged_for_irrelevant_costs_part_of_the_gain() -> None:
    here, log = simulated(1, 10_000)
    judged = {"corrected": graded(log), "naive": graded(log, NAIVE)}
    filled = {f"{name}, else 0": np.nan_to_num(grades) for name, grades in judged.items()}
    mean = {name: float(values.mean()) for name, values in learned(here, judged | filled).items()}
    assert mean["naive, else 0"] + 0.05 < mean["corrected, else 0"] < mean["corrected"] - 0.01


@pytest.mark.parametrize("users", [trusting, stopping])
def test_users_who_break_the_model_leave_most_of_the_gain(users: Users) -> None:
    here, log = simulated(1, 10_000, users)
    labels = {"corrected": graded(log), "naive": graded(log, NAIVE), "counted": counted(log)}
    mean = {name: float(values.mean()) for name, values in learned(here, labels).items()}
    assert mean["corrected"] > 0.92
    assert mean["corrected"] > max(mean["naive"], mean["counted"]) + 0.03


def test_what_was_asked_before_is_ranked_better_by_corrected_rates() -> None:
    """Without any features: the order of the rates, of what was shown."""
    gains = []
    for seed in (1, 2, 3):
        here, log = simulated(seed, 20_000)
        corrected, naive = judgments(log), judgments(log, NAIVE)
        shown = ~np.isnan(counted(log))
        scores = {
            "corrected": table(corrected, corrected.rates),
            "naive": table(naive, naive.rates),
            "counted": counted(log),
            "ideal": np.where(shown, here.grades[TRAIN], np.nan),
            "served": here.features[TRAIN] @ SERVED[0],
        }
        found = ndcg(here, scores, TRAIN)
        mean = {name: float(values.mean()) for name, values in found.items()}
        assert mean["served"] + 0.15 < mean["naive"] < mean["corrected"] < mean["ideal"]
        assert mean["counted"] < mean["corrected"] - 0.03
        gains.append(mean["corrected"] - mean["naive"])
    assert np.mean(gains) > 0.025
