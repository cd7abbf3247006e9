"""The report page: what `evaluate` found, as one HTML file that needs nothing else.

It loads no script, no font, no picture and no style from anywhere, so that it can be mailed, archived and
opened from a disk in ten years. Ids, texts and names of systems are anybody's: the template escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Final

from hybrid import __version__
from hybrid.errors import require
from hybrid.evaluate.comparison import ALPHA, CONFIDENCE, FLIPS, Comparison
from hybrid.evaluate.latency import HITS, Latency
from hybrid.evaluate.page.calibration import DEPTH
from hybrid.evaluate.page.content import Content
from hybrid.evaluate.page.rankings import RANKS, TextOf
from hybrid.evaluate.scoring import Report
from hybrid.types import Qrels, Run

if TYPE_CHECKING:
    from jinja2 import Environment

# What HTML has no place for: control characters, non-characters, and surrogates, which have no UTF-8.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_MINUS: Final = "\N{MINUS SIGN}"


def page(
    *,
    title: str,
    report: Report,
    runs: Mapping[str, Run],
    qrels: Qrels,
    queries: Mapping[str, str],
    comparisons: Sequence[Comparison],
    latencies: Mapping[str, Latency],
    text_of: TextOf,
    encoding: Latency | None = None,
    remarks: Sequence[str] = (),
) -> str:
    """The page as text, to be written as UTF-8.

    ``runs`` and ``qrels`` are what ``report`` measured, ``comparisons`` come from `compare`: without any,
    the parts that compare are left out and the page says how to get them. ``latencies`` may lack systems,
    as runs from files were never timed; ``encoding`` is what they leave out, the encoding of a query.
    ``text_of`` gives the document of an id, or None. ``remarks``: what else a reader of the figures must
    know, a line each.

    Raises MissingExtra unless the extra ``report`` (jinja2, matplotlib) is installed.
    """
    require("the report page", "jinja2", "matplotlib", extra="report")
    judged = {query: grades for query, grades in qrels.items() if grades}
    content = Content(report, runs, judged, queries, comparisons, latencies, text_of)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            content=content,
            now=datetime.now(UTC),
            version=__version__,
            alpha=ALPHA,
            confidence=CONFIDENCE,
            flips=FLIPS,
            depth=DEPTH,
            ranks=RANKS,
            infinity=inf,
            encoding=encoding,
            remarks=remarks,
            timed_hits=HITS,
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hybrid.evaluate.page", "."),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "signed": _signed, "p": _p, "time": _time}
    return environment


def _printable(value: object) -> object:
    # Markup (a chart) is a str too, and clean; substitution would make it a plain one, to be escaped.
    return _UNPRINTABLE.sub("\ufffd", value) if type(value) is str else value


def _figure(value: float) -> str:
    return f"{value:.4f}".replace("-", _MINUS)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", _MINUS)


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
