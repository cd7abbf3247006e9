"""Documents that have the id of the query: some collections (ArguAna) take their queries from their own
documents, and whoever asks for documents like one does not want that one itself.

This is called ``ignore_identical_ids`` here and in BEIR, ``--remove-query`` in Pyserini: each query passes
over its own document as if the index lacked it, and over what was judged or answered of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from hybrid.types import Lacking, Qrels, Run


def own(queries: Iterable[str]) -> Lacking:
    """Query id -> the document that the query passes over: its own."""
    return {query: (query,) for query in queries}


def not_judged(qrels: Qrels) -> Qrels:
    """``qrels`` without judgments on a query's own document."""
    return {
        query: {id: grade for id, grade in grades.items() if id != query} for query, grades in qrels.items()
    }


def not_answered(run: Run) -> Run:
    """``run`` without a query's own document."""
    return {query: [hit for hit in hits if hit[0] != query] for query, hits in run.items()}
