"""``hybrid index``, ``hybrid delete``, ``hybrid reindex``: what an index holds."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import hybrid.index
from hybrid import analyzers, corpora
from hybrid.cli.output import AsJson, bar, complain, counted, out, print_json
from hybrid.cli.reading import Encoding
from hybrid.corpora import Assumed, Assuming, Skipped, Type
from hybrid.errors import CorpusError, IndexMismatch, InputError
from hybrid.index import DEFAULT_ENCODER, Index
from hybrid.intake.documents import check_batch
from hybrid.settings import METRICS, PRECISIONS, Precision
from hybrid.store.store import Store
from hybrid.types import Analyzer, Document, Metric

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
        "--user-dict", help="Words that Chinese segmentation must know: word [freq] [tag] a line."
    ),
]
StopList = Annotated[
    str | None,
    typer.Option(
        "--stop-words",
        metavar="FILE|none",
        help="Words to leave out, one a line. [built-in lists]",
    ),
]
Distance = Annotated[
    str | None, typer.Option("--metric", help=f"{', '.join(METRICS)}. [new index: {METRICS[0]}]")
]

GraphPrecision = Annotated[
    str | None,
    typer.Option(
        "--graph-precision",
        help=f"Of the vectors in memory: {', '.join(PRECISIONS)}. [new index: {PRECISIONS[0]}]",
    ),
]


def index(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help=f"{corpora.UNDERSTOOD}.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The index: made if it is not there.")],
    encoder: Encoder = None,
    analyzer: Analysis = None,
    user_dict: Dictionary = None,
    stop_words: StopList = None,
    metric: Distance = None,
    graph_precision: GraphPrecision = None,
    encoding: Encoding = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=TYPE,...",
            help=f"What columns of a table hold: {', '.join(corpora.TYPES)}. [what all their cells are]",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count records that cannot be taken, and go on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add documents to an index, replacing those of the same id.

    All inputs are read and checked once before anything is written.
    """
    source = _Source(inputs, encoding, _types(types or [], inputs))
    found = _check(source, skip_bad)
    skip: Callable[[CorpusError], None] | None = (lambda _: None) if skip_bad else None
    words = _analyzer(analyzer, user_dict, stop_words)
    with (
        _open(to, encoder, words, metric, graph_precision) as target,
        bar("indexing", found.total) as progress,
    ):
        documents = chain.from_iterable(source.read(path, skip, lambda _: None) for path in inputs)
        target.load(_good(documents, found.bad), progress=progress.advance)
        held = len(target)
    _report(found, to, held, as_json)


def _report(found: _Found, to: Path, held: int, as_json: bool) -> None:
    skipped = len(found.bad) + found.unread
    for one in found.assumed:
        if one.doubtful:
            complain(str(one))
    if as_json:
        report = {"indexed": found.total, "skipped": skipped, "documents": held}
        assumed = [one.to_json() for one in found.assumed]
        print_json(report | ({"assumed": assumed} if assumed else {}))
        return
    out.print(
        f"{counted(found.total)} indexed{f', {skipped:,} skipped' if skipped else ''}; {to} holds {held:,}",
        soft_wrap=True,
    )
    for one in found.assumed:
        if not one.doubtful:
            out.print(str(one), style="dim", soft_wrap=True)


def reindex(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    encoder: Encoder = None,
    analyzer: Analysis = None,
    user_dict: Dictionary = None,
    stop_words: StopList = None,
    graph_precision: GraphPrecision = None,
    as_json: AsJson = False,
) -> None:
    """Build an index again from its own documents, with another encoder, analyzer or graph.

    An index whose analyzer this version no longer has is analysed again by the one of its name.
    """
    words = _changed(directory, analyzer, user_dict, stop_words)
    with bar("re-indexing", None) as progress:
        stats = hybrid.index.reindex(
            directory,
            encoder=encoder,
            analyzer=words,
            graph_precision=cast(Precision | None, graph_precision),
            progress=progress.advance,
        )
    report = {key: stats[key] for key in ("documents", "encoder", "analyzer", "generation")}
    if as_json:
        print_json(report)
    else:
        out.print(
            f"{report['documents']:,} documents re-indexed with {report['encoder']}, {report['analyzer']}"
        )


def _open(
    to: Path, encoder: str | None, analyzer: Analyzer | None, metric: str | None, precision: str | None
) -> Index:
    if not to.exists() or (to.is_dir() and not any(to.iterdir())):
        spec = None if encoder == "none" else encoder or DEFAULT_ENCODER
        return Index.create(
            to,
            encoder=spec,
            analyzer=analyzer or "mixed",
            metric=cast(Metric, metric or METRICS[0]),  # Index.create refuses what is none
            graph_precision=cast(Precision, precision or PRECISIONS[0]),
        )
    target = Index.open(to, encoder=encoder, analyzer=analyzer)
    if difference := _difference(to, target.stats(), metric, precision):
        target.close()
        raise IndexMismatch(difference)
    return target


def _difference(to: Path, built: dict[str, Any], metric: str | None, precision: str | None) -> str | None:
    """The first difference between what was asked for and what the index is."""
    if metric not in (None, is_ := built["metric"]):
        return f"{to}: built with metric {is_!r}, not {metric!r}; make a new index"
    if precision not in (None, is_ := built["graph_precision"]):
        return (
            f"{to}: built with graph precision {is_!r}, not {precision!r}; "
            f"run: hybrid reindex {to} --graph-precision {precision}"
        )
    return None


def _analyzer(name: str | None, user_dict: Path | None, stop_words: str | None) -> Analyzer | None:
    given = _given(name, user_dict, stop_words)
    return analyzers.by_name(**{"name": "mixed", **given}) if given else None


def _changed(
    directory: Path, name: str | None, user_dict: Path | None, stop_words: str | None
) -> Analyzer | None:
    """The index's analyzer, but for what is given; an "english" one has no user words."""
    given = _given(name, user_dict, stop_words)
    if not given:
        return None
    with closing(Store.open(directory, read_only=True)) as store:
        built = store.generation.settings.analyzer
    dropped: dict[str, Any] = {"user_words": ()} if name == "english" else {}
    return built.model_copy(update=dropped | given).make()


def _given(name: str | None, user_dict: Path | None, stop_words: str | None) -> dict[str, Any]:
    """The options of `analyzers.by_name` that the command line has."""
    given: dict[str, Any] = {} if name is None else {"name": name}
    if user_dict is not None:
        given["user_words"] = analyzers.read_user_dictionary(user_dict)
    if stop_words is not None:
        given["stop_words"] = () if stop_words == "none" else analyzers.read_stop_words(stop_words)
    return given


@dataclass(frozen=True)
class _Source:
    """The inputs, and what was said of them."""

    inputs: Sequence[Path]
    encoding: str | None
    types: Mapping[str, Type]

    def read(self, path: Path, skipped: Skipped | None, assuming: Assuming) -> Iterator[Document]:
        types = self.types if corpora.is_table(path) else None
        return corpora.read_documents(path, skipped, encoding=self.encoding, types=types, assuming=assuming)


@dataclass(frozen=True)
class _Found:
    """What there is to index: how many documents, which others cannot be taken (by their place over all
    inputs, as the readers give them), how many records could not even be read, and what was assumed."""

    total: int
    bad: set[int]
    unread: int
    assumed: list[Assumed]


def _types(given: list[str], inputs: list[Path]) -> dict[str, Type]:
    """``zip=text,price=number``, quoted as in a table where a name holds a comma."""
    types: dict[str, Type] = {}
    for piece in chain.from_iterable(csv.reader(given)):
        name, sign, type = piece.rpartition("=")
        if not sign:
            raise InputError(f"--types {piece}: write COLUMN=TYPE, such as zip=text")
        types[name.strip()] = cast(Type, type.strip())  # read_documents refuses what is none
    if types and not any(map(corpora.is_table, inputs)):
        raise InputError("--types says what columns of a table hold; none of the inputs is a table")
    return types


def _check(source: _Source, skip_bad: bool) -> _Found:
    """Read everything once."""
    bad: set[int] = set()
    skipped: list[CorpusError] = []
    assumed: list[Assumed] = []
    seen: dict[str, Path] = {}
    place = -1
    with bar("checking", None) as progress:
        for path in source.inputs:
            for document in source.read(path, skipped.append if skip_bad else None, assumed.append):
                place += 1
                progress.advance(1)
                try:
                    _take(document, path, seen)
                except InputError as error:
                    if not skip_bad:
                        raise
                    bad.add(place)
                    complain(f"skipped: {error}")
    for unread in skipped:
        complain(f"skipped: {unread}")
    return _Found(place + 1 - len(bad), bad, len(skipped), assumed)


def _take(document: Document, path: Path, seen: dict[str, Path]) -> None:
    check_batch([document])
    if document.id in seen:
        raise CorpusError(
            f"{path}: the id {document.id!r} is in {seen[document.id]} already; --skip-bad keeps the first"
        )
    seen[document.id] = path


def _good(documents: Iterator[Document], bad: set[int]) -> Iterator[Document]:
    return (document for place, document in enumerate(documents) if place not in bad)
