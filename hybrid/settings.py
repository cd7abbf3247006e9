"""What an index is, fixed when it is made, and how it ranks, which may change.

Both are pydantic models that live as JSON in the ledger. Settings are frozen for the life of a
generation: another encoder or analyzer means a new generation (``hybrid reindex``).
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from hybrid import fusion
from hybrid.errors import SettingsError
from hybrid.limits import shown
from hybrid.types import Fusion, Metric

FORMAT: Final = 1
"""The version of the layout on disk. Raised when an older engine could misread a newer index."""

METRICS: Final[tuple[Metric, ...]] = ("cosine", "ip", "l2")


def check_metric(metric: object) -> None:
    """SettingsError for anything but the three."""
    if not isinstance(metric, str) or metric not in METRICS:
        raise SettingsError(
            f"metric {shown(metric)} is not known; it is one of {', '.join(map(repr, METRICS))}"
        )


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderRef(_Frozen):
    """Which encoder an index was built with. ``spec`` loads it again; None for a callable, which
    must be passed to ``open`` each time."""

    id: str
    spec: str | None = None


class AnalyzerRef(_Frozen):
    """Which analyzer an index was built with: its versioned ``id``, the ``name`` that makes it, and
    the lines of the user dictionary."""

    id: str
    name: str
    user_words: tuple[str, ...] = ()


class Settings(_Frozen):
    """What every document of an index has in common."""

    metric: Metric = "cosine"
    analyzer: AnalyzerRef
    encoder: EncoderRef | None = None


class Profile(_Frozen):
    """How an index ranks when the caller says nothing: the fusion, and how many candidates each leg
    hands to it (``depth``).

    The default was chosen on training queries alone (nDCG@10 of 600 each, z-score sum against RRF(60)):
    scifact with e5 .7387 / .7176, with MiniLM .7364 / .7235, zh_medqa with e5 .2502 / .2390.
    """

    fusion: dict[str, Any] = Field(
        default_factory=lambda: fusion.dump(fusion.Linear((0.5, 0.5), fusion.ZScore()))
    )
    depth: int = Field(default=100, ge=1)

    def fuse(self) -> Fusion:
        return fusion.load(self.fusion)
