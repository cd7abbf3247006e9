"""A folder followed: passes without end, each over what has settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from hybrid.corpora.walk import Stamp
from hybrid.crawl.crawler import Crawler
from hybrid.crawl.report import Report

PAUSE: Final = 2.0
"""Seconds between two looks, at least."""

_SHARE: Final = 10  # of the time that a look takes: a pause


def watch(
    crawler: Crawler, told: Callable[[Report], object], sleep: Callable[[float], object] = time.sleep
) -> NoReturn:
    """Make passes until an exception ends it, Ctrl-C say; ``told`` is told of each that did something or
    failed at something new. A file is read when it has not changed between two looks: whoever writes it may
    not be done. Looking takes a tenth of the time at most."""
    before: dict[Path, Stamp] = {}
    said: list[str] = []
    while True:
        start = time.monotonic()
        plan = crawler.plan()
        seen = {path: change.stamp for path, change in plan.changed.items()}
        plan.changed = {path: one for path, one in plan.changed.items() if before.get(path) == one.stamp}
        report = crawler.follow(plan)
        if report.changed or (report.failed + report.kept and report.failed + report.kept != said):
            told(report)
        said = report.failed + report.kept
        before = seen
        sleep(max(PAUSE, _SHARE * (time.monotonic() - start)))
