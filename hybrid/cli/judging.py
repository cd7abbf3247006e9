"""The path of the commands that learn from judged queries and install what proves better."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Protocol, Self, TypeVar

import typer
from rich.table import Table

import hybrid
from hybrid.cli import reading
from hybrid.cli.output import complain, identity, out, print_json, stages, table
from hybrid.errors import StorageError
from hybrid.evaluate import coverage
from hybrid.evaluate.comparison import Paired
from hybrid.index import Index
from hybrid.learn.contest import CONTROL, Contest
from hybrid.learn.gate import Accept, Apart, Challenge
from hybrid.learn.trial import Trial
from hybrid.limits import counted
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

QueriesFile = Annotated[Path, typer.Option(help="BEIR queries.jsonl, or lines of id, tab, text.")]
QrelsFile = Annotated[Path, typer.Option(help="BEIR or TREC judgments: two thirds train, one third tests.")]
TestQrelsFile = Annotated[
    Path | None, typer.Option(help="Judgments to test on; all of --qrels may then train.")
]
MaxQueries = Annotated[
    int,
    typer.Option(metavar="N", min=10, help="Train on at most this many queries; the others test, too."),
]
IgnoreIdenticalIds = Annotated[
    bool,
    typer.Option(
        "--ignore-identical-ids", help="Skip the document whose id is the query's (as in ArguAna)."
    ),
]


class Waived(StrEnum):
    """The values of ``--accept``."""

    KNOWN = "known"


Accepting = Annotated[
    Waived | None,
    typer.Option("--accept", help="Install even what is better only for documents known from training."),
]


def waived(accept: Waived | None) -> Accept | None:
    return None if accept is None else "known"


@dataclass(frozen=True)
class Judged:
    """Judged queries. ``files``: what they were read from, by the names that evidence has for it."""

    files: Mapping[str, Path | None]
    queries: dict[str, str]
    qrels: Qrels
    test_qrels: Qrels | None = None

    @classmethod
    def read(
        cls, queries: Path, qrels: Path, test_qrels: Path | None = None, *, encoding: str | None
    ) -> Self:
        """Read the files of `QueriesFile`, `QrelsFile` and `TestQrelsFile`."""
        return cls(
            {"queries": queries, "qrels": qrels, "test_qrels": test_qrels},
            reading.queries(queries, encoding),
            reading.qrels(qrels, encoding),
            None if test_qrels is None else reading.qrels(test_qrels, encoding),
        )


Result = TypeVar("Result", bound=Trial, covariant=True)
"""The trial of one of the commands."""


class Judge(Protocol[Result]):
    """`tune`, `learn`, `choose` or `calibrate`, with its own options."""

    def __call__(
        self,
        searcher: Searcher,
        queries: dict[str, str],
        qrels: Qrels,
        /,
        *,
        test_qrels: Qrels | None,
        progress: Stages,
    ) -> Result: ...


def decide(
    command: str,
    directory: Path,
    judged: Judged,
    judge: Judge[Result],
    show: Callable[[Result], None],
    *,
    dry_run: bool,
    as_json: bool,
    called: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """``hybrid command``: have the ``judged`` queries judge, show it, and install what may serve from
    now on. ``called``: other names, in the evidence, of "chosen by" and of the files."""
    queries, qrels, test_qrels = judged.queries, judged.qrels, judged.test_qrels
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        tell_what_is_lacking(searcher, qrels, test_qrels)
        before, serving = searcher.profiles.serves, searcher.profiles.serving
        with stages() as progress:
            found = judge(searcher, queries, qrels, test_qrels=test_qrels, progress=progress)
    tell_left_out(found.left_out)
    if not as_json:
        show(found)
    number = None
    if not dry_run and found.installs is not None:
        known = {"chosen by": f"hybrid {command} {hybrid.__version__}", **identities(judged.files)}
        known = {called.get(name, name): value for name, value in known.items()}
        with unless_overtaken(directory, serving, f"{command} again, against that one") as index:
            number = found.install(index, known)
    if as_json:
        print_json(found.to_json() | {"dry_run": dry_run, "installed": number, "before": before})
        return
    out.print(_outcome(found, number), style="bold" if number else "")
    if number is not None:
        tell_way_back(directory, before)


def tell_what_is_lacking(searcher: Searcher, *judgments: Qrels | None) -> None:
    """Print a line on stderr if the index lacks a leg, and one if it lacks judged documents. InputError if
    it lacks them all."""
    found = [coverage(searcher, qrels) for qrels in judgments if qrels is not None]
    for line in filter(None, map(str, (searcher.legs, *found))):
        complain(line)


def tell_left_out(left_out: Mapping[str, int]) -> None:
    """Print a line on stderr for each reason why judged queries could not be used."""
    for reason, many in left_out.items():
        complain(f"{counted(many, 'judged query', 'judged queries')} left out: {reason}")


def identities(files: Mapping[str, Path | None]) -> dict[str, dict[str, str]]:
    """The entries of the given files in evidence."""
    return {name: identity(file) for name, file in files.items() if file is not None}


@contextmanager
def unless_overtaken(directory: Path, serving: Profile, again: str) -> Iterator[Index]:
    """Open the index to install what was judged against ``serving``. StorageError, which says what to do
    ``again``, if another profile serves by now."""
    with Index.open(directory) as index:
        if index.profiles.serving != serving:
            raise StorageError(f"{directory}: another profile serves by now; {again}")
        yield index


def _outcome(found: Trial, number: int | None) -> str:
    """The end of a trial: its profile serves as ``number``, would serve, or may not."""
    if number is not None:
        return f"installed as profile {number}: {found.reason}"
    if found.installs is not None:
        return f"would be installed: {found.reason}"
    return f"refused, the profile stays: {found.reason}"


def tell_way_back(directory: Path, before: int) -> None:
    out.print(f"back: hybrid profile {shlex.quote(str(directory))} use {before}", soft_wrap=True)


def show_contest(found: Contest, remark: str, p: str = "p") -> None:
    """The figures of all systems, and below them by what and by how many queries they were found."""
    out.print(_figures(found, p))
    out.print(
        f"{found.measure}, {found.train:,} train and {found.held_out:,} held-out queries{remark}",
        style="dim",
    )
    out.print()
    if found.verdict.control is None:
        out.print("no held-out query has a relevant document that is known from training", style="dim")
    else:
        out.print(_by_documents(found, found.verdict.control))
    if found.related:
        related = counted(found.related, "held-out query has", "held-out queries have")
        out.print(f"{related} a near-copy or a query about the same document in training", style="dim")


def _figures(found: Contest, p: str) -> Table:
    """The serving system, the challengers against it, and the references; ``p`` heads the p-values."""
    rows = table("system")
    for heading in ("train", "held-out", "difference", "95 % interval", p):
        rows.add_column(heading, justify="right")
    for name, system in found.systems.items():
        challenge = found.verdict.challengers.get(name)
        compared = _compared(challenge) if challenge else ("", "", "")
        style = "" if challenge else "dim"
        train = f"{system.train:.4f}" if system.train else ""
        rows.add_row(name, train, f"{system.held_out:.4f}", *compared, style=style)
    return rows


def _by_documents(found: Contest, control: Apart) -> Table:
    """The gains on queries about unknown and about known documents, beside the control."""
    rows = table("gain of", "documents")
    for heading in ("queries", "difference", "95 % interval"):
        rows.add_column(heading, justify="right")
    gains = {name: challenge.apart for name, challenge in found.verdict.challengers.items()}
    for name, apart in (gains | {CONTROL: control}).items():
        for documents, one in (("unknown", apart.unknown), ("known", apart.known)):
            if one is not None:
                rows.add_row(name, documents, f"{one.queries:,}", *gain(one))
    return rows


def gain(found: Paired) -> tuple[str, str]:
    """A difference and its interval, in cells."""
    return f"{found.difference:+.4f}", f"{found.low:+.4f} … {found.high:+.4f}"


def _compared(challenge: Challenge) -> tuple[str, str, str]:
    p = challenge.corrected
    return *gain(challenge.against_incumbent), "< .0001" if p < 0.0001 else f"{p:.4f}"
