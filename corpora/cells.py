"""The type of a table's column: numbers, booleans or text, the same for all its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from hybrid.corpora.records import BadRecord
from hybrid.errors import InputError
from hybrid.limits import shown

Type: TypeAlias = Literal["text", "number", "bool"]
Value: TypeAlias = str | int | float | bool

TYPES: Final[tuple[Type, ...]] = get_args(Type)

# Up to 15 digits survive a double and every JSON reader. With more digits, or a leading zero or plus, a
# cell only looks like a number (a barcode, a telephone number, "007").
_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,30})?")
_LOOSE: Final = re.compile(r"[+-]?(?:[0-9]{1,300}(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]{1,4})?")
_BOOLEANS: Final = {"true": True, "false": False}
_SPELLINGS: Final = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})


class ColumnType:
    """Detects the type of a column: numbers or booleans if every cell would be written back exactly as it
    was, otherwise text. Empty cells are ignored."""

    def __init__(self) -> None:
        self._fitting: list[tuple[Type, Callable[[str], bool]]] = [
            ("number", _is_plain),
            *(("bool", spelling.__contains__) for spelling in _SPELLINGS),
        ]
        self._numbers = True
        self._odd: tuple[int, str] | None = None

    def see(self, line: int, cell: str) -> None:
        """Take a cell into account; ``line`` is where its row begins."""
        self._fitting = [(type, fits) for type, fits in self._fitting if fits(cell)]
        self._numbers = self._numbers and _number(cell) is not None
        if self._odd is None and self._numbers and not _is_plain(cell):
            self._odd = line, cell

    @property
    def type(self) -> Type:
        return self._fitting[0][0] if self._fitting else "text"

    @property
    def odd(self) -> tuple[int, str] | None:
        """Line and content of the cell because of which the column stays text, although all its cells could
        be read as numbers."""
        return self._odd if self._numbers else None


def check_types(types: Mapping[str, str]) -> None:
    """Raises InputError for anything but a mapping of column names to ``TYPES``."""
    if not isinstance(types, Mapping):
        raise InputError(f"types are a mapping of a column's name to its type, not {shown(types)}")
    for name, type in types.items():
        if type not in TYPES:
            raise InputError(
                f"column {shown(name)}: type {shown(type)} is not known; it is one of {', '.join(TYPES)}"
            )


def value(cell: str, type: Type) -> Value:
    """Return the value of a cell in a column of this type. Raises BadRecord if it has another form."""
    if type == "text":
        return cell
    found = _number(cell) if type == "number" else _BOOLEANS.get(cell.strip().lower())
    if found is None:
        raise BadRecord(
            f"{shown(cell)} is not a {'number' if type == 'number' else 'boolean: true or false'}"
        )
    return found


def _is_plain(cell: str) -> bool:
    """Whether the cell is written exactly as its number would be."""
    if (found := _PLAIN.fullmatch(cell)) is None:
        return False
    return cell == (f"{Decimal(repr(float(cell))):f}" if found[1] else str(int(cell)))


def _number(cell: str) -> int | float | None:
    cell = cell.strip()
    if (found := _LOOSE.fullmatch(cell)) is None:
        return None
    if not any(found.groups()):
        return int(cell)
    return number if math.isfinite(number := float(cell)) else None
