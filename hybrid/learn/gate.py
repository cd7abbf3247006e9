"""The gate that a change of ranking passes before it serves: by held-out queries, not by hope.

It does not know whether a fusion or a reranker is judged: it sees one value a query and system, and how
much of its ranking a system leaves to the order of ties. The *incumbent* serves now, the *challengers* were
chosen on other queries, and nothing that serves may fall below the *guards*: each leg alone.

A challenger may have learned to rank, or only which documents are asked for. The second helps where the
same documents are asked for again, and nowhere else. So the gain that counts is that on queries whose
relevant documents are *unknown* from training. Where there are too few of these, the gain on the others is
held against a *control* that knows nothing but which documents are *known*.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.evaluate.comparison import ALPHA, CONFIDENCE, Paired, Values, holm, paired
from hybrid.learn.ties import MOST, PLACES
from hybrid.limits import shown

Outcome: TypeAlias = Literal[
    "better", "known documents", "repairs", "not better", "below a guard", "tied", "too few queries"
]
Accept: TypeAlias = Literal["known"]
"""A reason for refusal to be waived: "known", that a gain is shown only for known documents."""

_POWER: Final = 0.8
_LARGE: Final = 0.8
"""A large effect as Cohen has it: "Statistical Power Analysis for the Behavioral Sciences", 1988."""
_NEGLIGIBLE: Final = 0.02
"""A smaller effect would take some 20,000 queries to show."""
_Z: Final = NormalDist().inv_cdf


@dataclass(frozen=True)
class HeldOut:
    """The held-out queries: the name of each one's family; whether a relevant document of it is ``known``
    from training, bool (n,); and what the incumbent reaches with a constant bonus for known documents, the
    ``control``, float64 (n,), None where no document is known."""

    families: Sequence[str]
    known: NDArray[np.bool_]
    control: Values | None = None

    @classmethod
    def unrelated(cls, queries: int) -> HeldOut:
        """Queries that are each their own, all of them about unknown documents."""
        return cls([str(row) for row in range(queries)], np.zeros(queries, np.bool_))

    def compare(self, values: Values, baseline: Values, seed: int) -> Paired:
        return paired(values, baseline, families=self.families, seed=seed)

    def apart(self, values: Values, baseline: Values, seed: int) -> Apart:
        known, unknown = (
            self._only(rows).compare(values[rows], baseline[rows], seed) if rows.any() else None
            for rows in (self.known, ~self.known)
        )
        return Apart(known, unknown)

    def _only(self, rows: NDArray[np.bool_]) -> HeldOut:
        return HeldOut([self.families[row] for row in np.flatnonzero(rows).tolist()], self.known[rows])


@dataclass(frozen=True)
class Apart:
    """A comparison on the queries about ``known`` documents, and on those about ``unknown`` ones; None
    where there is no such query."""

    known: Paired | None
    unknown: Paired | None


@dataclass(frozen=True)
class Challenge:
    """A challenger on the held-out queries: its mean; its comparison with the incumbent, and the p-value of
    that after Holm's correction for all challengers; the same comparison ``apart`` by what is known; that
    with the control where documents are known; whether it ``generalises`` (see `judge`); its comparisons
    with the guards; and what share of its first ten places it leaves ``tied`` (see `hybrid.learn.ties`)."""

    mean: float
    against_incumbent: Paired
    corrected: float
    apart: Apart
    against_control: Paired | None
    generalises: bool
    against_guards: dict[str, Paired]
    tied: float = 0.0

    @property
    def better(self) -> bool:
        return _is_above(self.against_incumbent, self.corrected)

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
    None leaves the incumbent. ``reason`` is one sentence with the figures that decided. ``control``: the
    control's comparison with the incumbent; None where no document is known."""

    outcome: Outcome
    installs: str | None
    reason: str
    incumbent: float
    challengers: dict[str, Challenge]
    guards: dict[str, Guard]
    control: Apart | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    incumbent: Values,
    challengers: Mapping[str, Values],
    guards: Mapping[str, Values],
    *,
    queries: HeldOut | None = None,
    accept: Accept | None = None,
    tied: Mapping[str, float] = MappingProxyType({}),
    incumbent_tied: float = 0.0,
    seed: int = 0,
) -> Verdict:
    """Decide whether one of ``challengers``, preferred ones first, may take the incumbent's place: float64
    (n,) each, one value a held-out query, larger is better. ``queries``: what else is known of these;
    unrelated unless given. ``tied``: of challengers and guards, by name, what share of their first ten
    places they leave to whatever breaks ties; ``incumbent_tied``: the incumbent's.

    The first may that is significantly better than the incumbent (two-sided paired randomisation test over
    families, p below .05 after Holm's correction for all challengers), not significantly below any guard,
    and generalises: it is significantly better on the queries about unknown documents too or, where these
    are of fewer families than `fewest`, significantly better than the control on the others. One that does
    not generalise may with ``accept="known"``.

    If there is none and the incumbent is itself significantly below a guard (corrected for all guards), the
    first challenger that is no worse than the incumbent and not below a guard may, or else that guard. What
    ties more than `MOST`, and more than the incumbent, may not, whatever it reaches: it would be the order
    of ties that serves. With fewer families than `fewest` nothing may. Where nothing differs, each of these
    two ways errs in at most 2.5 % of all cases. Raises InputError without a challenger or without a query.
    """
    if not challengers or not len(incumbent):
        raise InputError("nothing to judge: the gate needs a challenger and a held-out query")
    held = queries or HeldOut.unrelated(len(incumbent))
    challenges = _challenges(incumbent, challengers, guards, held, tied, seed)
    guarded = _guards(incumbent, guards, held, tied, seed)
    control = None if held.control is None else held.apart(held.control, incumbent, seed)
    rules = _Rules(max(MOST, incumbent_tied), accept == "known", control)
    outcome, installs, reason = rules.decide(challenges, guarded)
    return Verdict(outcome, installs, reason, float(incumbent.mean()), challenges, guarded, control)


def check_accept(accept: Accept | None) -> None:
    """Raises InputError for anything that cannot be accepted."""
    if accept not in (None, "known"):
        raise InputError(f'accept is {shown(accept)}; it must be "known" or None')


def fewest(challengers: int) -> int:
    """The number of families of held-out queries that a verdict needs: it shows an effect of .8 with a
    power of .8."""
    return _needed(_LARGE, challengers)


def _needed(effect: float, challengers: int) -> int:
    """The families that a two-sided paired test at .05 / ``challengers`` needs to find an effect (Cohen's
    d) with a power of .8. Sakai, "Topic Set Size Design", Information Retrieval Journal 19, 2016."""
    critical = _Z(1 - ALPHA / (2 * challengers))
    return math.ceil(((critical + _Z(_POWER)) / effect) ** 2 + critical**2 / 2)


def _challenges(
    incumbent: Values,
    challengers: Mapping[str, Values],
    guards: Mapping[str, Values],
    held: HeldOut,
    tied: Mapping[str, float],
    seed: int,
) -> dict[str, Challenge]:
    found = {name: held.compare(values, incumbent, seed) for name, values in challengers.items()}
    apart = {name: held.apart(values, incumbent, seed) for name, values in challengers.items()}
    beyond = {
        name: None if held.control is None else held.apart(values, held.control, seed).known
        for name, values in challengers.items()
    }
    least = fewest(len(challengers))
    deciding = {name: _deciding(apart[name].unknown, beyond[name], least) for name in challengers}
    corrected, lasting = _corrected(found), _corrected(deciding)
    return {
        name: Challenge(
            mean=float(values.mean()),
            against_incumbent=found[name],
            corrected=corrected[name],
            apart=apart[name],
            against_control=beyond[name],
            generalises=_is_above(deciding[name], lasting[name]),
            against_guards={guard: held.compare(values, other, seed) for guard, other in guards.items()},
            tied=tied.get(name, 0.0),
        )
        for name, values in challengers.items()
    }


def _deciding(unknown: Paired | None, beyond: Paired | None, least: int) -> Paired | None:
    """The comparison that tells skill from memory."""
    return unknown if unknown is not None and unknown.families >= least else beyond


def _corrected(found: Mapping[str, Paired | None]) -> dict[str, float]:
    return dict(zip(found, holm([1.0 if one is None else one.p for one in found.values()]), strict=True))


def _guards(
    incumbent: Values, guards: Mapping[str, Values], held: HeldOut, tied: Mapping[str, float], seed: int
) -> dict[str, Guard]:
    found = {name: held.compare(incumbent, values, seed) for name, values in guards.items()}
    corrected = _corrected(found)
    return {
        name: Guard(float(guards[name].mean()), one, corrected[name], tied.get(name, 0.0))
        for name, one in found.items()
    }


def _is_above(found: Paired | None, p: float) -> bool:
    return found is not None and found.difference > 0 and p < ALPHA


def _is_below(found: Paired, p: float) -> bool:
    return found.difference < 0 and p < ALPHA


@dataclass(frozen=True)
class _Rules:
    """``most``: the largest share of places that may be left to ties; ``accepts``: whether a gain that is
    shown only for known documents is enough; ``control``: what to hold it against, for the reader."""

    most: float
    accepts: bool
    control: Apart | None

    def decide(
        self, challenges: Mapping[str, Challenge], guards: Mapping[str, Guard]
    ) -> tuple[Outcome, str | None, str]:
        first, many = next(iter(challenges)), len(challenges)
        judged, least = challenges[first].against_incumbent, fewest(many)
        if judged.families < least:
            return "too few queries", None, _too_few(judged, least)
        better = [name for name, found in challenges.items() if found.better and found.tied <= self.most]
        passing = [name for name in better if not challenges[name].below]
        for name in passing:
            if challenges[name].generalises:
                return "better", name, _better(name, challenges[name], many)
        if passing and self.accepts:
            return "known documents", passing[0], self._remembers(passing[0], challenges)
        if harmed := [name for name in guards if guards[name].harmed and guards[name].tied <= self.most]:
            best = max(harmed, key=lambda name: guards[name].mean)
            chosen = next(self._harmless(challenges), best)
            return "repairs", chosen, _repairs(best, guards[best], chosen)
        if passing:
            said = self._remembers(passing[0], challenges)
            return "known documents", None, f"{said}; accept known to install it all the same"
        if undecided := [name for name in challenges if challenges[name].better and name not in better]:
            return "tied", None, _tied(undecided[0], challenges[undecided[0]])
        name = next(iter(better), first)
        if challenges[name].below:
            return "below a guard", None, _below(name, challenges[name])
        return "not better", None, _not_better(name, challenges[name], many)

    def _harmless(self, challenges: Mapping[str, Challenge]) -> Iterator[str]:
        """The challengers no worse than the incumbent, which do not owe that to known documents, below no
        guard, and tied no more than `most`."""
        return (
            name
            for name, found in challenges.items()
            if found.against_incumbent.difference >= 0 and not found.below and found.tied <= self.most
            if found.generalises or not found.better
        )

    def _remembers(self, name: str, challenges: Mapping[str, Challenge]) -> str:
        found = challenges[name]
        bonus = self.control and self.control.known
        control = f"; a constant bonus for these gains {bonus.difference:+.4f}" if bonus else ""
        return f"{name} is shown to be better only where documents are known from training: " + (
            f"{_apart(found)}{control}"
        )


# Sentences


def _too_few(judged: Paired, least: int) -> str:
    families = "" if judged.families == judged.queries else f", of {judged.families} families,"
    return (
        f"{judged.queries} held-out queries{families} cannot tell a better ranking from luck: even a large "
        f"effect needs {least}; judge at least {least - judged.families} more for the held-out part"
    )


def _better(name: str, found: Challenge, challengers: int) -> str:
    said = f"{name} is better than what serves: {_figures(found, challengers)}"
    return said if found.apart.known is None else f"{said}; {_apart(found)}"


def _apart(found: Challenge) -> str:
    unknown, known = found.apart.unknown, found.apart.known
    return ", ".join(
        f"{_interval(one)} where documents are {what}" if one else f"no query about {what} documents"
        for what, one in (("unknown", unknown), ("known", known))
    )


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
    needed = math.ceil(_needed(against.effect, challengers) * against.queries / against.families)
    more = f"to show a difference like this takes about {needed:,} held-out queries"
    return f"{said}; {more}" if needed > against.queries else said


def _figures(found: Challenge, challengers: int) -> str:
    many = f" after correction for {challengers} challengers" if challengers > 1 else ""
    return f"{_interval(found.against_incumbent)}, p {_p(found.corrected)}{many}"


def _interval(found: Paired) -> str:
    families = "" if found.families == found.queries else f" of {found.families:,} families"
    return (
        f"{found.difference:+.4f} ({CONFIDENCE:.0%} interval {found.low:+.4f} to {found.high:+.4f}, "
        f"{found.queries:,} queries{families})"
    )


def _p(p: float) -> str:
    return "< .0001" if p < 0.0001 else f"= {p:.4f}"
