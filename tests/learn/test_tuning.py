"""Tuning: where the truth is known, it is found; where there is nothing to find, nothing is installed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import HybridError, InputError, MeasureError
from hybrid.learn import tune
from hybrid.learn.tuning import Tuning
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Qrels, Run
from tests.asking import of_now
from tests.contested import AnswersByProfile

Quality = Callable[[Profile, str], float]
QUERIES = {f"q{i}": f"text {i}" for i in range(120)}
QRELS: Qrels = {query: {f"right {query}": 1} for query in QUERIES}


def chance(*parts: str) -> float:
    """A number from 0 to 1 that looks random and is the same each time."""
    return zlib.crc32("|".join(parts).encode()) / 2**32


class Double(AnswersByProfile):
    """An index whose answers are as good as a function of profile and query says, from 0 to 1: the better,
    the higher the one relevant document stands."""

    def __init__(
        self,
        quality: Quality,
        legs: Legs = Legs(),  # noqa: B008 - frozen
        ties: Callable[[Profile], bool] = lambda _: False,
    ) -> None:
        self._quality, self._ties, self.legs = quality, ties, legs
        self.profiles = Profiles.first(Profile())
        self.asked: set[str] = set()

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], *, k: int, lacking: Lacking
    ) -> list[Run]:
        self.asked |= queries.keys()
        return [{query: self._hits(profile, query, k) for query in queries} for profile in profiles]

    def _hits(self, profile: Profile, query: str, k: int) -> list[tuple[str, float]]:
        rank = round((1 - self._quality(profile, query)) * 12)
        ids = [f"d{i}" for i in range(rank)] + [f"right {query}"] + [f"d{i}" for i in range(rank, 12)]
        step = 0.0 if self._ties(profile) else 1.0
        return [(id, -step * place) for place, id in enumerate(ids[:k])]


def luck(profile: Profile, query: str) -> float:
    """No profile is better than another."""
    return chance(profile.model_dump_json(), query)


def lexical_share(profile: Profile) -> float:
    weights = profile.fusion.get("weights", (0.5, 0.5))
    return float(weights[0] / sum(weights))


def words_count(profile: Profile, query: str) -> float:
    """The nearer the lexical weight is to .8, the better; a query is easy or hard."""
    return 0.5 * chance(query) + 0.5 - abs(lexical_share(profile) - 0.8) * (0.5 + chance(query, "noise"))


def test_the_best_weight_is_found_between_those_of_the_first_look() -> None:
    def finer(profile: Profile, query: str) -> float:
        return (
            words_count(profile, query)
            + 0.1 * (profile.title_boost == 1)
            - abs(lexical_share(profile) - 0.85) / 2
        )

    found = tune(Double(finer), QUERIES, QRELS, measure="RR")
    tuned = found.systems["tuned"].profile
    assert found.verdict.outcome == "better"
    assert found.installs == tuned
    assert lexical_share(tuned) in (0.8, 0.85)
    assert tuned.title_boost == 1
    serving, better = found.systems["serving"], found.systems["tuned"]
    assert better.held_out > serving.held_out
    assert found.verdict.challengers["tuned"].against_incumbent.difference == pytest.approx(
        better.held_out - serving.held_out
    )


def test_where_nothing_differs_nothing_is_installed() -> None:
    found = [tune(Double(luck), QUERIES, QRELS, seed=seed) for seed in range(4)]
    assert [tuning.installs for tuning in found] == [None] * 4


def test_cross_validation_is_not_fooled_by_the_best_of_many() -> None:
    found = [tune(Double(luck), QUERIES, QRELS, seed=seed) for seed in range(4)]
    train = np.mean([one.systems["tuned"].train for one in found])
    # The best of some 200 lucky profiles is well above what any of them is worth.
    assert train > np.mean([figures.held_out for one in found for figures in one.systems.values()]) + 0.03
    assert np.mean([one.cross_validated for one in found]) < train - 0.03


def test_the_seed_decides_everything() -> None:
    first, again, other = (tune(Double(luck), QUERIES, QRELS, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.systems["serving"].held_out != other.systems["serving"].held_out


def test_held_out_queries_have_no_part_in_the_choice() -> None:
    held = list(QUERIES)[:40]
    train: Qrels = {query: QRELS[query] for query in QUERIES if query not in held}
    judged: Qrels = {query: QRELS[query] for query in held}
    turned: Qrels = {query: {"d3": 1, f"right {query}": 0} for query in held}
    one = tune(Double(words_count), QUERIES, train, test_qrels=judged)
    other = tune(Double(words_count), QUERIES, train, test_qrels=turned)
    assert one.held_out == 40
    assert one.systems["tuned"].profile == other.systems["tuned"].profile
    assert one.systems["tuned"].train == other.systems["tuned"].train
    assert one.cross_validated == other.cross_validated
    assert one.verdict.challengers.keys() == other.verdict.challengers.keys()
    assert one.systems["tuned"].held_out != other.systems["tuned"].held_out
    assert one.installs != other.installs


def test_the_held_out_queries_are_first_asked_when_all_is_chosen() -> None:
    double = Double(words_count)
    stages: dict[str, int] = {}

    def progress(stage: str, done: int, total: int) -> None:
        assert 0 < done <= total
        stages[stage] = len(double.asked)

    found = tune(double, QUERIES, QRELS, progress=progress)
    assert list(stages)[:4] == ["first look", "title boosts", "depths", "neighbours"]
    assert list(stages)[-1] == "held-out queries"
    assert stages.pop("held-out queries") == found.train + found.held_out == len(QUERIES)
    assert set(stages.values()) == {found.train} == {80}


def test_what_knows_nothing_and_stands_in_the_right_order_is_refused() -> None:
    def heavy(profile: Profile) -> bool:
        return lexical_share(profile) == 1

    double = Double(lambda profile, query: 1.0 if heavy(profile) else chance(query), ties=heavy)
    found = tune(double, QUERIES, QRELS)
    assert found.systems["tuned"].held_out == 1
    assert (found.verdict.outcome, found.installs) == ("tied", None)
    assert found.systems["tuned"].tied == found.systems["lexical leg"].tied == 1
    assert found.systems["serving"].tied == 0
    assert found.to_json()["systems"]["tuned"]["tied"] == found.evidence()["tied"]["tuned"] == 1
    assert "tuned leaves 100% of its first 10 places" in found.evidence()["verdict"]


def test_ties_are_looked_for_below_the_reach_of_the_measure() -> None:
    found = tune(Double(luck, ties=lambda _: True), QUERIES, QRELS, measure="RR@1")
    assert {figures.tied for figures in found.systems.values()} == {1.0}


def test_what_serves_already_and_is_best_stays() -> None:
    double = Double(lambda profile, query: chance(query) * (1.0 if profile == Profile() else 0.5))
    found = tune(double, QUERIES, QRELS)
    assert found.systems["tuned"].profile == Profile()
    assert list(found.verdict.challengers) == ["tuned"]
    assert found.installs is None
    assert "as much as what serves" in found.verdict.reason


def test_equals_go_to_what_serves() -> None:
    double = Double(lambda profile, query: chance(query))
    assert tune(double, QUERIES, QRELS).systems["tuned"].profile == Profile()


def test_too_few_held_out_queries_are_a_refusal_that_says_how_many_are_missing() -> None:
    few: Qrels = {query: QRELS[query] for query in list(QUERIES)[:12]}
    found = tune(Double(words_count), QUERIES, few, measure="RR")
    assert found.held_out == 4
    assert found.installs is None
    assert found.verdict.outcome == "too few queries"
    assert "judge at least" in found.verdict.reason


@pytest.mark.parametrize(
    ("qrels", "measure", "error"),
    [
        ({}, "nDCG@10", InputError),
        ({"q1": {"right q1": 1}}, "nDCG@10", InputError),
        ({query: {"relevant": 0} for query in QUERIES}, "nDCG@10", InputError),
        ({"unknown": {"relevant": 1}}, "nDCG@10", InputError),
        (QRELS, "nDCG@10 AP", MeasureError),
        (QRELS, "magic", MeasureError),
    ],
)
def test_what_cannot_be_tuned_on_is_an_error_in_one_line(
    qrels: Qrels, measure: str, error: type[HybridError]
) -> None:
    double = Double(luck)
    with pytest.raises(error) as raised:
        tune(double, QUERIES, qrels, measure=measure)
    assert "\n" not in str(raised.value)
    assert not double.asked


# A real index


def noise(texts: Sequence[str]) -> NDArray[np.float64]:
    """Vectors that know nothing."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=16) for text in texts])


@pytest.fixture(scope="module")
def collection() -> tuple[list[Document], dict[str, str], Qrels]:
    """Each query is two words that some ten documents have, and one document has twice."""
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(40)]
    texts = [list(random.choice(words, 8, replace=False)) for _ in range(300)]
    asked = [list(random.choice(text, 2, replace=False)) for text in texts[:120]]
    for text, again in zip(texts, asked, strict=False):
        text += again
    documents = [Document(f"d{i}", " ".join(text)) for i, text in enumerate(texts)]
    queries = {f"q{i}": " ".join(pair) for i, pair in enumerate(asked)}
    return documents, queries, {f"q{i}": {f"d{i}": 1} for i in range(120)}


@pytest.fixture(scope="module")
def path(
    tmp_path_factory: pytest.TempPathFactory, collection: tuple[list[Document], object, object]
) -> Path:
    path = tmp_path_factory.mktemp("tuned") / "idx"
    with Index.create(path, encoder=noise) as index:
        index.add(collection[0])
    return path


@pytest.fixture(scope="module")
def tuned(path: Path, collection: tuple[object, dict[str, str], Qrels]) -> Tuning:
    _, queries, qrels = collection
    with Index.open(path, encoder=noise, read_only=True) as index:
        return of_now(index, tune, queries, qrels)


def test_a_vector_leg_of_noise_is_turned_down(tuned: Tuning) -> None:
    systems = tuned.systems
    assert systems["vector leg"].train < 0.2 < systems["serving"].train < systems["lexical leg"].train
    assert tuned.verdict.outcome == "better"
    assert tuned.verdict.installs is not None
    winner = systems[tuned.verdict.installs]
    assert winner.held_out > systems["serving"].held_out + 0.05
    assert winner.held_out == pytest.approx(systems["lexical leg"].held_out, abs=0.03)
    assert tuned.verdict.challengers[tuned.verdict.installs].against_incumbent.low > 0


def test_figures_are_those_of_the_serving_path(
    tuned: Tuning, path: Path, collection: tuple[object, dict[str, str], Qrels]
) -> None:
    from hybrid.evaluate import evaluate, parse

    _, queries, qrels = collection
    with Index.open(path, encoder=noise, read_only=True) as index:
        report = evaluate({"all": index.run(queries, k=10)}, qrels, parse("nDCG@10"))
    serving = tuned.systems["serving"]
    together = (tuned.train * serving.train + tuned.held_out * serving.held_out) / len(qrels)
    assert report.systems["all"]["nDCG@10"] == pytest.approx(together)


def test_what_was_found_is_json_and_is_kept_with_the_installed_profile(tuned: Tuning, path: Path) -> None:
    told = json.loads(json.dumps(tuned.to_json()))
    assert told["verdict"]["installs"] == tuned.verdict.installs
    assert told["systems"]["serving"]["held_out"] == tuned.systems["serving"].held_out
    assert tuned.installs is not None
    with Index.open(path, encoder=noise) as index:
        assert len(index.profiles.history) == 1  # tuning itself installs nothing
        number = tuned.install(index, {"by": "a test"})
        assert number == index.profiles.serves == 2
        kept = index.profiles[number]
    assert kept.profile == tuned.installs
    assert kept.evidence == {"by": "a test", **tuned.evidence()}
    assert kept.evidence["seed"] == 0
    assert kept.evidence["queries judged"] == {"train": tuned.train, "held out": tuned.held_out}
    assert kept.evidence["p corrected"] < 0.05
    assert kept.evidence["held out"]["lexical leg"] == pytest.approx(
        tuned.systems["lexical leg"].held_out, abs=1e-4
    )
