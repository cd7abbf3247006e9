"""An index's settings, fixed when it is created, and its profile, how it ranks, which may change.

Both are pydantic models, stored as JSON in the ledger. Settings are fixed for the life of a generation:
another encoder or analyzer needs a new generation (``hybrid reindex``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from hybrid import analyzers, fusion
from hybrid import ann as families
from hybrid.errors import InputError, SettingsError
from hybrid.fusion import Voting
from hybrid.limits import MAX_HITS, shown
from hybrid.types import Analyzer, Fusion, Metric, Wait

FORMAT: Final = 2
"""The version of the layout on disk. Increase it if older versions could misread newer indexes."""

MAX_BOOST: Final = 100.0

METRICS: Final[tuple[Metric, ...]] = ("cosine", "ip", "l2")


def check_wait(wait: Wait) -> None:
    if wait not in ("searchable", "durable"):
        raise InputError(f"wait={shown(wait)} is not known; it is one of 'searchable', 'durable'")


def check_metric(metric: object) -> None:
    """Raises SettingsError for anything but the three metrics."""
    if not isinstance(metric, str) or metric not in METRICS:
        raise SettingsError(
            f"metric {shown(metric)} is not known; it is one of {', '.join(map(repr, METRICS))}"
        )


Depth: TypeAlias = Annotated[int, Field(ge=1, le=MAX_HITS)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderRef(_Frozen):
    """The encoder that an index was built with. ``spec`` loads it again; None for a callable, which must be
    passed to ``open`` each time."""

    id: str
    spec: str | None = None


class AnalyzerRef(_Frozen):
    """The analyzer that an index was built with: its versioned ``id``, its ``name``, the lines of the user
    dictionary, and the stop words if they are not the built-in ones."""

    id: str
    name: str
    user_words: tuple[str, ...] = ()
    stop_words: tuple[str, ...] | Literal["default"] = "default"

    @classmethod
    def of(cls, analyzer: Analyzer) -> Self:
        return cls(id=analyzer.id, name=analyzer.id.partition("-")[0], **analyzers.options(analyzer))

    def with_words(self, lines: Iterable[str]) -> Self:
        """The same with another user dictionary. Raises SettingsError."""
        return self.of(analyzers.by_name(self.name, lines, self.stop_words))

    def make(self) -> Analyzer:
        """Make the analyzer with this name and these options, in its current version. Raises
        SettingsError."""
        return analyzers.by_name(self.name, self.user_words, self.stop_words)


Family: TypeAlias = Annotated[families.Family, BeforeValidator(families.load), PlainSerializer(str)]


class Settings(_Frozen):
    """The settings that all documents of an index share."""

    metric: Metric = "cosine"
    analyzer: AnalyzerRef
    encoder: EncoderRef | None = None
    ann: Family = families.HNSW()
    """The family of the vector index, which only finds candidates; scores always use float32."""

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, given: Any) -> Any:
        """Earlier versions had graphs only, and stored their precision."""
        if not isinstance(given, dict) or "graph_precision" not in given:
            return given
        precision = given["graph_precision"]
        rest = {name: value for name, value in given.items() if name != "graph_precision"}
        return {"ann": families.HNSW(precision=precision), **rest}


class Profile(_Frozen):
    """How an index ranks by default: the fusion, the number of candidates from each leg (``depth``, one
    number or (lexical, vector)), and the extra weight of words in the title: the lexical score is
    BM25(title and text) + ``title_boost`` * BM25(title).

    The default needs no judgments. It was chosen on training and dev queries alone: see fusion/README.md.
    """

    fusion: dict[str, Any] = Field(default_factory=lambda: fusion.dump(fusion.Rocchio()))
    depth: Depth | tuple[Depth, Depth] = 100
    title_boost: float = Field(default=0.0, ge=0, le=MAX_BOOST)
    effort: Depth | None = None
    """How thoroughly the vector index is searched, in the unit of its family (`hybrid.ann`): the size of
    the candidate list of HNSW, the number of lists of an inverted file. More costs more and finds more.
    None: the family's default for this depth. ``hybrid bench`` measures the effect on an index."""
    reranker: str | None = None
    """The reranker of the fused candidates: its id in the ledger's table ``models``."""
    calibration: str | None = None
    """The calibration from which hits get a relevance: its id in the same table."""
    voting: Voting | None = None
    """How the answers of past queries move up in a hybrid search; None: they do not."""
    adapter: str | None = None
    """The adapter that moves the vectors of queries: its id in the table ``models``."""

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, given: Any) -> Any:
        """Earlier versions had graphs only, whose effort they called ef."""
        if not isinstance(given, dict) or "ef" not in given:
            return given
        rest = {name: value for name, value in given.items() if name != "ef"}
        return {"effort": given["ef"], **rest}

    def fuse(self) -> Fusion:
        return _fusion(_Stored(self.fusion))

    def __str__(self) -> str:
        lexical, vector = self.depths
        depth = str(lexical) if lexical == vector else f"{lexical} and {vector}"
        boost = f", title boost {self.title_boost:g}" if self.title_boost else ""
        effort = f", effort {self.effort}" if self.effort else ""
        learned = f", reranked by model {self.reranker[:12]}" if self.reranker else ""
        voted = f", {self.voting!r}" if self.voting else ""
        moved = f", queries moved by adapter {self.adapter[:12]}" if self.adapter else ""
        calibrated = f", calibrated by {self.calibration[:12]}" if self.calibration else ""
        return f"{self.fuse()!r}, depth {depth}{boost}{effort}{moved}{voted}{learned}{calibrated}"

    @property
    def depths(self) -> tuple[int, int]:
        """The depths of the lexical and the vector leg."""
        return self.depth if isinstance(self.depth, tuple) else (self.depth, self.depth)


class _Stored(dict[str, Any]):
    """A fusion's stored form, hashable by its repr."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


@lru_cache(maxsize=256)  # called for every query, mostly with the same fusion
def _fusion(stored: _Stored) -> Fusion:
    return fusion.load(stored)


class Installed(_Frozen):
    """A profile that an index serves with, or did once. ``evidence``: the reasons for it (data, seed,
    figures), as given when it was installed."""

    number: int
    profile: Profile
    date: str
    """ISO 8601, UTC; empty if an earlier version wrote none."""
    evidence: dict[str, Any] = Field(default_factory=dict)


class Profiles(_Frozen):
    """All profiles that an index has had, by number from 1, and the one that ``serves``."""

    serves: int
    history: tuple[Installed, ...]

    @model_validator(mode="after")
    def _numbered(self) -> Profiles:
        if [one.number for one in self.history] != list(range(1, len(self.history) + 1)):
            raise ValueError("profiles are not numbered from 1")
        if not 1 <= self.serves <= len(self.history):
            raise ValueError(f"profile {self.serves} serves, of {len(self.history)}")
        return self

    @classmethod
    def first(cls, profile: Profile) -> Profiles:
        return cls(serves=1, history=(_installed(1, profile, {}),))

    @property
    def serving(self) -> Profile:
        return self[self.serves].profile

    def __getitem__(self, number: int) -> Installed:
        """Raises SettingsError if there is no such profile."""
        if not 1 <= number <= len(self.history):
            raise SettingsError(f"there is no profile {number}; there are 1 to {len(self.history)}")
        return self.history[number - 1]

    def with_new(self, profile: Profile, evidence: Mapping[str, Any]) -> Profiles:
        """Return these profiles and a new one, which serves."""
        number = len(self.history) + 1
        return Profiles(serves=number, history=(*self.history, _installed(number, profile, evidence)))

    def with_default(self, reason: str) -> Profiles:
        """Return these profiles, with the default one serving: the best profile for one encoder and
        analyzer need not suit another."""
        if self.serving == Profile():
            return self
        return self.with_new(Profile(), {"reason": reason})

    def with_default_effort(self, reason: str) -> Profiles:
        """Return these profiles, with the default effort serving: families count it in other units."""
        if self.serving.effort is None:
            return self
        return self.with_new(self.serving.model_copy(update={"effort": None}), {"reason": reason})

    def using(self, number: int) -> Profiles:
        return Profiles(serves=self[number].number, history=self.history)


def _installed(number: int, profile: Profile, evidence: Mapping[str, Any]) -> Installed:
    try:
        kept = json.loads(json.dumps(dict(evidence), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as cause:
        raise SettingsError(f"the evidence for a profile is not JSON: {cause}") from cause
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Installed(number=number, profile=profile, date=date, evidence=kept)
