"""How a calibration is kept: told again as it was, and refused where it was damaged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from hybrid.errors import FormatTooNew, SettingsError
from hybrid.rerank.calibration import VERSION, Calibration, Logistic, fit
from tests.rerank.test_calibration import judged


def stored() -> dict[str, Any]:
    columns, labels, groups, _ = judged()
    loaded: dict[str, Any] = json.loads(json.dumps(fit(columns, labels, groups).to_json()))
    return loaded


def test_json_gives_the_same_calibration_back() -> None:
    columns, labels, groups, _ = judged()
    calibration = fit(columns, labels, groups)
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again == calibration
    assert np.array_equal(again(columns), calibration(columns))
    assert calibration.to_json()["version"] == VERSION


def test_it_reads_as_a_formula() -> None:
    calibration = Calibration(("a", "b"), (Logistic(("a", "b"), -1, (2, 0.5), (0, 0), (1, 1)),), 0.25)
    assert str(calibration) == "logit p = -1 +2 a +0.5 b\notherwise p = 0.25"


def test_a_newer_form_is_refused() -> None:
    with pytest.raises(FormatTooNew, match="upgrade"):
        Calibration.from_json(stored() | {"version": VERSION + 1})


@pytest.mark.parametrize(
    "value", [None, [], "{}", 3, {}, {"version": "1"}, {"version": True}, {"version": 0}]
)
def test_what_is_no_calibration_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError):
        Calibration.from_json(value)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": []},
        {"inputs": ["a", "a"]},
        {"inputs": "ab"},
        {"inputs": ["a"]},  # the model reads b too
        {"models": 3},
        {"models": [{}]},
        {"models": [None]},
        {"base_rate": 2},
        {"base_rate": "high"},
        {"base_rate": math.nan},
        {"more": 1},
    ],
)
def test_a_damaged_calibration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="fit it again"):
        Calibration.from_json(stored() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"slopes": [1]},
        {"slopes": [1, math.inf]},
        {"slopes": [1, True]},
        {"intercept": None},
        {"intercept": 10**400},
        {"low": [9, 9], "high": [1, 1]},
        {"inputs": ["a", "c"]},
    ],
)
def test_a_damaged_model_is_refused(change: dict[str, Any]) -> None:
    value = stored()
    value["models"][0] |= change
    with pytest.raises(SettingsError, match="fit it again"):
        Calibration.from_json(value)
