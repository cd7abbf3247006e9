"""What the commands share that learn from judged queries and let what proves better serve."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer
from rich.table import Table

import hybrid
from hybrid.cli import reading
from hybrid.cli.output import complain, identity, out, print_json, stages, table
from hybrid.errors import StorageError
from hybrid.evaluate import coverage
from hybrid.evaluate.comparison import Paired
from hybrid.index import Index
from hybrid.learn.gate import Verdict
from hybrid.rerank.stored import Storable
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

QueriesFile = Annotated[Path, typer.Option(help="BEIR queries.jsonl, or a table of id, tab, text.")]
QrelsFile = Annotated[Path, typer.Option(help="BEIR or TREC judgments: two thirds train, a third judges.")]
TestQrelsFile = Annotated[
    Path | None, typer.Option(help="Judgments that judge instead; then all of --qrels may train.")
]
IgnoreIdenticalIds = Annotated[
    bool,
    typer.Option(
        "--ignore-identical-ids", help="Pass over the document that has the query's id (ArguAna)."
    ),
]


@dataclass(frozen=True)
class Files:
    """Who judges: what `QueriesFile`, `QrelsFile` and `TestQrelsFile` name."""

    queries: Path
    qrels: Path
    test_qrels: Path | None


class Found(Protocol):
    """What judging found: of `Tuning`, `Learning` and `Reranking` what is the same."""

    @property
    def left_out(self) -> dict[str, int]: ...

    @property
    def verdict(self) -> Verdict: ...

    @property
    def installs(self) -> Profile | None: ...

    @property
    def keeps(self) -> Storable | None: ...

    def evidence(self) -> dict[str, Any]: ...

    def to_json(self) -> dict[str, Any]: ...


Result = TypeVar("Result", bound=Found, covariant=True)
"""What one of the commands found."""


class Judge(Protocol[Result]):
    """`tune`, `learn` or `choose`, with its own options."""

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


class Figures(Protocol):
    """A system's mean on the train and on the held-out queries."""

    @property
    def train(self) -> float: ...

    @property
    def held_out(self) -> float: ...


def decide(
    command: str,
    directory: Path,
    files: Files,
    judge: Judge[Result],
    show: Callable[[Result], None],
    *,
    encoding: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """``hybrid command``: have the ``files`` judge, show it, and install what may serve from now on."""
    queries, qrels = reading.queries(files.queries, encoding), reading.qrels(files.qrels, encoding)
    test_qrels = None if files.test_qrels is None else reading.qrels(files.test_qrels, encoding)
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        tell_what_is_lacking(searcher, qrels, test_qrels)
        before, serving = searcher.profiles.serves, searcher.profiles.serving
        with stages() as progress:
            found = judge(searcher, queries, qrels, test_qrels=test_qrels, progress=progress)
    tell_left_out(found.left_out)
    if not as_json:
        show(found)
    number = None if dry_run else _install(command, directory, serving, found, files)
    if as_json:
        print_json(found.to_json() | {"dry_run": dry_run, "installed": number, "before": before})
        return
    out.print(outcome(found.verdict, number), style="bold" if number else "")
    if number is not None:
        tell_way_back(directory, before)


def _install(command: str, directory: Path, serving: Profile, found: Found, files: Files) -> int | None:
    """The number of the profile that serves from now on; None where what serves stays."""
    if found.installs is None:
        return None
    by = {"chosen by": f"hybrid {command} {hybrid.__version__}", **identities(vars(files))}
    with unless_overtaken(directory, serving, f"{command} again, against that one") as index:
        if found.keeps is None:
            return index.install(found.installs, by | found.evidence())
        id = index.keep_model(found.keeps)
        return index.install(found.installs.model_copy(update={"reranker": id}), by | found.evidence())


def tell_what_is_lacking(searcher: Searcher, *judgments: Qrels | None) -> None:
    """A line on stderr where the index lacks a leg, and one where it lacks judged documents. InputError
    where it lacks them all."""
    found = [coverage(searcher, qrels) for qrels in judgments if qrels is not None]
    for line in filter(None, map(str, (searcher.legs, *found))):
        complain(line)


def tell_left_out(left_out: Mapping[str, int]) -> None:
    """A line on stderr for each reason why judged queries could not be used."""
    for reason, many in left_out.items():
        complain(f"{many:,} judged queries left out: {reason}")


def identities(files: Mapping[str, Path | None]) -> dict[str, dict[str, str]]:
    """The given files in evidence."""
    return {name: identity(file) for name, file in files.items() if file is not None}


@contextmanager
def unless_overtaken(directory: Path, serving: Profile, again: str) -> Iterator[Index]:
    """The index, open to install what was judged against ``serving``; StorageError, which says what to do
    ``again``, if another profile serves by now."""
    with Index.open(directory) as index:
        if index.profiles.serving != serving:
            raise StorageError(f"{directory}: another profile serves by now; {again}")
        yield index


def outcome(verdict: Verdict, number: int | None) -> str:
    """What became of what was judged: it serves as profile ``number``, or would, or may not."""
    if number is not None:
        return f"installed as profile {number}: {verdict.reason}"
    if verdict.installs is not None:
        return f"would be installed: {verdict.reason}"
    return f"refused, the profile stays: {verdict.reason}"


def tell_way_back(directory: Path, before: int) -> None:
    out.print(f"back: hybrid profile {shlex.quote(str(directory))} use {before}", soft_wrap=True)


def figures(systems: Mapping[str, Figures], verdict: Verdict, p: str = "p") -> Table:
    """What serves, the challengers against it, and what is held beside them; ``p`` heads the p-values."""
    rows = table("system")
    for heading in ("train", "held-out", "difference", "95 % interval", p):
        rows.add_column(heading, justify="right")
    for name, system in systems.items():
        challenge = verdict.challengers.get(name)
        compared = (
            _compared(challenge.against_incumbent, challenge.corrected) if challenge else ("", "", "")
        )
        style = "" if challenge else "dim"
        rows.add_row(name, f"{system.train:.4f}", f"{system.held_out:.4f}", *compared, style=style)
    return rows


def _compared(found: Paired, p: float) -> tuple[str, str, str]:
    return (
        f"{found.difference:+.4f}",
        f"{found.low:+.4f} … {found.high:+.4f}",
        "< .0001" if p < 0.0001 else f"{p:.4f}",
    )
