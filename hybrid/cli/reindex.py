"""``hybrid reindex``: build an index again, and with ``--trial`` let it serve only where that is better."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import hybrid
from hybrid import index
from hybrid.cli.index import Analysis, Dictionary, Encoder, GraphPrecision, StopList, given_options
from hybrid.cli.judging import (
    Accepting,
    IgnoreIdenticalIds,
    Judged,
    identities,
    show_contest,
    tell_left_out,
    tell_what_is_lacking,
    waived,
)
from hybrid.cli.output import AsJson, Directory, bar, out, print_json, size, stages
from hybrid.cli.reading import Encoding
from hybrid.encoders import load, trained_on
from hybrid.errors import InputError
from hybrid.index import Index, Judge
from hybrid.learn.contest import Contest, counting
from hybrid.learn.replacing import NAME, replace
from hybrid.limits import counted
from hybrid.settings import Precision
from hybrid.store.store import Store
from hybrid.types import Analyzer


def reindex(
    directory: Directory,
    encoder: Encoder = None,
    analyzer: Analysis = None,
    user_dict: Dictionary = None,
    stop_words: StopList = None,
    graph_precision: GraphPrecision = None,
    trial: Annotated[
        bool,
        typer.Option("--trial", help="Switch over only if judged queries show that it is better."),
    ] = False,
    queries: Annotated[
        Path | None, typer.Option(help="With --trial: BEIR queries.jsonl, or lines of id, tab, text.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="With --trial: BEIR or TREC judgments, which all judge.")
    ] = None,
    test_qrels: Annotated[
        Path | None,
        typer.Option(help="Judgments to judge by; those of --qrels are taken for known from training."),
    ] = None,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    accept: Accepting = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Build an index again from its own documents, with another encoder, analyzer or graph precision.

    An analyzer of an earlier version is replaced by the current one of the same name. With --trial the new
    index is built beside the one that serves and thrown away unless it ranks significantly better; the exit
    status is 0 either way.
    """
    words = _changed(directory, analyzer, user_dict, stop_words)
    precision = cast(Precision | None, graph_precision)
    build = partial(index.reindex, directory, encoder=encoder, analyzer=words, graph_precision=precision)
    if not trial:
        if (queries, qrels, test_qrels, accept) != (None, None, None, None):
            raise InputError("judged queries decide about a re-index only with --trial; add it")
        with bar("re-indexing", None) as progress:
            stats = build(progress=progress.advance)
        _show(stats, as_json)
        return
    if queries is None or qrels is None:
        raise InputError("--trial needs judged queries; give --queries FILE and --qrels FILE")
    if encoder is not None:
        load(encoder)  # or ModelNotFound, before anything is read and built
    judged = Judged.read(queries, qrels, test_qrels, encoding=encoding)
    judge = partial(
        replace,
        trained=trained_on(encoder),
        accept=waived(accept),
        ignore_identical_ids=ignore_identical_ids,
    )
    _try(directory, judged, build, judge, as_json=as_json)


def _show(stats: dict[str, Any], as_json: bool) -> None:
    report = _report(stats)
    if as_json:
        print_json(report)
        return
    out.print(f"{counted(report['documents'])} re-indexed with {_named(report)}")


def _try(
    directory: Path,
    judged: Judged,
    build: Callable[..., dict[str, Any]],
    judge: Callable[..., Contest],
    *,
    as_json: bool,
) -> None:
    """Have ``judge`` decide whether what ``build`` makes may serve, and show it."""
    queries, qrels, test_qrels = judged.queries, judged.qrels, judged.test_qrels
    with Index.open(directory, read_only=True) as opened, opened.searcher() as searcher:
        tell_what_is_lacking(searcher, qrels, test_qrels)
        before, many = _report(opened.stats()), len(searcher)
    stats: dict[str, Any] = {}
    known = {
        "chosen by": f"hybrid reindex --trial {hybrid.__version__}",
        **identities(judged.files),
        "before": {name: before[name] for name in ("encoder", "analyzer")},
    }
    with stages() as tell:

        def reindexed(*, accept: Judge) -> None:
            if not as_json:
                room = f"about as much room again: {size(directory) / 1e6:,.1f} MB"
                out.print(f"building beside the index, which takes {room}", style="dim")
            stats.update(build(accept=accept, progress=counting(tell, "re-indexing", many)))

        found = judge(reindexed, queries, qrels, test_qrels=test_qrels, known=known, progress=tell)
    tell_left_out(found.left_out)
    switched, report = found.installs is not None, _report(stats)
    if as_json:
        print_json(found.to_json() | report | {"switched": switched, "before": before})
        return
    show_contest(found, "")
    out.print(f"serving: {found.systems['serving'].profile}", style="dim")
    out.print(f"{NAME}: {found.systems[NAME].profile}", style="dim")
    out.print()
    if switched:
        out.print(f"switched to {_named(report)}: {found.reason}", style="bold")
    else:
        out.print(f"kept {_named(report)}: {found.reason}")


def _report(stats: dict[str, Any]) -> dict[str, Any]:
    return {key: stats[key] for key in ("documents", "encoder", "analyzer", "generation")}


def _named(report: dict[str, Any]) -> str:
    return f"encoder {report['encoder'] or 'none'}, analyzer {report['analyzer']}"


def _changed(
    directory: Path, name: str | None, user_dict: Path | None, stop_words: str | None
) -> Analyzer | None:
    """The index's analyzer with the given options replaced; an "english" one has no user words."""
    given = given_options(name, user_dict, stop_words)
    if not given:
        return None
    with closing(Store.open(directory, read_only=True)) as store:
        built = store.generation.analysis.wanted
    dropped: dict[str, Any] = {"user_words": ()} if name == "english" else {}
    return built.model_copy(update=dropped | given).make()
