"""The loop through an index: two profiles serve in turns, users click, the clicks become judgments, and
what is chosen by these ranks better than what is chosen by the clicks as they fall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from hybrid import Document, Index, Linear, Qrels, Run
from hybrid.evaluate import evaluate, paired, parse
from hybrid.fusion import dump
from hybrid.learn import Impression, Judgments, judgments
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Matrix
from tests.asking import of_now
from tests.click_model import DEPTH, INVERSE, Floats, position_based

ASKED, NEW, PER_QUERY = 20, 60, 20
"""Queries that users ask, queries that nobody asked before, documents that any of them can find."""
IMPRESSIONS, TURNS = 1_500, 10
WORDS = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}x" for i in range(ASKED + NEW)]


def by_weight(vector: float) -> Profile:
    return Profile(fusion=dump(Linear((1 - vector, vector))))


SERVED = (by_weight(0), by_weight(0.3))
"""Both look at how often the word occurs most, which is worth nothing here."""
CHOICE = [by_weight(weight / 10) for weight in range(11)]


def encode(texts: Sequence[str]) -> Matrix:
    """A query's word to its own axis; one more axis for what documents have beside that."""
    return np.eye(len(WORDS) + 1, dtype=np.float32)[[WORDS.index(text) for text in texts]]


def corpus(rng: np.random.Generator) -> tuple[list[Document], Qrels]:
    """Documents whose nearness to their query makes the grade, but for some noise; how often each repeats
    the word has nothing to do with it."""
    documents, grades = [], {}
    for query, word in enumerate(WORDS):
        near = rng.uniform(0.1, 0.9, PER_QUERY)
        grade = np.digitize(near + rng.normal(0, 0.07, PER_QUERY), [0.45, 0.65, 0.8])
        vectors = np.zeros((PER_QUERY, len(WORDS) + 1), np.float32)
        vectors[:, query], vectors[:, -1] = near, np.sqrt(1 - near**2)
        for i, often in enumerate(rng.integers(1, 30, PER_QUERY)):
            text = " ".join([word] * often + ["filler"] * (30 - often))
            documents.append(Document(f"{word}{i}", text, vector=vectors[i]))
        grades[word] = {f"{word}{i}": int(value) for i, value in enumerate(grade)}
    return documents, grades


def clicked_on(index: Index, rng: np.random.Generator, truth: Qrels) -> None:
    """Let the two profiles serve in turns to users who look by 1 / rank, and log what they do."""
    users = position_based(INVERSE)
    popularity = 1 / np.arange(1, ASKED + 1) ** 0.5
    asked = rng.choice(ASKED, IMPRESSIONS, p=popularity / popularity.sum())
    for turn, part in enumerate(np.array_split(asked, TURNS)):
        index.use(2 + turn % 2)
        answers = index.run({word: word for word in WORDS[:ASKED]}, k=DEPTH)
        for word in (WORDS[query] for query in part):
            shown = [id for id, _ in answers[word]]
            grades = np.array([[truth[word][id] for id in shown]])
            (clicks,) = users(rng, 0.1 + 0.8 * (2.0**grades - 1) / 7)
            index.feedback(word, shown, [id for id, hit in zip(shown, clicks, strict=True) if hit])


@dataclass(frozen=True)
class Loop:
    """What came of it. ``naive``: query -> {document: its clicks}."""

    index: Index
    truth: Qrels
    log: list[Impression]
    found: Judgments
    naive: Qrels

    def corrected(self, of: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
        """By the query's text, as the truth is."""
        return {self.found.queries[id]: dict(values) for id, values in of.items()}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    rng = np.random.default_rng(1)
    documents, truth = corpus(rng)
    with Index.create(tmp_path_factory.mktemp("loop") / "idx", encoder=encode) as index:
        index.add(documents)
        for profile in SERVED:
            index.install(profile)
        clicked_on(index, rng, truth)
        log = list(index.impressions())
        clicks = Counter((one.query, id) for one in log for id in one.clicked)
        naive: Qrels = {}
        for query, id in {(one.query, id) for one in log for id in one.shown}:
            naive.setdefault(query, {})[id] = clicks[query, id]
        yield Loop(index, truth, log, judgments(log), naive)


def ndcg(runs: Mapping[str, Run], qrels: Qrels) -> dict[str, Floats]:
    report = evaluate(runs, qrels, parse("nDCG@10"))
    return {name: np.array(list(found["nDCG@10"].values())) for name, found in report.per_query.items()}


def ranked(values: Mapping[str, Mapping[str, float]]) -> Run:
    return {
        query: sorted(rated.items(), key=lambda item: (-item[1], item[0]))
        for query, rated in values.items()
    }


def chosen(loop: Loop, qrels: Mapping[str, Mapping[str, float]]) -> int:
    """The place in ``CHOICE`` of the profile that ranks what is judged best: of the asked queries, without
    the documents that were never shown (Sakai, "Alternatives to Bpref", SIGIR 2007)."""
    runs = of_now(loop.index, Searcher.run_profiles, {word: word for word in qrels}, CHOICE, k=PER_QUERY)
    grades = {word: {id: int(grade) for id, grade in judged.items()} for word, judged in qrels.items()}
    judged = [
        {word: [hit for hit in hits if hit[0] in grades[word]] for word, hits in run.items()}
        for run in runs
    ]
    return int(np.argmax([float(ndcg({"run": run}, grades)["run"].mean()) for run in judged]))


def test_the_log_has_both_profiles_and_tells_how_ranks_are_looked_at(loop: Loop) -> None:
    assert Counter(one.profile for one in loop.log) == {2: IMPRESSIONS // 2, 3: IMPRESSIONS // 2}
    assert {one.query for one in loop.log} == set(WORDS[:ASKED])
    assert np.abs(np.log(loop.found.propensities.values / INVERSE)).max() < 0.6
    assert loop.found.propensities.pairs > 50


def test_what_corrected_clicks_choose_ranks_new_queries_better_than_what_clicks_choose(loop: Loop) -> None:
    """Clicks as they fall praise what served: documents stood high there, so they were clicked."""
    choices = {
        "corrected": chosen(loop, loop.corrected(loop.found.qrels)),
        "naive": chosen(loop, loop.naive),
        "truth": chosen(loop, {word: loop.truth[word] for word in WORDS[:ASKED]}),
    }
    assert CHOICE[choices["naive"]].fusion["weights"][1] <= 0.3
    new = {word: loop.truth[word] for word in WORDS[ASKED:]}
    profiles = [*(CHOICE[place] for place in choices.values()), *SERVED]
    runs = of_now(loop.index, Searcher.run_profiles, {word: word for word in new}, profiles, k=DEPTH)
    found = ndcg(dict(zip((*choices, "served 1", "served 2"), runs, strict=True)), new)
    mean = {name: float(values.mean()) for name, values in found.items()}
    assert mean["corrected"] > max(mean["naive"], mean["served 1"], mean["served 2"]) + 0.05
    assert mean["corrected"] > mean["truth"] - 0.1
    assert paired(found["corrected"], found["naive"]).p < 0.001


def test_what_was_asked_before_is_ranked_better_by_corrected_rates_than_by_counts(loop: Loop) -> None:
    runs = {"corrected": ranked(loop.corrected(loop.found.rates)), "counted": ranked(loop.naive)}
    found = ndcg(runs, {word: loop.truth[word] for word in WORDS[:ASKED]})
    assert found["corrected"].mean() > found["counted"].mean()
