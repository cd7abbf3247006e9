"""``hybrid rerank``: set a reranker by judged queries, install it if it proves better."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from hybrid.cli.judging import (
    Accepting,
    IgnoreIdenticalIds,
    Judged,
    QrelsFile,
    QueriesFile,
    TestQrelsFile,
    decide,
    show_contest,
    waived,
)
from hybrid.cli.output import AsJson, Directory, out
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.learn.reranking import (
    Reranking,
    Settable,
    choose,
    cross_encoders,
    diversities,
    late_interactions,
    popularities,
    recencies,
)
from hybrid.learn.split import MAX_TRAIN


def rerank(
    directory: Directory,
    queries: QueriesFile,
    qrels: QrelsFile,
    test_qrels: TestQrelsFile = None,
    cross_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A cross-encoder: a folder, or a name (hybrid encoders, or the hub).",
        ),
    ] = None,
    late_interaction: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A late-interaction model (ColBERT), named likewise."),
    ] = None,
    mmr: Annotated[bool, typer.Option("--mmr", help="Maximal marginal relevance, for diversity.")] = False,
    recency: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A boost for recent documents, by a date in the metadata."),
    ] = None,
    popularity: Annotated[
        str | None, typer.Option(metavar="PATH", help="A boost by a number in the metadata.")
    ] = None,
    now: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE", formats=["%Y-%m-%d"], help="The date from which --recency counts. [today]"
        ),
    ] = None,
    max_queries: Annotated[
        int,
        typer.Option(metavar="N", min=5, help="Choose on at most this many queries; the others test, too."),
    ] = MAX_TRAIN,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and the tests.")] = 0,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    accept: Accepting = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Choose and test, install nothing.")] = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Choose the settings of one reranker on train queries, judge it on held-out ones, and install it only
    if it is significantly better than what serves, also where documents are not known from training, and
    not below a leg alone.

    Give one of --cross-encoder, --late-interaction, --mmr, --recency, --popularity. It replaces the
    reranker that serves. The exit status is 0 whether it was installed or refused.
    """
    settings = _settings(cross_encoder, late_interaction, mmr, recency, popularity, now)
    judge = partial(
        choose,
        settings=settings,
        max_train=max_queries,
        ignore_identical_ids=ignore_identical_ids,
        accept=waived(accept),
        seed=seed,
    )
    judged = Judged.read(queries, qrels, test_qrels, encoding=encoding)
    decide("rerank", directory, judged, judge, _show, dry_run=dry_run, as_json=as_json)


def _settings(
    cross_encoder: str | None,
    late_interaction: str | None,
    mmr: bool,
    recency: str | None,
    popularity: str | None,
    now: datetime | None,
) -> list[Settable]:
    named = (cross_encoder, late_interaction, recency, popularity)
    if sum(name is not None for name in named) + mmr != 1:
        raise InputError(
            "give one of --cross-encoder MODEL, --late-interaction MODEL, --mmr, --recency PATH, "
            "--popularity PATH"
        )
    if now is not None and recency is None:
        raise InputError("--now says as of which day --recency is judged; give both")
    if cross_encoder is not None:
        return cross_encoders(cross_encoder)
    if late_interaction is not None:
        return late_interactions(late_interaction)
    if recency is not None:
        return recencies(recency, None if now is None else now.replace(tzinfo=UTC).timestamp())
    return diversities() if popularity is None else popularities(popularity)


def _show(found: Reranking) -> None:
    best = f"the best of {len(found.tried)} settings on train: {found.reranker!r}"
    show_contest(found, f"; {best}; over: {found.profile}")
    out.print()
