"""What a process and a directory take up, and whether it grows. Linux: read from /proc."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hybrid.cli.output import out, table

_M_ARENA_MAX: Final = -8
_INTERVAL: Final = 0.25  # seconds between two samples


@dataclass(frozen=True)
class Footprint:
    """Bytes of memory (resident, and of it anonymous: not a mapped file) and the number of open files."""

    resident: int
    anonymous: int
    files: int


def footprint() -> Footprint:
    """Of this process."""
    status = Path("/proc/self/status").read_text()
    kilobytes = {
        line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Rss")
    }
    return Footprint(sum(kilobytes.values()) * 1024, kilobytes["RssAnon"] * 1024, open_files())


def open_files() -> int:
    """But those of a lexical leg: a writer has its segments' files open, and how many there are varies."""
    return sum("/terms-" not in target for target in map(_target, os.listdir("/proc/self/fd")))


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # that of the listing itself
        return ""


def one_arena() -> None:
    """Let every thread allocate from the same heap. By default glibc spreads threads over eight arenas a
    core, and what they hold on to looks like a leak for many minutes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def disk_use(folder: Path) -> int:
    """Bytes of all files below ``folder``; files may go while it looks."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total


def machine() -> str:
    """What the figures were measured on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = cpu[0].split(":")[1].strip() if cpu else platform.machine()
    return (
        f"{name}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} (all users), "
        f"Python {platform.python_version()}"
    )


def show(report: Mapping[str, Any], as_json: bool) -> None:
    """A report as JSON, or as a table of its lines."""
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    rows = table("", "")
    rows.show_header = False
    for name, value in _lines(report):
        rows.add_row(name, value)
    out.print(rows)
    for name in ("complaints", "broken"):
        for line in report.get(name, ()):
            out.print(f"{name}: {line}", soft_wrap=True)


def _lines(report: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    for name, value in report.items():
        label = f"{under} {name}".strip().replace("_", " ")
        if name in ("complaints", "broken"):
            yield label, str(len(value))
        elif isinstance(value, Mapping):
            yield from _lines(value, label)
        else:
            yield label, f"{value:,}" if isinstance(value, int | float) else str(value)


@dataclass
class Growth:
    """Footprints of one process over time."""

    samples: list[tuple[float, Footprint]] = field(default_factory=list)

    def sample(self) -> None:
        """Look, unless the last look was just now."""
        now = time.monotonic()
        if not self.samples or now - self.samples[-1][0] > _INTERVAL:
            self.samples.append((now, footprint()))

    def middle(self) -> Footprint:
        """The least of the time around the middle: what comes and goes (a compaction) does not count."""
        return self._least(0.3, 0.6)

    def end(self) -> Footprint:
        return self._least(0.7, 1.0)

    def summary(self) -> dict[str, list[float]]:
        """Open files and megabytes of anonymous memory: in the middle, at the end."""
        middle, end = self.middle(), self.end()
        return {
            "files": [middle.files, end.files],
            "anonymous_mb": [round(middle.anonymous / 1e6, 1), round(end.anonymous / 1e6, 1)],
        }

    def _least(self, since: float, until: float) -> Footprint:
        start, last = self.samples[0][0], self.samples[-1][0]
        some = [
            seen for at, seen in self.samples if since <= (at - start) / max(last - start, 1e-9) <= until
        ] or [self.samples[-1][1]]
        return Footprint(
            min(seen.resident for seen in some),
            min(seen.anonymous for seen in some),
            min(seen.files for seen in some),
        )

    def complaints(self, name: str) -> list[str]:
        """More files or a good deal more memory at the end than in the middle."""
        if len(self.samples) < 10:
            return []
        middle, end = self.middle(), self.end()
        found = []
        if end.files > middle.files + 24:  # three segments of eight files
            found.append(f"{name}: open files grew from {middle.files} to {end.files}")
        if end.anonymous > 1.25 * middle.anonymous + 32e6:
            found.append(
                f"{name}: memory grew from {middle.anonymous / 1e6:.0f} to {end.anonymous / 1e6:.0f} MB"
            )
        return found
