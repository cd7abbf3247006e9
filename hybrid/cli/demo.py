"""``hybrid demo``: index the bundled sample, search it three ways and evaluate all three."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from hybrid import corpora
from hybrid.cli.comparing import scores
from hybrid.cli.evaluate import MEASURES, answers
from hybrid.cli.output import AsJson, bar, out, print_json, table
from hybrid.errors import MissingExtra
from hybrid.evaluate import Report, by_mode, depth_of, parse
from hybrid.evaluate import evaluate as measure
from hybrid.index import Index
from hybrid.types import Document, Mode, Qrels, Results

_MODES: Final[list[Mode]] = ["lexical", "vector", "hybrid"]
_SHOWN: Final = 3
_TRY: Final = "what to do when the tap drips"


def demo(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="The index, which is kept.")] = Path(
        "hybrid-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Index the bundled Chinese and English sample, search it three ways, evaluate all three."""
    folder = corpora.sample()
    queries = corpora.read_queries(folder / "queries.jsonl")
    qrels = corpora.read_qrels(folder / "qrels" / "test.tsv")
    with _index(to) as index:
        _fill(index, list(corpora.read_documents(folder)))
        shown = {id: _answers(index, queries[id]) for id in _showcase(folder)}
        report, unmeasured = _measured(index, queries, qrels)
        documents = len(index)
    if as_json:
        found = {queries[id]: {m: [hit.id for hit in r] for m, r in a.items()} for id, a in shown.items()}
        print_json({"documents": documents, "answers": found, **(report.to_json() if report else {})})
        return
    out.print(f"{documents:,} documents in Chinese and English, in {to}.")
    out.print(
        "The first three hits of each way to search; ✓ marks those that answer the query.\n", style="dim"
    )
    for id, shows in _showcase(folder).items():
        _compare(queries[id], shows, shown[id], qrels[id])
    if report:
        out.print(scores(report))
        unmeasured = f"{report.queries} judged queries of the sample: an illustration, not a benchmark"
    out.print(Text(f"{unmeasured}\n", style="dim"), soft_wrap=True)
    out.print("Now try it yourself:", style="bold")
    hybrid = "hybrid" if shutil.which("hybrid") else sys.argv[0]
    out.print(f'  {hybrid} search {to} "{_TRY}"', soft_wrap=True)
    out.print(f"""  {hybrid} search {to} 耳机 --filter '{{"price": {{"lt": 500}}}}'""", soft_wrap=True)


def _index(to: Path) -> Index:
    return Index.open(to) if to.exists() and any(to.iterdir()) else Index.create(to)


def _fill(index: Index, documents: list[Document]) -> None:
    if len(index) < len(documents):
        with bar("indexing", len(documents)) as progress:
            index.add(documents, progress=progress.advance)


def _measured(index: Index, queries: dict[str, str], qrels: Qrels) -> tuple[Report | None, str]:
    """Evaluate all modes; return a message instead if the libraries for it are not installed."""
    try:
        measures = parse(MEASURES)
    except MissingExtra as error:
        return None, str(error)
    found = answers(index, queries, qrels, by_mode(_MODES), depth_of(measures))
    return measure(found, qrels, measures), ""


def _showcase(folder: Path) -> dict[str, str]:
    """Return the sample's queries that are meant as examples, and what each of them shows."""
    lines = (json.loads(line) for line in (folder / "queries.jsonl").read_text("utf-8").splitlines())
    marked: dict[str, Any] = {line["_id"]: line["metadata"] for line in lines}
    return {id: metadata["shows"] for id, metadata in marked.items() if metadata.get("showcase")}


def _answers(index: Index, query: str) -> dict[Mode, Results]:
    return {mode: index.search(query, k=_SHOWN, mode=mode) for mode in _MODES}


def _compare(query: str, shows: str, answers: dict[Mode, Results], judged: dict[str, int]) -> None:
    """Show the first hits of each mode side by side, and mark those that answer the query."""
    out.print(Text.assemble((query, "bold"), (f"   {shows}", "dim")))
    rows = table("keyword (BM25)", "meaning (vectors)", "hybrid")
    rows.expand = True
    for column in rows.columns:
        column.ratio = 1
    for place in range(_SHOWN):
        rows.add_row(*(_cell(results, place, judged) for results in answers.values()))
    out.print(rows)
    out.print()


def _cell(results: Results, place: int, judged: dict[str, int]) -> Text:
    if place >= len(results):
        return Text("–", style="dim")
    document = results.hits[place].document
    grade = judged.get(document.id, 0)
    mark = "✓ " if grade >= 2 else "· " if grade == 1 else "  "
    return Text(mark + (document.title or document.text[:40]), style="bold green" if grade >= 2 else "")
