"""``hybrid search``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from hybrid.cli.output import AsJson, out, print_json, table
from hybrid.engine import Index
from hybrid.errors import FilterError
from hybrid.types import Hit, Mode, Results

_SNIPPET = 160  # characters


def search(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 10,
    mode: Annotated[str, typer.Option(help="hybrid, lexical or vector.")] = "hybrid",
    filter: Annotated[
        str | None, typer.Option(help='A condition on metadata, JSON: {"price": {"lt": 100}}.')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search an index."""
    with Index.open(directory, read_only=True) as index:
        results = index.search(query, k=k, mode=cast(Mode, mode), filter=_filter(filter))
        if as_json:
            print_json(_json(query, mode, results))
        else:
            _show(results)


def _filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        return cast(dict[str, Any], json.loads(text))
    except ValueError as error:
        raise FilterError(f"--filter is not JSON: {error}: {text:.80}") from error


def _json(query: str, mode: str, results: Results) -> dict[str, Any]:
    return {
        "query": query,
        "mode": mode,
        "total": results.total,
        "snapshot": results.snapshot,
        "took": results.took,
        "hits": [
            {
                "rank": hit.rank,
                "id": hit.id,
                "score": hit.score,
                "title": hit.document.title,
                "text": hit.document.text,
                "metadata": hit.document.metadata,
                "passage": hit.passage,
            }
            for hit in results
        ],
    }


def _show(results: Results) -> None:
    rows = table("#", "score", "id", "document")
    for hit in results:
        rows.add_row(str(hit.rank), f"{hit.score:.4f}", Text(hit.id), _document(hit))
    if results.hits:
        out.print(rows)
    out.print(f"{len(results)} of {results.total:,} in {results.took * 1000:.1f} ms", style="dim")


def _document(hit: Hit) -> Text:
    text = hit.document.text
    start, end = hit.passage or (0, len(text))
    snippet = " ".join(text[start : min(end, start + _SNIPPET)].split())
    cut = "…" if end - start > _SNIPPET or end < len(text) else ""
    title = Text(hit.document.title, style="bold")
    return title.append(("\n" if title and snippet else "") + snippet + cut, style="not bold")
