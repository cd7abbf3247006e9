"""How an index ranks, and what it learns from: the part of ``Index`` about profiles, models and clicks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hybrid.ledger.impressions import Impression
from hybrid.rerank import stored
from hybrid.rerank.calibration import Calibration
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.stored import Storable
from hybrid.search import relevance
from hybrid.settings import Profile, Profiles, Settings
from hybrid.store.generation import Snapshot
from hybrid.store.store import Store


class Serving:
    """An open index, as far as its ranking goes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rerankers: dict[str, Storable] = {}
        self._calibrated: dict[tuple[str, float, Settings], Calibration | None] = {}

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

    def keep_model(self, model: Storable) -> str:
        """Store a reranker, so that a profile can name it as its ``reranker``; returns its id. For a
        LambdaMART the index keeps the terms of all documents at hand from now on. Of a cross-encoder only
        the model's name is stored: ``pinned`` keeps other weights from serving under it."""
        body = json.dumps(stored.dump(model))
        with self._store.writing() as generation:
            if isinstance(model, LambdaMART):
                generation.keep_forward()
            return generation.extras.keep_model(body)

    def keep_calibration(self, calibration: Calibration) -> str:
        """Store what was fitted on this index as it ranks now, so that a profile can name it as its
        ``calibration``; returns its id. With another encoder, analyzer or title boost it will not count."""
        with self._store.writing() as generation:
            serving = generation.ledger.profiles.serving
            return generation.extras.keep_model(relevance.dump(calibration, generation.settings, serving))

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
        InputError for what cannot be; see `hybrid.ledger.impressions`."""
        with self._store.writing() as generation:
            profile = generation.ledger.profiles.serves
            made = Impression(query, tuple(shown), frozenset(clicked), profile, time.time(), first)
            generation.extras.log([made.to_json()])

    def log(self, impressions: Iterable[Impression]) -> None:
        """Append what another program recorded, a web server say: all of it or, where the iterable raises,
        nothing. SettingsError for a profile that there is not."""
        with self._store.writing() as generation:
            profiles = generation.ledger.profiles
            generation.extras.log(_record(one, profiles) for one in impressions)

    def impressions(self) -> Iterator[Impression]:
        """What ``feedback`` and ``log`` recorded, oldest first."""
        with self._store.reading() as snapshot:
            yield from map(Impression.from_json, snapshot.generation.extras.logged())

    def _reranker(self, snapshot: Snapshot, profile: Profile) -> Storable | None:
        """The reranker that a profile names, loaded once."""
        if profile.reranker is None:
            return None
        if profile.reranker not in self._rerankers:
            kept = json.loads(snapshot.generation.extras.model(profile.reranker))
            self._rerankers[profile.reranker] = stored.load(kept)
        return self._rerankers[profile.reranker]

    def _calibration(self, snapshot: Snapshot, profile: Profile) -> Calibration | None:
        """What says how relevant a hit is, if the profile names it and it counts; loaded once."""
        if profile.calibration is None:
            return None
        settings, extras = snapshot.generation.settings, snapshot.generation.extras
        key = profile.calibration, profile.title_boost, settings
        if key not in self._calibrated:
            kept = extras.model(profile.calibration)
            self._calibrated[key] = relevance.load(kept, settings, profile)
        return self._calibrated[key]


def _record(impression: Impression, profiles: Profiles) -> str:
    _ = profiles[impression.profile]
    return impression.to_json()
