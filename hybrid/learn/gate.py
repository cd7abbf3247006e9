"""The gate that a change of ranking passes before it serves: by held-out queries, not by hope.

It does not know whether a fusion or a reranker is judged: it sees one value a query and system, and how
much of its ranking a system leaves to the order of ties. The *incumbent* serves now, the *challengers* were
chosen on other queries, and nothing that serves may fall below the *guards*: each leg alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from hybrid.errors import InputError
from hybrid.evaluate.comparison import ALPHA, CONFIDENCE, Paired, Values, holm, paired
from hybrid.learn.ties import MOST, PLACES

Outcome: TypeAlias = Literal["better", "repairs", "not better", "below a guard", "tied", "too few queries"]

_POWER: Final = 0.8
_LARGE: Final = 0.8
"""A large effect as Cohen has it: "Statistical Power Analysis for the Behavioral Sciences", 1988."""
_NEGLIGIBLE: Final = 0.02
"""A smaller effect would take some 20,000 queries to show."""
_Z: Final = NormalDist().inv_cdf


@dataclass(frozen=True)
class Challenge:
    """A challenger on the held-out queries: its mean, its comparison with the incumbent, the p-value of
    that after Holm's correction for all challengers, its comparisons with the guards, and what share of its
    first ten places it leaves ``tied`` (see `hybrid.learn.ties`)."""

    mean: float
    against_incumbent: Paired
    corrected: float
    against_guards: dict[str, Paired]
    tied: float = 0.0

    @property
    def better(self) -> bool:
        return self.against_incumbent.difference > 0 and self.corrected < ALPHA

    @property
    def below(self) -> list[str]:
        """The guards that it is significantly below. Uncorrected: a correction would hide harm."""
        return [name for name, found in self.against_guards.items() if _is_below(found, found.p)]


@dataclass(frozen=True)
class Guard:
    """A guard's mean, the incumbent's comparison with it, the p-value of that after Holm's correction for
    all guards, and what share of its first ten places it leaves ``tied``."""

    mean: float
    incumbent: Paired
    corrected: float
    tied: float = 0.0

    @property
    def harmed(self) -> bool:
        """Whether the incumbent is significantly below."""
        return _is_below(self.incumbent, self.corrected)


@dataclass(frozen=True)
class Verdict:
    """The decision of the gate. ``installs`` names the challenger or guard that is to serve from now on;
    None leaves the incumbent. ``reason`` is one sentence with the figures that decided."""

    outcome: Outcome
    installs: str | None
    reason: str
    incumbent: float
    challengers: dict[str, Challenge]
    guards: dict[str, Guard]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    incumbent: Values,
    challengers: Mapping[str, Values],
    guards: Mapping[str, Values],
    *,
    tied: Mapping[str, float] = MappingProxyType({}),
    incumbent_tied: float = 0.0,
    seed: int = 0,
) -> Verdict:
    """Decide whether one of ``challengers``, preferred ones first, may take the incumbent's place: float64
    (n,) each, one value a held-out query, larger is better. ``tied``: of challengers and guards, by name,
    what share of their first ten places they leave to whatever breaks ties; ``incumbent_tied``: the
    incumbent's.

    The first may that is significantly better than the incumbent (two-sided paired randomisation test,
    p below .05 after Holm's correction for all challengers) and not significantly below any guard. If there
    is none and the incumbent is itself significantly below a guard (corrected for all guards), the first
    challenger that is no worse than the incumbent and not below a guard may, or else that guard. What ties
    more than `MOST`, and more than the incumbent, may not, whatever it reaches: it would be the order of
    ties that serves. With fewer queries than `fewest` nothing may. Where nothing differs, each of these two
    ways errs in at most 2.5 % of all cases. Raises InputError without a challenger or without a query.
    """
    if not challengers or not len(incumbent):
        raise InputError("nothing to judge: the gate needs a challenger and a held-out query")
    challenges = _challenges(incumbent, challengers, guards, tied, seed)
    guarded = _guards(incumbent, guards, tied, seed)
    outcome, installs, reason = _decide(challenges, guarded, max(MOST, incumbent_tied))
    return Verdict(outcome, installs, reason, float(incumbent.mean()), challenges, guarded)


def fewest(challengers: int) -> int:
    """The number of held-out queries that a verdict needs: it shows an effect of .8 with a power of .8."""
    return _queries_for(_LARGE, challengers)


def _queries_for(effect: float, challengers: int) -> int:
    """The queries that a two-sided paired test at .05 / ``challengers`` needs to find an effect (Cohen's d)
    with a power of .8. Sakai, "Topic Set Size Design", Information Retrieval Journal 19, 2016."""
    critical = _Z(1 - ALPHA / (2 * challengers))
    return math.ceil(((critical + _Z(_POWER)) / effect) ** 2 + critical**2 / 2)


def _challenges(
    incumbent: Values,
    challengers: Mapping[str, Values],
    guards: Mapping[str, Values],
    tied: Mapping[str, float],
    seed: int,
) -> dict[str, Challenge]:
    found = {name: paired(values, incumbent, seed=seed) for name, values in challengers.items()}
    corrected = dict(zip(found, holm([one.p for one in found.values()]), strict=True))
    return {
        name: Challenge(
            mean=float(values.mean()),
            against_incumbent=found[name],
            corrected=corrected[name],
            against_guards={guard: paired(values, held, seed=seed) for guard, held in guards.items()},
            tied=tied.get(name, 0.0),
        )
        for name, values in challengers.items()
    }


def _guards(
    incumbent: Values, guards: Mapping[str, Values], tied: Mapping[str, float], seed: int
) -> dict[str, Guard]:
    found = [paired(incumbent, values, seed=seed) for values in guards.values()]
    corrected = holm([one.p for one in found])
    return {
        name: Guard(float(guards[name].mean()), one, p, tied.get(name, 0.0))
        for name, one, p in zip(guards, found, corrected, strict=True)
    }


def _is_below(found: Paired, p: float) -> bool:
    return found.difference < 0 and p < ALPHA


def _decide(
    challenges: Mapping[str, Challenge], guards: Mapping[str, Guard], most: float
) -> tuple[Outcome, str | None, str]:
    first = next(iter(challenges))
    queries, least = challenges[first].against_incumbent.queries, fewest(len(challenges))
    if queries < least:
        return "too few queries", None, _too_few(queries, least)
    better = [name for name, found in challenges.items() if found.better and found.tied <= most]
    for name in better:
        if not challenges[name].below:
            return "better", name, _better(name, challenges[name], len(challenges))
    if harmed := [name for name in guards if guards[name].harmed and guards[name].tied <= most]:
        best = max(harmed, key=lambda name: guards[name].mean)
        chosen = next(_harmless(challenges, most), best)
        return "repairs", chosen, _repairs(best, guards[best], chosen)
    if undecided := [name for name, found in challenges.items() if found.better and found.tied > most]:
        return "tied", None, _tied(undecided[0], challenges[undecided[0]])
    name = next(iter(better), first)
    if challenges[name].below:
        return "below a guard", None, _below(name, challenges[name])
    return "not better", None, _not_better(name, challenges[name], len(challenges))


def _harmless(challenges: Mapping[str, Challenge], most: float) -> Iterator[str]:
    """The challengers no worse than the incumbent, below no guard, and tied no more than ``most``."""
    return (
        name
        for name, found in challenges.items()
        if found.against_incumbent.difference >= 0 and not found.below and found.tied <= most
    )


# Sentences


def _too_few(queries: int, least: int) -> str:
    return (
        f"{queries} held-out queries cannot tell a better ranking from luck: even a large effect needs "
        f"{least}; judge at least {least - queries} more for the held-out part"
    )


def _better(name: str, found: Challenge, challengers: int) -> str:
    return f"{name} is better than what serves: {_figures(found, challengers)}"


def _repairs(guard: str, found: Guard, chosen: str) -> str:
    what = f"the {guard}" if chosen == guard else f"{chosen}, which does not and is no worse,"
    return (
        f"what serves falls below the {guard}: {_interval(found.incumbent)}, p {_p(found.corrected)}; "
        f"{what} takes its place"
    )


def _tied(name: str, found: Challenge) -> str:
    return (
        f"{name} leaves {found.tied:.0%} of its first {PLACES} places to the order of equal scores, which "
        f"knows nothing; no more than {MOST:.0%} may be left to it, or what that leaves which serves"
    )


def _below(name: str, challenge: Challenge) -> str:
    guard = min(challenge.below, key=lambda guard: challenge.against_guards[guard].difference)
    found = challenge.against_guards[guard]
    return f"{name} falls below the {guard}: {_interval(found)}, p {_p(found.p)}"


def _not_better(name: str, found: Challenge, challengers: int) -> str:
    against = found.against_incumbent
    if not against.wins + against.losses:
        return f"{name} is worth as much as what serves on each of {against.queries:,} held-out queries"
    if against.difference < 0 and found.corrected < ALPHA:
        return f"{name} is worse than what serves: {_figures(found, challengers)}"
    said = f"{name} is not significantly better than what serves: {_figures(found, challengers)}"
    if against.effect < _NEGLIGIBLE:
        return said
    needed = _queries_for(against.effect, challengers)
    more = f"to show a difference like this takes about {needed:,} held-out queries"
    return f"{said}; {more}" if needed > against.queries else said


def _figures(found: Challenge, challengers: int) -> str:
    many = f" after correction for {challengers} challengers" if challengers > 1 else ""
    return f"{_interval(found.against_incumbent)}, p {_p(found.corrected)}{many}"


def _interval(found: Paired) -> str:
    return (
        f"{found.difference:+.4f} ({CONFIDENCE:.0%} interval {found.low:+.4f} to {found.high:+.4f}, "
        f"{found.queries:,} queries)"
    )


def _p(p: float) -> str:
    return "< .0001" if p < 0.0001 else f"= {p:.4f}"
