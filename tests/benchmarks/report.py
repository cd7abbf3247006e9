"""What a benchmark found, as JSON and as Markdown."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.benchmarks.measure import load, machine

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Cell]


@dataclass
class Table:
    """Rows under a title; the columns are the keys of all rows, in the order in which they come."""

    title: str
    rows: list[Row] = field(default_factory=list)
    note: str = ""

    def add(self, **cells: Cell) -> None:
        self.rows.append(cells)

    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def markdown(self) -> str:
        names = self.columns()
        numeric = [all(not isinstance(row.get(name), str) for row in self.rows) for name in names]
        rule = ["---:" if number else "---" for number in numeric]
        lines = [names, rule, *([shown(row.get(name)) for name in names] for row in self.rows)]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")


def shown(value: Cell) -> str:
    """Three digits that count, or all before the point."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return f"{value:,}" if isinstance(value, int) else value


class Report:
    """The tables of one benchmark."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.name, self.settings = name, settings
        self.tables: list[Table] = []
        self._load = load()
        self._start = time.perf_counter()

    def table(self, title: str, rows: Sequence[Row] = (), note: str = "") -> Table:
        made = Table(title, list(rows), note)
        self.tables.append(made)
        return made

    def to_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "settings": self.settings,
            "machine": machine(),
            "load": {"start": self._load, "end": load()},
            "seconds": round(time.perf_counter() - self._start, 1),
            "tables": [asdict(table) for table in self.tables],
        }

    def markdown(self) -> str:
        found = self.to_json()
        box = found["machine"]
        libraries = ", ".join(f"{name} {version}" for name, version in box["libraries"].items())
        head = (
            f"## {self.name}\n\n{_pairs(self.settings)}. {box['processor']}, {box['cores']} cores, "
            f"{box['memory_gb']} GB; load {found['load']['start']} before, {found['load']['end']} after "
            f"(all users). Python {box['python']}, {libraries}.\n"
        )
        return "\n".join([head, *(table.markdown() for table in self.tables)])

    def write(self, folder: Path) -> Path:
        """``folder``/NAME.json and NAME.md; the path of the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(
            json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        )
        path = folder / f"{self.name}.md"
        path.write_text(self.markdown())
        return path


def _pairs(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
