"""``hybrid clicks``: import a log of impressions and clicks, and turn it into judgments."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from hybrid.cli.output import AsJson, complain, out, print_json, table
from hybrid.cli.reading import Encoding, Keys, records
from hybrid.errors import InputError
from hybrid.evaluate.runs import write_whole
from hybrid.index import Index
from hybrid.learn.clicks.asked import clicked_queries
from hybrid.learn.clicks.judgments import HIGHEST_GRADE, LEAST_LOOKS, Judgments, Propensities, judgments
from hybrid.ledger.impressions import Impression
from hybrid.limits import MAX_QUERY, counted, shown
from hybrid.settings import Profiles

_KEYS: Final = Keys(("query", "shown", "clicked"), ("first", "profile", "time", "user"))
_RANKS_SHOWN: Final = 20
_ENOUGH: Final = 0.5
"""If the log removes less than this share of the prior's variance, the prior determines the result."""


def clicks(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    to_qrels: Annotated[
        Path | None, typer.Option(help="Write the judgments to this file, as BEIR.")
    ] = None,
    to_queries: Annotated[
        Path | None, typer.Option(help="Write the judged queries to this file, .jsonl.")
    ] = None,
    least_looks: Annotated[
        float,
        typer.Option(
            metavar="X", help="Judge documents looked at X times or more, as estimated from their ranks."
        ),
    ] = LEAST_LOOKS,
    log: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="LOG", help="First append this log (JSON lines, see above) to the index's."
        ),
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Keep what users clicked as past queries (see hybrid learn).")
    ] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Turn users' clicks into judgments, corrected for position bias.

    The log is recorded by Index.feedback. --import appends the log of another program, one impression per
    line: {"query": "red kettle", "shown": ["d7", "d2"], "clicked": ["d2"]}, and optionally "first" (the
    rank of the first document shown; 11 on a second page of ten), "profile" (the number of the serving
    profile; default: the one that serves now), "time" (seconds since the epoch; default: now) and "user"
    (any name). If a line is bad, nothing is appended. A log that is imported twice counts twice.

    Without --import, the log is judged and summarised; --to-qrels and --to-queries write the judgments for
    hybrid tune and hybrid train. Documents that are no longer in the index are left out. With --learn, what
    a user clicked becomes a past query of this user, as far as the judgments of all users confirm it; a
    document gets votes from three users on.
    """
    if to_queries is not None and to_queries.suffix.lower() != ".jsonl":
        raise InputError(f"{to_queries}: name it .jsonl, so that other commands can read it")
    report: dict[str, Any] = {}
    if log is not None:
        report["imported"] = _import(directory, log, encoding)
        if not as_json:
            out.print(f"{report['imported']:,} impressions imported from {log}", soft_wrap=True)
    judged = bool(log is None or to_qrels or to_queries)
    if judged or learn:
        judging = _judge(directory, least_looks)
    if judged:
        report |= _tell(directory, *judging, to_qrels, to_queries, as_json)
    if learn:
        report["learned"] = _learn(directory, judging[1])
        if not as_json:
            out.print(f"{counted(report['learned'], 'past query', 'past queries')} kept")
    if as_json:
        print_json(report)


def _learn(directory: Path, found: Judgments) -> int:
    with Index.open(directory) as index:
        return index.keep_past_queries(clicked_queries(index.impressions(), found))


# -- another program's log


def _import(directory: Path, path: Path, encoding: str | None) -> int:
    with Index.open(directory) as index:
        profiles = index.profiles
        # Check all lines first: a bad one must not be found while the database is locked.
        total = sum(1 for _ in _read(path, profiles, encoding))
        index.log(_read(path, profiles, encoding))
    return total


def _read(path: Path, profiles: Profiles, encoding: str | None) -> Iterator[Impression]:
    """Read the impressions of a log. Raises CorpusError, naming the line, for an invalid one."""
    make = partial(_impression, profiles=profiles, now=time.time())
    yield from records(path, encoding, make, "an impression", _KEYS)


def _impression(record: Mapping[str, Any], *, profiles: Profiles, now: float) -> Impression:
    ids = {name: _list(name, record[name]) for name in ("shown", "clicked")}
    optional = {"profile": profiles.serves, "time": now} | {
        name: record[name] for name in _KEYS.optional if name in record
    }
    made = Impression(
        record["query"],
        tuple(ids["shown"]),
        frozenset(map(_id, ids["clicked"])),
        **optional,
    )
    _ = profiles[made.profile]
    if len(made.query) > MAX_QUERY:
        raise InputError(f"the query has {len(made.query):,} characters; the limit is {MAX_QUERY:,}")
    return made


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f'"{name}" is {shown(value)}; it must be a list of document ids')
    return value


def _id(value: Any) -> str:
    if not isinstance(value, str):  # checked here, since a list cannot be put into a frozenset
        raise InputError(f"{shown(value)} is not a document id")
    return value


# -- judgments


class _Counted:
    """Iterates over a log and counts its impressions and clicks."""

    def __init__(self, log: Iterable[Impression]) -> None:
        self._log = log
        self.impressions = self.clicks = 0

    def __iter__(self) -> Iterator[Impression]:
        for one in self._log:
            self.impressions += 1
            self.clicks += len(one.clicked)
            yield one


def _judge(directory: Path, least_looks: float) -> tuple[_Counted, Judgments]:
    """Read the log to its end, and judge it."""
    with Index.open(directory, read_only=True) as index:
        log = _Counted(index.impressions())
        return log, judgments(log, least_looks=least_looks)


def _tell(
    directory: Path,
    log: _Counted,
    everything: Judgments,
    to_qrels: Path | None,
    to_queries: Path | None,
    as_json: bool,
) -> dict[str, Any]:
    """Write and show the judgments; return the report."""
    with Index.open(directory, read_only=True) as index:
        found, gone = _held(index, everything)
    if to_queries is not None:
        write_whole(to_queries, _query_lines(found))
    if to_qrels is not None:
        write_whole(to_qrels, _qrels_lines(found))
    if not as_json:
        _show(log, found)
        for path in filter(None, (to_queries, to_qrels)):
            out.print(f"written: {path}", soft_wrap=True)
    _warn(directory, found.propensities, gone, to_qrels is not None and to_queries is None)
    written = {"to_qrels": to_qrels, "to_queries": to_queries}
    return {
        "impressions": log.impressions,
        "clicks": log.clicks,
        **_figures(found),
        "left_out": gone,
        **{name: None if path is None else str(path) for name, path in written.items()},
    }


def _held(index: Index, found: Judgments) -> tuple[Judgments, int]:
    """Return the judgments of documents in the index, and the number of others. (A log may contain ids that
    cannot be written to a file of judgments; those in the index can.)"""
    judged = {id for grades in found.qrels.values() for id in grades}
    with index.searcher() as searcher:
        held = judged - searcher.absent(judged)
    qrels = {
        query: {id: grade for id, grade in grades.items() if id in held}
        for query, grades in found.qrels.items()
        if not held.isdisjoint(grades)
    }
    if not qrels:
        why = (
            "none of them is in the index"
            if judged
            else "none was looked at often enough; see --least-looks"
        )
        raise InputError(f"no document of the log can be judged: {why}")
    queries = {id: found.queries[id] for id in qrels}
    gone = sum(map(len, found.qrels.values())) - sum(map(len, qrels.values()))
    return replace(found, queries=queries, qrels=qrels), gone


def _qrels_lines(found: Judgments) -> Iterator[str]:
    yield "query-id\tcorpus-id\tscore\n"
    for query, grades in found.qrels.items():
        yield from (f"{query}\t{id}\t{grade}\n" for id, grade in grades.items())


def _query_lines(found: Judgments) -> Iterator[str]:
    for id, text in found.queries.items():
        yield json.dumps({"_id": id, "text": text}) + "\n"


def _grades(found: Judgments) -> dict[str, int]:
    many = Counter(grade for grades in found.qrels.values() for grade in grades.values())
    return {str(grade): many[grade] for grade in range(HIGHEST_GRADE + 1)}


def _figures(found: Judgments) -> dict[str, Any]:
    known = found.propensities
    columns = (known.values.tolist(), known.deviation.tolist(), known.identified.tolist())
    names = ("rank", "propensity", "deviation", "identified")
    return {
        "queries": len(found.qrels),
        "judgments": sum(map(len, found.qrels.values())),
        "grades": _grades(found),
        "propensities": [
            dict(zip(names, (rank, *row), strict=True))
            for rank, row in enumerate(zip(*columns, strict=True), 1)
        ],
        "pairs": known.pairs,
        "effective_pairs": known.effective_pairs,
        "rate": found.rate,
        "looks": found.looks,
    }


def _show(log: _Counted, found: Judgments) -> None:
    known = found.propensities
    out.print(f"{log.impressions:,} impressions, {log.clicks:,} clicks")
    rows = table()
    for heading in ("rank", "propensity", "95 % interval", "from the log"):
        rows.add_column(heading, justify="right")
    columns = (known.values.tolist(), np.exp(2 * known.deviation).tolist(), known.identified.tolist())
    for rank, (value, factor, identified) in enumerate(zip(*columns, strict=True), start=1):
        if rank <= _RANKS_SHOWN:
            interval = f"{value / factor:.3f} … {value * factor:.3f}" if rank > 1 else ""
            rows.add_row(str(rank), f"{value:.3f}", interval, f"{identified:.0%}" if rank > 1 else "")
    out.print(rows)
    if len(known.values) > _RANKS_SHOWN:
        out.print(f"and so on to rank {len(known.values)}; --json shows all", style="dim")
    out.print(
        f"pairs of query and document that were clicked and shown at several ranks: {known.pairs:,} "
        f"(effective number: {known.effective_pairs:,.0f})",
        soft_wrap=True,
    )
    many = sum(map(len, found.qrels.values()))
    by_grade = ", ".join(f"{number:,} of grade {grade}" for grade, number in _grades(found).items())
    out.print(f"{many:,} judgments of {len(found.qrels):,} queries: {by_grade}", soft_wrap=True)


def _warn(directory: Path, known: Propensities, gone: int, without_queries: bool) -> None:
    if gone:
        complain(f"{gone:,} judgments left out: the document is not in the index (any more)")
    if without_queries:
        complain("the judgments name queries by a hash; --to-queries writes the text of each")
    if len(known.values) == 1:
        return
    remedy = (
        f"alternate between two profiles (hybrid profile {shlex.quote(str(directory))} use N) and log more"
    )
    if not known.pairs:
        complain(f"no clicked document was shown at two ranks, so the propensities are a guess: {remedy}")
    elif known.identified[1:10].mean() < _ENOUGH:
        complain(f"only {known.pairs:,} pairs, so the propensities are largely a guess: {remedy}")
