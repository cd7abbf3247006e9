"""``hybrid index``: fill an index."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from hybrid import analyzers, corpora
from hybrid import ann as families
from hybrid.ann import FAMILIES
from hybrid.cli.collections import Source, check, load, types_of
from hybrid.cli.files import Done, Pruned, check_prune, crawl, follow
from hybrid.cli.output import AsJson
from hybrid.cli.reading import Encoding
from hybrid.crawl import Crawler, check_readers
from hybrid.errors import IndexMismatch, InputError
from hybrid.index import DEFAULT_ENCODER, Index
from hybrid.settings import METRICS
from hybrid.types import Analyzer, Metric

Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help=f"A named model, a path, a name on the model hub, or none. [new index: {DEFAULT_ENCODER}]",
    ),
]
Analysis = Annotated[
    str | None, typer.Option("--analyzer", help="mixed, english or chinese. [new index: mixed]")
]
Dictionary = Annotated[
    Path | None,
    typer.Option(
        "--user-dict", help="Words that Chinese segmentation keeps whole; per line: word [freq] [tag]."
    ),
]
StopList = Annotated[
    str | None,
    typer.Option(
        "--stop-words",
        metavar="FILE|none",
        help="Words that are not indexed, one per line. [built-in lists]",
    ),
]
Distance = Annotated[
    str | None, typer.Option("--metric", help=f"{', '.join(METRICS)}. [new index: {METRICS[0]}]")
]

Ann = Annotated[
    str | None,
    typer.Option(
        "--ann",
        metavar="FAMILY",
        help=f"The vector index: {', '.join(FAMILIES)}, or as in 'hnsw(m=32)'. [new index: hnsw]",
    ),
]


def index(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help=f"{corpora.UNDERSTOOD}.")],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The index; created if it does not exist.")
    ],
    encoder: Encoder = None,
    analyzer: Analysis = None,
    user_dict: Dictionary = None,
    stop_words: StopList = None,
    metric: Distance = None,
    ann: Ann = None,
    encoding: Encoding = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=TYPE,...",
            help=f"Types of a table's columns: {', '.join(corpora.TYPES)}. [detected]",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip bad records, and report them.")
    ] = False,
    reader: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Read files with this suffix by a plug-in. Repeatable."),
    ] = None,
    prune: Pruned = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep following the files and folders, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add documents to an index, replacing those with the same id.

    All records are read and checked before anything is written. Of other files and folders, only what is
    new or has changed is read; a file that cannot be read is reported, and the exit status is 1.
    """
    readers = check_readers(reader or [])
    records, files = _sorted(inputs, readers)
    pruning = check_prune(prune, files)
    if watch and not files:
        raise InputError("--watch follows files and folders; a collection of records is read once")
    source = Source(records, encoding, types_of(types or [], inputs))
    found = check(source, skip_bad)
    with _open(to, encoder, _analyzer(analyzer, user_dict, stop_words), metric, ann) as target:
        if records:
            load(source, found, target, skip_bad)
        done = Done(to, found, as_json)
        if not files:
            done.show(target, None)
            return
        with Crawler(target, files, prune=pruning, encoding=encoding, readers=readers) as crawler:
            complete = crawl(crawler, target, done)
            if watch:
                follow(crawler, target, done)
    if not complete:
        raise typer.Exit(1)


def _sorted(inputs: Sequence[Path], readers: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Split the inputs into collections of records, and files and folders to follow."""
    records: list[Path] = []
    files: list[Path] = []
    for path in inputs:
        (files if corpora.collection_at(path, readers) is None else records).append(path)
    return records, files


def _open(
    to: Path, encoder: str | None, analyzer: Analyzer | None, metric: str | None, ann: str | None
) -> Index:
    if not to.exists() or (to.is_dir() and not any(to.iterdir())):
        spec = None if encoder == "none" else encoder or DEFAULT_ENCODER
        return Index.create(
            to,
            encoder=spec,
            analyzer=analyzer or "mixed",
            metric=cast(Metric, metric or METRICS[0]),  # checked by Index.create
            ann=ann or "hnsw",
        )
    target = Index.open(to, encoder=encoder, analyzer=analyzer)
    if difference := _difference(to, target.stats(), metric, ann):
        target.close()
        raise IndexMismatch(difference)
    return target


def _difference(to: Path, built: dict[str, Any], metric: str | None, ann: str | None) -> str | None:
    """Name the first difference between the options and the settings of the index."""
    if metric not in (None, is_ := built["metric"]):
        return f"{to}: built with metric {is_!r}, not {metric!r}; make a new index"
    if ann is not None and (wanted := str(families.load(ann))) != built["ann"]:
        return (
            f"{to}: built with ann {built['ann']!r}, not {wanted!r}; "
            f"run: hybrid reindex {to} --ann {shlex.quote(wanted)}"
        )
    return None


def _analyzer(name: str | None, user_dict: Path | None, stop_words: str | None) -> Analyzer | None:
    given = given_options(name, user_dict, stop_words)
    return analyzers.by_name(**{"name": "mixed", **given}) if given else None


def given_options(name: str | None, user_dict: Path | None, stop_words: str | None) -> dict[str, Any]:
    """The options of `analyzers.by_name` that were given."""
    given: dict[str, Any] = {} if name is None else {"name": name}
    if user_dict is not None:
        given["user_words"] = analyzers.read_user_dictionary(user_dict)
    if stop_words is not None:
        given["stop_words"] = () if stop_words == "none" else analyzers.read_stop_words(stop_words)
    return given
