"""How an index ranks, and what it learns from: the part of ``Index`` about profiles, models and clicks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hybrid.generation import Snapshot
from hybrid.impressions import Impression
from hybrid.rerank import lambdamart
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.settings import Profile, Profiles
from hybrid.store import Store


class Serving:
    """An open index, as far as its ranking goes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._learned: dict[str, LambdaMART] = {}

    @property
    def profiles(self) -> Profiles:
        """The profiles that this index has served with, and the one that serves now."""
        with self._store.reading() as snapshot:
            return snapshot.generation.ledger.profiles

    def install(self, profile: Profile, evidence: Mapping[str, Any] | None = None) -> int:
        """Serve with ``profile`` from the next search on; returns its number. ``evidence``, a JSON object,
        is kept with it. Raises SettingsError, QueryError where its fusion is none that can be stored."""
        profile.fuse()
        return self._serve(lambda known: known.with_new(profile, evidence or {}))

    def use(self, number: int) -> int:
        """Serve with an earlier profile again. SettingsError for a number that there is not."""
        return self._serve(lambda known: known.using(number))

    def keep_model(self, model: LambdaMART) -> str:
        """Store a learned model, so that a profile can name it as its ``reranker``; returns its id. From
        now on the index keeps the terms of all documents at hand."""
        with self._store.writing() as generation:
            generation.keep_forward()
            return generation.extras.keep_model(json.dumps(lambdamart.dump(model)))

    def _serve(self, change: Callable[[Profiles], Profiles]) -> int:
        with self._store.writing() as generation:
            profiles = change(generation.ledger.profiles)
            generation.ledger.install(profiles)
        return profiles.serves

    def feedback(
        self, query: str, shown: Sequence[str], clicked: Iterable[str] = (), *, first: int = 1
    ) -> None:
        """Log that ``query`` was shown the documents ``shown``, by id, from rank ``first`` on, and which of
        them were clicked; with the profile that serves and the time. It lies in the ledger, durably. Raises
        InputError for what cannot be; see `hybrid.impressions`."""
        with self._store.writing() as generation:
            profile = generation.ledger.profiles.serves
            made = Impression(query, tuple(shown), frozenset(clicked), profile, time.time(), first)
            generation.extras.log([made.to_json()])

    def impressions(self) -> Iterator[Impression]:
        """What ``feedback`` logged, oldest first."""
        with self._store.reading() as snapshot:
            yield from map(Impression.from_json, snapshot.generation.extras.logged())

    def _reranker(self, snapshot: Snapshot, profile: Profile) -> LambdaMART | None:
        """The learned model that a profile names, loaded once."""
        if profile.reranker is None:
            return None
        if profile.reranker not in self._learned:
            stored = json.loads(snapshot.generation.extras.model(profile.reranker))
            self._learned[profile.reranker] = lambdamart.load(stored)
        return self._learned[profile.reranker]
