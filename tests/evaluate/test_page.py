"""The report page: that it stands alone, that its figures are the report's, that names are only text."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import __version__
from hybrid.errors import MissingExtra
from hybrid.evaluate import evaluate, parse
from hybrid.evaluate.comparison import compare
from hybrid.evaluate.latency import Latency
from hybrid.evaluate.page import page
from hybrid.evaluate.page.charts import SLOTS
from hybrid.evaluate.page.curves import over_cutoffs
from hybrid.evaluate.page.rankings import BEST, WORST, Cases, brief
from hybrid.types import Document, Qrels, Run

MEASURES = "nDCG@10 R@100 RR@10"
VOID = {"br", "hr", "img", "input", "link", "meta"}


def ranking(*documents: str) -> list[tuple[str, float]]:
    return [(document, 1.0 / rank) for rank, document in enumerate(documents, start=1)]


class Parsed(HTMLParser):
    """What a browser makes of a page: that its tags nest, its text, its attributes, its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> outside SVG does not close in HTML"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data.replace("\N{MINUS SIGN}", "-")

    def row(self, table: int, name: str) -> list[str]:
        return next(row for row in self.tables[table] if row[0].startswith(name))


def made(
    runs: Mapping[str, Run],
    qrels: Qrels,
    baseline: str | None = None,
    *,
    queries: Mapping[str, str] | None = None,
    text_of: Callable[[str], Document | None] = lambda id: None,
    latencies: Mapping[str, Latency] | None = None,
    encoding: Latency | None = None,
    title: str = "A title",
    remarks: Sequence[str] = (),
) -> str:
    report = evaluate(runs, qrels, parse(MEASURES))
    return page(
        title=title,
        report=report,
        runs=runs,
        qrels=qrels,
        queries=queries or {},
        comparisons=compare(report, baseline) if baseline else [],
        latencies=latencies or {},
        text_of=text_of,
        encoding=encoding,
        remarks=remarks,
    )


def collection(
    queries: int, hits: int = 30, systems: int = 3, seed: int = 0
) -> tuple[dict[str, Run], Qrels]:
    draw = random.Random(seed)
    documents = [f"d{number}" for number in range(60)]
    qrels = {
        f"q{number}": {document: draw.choice([0, 1, 2]) for document in draw.sample(documents, 6)}
        for number in range(queries)
    }

    def run(luck: float) -> Run:
        def score(query: str, document: str) -> float:
            return draw.random() + luck * qrels[query].get(document, 0)

        answers = {query: [(d, score(query, d)) for d in draw.sample(documents, hits)] for query in qrels}
        return {query: sorted(found, key=lambda hit: -hit[1]) for query, found in answers.items()}

    return {f"system {number}": run(number / 5) for number in range(systems)}, qrels


RUNS, QRELS = collection(40)
LATENCIES = {"system 0": Latency(0.0012, 0.0034, 0.0056, 40), "system 1": Latency(0.5, 1.5, 2.25, 40)}


@pytest.fixture(scope="module")
def html() -> str:
    return made(RUNS, QRELS, "system 0", latencies=LATENCIES)


@pytest.fixture(scope="module")
def parsed(html: str) -> Parsed:
    return Parsed(html)


# It stands alone


def test_nothing_in_it_comes_from_elsewhere(html: str, parsed: Parsed) -> None:
    assert html.startswith("<!DOCTYPE html>")
    assert "://" not in html
    assert "@import" not in html
    assert not {"script", "link", "img", "iframe", "object", "image"} & {tag for tag, _ in parsed.tags}
    assert not any(
        name == "src" or name.startswith("on") for _, attributes in parsed.tags for name in attributes
    )
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_ids_are_unique_and_links_lead_to_them(html: str, parsed: Parsed) -> None:
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    hrefs = {attributes["href"] for _, attributes in parsed.tags if "href" in attributes}
    assert {"#results", "#changed"} < hrefs
    assert hrefs | {f"#{clip}" for clip in re.findall(r"url\(#([^)]*)", html)} <= {f"#{id}" for id in ids}


def test_it_can_be_read_without_seeing_it(html: str, parsed: Parsed) -> None:
    named = [attributes for tag, attributes in parsed.tags if tag == "th"]
    assert named
    assert all(attributes["scope"] in {"col", "row", "rowgroup"} for attributes in named)
    pictures = [attributes for _, attributes in parsed.tags if attributes.get("role") in {"img", "region"}]
    assert all(attributes["aria-label"] for attributes in pictures)
    assert html.count("<figure") == html.count("<figcaption") == 6
    charts = len(re.findall(r'class="chart" role="img"', html)) + html.count('aria-hidden="true"><svg')
    assert charts == 2 + 2 + 3 + 3 * 2 + 2


def test_colours_are_the_style_sheets(html: str) -> None:
    assert "#0000" not in html
    assert all(f"--system-{slot}:" in html for slot in range(SLOTS))


def test_the_same_input_gives_the_same_page_but_for_the_date(html: str) -> None:
    def undated(html: str) -> str:
        return re.sub(r"<time.*?</time>", "", html)

    assert undated(made(RUNS, QRELS, "system 0", latencies=LATENCIES)) == undated(html)


# Its figures are the report's


def test_the_table(html: str, parsed: Parsed) -> None:
    report = evaluate(RUNS, QRELS, parse(f"{MEASURES} Judged@10"))
    significant = {(c.system, c.measure): c.corrected < 0.05 for c in compare(report, "system 0")}
    assert any(significant.values())
    assert parsed.tables[0][0] == ["System", *MEASURES.split(), "Judged@10"]
    for name, figures in report.systems.items():
        row = parsed.row(0, name)
        assert row[0] == name + ("baseline" if name == "system 0" else "")
        for cell, measure in zip(row[1:], MEASURES.split(), strict=False):
            assert cell == f"{figures[measure]:.4f}" + ("▲" if significant.get((name, measure)) else "")
        assert row[-1] == f"{figures['Judged@10']:.1%}"
    best = max(figures["nDCG@10"] for figures in report.systems.values())
    assert f"<strong>{best:.4f}</strong>" in html


def test_the_comparisons(parsed: Parsed) -> None:
    comparisons = compare(evaluate(RUNS, QRELS, parse(MEASURES)), "system 0")
    rows = [row for row in parsed.tables[1][1:] if len(row) > 1]
    assert len(rows) == len(comparisons)
    for row, one in zip(rows, comparisons, strict=True):
        found = one.paired
        p = [f"{p:.4f}" if p >= 0.0001 else "<0.0001" for p in (found.p, one.corrected)]
        assert row == [
            one.system,
            f"{one.mean:.4f}",
            f"{found.difference:+.4f}",
            f"{found.low:+.4f} to {found.high:+.4f}",
            "",
            f"{found.effect:+.2f}",
            *p,
            f"{found.wins} / {found.ties} / {found.losses}",
        ]
    assert f"{comparisons[0].paired.wins} wins" in parsed.text


def test_the_curves(parsed: Parsed) -> None:
    table = parsed.tables[2]
    assert table[0][1:] == ["1", "2", "3", "5", "10", "20", "30"]
    for part, measure in ((table[1:5], "nDCG"), (table[5:9], "R")):
        for cutoff, values in zip(table[0][1:], list(zip(*part[1:], strict=True))[1:], strict=True):
            means = evaluate(RUNS, QRELS, parse(f"{measure}@{cutoff}")).systems.values()
            assert list(values) == [f"{next(iter(figures.values())):.4f}" for figures in means]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 10_000))
def test_the_curves_agree_with_evaluate(queries: int, hits: int, seed: int) -> None:
    runs, qrels = collection(queries, hits, 2, seed)
    runs["system 1"].popitem()
    names = {"ndcg": "nDCG", "recall": "R"}
    for name, curves in over_cutoffs(runs, qrels).items():
        for place, cutoff in enumerate(curves.cutoffs):
            wanted = evaluate(runs, qrels, parse(f"nDCG@{cutoff} R@{cutoff}")).systems[name]
            for curve, measure in names.items():
                assert getattr(curves, curve)[place] == pytest.approx(
                    wanted[f"{measure}@{cutoff}"], abs=1e-9
                )
    assert curves.cutoffs[-1] >= hits


def test_the_latencies(parsed: Parsed) -> None:
    table = parsed.tables[-1]
    assert table[1:] == [
        ["system 0", "40", "1.2 ms", "3.4 ms", "5.6 ms", ""],
        ["system 1", "40", "500 ms", "1.5 s", "2.25 s", ""],
    ]
    assert "were not timed" in parsed.text
    encoding = Latency(0.02, 0.03, 0.04, 40)
    html = made({"s": {"q": []}}, {"q": {"a": 1}}, latencies={"s": Latency(0, 0, 0, 1)}, encoding=encoding)
    assert "which takes 20 ms more (p95 30 ms, p99 40 ms) where vectors are searched" in html
    assert "were not timed" not in html


def test_the_header_says_what_was_evaluated(parsed: Parsed) -> None:
    grades = [grade for judged in QRELS.values() for grade in judged.values()]
    text = " ".join(parsed.text.split())
    assert (
        f"240 ({grades.count(2)} of grade 2, {grades.count(1)} of grade 1, {grades.count(0)} of grade 0)"
        in text
    )
    assert "Queries 40 judged queries Judgments 240" in text
    assert f"UTC with hybrid-retrieval {__version__}" in text


# Queries that changed

DOCUMENTS = {"a": Document("a", "body", "Title of a"), "b": Document("b", "one\n two " + "three " * 99)}


def test_both_rankings_stand_side_by_side() -> None:
    qrels: Qrels = {"worse": {"a": 2, "lost": 1, "c": 0}, "better": {"b": 1}, "draw": {"a": 1}}
    before: Run = {"worse": ranking("a", "b", "c"), "better": ranking("x"), "draw": ranking("a")}
    after: Run = {
        "worse": ranking("b", *(f"x{n}" for n in range(10)), "a"),
        "better": ranking("b"),
        "draw": ranking("a"),
    }
    html = made(
        {"old": before, "new": after}, qrels, "old", queries={"worse": "why?"}, text_of=DOCUMENTS.get
    )
    parsed = Parsed(html)
    old, new = parsed.tables[3:5]
    assert old[0] == ["#", "grade", "document", "rank in new"]
    assert old[1:] == [
        ["1", "2", "a Title of a", "12\xa0▼"],
        ["2", "·", old[2][2], "1\xa0▲"],
        ["3", "0", "c", "–\xa0▼"],
    ]
    assert old[2][2].startswith("b one two three")
    assert old[2][2].endswith("…")
    assert new[1][3] == "2\xa0▲"
    assert len(new) == 1 + 10
    assert "first 10 of neither (grade; rank in old, new):\nlost (1; –, –)." in parsed.text
    assert "why?" in parsed.text
    assert parsed.tables[5][1] == ["1", "·", "x", "–\xa0▼"]
    assert "draw" not in parsed.text.replace("drawn", "")


def test_the_worst_come_first_and_ties_not_at_all() -> None:
    values = {f"q{number}": number / 40 for number in range(41)}
    cases = Cases({}, {query: {"a": 1} for query in values}, lambda id: None)
    worst, best = cases.extremes({}, {}, values, dict.fromkeys(values, 0.5))
    assert [case.query for case in worst] == [f"q{number}" for number in range(WORST)]
    assert [case.query for case in best] == [f"q{40 - number}" for number in range(BEST)]
    assert worst[0].difference == -0.5
    rounding = {query: value + 1e-15 for query, value in values.items()}
    assert cases.extremes({}, {}, rounding, values) == ([], [])


def test_the_first_words() -> None:
    assert brief("  a\n\tb  ") == "a b"
    assert brief("ab" * 20, 10) == "ababababa…"
    assert brief("中文" * 20, 10) == "中文中文…"


# Hostile

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{$",
    "_hidden & &amp; ]]> --> </style></svg>",
    "\0\x1b[31m\x85",
    "\ud800",
    "\u202eright to left",
    "中文 한국어 😀",
    "x" * 300,
]


def test_hostile_ids_and_texts_are_only_text() -> None:
    qrels: Qrels = {name: {name: 1, "other": 0} for name in HOSTILE}
    runs: dict[str, Run] = {
        "plain": {name: ranking("elsewhere", name) for name in HOSTILE},
        **{name: {query: ranking(query) for query in HOSTILE} for name in HOSTILE},
    }
    html = made(
        runs,
        qrels,
        HOSTILE[0],
        queries={name: name for name in HOSTILE},
        text_of=lambda id: Document(id, text=id, title=id),
        latencies=dict.fromkeys(runs, Latency(0, 0, 0, 1)),
        title=HOSTILE[1],
    )
    parsed = Parsed(html)
    assert html.encode("utf-8").decode() == html
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    for name in [*HOSTILE[:6], *HOSTILE[8:]]:
        assert name in parsed.text
    assert "49" not in {cell for table in parsed.tables for row in table for cell in row}


# Where there is little


@pytest.mark.parametrize(
    ("runs", "qrels", "baseline"),
    [
        ({"only": {"q": ranking("a")}}, {"q": {"a": 1}}, None),
        ({"only": {}}, {"q": {"a": 1}}, None),
        ({"one": {"q": ranking("a")}, "two": {"q": ranking("b")}}, {"q": {"a": 1}}, "one"),
        ({"one": {"q": ranking("a")}, "two": {"q": ranking("a")}}, {"q": {"a": 0, "b": -1}}, "one"),
        ({"one": {"q": []}, "two": {}}, {"q": {"a": 1}, "unjudged": {}}, "two"),
    ],
    ids=["one system", "no answer", "one query", "no relevant document", "nothing at all"],
)
def test_little(runs: dict[str, Run], qrels: Qrels, baseline: str | None) -> None:
    html = made(runs, qrels, baseline)
    parsed = Parsed(html)
    assert "1 judged query" in parsed.text
    assert len(parsed.tables[0]) == 1 + len(runs)
    assert ("--baseline NAME" in parsed.text) == (baseline is None)
    assert ('id="changed"' in html) == (baseline is not None)
    assert 'id="latency"' not in html
    assert "nan" not in parsed.text


def test_many_queries_make_no_large_page() -> None:
    runs, qrels = collection(5000, hits=10, systems=2)
    html = made(runs, qrels, "system 0")
    assert "5,000 judged queries" in Parsed(html).text
    assert len(html) < 400_000


# Its extra


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jinja2", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingExtra, match=r"jinja2, matplotlib; run: pip install 'hybrid-retrieval\[report\]'"
    ):
        made(RUNS, QRELS)


def test_importing_loads_neither_jinja2_nor_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys, hybrid.cli, hybrid.evaluate.page, hybrid.evaluate.page.charts;"
        "assert not {'jinja2', 'matplotlib', 'PIL', 'pytrec_eval'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=300)


def test_grades_below_0_are_shown_as_they_are_and_measured_as_0() -> None:
    qrels: Qrels = {"q1": {"a": -2, "b": -2}, "q2": {"a": 1, "b": -2}}
    runs: dict[str, Run] = {"s": {"q1": ranking("a"), "q2": ranking("b", "a")}, "t": {"q2": ranking("a")}}
    shown = Parsed(made(runs, qrels, "t")).text
    assert "1 of grade 1, 3 of grade -2" in " ".join(shown.split())
    floored: Qrels = {"q1": {"a": 0, "b": 0}, "q2": {"a": 1, "b": 0}}
    assert over_cutoffs(runs, qrels) == over_cutoffs(runs, floored)


def test_remarks_are_text() -> None:
    found = Parsed(
        made({"s": {"q": ranking("a")}}, {"q": {"a": 1}}, remarks=["3 < 4 <b>judged</b>", "two"])
    )
    assert "3 < 4 <b>judged</b>" in found.text
    assert found.text.count("Note") == 2
