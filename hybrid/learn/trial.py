"""A trial: a method proposes what is to serve, and judged queries say whether it may."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from hybrid.encoders.adapter import Adapter
from hybrid.rerank.calibration import Calibration
from hybrid.settings import Profile
from hybrid.types import Reranker


class Installing(Protocol):
    """An index that can be given another profile, and what the profile names: an Index."""

    def keep_model(self, model: Reranker, /) -> str: ...

    def keep_calibration(self, calibration: Calibration, /) -> str: ...

    def keep_adapter(self, adapter: Adapter, /) -> str: ...

    def install(self, profile: Profile, evidence: Mapping[str, Any], /) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Trial(ABC):
    """The result of one trial. ``left_out``: reason -> how many judged queries could not be used."""

    seed: int
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    @abstractmethod
    def installs(self) -> Profile | None:
        """The profile to serve from now on, without the ids of what `install` stores with it; None to keep
        the one that serves."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """One sentence: why it may serve, or may not."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that was found."""

    @abstractmethod
    def evidence(self) -> dict[str, Any]:
        """The part that is kept with an installed profile."""

    @abstractmethod
    def _stored(self, index: Installing) -> dict[str, str]:
        """Store what the profile names; returns the names' fields in the profile and their ids."""

    def install(self, index: Installing, known: Mapping[str, Any] = MappingProxyType({})) -> int | None:
        """Have ``index`` serve what may serve, with ``known`` and the evidence; returns the number of the
        profile, None where the serving one stays."""
        if (profile := self.installs) is None:
            return None
        profile = profile.model_copy(update=self._stored(index))
        return index.install(profile, {**known, **self.evidence()})
