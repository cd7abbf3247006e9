"""``hybrid train-encoder``: train the encoder of an index on judged queries, into a bundle."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hybrid.cli import reading
from hybrid.cli.judging import IgnoreIdenticalIds, gain, identities, tell_what_is_lacking
from hybrid.cli.output import AsJson, Directory, complain, out, print_json, stages, table
from hybrid.cli.reading import Encoding
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.learn.contest import CONTROL, MEASURE
from hybrid.learn.encoder import Figures, Plan, Trained
from hybrid.learn.encoder import train_encoder as train
from hybrid.learn.encoder.plan import ALL, LABELLED, LORA, NEGATIVES, UNLABELLED
from hybrid.types import Qrels

_DEFAULT = Plan()


def train_encoder(
    directory: Directory,
    to: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The new folder of the encoder.")],
    queries: Annotated[
        Path | None, typer.Option(help="BEIR queries.jsonl, or lines of id, tab, text.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="BEIR or TREC judgments: two thirds train, one third tests.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Learn from these queries of users, which nobody judged."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(LABELLED)}. [{_DEFAULT.loss}; {UNLABELLED} with --unlabelled]", metavar="LOSS"
        ),
    ] = None,
    negatives: Annotated[
        str | None, typer.Option(help=f"{', '.join(NEGATIVES)}. [{_DEFAULT.negatives}]", metavar="KIND")
    ] = None,
    layers: Annotated[
        str, typer.Option(help=f"The last N layers train; or {LORA}, or {ALL}.", metavar="N")
    ] = _DEFAULT.layers,
    adversarial: Annotated[
        float, typer.Option(metavar="EPS", help="Also train on word embeddings moved by this length.")
    ] = _DEFAULT.adversarial,
    epochs: Annotated[int, typer.Option(help="At most.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(help="Examples a step.")] = _DEFAULT.batch,
    lr: Annotated[float, typer.Option(help="The highest learning rate.")] = _DEFAULT.lr,
    seed: Annotated[int, typer.Option(help="Seed of the split, negatives and training.")] = _DEFAULT.seed,
    ignore_identical_ids: IgnoreIdenticalIds = False,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Train an index's encoder on judged queries, or on the texts of unjudged ones, and write the trained
    one to a new folder. The index stays as it is.

    Training stops when the loss on held-out families of queries no longer falls. Interrupted and called
    again, it goes on. Exit status 1 where nothing was learned and so nothing was written.
    """
    if (queries is None) != (qrels is None) or (queries is None and unlabelled is None):
        raise InputError("give --queries and --qrels, or --unlabelled, or all three")
    if unlabelled is not None and (loss is not None or negatives is not None):
        raise InputError("--loss and --negatives are of judged queries; give them without --unlabelled")
    plan = Plan(
        loss=loss or (_DEFAULT.loss if unlabelled is None else UNLABELLED),
        negatives=negatives or _DEFAULT.negatives,
        layers=layers,
        adversarial=adversarial,
        epochs=epochs,
        batch=batch,
        lr=lr,
        seed=seed,
    )
    texts = None if unlabelled is None else reading.queries(unlabelled, encoding)
    asked = {} if queries is None else reading.queries(queries, encoding)
    judged: Qrels = {} if qrels is None else reading.qrels(qrels, encoding)
    known = {"files": identities({"queries": queries, "qrels": qrels, "unlabelled": unlabelled})}
    with Index.open(directory, read_only=True) as index, index.searcher() as searcher:
        tell_what_is_lacking(searcher, judged or None)
        with stages() as progress:
            found = train(
                searcher,
                to,
                plan,
                queries=asked,
                qrels=judged,
                texts=texts,
                ignore_identical_ids=ignore_identical_ids,
                known=known,
                progress=progress,
            )
    for reason, many in found.left_out.items():
        complain(f"{many:,} left out: {reason}")
    if as_json:
        print_json(found.to_json())
    else:
        _show(found, directory)
    if found.bundle is None:
        raise typer.Exit(1)


def _show(found: Trained, directory: Path) -> None:
    course = found.course
    out.print(
        f"loss on held-out families: {course.checks[0].loss:.4f} before, {course.best.loss:.4f} after "
        f"{course.best.step:,} steps, of {course.steps:,} done; {found.train:,} examples train, "
        f"{found.stop:,} stop",
        soft_wrap=True,
    )
    if found.figures is not None:
        out.print()
        out.print(_gains(found.figures))
        out.print(
            f"{MEASURE} of the vector leg, {found.figures.queries:,} held-out queries, "
            f"{found.figures.documents:,} documents",
            style="dim",
            soft_wrap=True,
        )
        out.print()
    if found.bundle is None:
        out.print("nothing was learned: no step lowered the loss on held-out families; nothing was written")
        return
    index, folder = (shlex.quote(str(path)) for path in (directory, found.bundle.folder))
    out.print(f"{found.bundle.id}: {folder}", style="bold", soft_wrap=True)
    trial = f"hybrid reindex {index} --encoder {folder} --trial --queries FILE --qrels FILE"
    out.print(f"next: {trial}", soft_wrap=True)


def _gains(found: Figures) -> Table:
    """The means, and the gains on all held-out queries and by what is known from training."""
    rows = table("vector leg", "documents")
    for heading in (MEASURE, "queries", "difference", "95 % interval"):
        rows.add_column(heading, justify="right")
    rows.add_row("encoder of the index", "all", f"{found.base:.4f}", f"{found.queries:,}", "", "")
    rows.add_row(
        "trained encoder", "all", f"{found.trained:.4f}", f"{found.queries:,}", *gain(found.difference)
    )
    for name, apart in (("trained encoder", found.apart), (CONTROL, found.control)):
        for documents in ("unknown", "known"):
            if apart is not None and (one := getattr(apart, documents)) is not None:
                rows.add_row(name, documents, "", f"{one.queries:,}", *gain(one))
    return rows
