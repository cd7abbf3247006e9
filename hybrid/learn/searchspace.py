"""The profiles that `tune` tries: a first look at every method, then variations of the leading ones.

A method of fusion is one entry of ``METHODS``. The full grid would be tens of thousands of profiles, and
the more are tried, the more the best of them owes to luck; so each later stage varies one thing about the
leading profiles only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, TypeAlias

from hybrid import fusion
from hybrid.fusion import RRF, Adaptive, Linear, Rocchio
from hybrid.fusion.normalize import NORMALIZERS
from hybrid.fusion.signals import OF_LISTS, OF_QUERY
from hybrid.search.legs import Legs
from hybrid.settings import Profile
from hybrid.types import Fusion, Leg

_DEPTHS: Final[tuple[int | tuple[int, int], ...]] = (50, 100, 200, (50, 200), (200, 50))
_BOOSTS: Final = (0.0, 0.1, 0.25, 0.5, 1.0)
_WEIGHTS: Final = tuple(tenth / 10 for tenth in range(1, 10))
_STEP: Final = 0.05
_COVERAGE: Final = 0.5
_LARGEST_K: Final = 1000  # beyond, only a profile that serves may have it
_STEEPEST: Final = 10.0


@dataclass(frozen=True)
class Method:
    """A way to fuse: ``name`` as in the fusion's stored form, the values to look at first, and the
    neighbours of one that leads."""

    name: str
    coarse: tuple[Fusion, ...]
    finer: Callable[[Any], Iterable[Fusion]]


def _finer_rrf(leading: RRF) -> Iterable[Fusion]:
    weight = _share(leading.weights or (1.0, 1.0))
    ks = {min(round(leading.k * factor), _LARGEST_K) for factor in (0.5, 0.75, 1.5, 2)}
    return [
        *(RRF(k, leading.weights) for k in sorted(ks)),
        *(RRF(leading.k, weights) for weights in _near(weight)),
    ]


def _finer_linear(leading: Linear) -> Iterable[Fusion]:
    near = [leading.weights, *_near(_share(leading.weights))]
    variants = product(near, (leading.complete, not leading.complete))
    return [
        *(replace(leading, weights=weights, complete=complete) for weights, complete in variants),
        _otherwise_covered(leading),
    ]


def _finer_rocchio(leading: Rocchio) -> Iterable[Fusion]:
    first = leading.first
    firsts = (
        [replace(first, weights=near) for near in _near(_share(first.weights))]
        if isinstance(first, Linear)
        else []
    )
    return [
        *(replace(leading, first=near) for near in firsts),
        *([replace(leading, first=_otherwise_covered(first))] if isinstance(first, Linear) else []),
        *(replace(leading, share=round(leading.share * factor, 4)) for factor in (0.7, 1.4)),
        *(replace(leading, top=top) for top in (5, 20)),
    ]


def _otherwise_covered(linear: Linear) -> Linear:
    return replace(linear, coverage=0.0 if linear.coverage else _COVERAGE)


def _finer_adaptive(leading: Adaptive) -> Iterable[Fusion]:
    return [
        *(_adaptive(leading.signal, leading.slope, leading.bias + step) for step in (-0.8, -0.4, 0.4, 0.8)),
        *(_adaptive(leading.signal, leading.slope * factor, leading.bias) for factor in (0.5, 2)),
    ]


def _adaptive(signal: str, slope: float, bias: float) -> Adaptive:
    return Adaptive(signal, _within(slope), _within(bias))


def _within(parameter: float) -> float:
    return round(max(-_STEEPEST, min(parameter, _STEEPEST)), 4)


def _share(weights: Sequence[float]) -> float:
    """The lexical leg's share of the ``weights``."""
    return weights[0] / sum(weights)


def _near(share: float) -> list[tuple[float, float]]:
    return [_weights(near) for near in (share - _STEP, share + _STEP) if 0 <= near <= 1]


def _weights(share: float) -> tuple[float, float]:
    return round(share, 4), round(1 - share, 4)


def _softplus(share: float) -> Linear:
    return Linear(_weights(share), "softplus", complete=True)


METHODS: Final = (
    # CombSUM ranks as a Linear of equal weights does, so it has no entry.
    Method(
        "linear",
        tuple(Linear(_weights(w), name) for name, w in product(NORMALIZERS, _WEIGHTS)),
        _finer_linear,
    ),
    Method(
        "rrf",
        (*map(RRF, (5, 10, 20, 100)), *(RRF(k, _weights(w)) for k, w in product((10, 60), _WEIGHTS))),
        _finer_rrf,
    ),
    Method(
        "rocchio",
        tuple(Rocchio(_softplus(w), share) for w, share in product((0.3, 0.5, 0.7), (0.25, 0.5, 1.0))),
        _finer_rocchio,
    ),
    Method(
        "adaptive",
        tuple(Adaptive(signal, slope) for signal, slope in product((*OF_LISTS, *OF_QUERY), (-1.0, 1.0))),
        _finer_adaptive,
    ),
)

RRF_60: Final = Profile(fusion=fusion.dump(RRF(60)), depth=100, title_boost=0)


def leg(name: Leg, title_boost: float = 0) -> Profile:
    """One leg alone, as a profile."""
    weights = {"lexical": (1.0, 0.0), "vector": (0.0, 1.0)}[name]
    return Profile(fusion=fusion.dump(Linear(weights)), title_boost=title_boost)


def first_look(legs: Legs, serving: Profile) -> list[Profile]:
    """The profiles to try first: the default, RRF(60), each leg alone, and every method's first values; all
    with the votes and the adapter that serve. Empty where there is only one leg: it ranks the same under
    every fusion."""
    if not legs.both:
        return []
    kept = {"voting": serving.voting, "adapter": serving.adapter}
    return [profile.model_copy(update=kept) for profile in _first_look()]


def _first_look() -> list[Profile]:
    known = [Profile(), RRF_60, leg("lexical"), leg("vector")]
    return known + [_with(Profile(), value) for method in METHODS for value in method.coarse]


def method_of(profile: Profile) -> str:
    return str(profile.fusion["method"])


def _titles(leading: Profile) -> list[Profile]:
    return [leading.model_copy(update={"title_boost": boost}) for boost in _BOOSTS]


def _depths(leading: Profile) -> list[Profile]:
    return [leading.model_copy(update={"depth": depth}) for depth in _DEPTHS]


def _around(leading: Profile) -> list[Profile]:
    """The profiles with a neighbouring fusion; none for a method that has no entry."""
    return [
        _with(leading, value)
        for method in METHODS
        if method.name == method_of(leading)
        for value in method.finer(leading.fuse())
    ]


def _with(profile: Profile, value: Fusion) -> Profile:
    return profile.model_copy(update={"fusion": fusion.dump(value)})


Stage: TypeAlias = Callable[[Profile], list[Profile]]

TITLE_BOOSTS: Final[tuple[str, Stage]] = ("title boosts", _titles)
STAGES: Final[tuple[tuple[str, Stage], ...]] = (TITLE_BOOSTS, ("depths", _depths), ("neighbours", _around))
"""The stages after the first look, in this order: a name, and the variations of a leading profile."""


def stages(legs: Legs) -> tuple[tuple[str, Stage], ...]:
    """The `STAGES` that make a difference where there are these ``legs``."""
    return STAGES if legs.both else (TITLE_BOOSTS,) if not legs.lexical else ()
