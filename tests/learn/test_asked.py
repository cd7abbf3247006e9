"""Past queries from clicks, and users who click to push a document."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hybrid import Document, Index, Profile
from hybrid.encoders import HashEncoder
from hybrid.fusion import Voting
from hybrid.learn import Impression, judgments
from hybrid.learn.clicks.asked import clicked_queries

TOPICS = ("kettle", "teapot", "saucer", "spoon", "plate")
SHOWN = 8


def impression(query: str, shown: list[str], clicked: set[str], user: str, time: float = 0.0) -> Impression:
    return Impression(query, tuple(shown), frozenset(clicked), 1, time, user=user)


def test_one_for_each_user_and_query_of_documents_that_all_clicks_confirm() -> None:
    log = [impression("Tea", ["a", "b"], {"a"}, f"u{i}", float(i)) for i in range(20)]
    log += [impression("tea ", ["b", "a"], {"a", "b"}, "u1", 50.0)]
    log += [impression("tea", ["b", "a"], set(), "u2")]
    found = list(clicked_queries(log, judgments(log)))
    assert [(one.query, one.user, one.time) for one in found] == [
        ("Tea", f"u{i}", 50.0 if i == 1 else float(i)) for i in range(20)
    ]
    assert all(one.origin == "clicked" and set(one.answers) == {"a"} for one in found)


def test_an_attacker_with_one_in_a_hundred_impressions_moves_little(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with Index.create(tmp_path / "idx", encoder=HashEncoder()) as index:
        for topic in TOPICS:
            index.add([Document(f"{topic}{i}", f"{topic} number {i}") for i in range(SHOWN)])
        index.add([Document("spam", "buy this now")])
        log = []
        for number in range(990):  # the last of each topic is the best, and looks follow 1 / rank
            topic = TOPICS[number % len(TOPICS)]
            shown = [*(f"{topic}{i}" for i in rng.permutation(SHOWN - 1)), f"{topic}{SHOWN - 1}", "spam"]
            attraction = np.array([0.1] * (SHOWN - 1) + [0.9, 0.02])
            hit = rng.random(len(shown)) < attraction / np.arange(1, len(shown) + 1)
            clicked = {id for id, good in zip(shown, hit.tolist(), strict=True) if good}
            log.append(impression(f"which {topic}", shown, clicked, f"user{number % 300}"))
        # All of the attacker's impressions, under five names, go for one query.
        shown = [*(f"kettle{i}" for i in range(SHOWN)), "spam"]
        log += [impression("which kettle", shown, {"spam"}, f"bot{i % 5}") for i in range(10)]
        index.keep_past_queries(clicked_queries(log, judgments(log)))
        before = [hit.id for hit in index.search("which kettle", k=20)]
        index.install(Profile(voting=Voting(8, 0.3)))
        after = [hit.id for hit in index.search("which kettle", k=20)]
    best = f"kettle{SHOWN - 1}"
    assert after[0] == best != before[0]
    assert after.index("spam") >= min(SHOWN // 2, before.index("spam"))
