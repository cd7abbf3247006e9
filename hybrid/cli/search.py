"""``hybrid search``: search an index and show the hits."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from rich.text import Text

from hybrid.cli.conditions import Condition, condition
from hybrid.cli.output import AsJson, out, print_json, table
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.limits import counted
from hybrid.query import Syntax
from hybrid.search.fields import Fields
from hybrid.search.request import DOCUMENT, Options
from hybrid.types import Fragment, Highlights, Hit, Mode, Results, printable

_LONG: Final = 1_000  # characters of a text
_PARTS: Final = ("title", "text", "metadata")
_SPACES: Final = re.compile(" +")


def search(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    query: Annotated[str | None, typer.Argument(metavar="[QUERY]")] = None,
    k: Annotated[int, typer.Option("-k", help="The number of hits.")] = 10,
    offset: Annotated[int, typer.Option(help="The number of hits to skip.")] = 0,
    mode: Annotated[str, typer.Option(help="hybrid, lexical or vector.")] = "hybrid",
    filter: Condition = None,
    min_score: Annotated[
        float | None,
        typer.Option(metavar="P", help="Show only hits whose probability of relevance is P or more."),
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="Sort by metadata: price; -price descends. Repeat it for several keys."
        ),
    ] = None,
    group_by: Annotated[
        str,
        typer.Option(metavar="KEY", help='One hit for each value of the metadata, or each "passage".'),
    ] = DOCUMENT,
    sentences: Annotated[
        int,
        typer.Option(
            metavar="N", help="Encode up to N sentences of a hit without a queried word; show the nearest."
        ),
    ] = 0,
    explain: Annotated[
        str | None, typer.Option(metavar="ID", help="Also explain the rank, or absence, of this document.")
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What --json has of documents: title, text, metadata, metadata.KEY. [all but texts "
            f"beyond {_LONG:,} characters]",
        ),
    ] = None,
    syntax: Annotated[
        str,
        typer.Option(help='auto reads operators: "a phrase", -not, +must, title:word, wire*, …; plain.'),
    ] = "auto",
    like: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Look for more like this document.")
    ] = None,
    unlike: Annotated[list[str] | None, typer.Option(metavar="ID", help="And less like this.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search an index. Hits have a relevance once the index is calibrated: see hybrid calibrate."""
    shown, passages = _fields(fields), group_by == "passage"
    if query is None and not like:
        raise InputError("give a QUERY, or --like ID")
    options: Options = {
        "k": k,
        "offset": offset,
        "mode": cast(Mode, mode),
        "filter": condition(filter),
        "min_score": min_score,
        "sort": sort,
        "sentences": sentences,
        "group_by": None if passages else group_by,
        "syntax": cast(Syntax, syntax),
        "like": like or [],
        "unlike": unlike or [],
    }
    with Index.open(directory, read_only=True) as index:
        results = index.search(query, **options)
        why = None if explain is None else index.explain(query, explain, **options)
        if as_json:
            print_json(
                _json(query, mode, results, shown) | ({} if why is None else {"explanation": asdict(why)})
            )
        else:
            _show(results, passages)
            if why is not None:
                out.print(f"\n{why}", soft_wrap=True)
            if min_score is not None and not results.hits and not offset:
                out.print("no good answer")


def _json(query: str | None, mode: str, results: Results, fields: Fields | None) -> dict[str, Any]:
    return {
        "query": query,
        "read_as": None if results.query is None else str(results.query),
        "mode": mode,
        "total": results.total,
        "sequence": results.sequence,
        "took": results.took,
        "suggestion": None if results.suggestion is None else asdict(results.suggestion),
        "hits": [
            {
                "rank": hit.rank,
                "id": hit.id,
                "score": hit.score,
                "relevance": hit.relevance,
                "folded": hit.folded,
                **_body(hit, fields),
                "passage": hit.passage,
                "heading": hit.passage and hit.passage.heading,
                "page": hit.passage and hit.passage.page,
                "snippet": asdict(_highlights(hit).snippet),
            }
            for hit in results
        ],
    }


def _body(hit: Hit, fields: Fields | None) -> dict[str, Any]:
    """What was asked for of a document; by default all of it, without the text where that is long."""
    document = hit.document
    if fields is None:
        fields = Fields(frozenset(_PARTS if len(document.text) <= _LONG else ("title", "metadata")))
    document = fields(document)
    return {name: getattr(document, name) for name in _PARTS if name in fields.parts}


def _fields(text: str | None) -> Fields | None:
    return Fields.of(None if text is None else [name.strip() for name in text.split(",") if name.strip()])


def _show(results: Results, passages: bool) -> None:
    calibrated = any(hit.relevance is not None for hit in results)
    rows = table("#", "score", *(["relevance"] if calibrated else []), "id", "document")
    for hit in results:
        relevance = [] if hit.relevance is None else [f"{hit.relevance:.0%}"]
        rows.add_row(str(hit.rank), f"{hit.score:.4f}", *relevance, Text(printable(hit.id)), _document(hit))
    if results.hits:
        out.print(rows)
    if results.suggestion is not None:
        out.print(Text(f"did you mean: {printable(results.suggestion.query)}"), soft_wrap=True)
    shown = f"{len(results)} passages of {counted(results.total)}"
    if not passages:
        shown = f"{len(results)} of {results.total:,}"
    out.print(f"{shown} in {results.took * 1000:.1f} ms", style="dim")


def _document(hit: Hit) -> Text:
    """The title, and below it the best snippet, with the query's words marked."""
    found = _highlights(hit)
    title, snippet = _line(found.title, "bold"), _line(found.snippet, "not bold")
    if hit.folded:
        title.append(f" (+{hit.folded:,})", "not bold dim")
    return title.append("\n" if title and snippet else "").append(snippet)


def _highlights(hit: Hit) -> Highlights:
    assert hit.highlights is not None  # the hit is from a search
    return hit.highlights


def _line(fragment: Fragment, style: str) -> Text:
    line = Text("…" if fragment.before else "", style)
    for part, marked in fragment.parts():
        line.append(_SPACES.sub(" ", printable(part)), "bold yellow" if marked else style)
    line.append("…" if fragment.after else "", style)
    return line
