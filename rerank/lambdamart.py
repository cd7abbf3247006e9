"""LambdaMART: gradient boosted trees that learn to rank candidates from judged queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import SettingsError, require
from hybrid.limits import shown
from hybrid.rerank.ordering import Values, standard
from hybrid.rerank.trees import Trees, read
from hybrid.types import Candidates

if TYPE_CHECKING:
    from lightgbm import Booster

FeatureColumns: TypeAlias = Mapping[str, NDArray[np.float32]]

VERSION: Final = 1
"""The version of the features' meaning: increase it whenever the meaning of a column changes."""


@dataclass(frozen=True, eq=False)
class LambdaMART:
    """Trees over named ``features``, in the model's order; adds ``base`` times the column "fused_score",
    standardised within the query, to the output of the trees.

    A reranker (see ``hybrid.rerank``). Raises SettingsError if a feature is missing or the model has
    another version. Burges, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82; the trees are
    LightGBM's (Ke et al., NIPS 2017).
    """

    features: tuple[str, ...]
    model: str = field(repr=False)
    base: float = 0.0
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise SettingsError(
                f"the learned model uses features of version {self.version}, this package computes "
                f"those of version {VERSION}; train it again: hybrid train"
            )

    @cached_property
    def _trees(self) -> Trees | None:
        """The trees; None for those that only LightGBM itself can evaluate."""
        trees = read(self.model)
        if trees is not None:
            self._check(trees.features)
        return trees

    @cached_property
    def _booster(self) -> Booster:
        require("the learned model", "lightgbm", extra="evaluate")
        import lightgbm

        try:
            trees = lightgbm.Booster(model_str=self.model)
        except lightgbm.basic.LightGBMError as cause:
            raise SettingsError(f"the learned model cannot be read: {cause}") from cause
        self._check(trees.num_feature())
        return trees

    def _check(self, features: int) -> None:
        if features != len(self.features):
            raise SettingsError(
                f"the learned model has {features} features, but {len(self.features)} names"
            )

    def __call__(self, _query: str | None, candidates: Candidates, features: FeatureColumns) -> Candidates:
        if not len(candidates):
            return candidates
        scores = self.scores(features).astype(np.float32)
        return Candidates.ranked(candidates.ordinals, scores)

    def scores(self, features: FeatureColumns) -> Values:
        """Return scores, float64 (n,): higher is better, comparable within one query."""
        columns = self._columns(features)
        if self._trees is not None:
            sums = self._trees(columns)
        else:
            sums = np.asarray(self._booster.predict(_rows(columns), num_threads=1), np.float64)
        return sums + self.base * standard(features["fused_score"])

    def contributions(self, features: FeatureColumns) -> dict[str, Values]:
        """Return each feature's contribution to each score, float64 (n,) each, with "fused_score" including
        the base and "bias" for the constant; they sum to ``scores``. Lundberg et al., "From Local
        Explanations to Global Understanding with Explainable AI for Trees", 2020."""
        rows = _rows(self._columns(features))
        found = np.asarray(self._booster.predict(rows, num_threads=1, pred_contrib=True))
        columns = dict(zip((*self.features, "bias"), found.T, strict=True))
        columns["fused_score"] = columns.get("fused_score", 0) + self.base * standard(
            features["fused_score"]
        )
        return columns

    def importances(self) -> dict[str, float]:
        """Return each feature's share of the trees' total gain, largest first."""
        gains = self._booster.feature_importance("gain")
        shares = gains / max(gains.sum(), 1e-12)
        order = np.argsort(-shares, kind="stable")
        return {self.features[i]: float(shares[i]) for i in order}

    def _columns(self, features: FeatureColumns) -> list[NDArray[np.float32]]:
        if missing := [name for name in self.features if name not in features]:
            raise SettingsError(
                f"the learned model needs the feature {shown(missing[0])}, which this index cannot "
                "compute; train it again: hybrid train"
            )
        return [features[name] for name in self.features]


def matrix(names: Sequence[str], columns: FeatureColumns) -> Values:
    """Stack named columns into float64 (n, names); NaN where a feature is not known."""
    return _rows([columns[name] for name in names])


def _rows(columns: Sequence[NDArray[np.float32]]) -> Values:
    return np.ascontiguousarray(np.array(columns, np.float64).T)


def dump(model: LambdaMART) -> dict[str, Any]:
    """Write a model as JSON."""
    return {
        "features": list(model.features),
        "base": model.base,
        "version": model.version,
        "model": model.model,
    }


def load(stored: Mapping[str, Any]) -> LambdaMART:
    """Read what ``dump`` wrote. Raises SettingsError for anything else."""
    try:
        return LambdaMART(
            tuple(map(str, stored["features"])),
            str(stored["model"]),
            float(stored["base"]),
            int(stored["version"]),
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise SettingsError(f"a stored model cannot be read: {cause}") from cause
