"""Files and folders of an index, on the command line: what was done is said, and what could not be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, cast

import typer

from hybrid.cli.collections import Found
from hybrid.cli.output import bar, complain, out, print_json
from hybrid.corpora import Assumed
from hybrid.crawl import Crawler, Prune, Report
from hybrid.crawl.watch import watch
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.limits import counted

_GONE: Final = "gone"
_SHOWN: Final = 5  # of many that are alike

Pruned = Annotated[
    str | None,
    typer.Option(
        "--prune",
        metavar="[=all]",
        help="Remove the documents of files that are gone; past half of a folder's only with --prune=all.",
    ),
]


def spelled(arguments: Sequence[str]) -> list[str]:
    """``--prune`` as what it stands for: other options either have a value or none."""
    return [f"--prune={_GONE}" if one == "--prune" else one for one in arguments]


def check_prune(said: str | None, files: Sequence[Path]) -> Prune | None:
    if said is None:
        return None
    if said not in (_GONE, "all"):
        raise InputError(f"--prune={said}: write --prune or --prune=all")
    if not any(path.is_dir() for path in files):
        raise InputError("--prune removes documents of files that are gone from a folder; give the folder")
    return cast(Prune, said)


@dataclass(frozen=True)
class Done:
    """What is said of a run: ``found`` are the collections of records that were read in it."""

    to: Path
    found: Found
    as_json: bool

    def show(self, target: Index, report: Report | None) -> None:
        """Once all is written. Without a ``report`` there were no files."""
        assumed = [*self.found.assumed, *(report.assumed if report else [])]
        for line in _complaints(assumed, report):
            complain(line)
        (self._print_json if self.as_json else self._print)(len(target), assumed, report)

    def _print_json(self, held: int, assumed: Sequence[Assumed], report: Report | None) -> None:
        indexed = self.found.total + (report.indexed if report else 0)
        said: dict[str, Any] = {"indexed": indexed, "skipped": self.found.skipped, "documents": held}
        said |= report.to_json() if report else {}
        print_json(said | ({"assumed": [one.to_json() for one in assumed]} if assumed else {}))

    def _print(self, held: int, assumed: Sequence[Assumed], report: Report | None) -> None:
        indexed = self.found.total + (report.indexed if report else 0)
        parts = [f"{counted(indexed)} indexed"]
        parts += [f"{self.found.skipped:,} skipped"] if self.found.skipped else []
        if report:
            parts += [f"{counted(report.unchanged, 'file')} unchanged"] if report.unchanged else []
            parts += [f"{counted(report.removed)} removed"] if report.removed else []
        out.print(f"{', '.join(parts)}; {self.to} holds {held:,}", soft_wrap=True)
        for line in _remarks(assumed, report):
            out.print(line, style="dim", soft_wrap=True)


def crawl(crawler: Crawler, target: Index, done: Done) -> bool:
    """One pass; whether all was done."""
    plan = crawler.plan()
    with bar("indexing", len(plan)) as progress:
        report = crawler.follow(plan, progress.advance)
    done.show(target, report)
    return report.complete


def follow(crawler: Crawler, target: Index, done: Done) -> NoReturn:
    """Pass after pass, each said that did something."""
    later = Done(done.to, Found(), done.as_json)
    watch(crawler, lambda report: later.show(target, report))


def _complaints(assumed: Iterable[Assumed], report: Report | None) -> Iterator[str]:
    yield from (str(one) for one in assumed if one.doubtful)
    if report is None:
        return
    alike: dict[str, list[str]] = defaultdict(list)
    for failure in report.failed:
        where, colon, why = failure.partition(": ")
        alike[why if colon else failure].append(where)
    for why, places in alike.items():
        yield f"not read: {_listed(places)}: {why}"
    yield from report.kept


def _remarks(assumed: Iterable[Assumed], report: Report | None) -> Iterator[str]:
    yield from (str(one) for one in assumed if not one.doubtful)
    if report is None:
        return
    if report.gone and not report.kept:
        stay = "stays; --prune removes it" if report.gone == 1 else "stay; --prune removes them"
        yield f"{counted(report.gone)} of files that are gone {stay}"
    if report.duplicates:
        pairs = [f"{one} = {other}" for one, other in report.duplicates]
        yield f"same text: {_listed(pairs)}"
    if report.near_duplicates:
        pairs = [f"{one} = {other}" for one, other in report.near_duplicates]
        yield f"nearly the same text: {_listed(pairs)}"
    if report.others:
        kinds = [f"{end} {count:,}" for end, count in report.others.most_common()]
        yield f"passed over, of other kinds: {counted(report.others.total(), 'file')} ({_listed(kinds)})"
    if report.links:
        yield f"not followed: {counted(report.links, 'link')}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
