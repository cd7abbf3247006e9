"""The rerankers, calibrations and adapters that an index stores and its profiles name."""

from __future__ import annotations

import json

from hybrid.encoders import adapter
from hybrid.encoders.adapter import Adapter
from hybrid.rerank import stored
from hybrid.rerank.calibration import Calibration
from hybrid.search import relevance
from hybrid.settings import Profile, Settings
from hybrid.store.snapshot import Snapshot
from hybrid.types import Reranker


class Models:
    """Loads each model once."""

    def __init__(self) -> None:
        self._rerankers: dict[str, Reranker] = {}
        self._calibrations: dict[tuple[str, float, str | None, Settings], Calibration | None] = {}
        self._adapters: dict[tuple[str, Settings], Adapter | None] = {}

    def reranker(self, snapshot: Snapshot, profile: Profile) -> Reranker | None:
        """The reranker that ``profile`` names."""
        if profile.reranker is None:
            return None
        if profile.reranker not in self._rerankers:
            kept = json.loads(snapshot.tables.model(profile.reranker))
            self._rerankers[profile.reranker] = stored.load(kept)
        return self._rerankers[profile.reranker]

    def calibration(self, snapshot: Snapshot, profile: Profile) -> Calibration | None:
        """The calibration that ``profile`` names, if it was fitted on what ranks now."""
        if profile.calibration is None:
            return None
        settings, extras = snapshot.settings, snapshot.tables
        key = profile.calibration, profile.title_boost, profile.adapter, settings
        if key not in self._calibrations:
            kept = extras.model(profile.calibration)
            self._calibrations[key] = relevance.load(kept, settings, profile)
        return self._calibrations[key]

    def adapter(self, snapshot: Snapshot, profile: Profile) -> Adapter | None:
        """The adapter that ``profile`` names, if it moves the queries of this encoder."""
        settings = snapshot.settings
        if profile.adapter is None or settings.encoder is None or settings.metric != "cosine":
            return None
        key = profile.adapter, settings
        if key not in self._adapters:
            self._adapters[key] = adapter.load(snapshot.tables.model(profile.adapter), settings.encoder.id)
        return self._adapters[key]
