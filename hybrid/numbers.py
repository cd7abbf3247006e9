"""Check the numbers among the options of a call."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

from hybrid.errors import InputError, QueryError
from hybrid.limits import shown


def check_whole(name: str, value: Any, least: int, most: int, error: type[InputError] = QueryError) -> int:
    """Return ``value`` as an int. Raises ``error`` unless it is a whole number from ``least`` to
    ``most``."""
    try:
        number = least - 1 if isinstance(value, bool) else int.__index__(operator.index(value))
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise error(f"{name} is {shown(value)}; it must be a whole number from {least} to {most:,}")
    return number


def check_share(name: str, value: Any) -> float:
    """Return ``value`` as a float. Raises QueryError unless it is a number from 0 to 1."""
    share = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not 0 <= share <= 1:
        raise QueryError(f"{name} is {shown(value)}; it must be a number from 0 to 1")
    return share
