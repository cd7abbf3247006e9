"""``hybrid evaluate`` as a person and as a program meet it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from hybrid import Document, Index, corpora
from hybrid.cli import evaluate as command
from hybrid.encoders import HashEncoder
from hybrid.evaluate import compare, evaluate, parse, read_run
from hybrid.fusion import load
from tests.commands import Said, contents, run
from tests.encoder_models import bundle_of_letters

TEXTS = {
    "1": "headphones with noise cancelling",
    "2": "wireless headphones",
    "3": "a kettle of steel",
    "4": "a kettle of glass, wireless",
    "5": "steel rope",
    "6": "noise of a steel kettle",
}
QUERIES = {"q1": "noise headphones", "q2": "steel kettle", "q3": "wireless", "q4": "glass"}
QRELS = {"q1": {"1": 2, "2": 1}, "q2": {"3": 2, "6": 1, "5": 0}, "q3": {"2": 1, "4": 1}, "q4": {"4": 1}}


Hybrid = Callable[..., Said]


@pytest.fixture
def hybrid(monkeypatch: pytest.MonkeyPatch) -> Hybrid:
    """Runs the command; its index is opened with the encoder that no file can name."""

    def opened(directory: Path, read_only: bool) -> Index:
        index = Index.open(directory, read_only=read_only)
        if not index.stats()["encoder"]:
            return index
        index.close()
        return Index.open(directory, read_only=read_only, encoder=HashEncoder())

    monkeypatch.setattr(command, "Index", SimpleNamespace(open=opened))
    monkeypatch.setenv("COLUMNS", "120")
    return partial(run, "evaluate")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str, Path]:
    """The options that say what is asked and judged."""
    folder = tmp_path_factory.mktemp("judged")
    queries = "".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in QUERIES.items())
    (folder / "queries.jsonl").write_text(queries)
    qrels = "".join(f"{q}\t{d}\t{grade}\n" for q, grades in QRELS.items() for d, grade in grades.items())
    (folder / "qrels.tsv").write_text(qrels)
    return "--queries", folder / "queries.jsonl", "--qrels", folder / "qrels.tsv"


@pytest.fixture(scope="module")
def idx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "idx"
    with Index.create(path, encoder=HashEncoder()) as index:
        index.add(Document(id, text) for id, text in TEXTS.items())
    return path


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index without an encoder."""
    path = tmp_path_factory.mktemp("index") / "words"
    with Index.create(path, encoder=None) as index:
        index.add(Document(id, text) for id, text in TEXTS.items())
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A run that answers three of the four queries."""
    path = tmp_path / "foreign.run"
    path.write_text(
        "q1 Q0 5 1 9 t\nq1 Q0 1 2 8 t\nq2 Q0 3 1 2 t\nq2 Q0 6 2 1 t\nq3 Q0 4 1 1 t\nother Q0 1 1 1 t\n"
    )
    return path


Judged = tuple[str, Path, str, Path]


def test_modes_fusions_and_runs_stand_side_by_side(
    hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path
) -> None:
    linear = '{"method": "linear", "weights": [0.2, 0.8]}'
    done = hybrid(idx, *judged, "--fusion", "rrf", "--run", foreign, "--json")
    assert list(done.json["systems"]) == ["lexical", "vector", "hybrid", "rrf", "foreign"]
    options = ("--fusion", f"mostly-meaning={linear}", "--run", f"tool={foreign}", "--mode", "hybrid")
    done = hybrid(idx, *judged, *options, "--json")
    assert list(done.json["systems"]) == ["hybrid", "mostly-meaning", "tool"]
    assert list(done.json["systems"]["tool"]) == ["nDCG@10", "R@100", "RR@10", "AP", "Judged@10"]


def test_a_fusion_is_what_the_index_answers_with_it(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path
) -> None:
    stored = {"method": "linear", "weights": [0.1, 0.9], "normalize": "min-max"}
    hybrid(
        *(idx, *judged, "--no-latency", "--run-out", tmp_path / "runs"),
        *("--fusion", f"tilted={json.dumps(stored)}"),
    )
    with Index.open(idx, read_only=True, encoder=HashEncoder()) as index:
        expected = index.run(QUERIES, k=1000, fusion=load(stored))
    found = read_run(tmp_path / "runs" / "tilted.trec")
    assert {q: [id for id, _ in hits] for q, hits in found.items()} == {
        q: [id for id, _ in hits] for q, hits in expected.items()
    }


def test_runs_alone_need_no_index(hybrid: Hybrid, judged: Judged, foreign: Path) -> None:
    found = hybrid(*judged[2:], "--run", foreign, "--measures", "RR@10", "--json").json
    assert found["systems"] == {"foreign": {"RR@10": pytest.approx((1 / 2 + 1 + 1 + 0) / 4)}}
    assert found["unanswered"] == {"foreign": 1}
    assert "latency" not in found


def test_what_a_run_does_not_answer_is_said(
    hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path
) -> None:
    said = hybrid(idx, *judged, "--run", foreign).err
    assert said == "hybrid: run 'foreign' does not answer 1 of 4 judged queries, scored 0: 'q4'\n"


def test_what_the_queries_file_lacks_is_said_whatever_the_runs_have(
    hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path, tmp_path: Path
) -> None:
    (tmp_path / "some.tsv").write_text("q1\tnoise headphones\nq4\tglass\n")
    options = ("--queries", tmp_path / "some.tsv", *judged[2:], "--run", foreign)
    said = hybrid(idx, *options).err.splitlines()
    assert said[0].startswith("hybrid: 2 judged queries not in ")
    assert said[0].endswith("scored 0: 'q2'")


def test_a_baseline_compares_as_the_library_does(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path
) -> None:
    options = ("--measures", "nDCG@10 RR@10", "--baseline", "lexical", "--run-out", tmp_path)
    found = hybrid(idx, *judged, *options, "--json").json
    runs = {mode: read_run(tmp_path / f"{mode}.trec") for mode in ("lexical", "vector", "hybrid")}
    report = evaluate(runs, corpora.read_qrels(judged[3]), parse("nDCG@10 RR@10"))
    assert found["comparisons"] == [one.to_json() for one in compare(report, "lexical")]
    assert [(one["measure"], one["system"]) for one in found["comparisons"]] == [
        ("nDCG@10", "vector"),
        ("nDCG@10", "hybrid"),
        ("RR@10", "vector"),
        ("RR@10", "hybrid"),
    ]


def test_significance_stands_in_plain_sight(
    hybrid: Hybrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"q{i}" for i in range(30)]
    (tmp_path / "qrels").write_text("".join(f"{q} 0 a 1\n" for q in ids))
    (tmp_path / "good.run").write_text("".join(f"{q} Q0 a 1 1 t\n" for q in ids))
    (tmp_path / "bad.run").write_text("".join(f"{q} Q0 b 1 2 t\n{q} Q0 a 2 1 t\n" for q in ids))
    runs = ("--qrels", tmp_path / "qrels", "--run", tmp_path / "good.run", "--run", tmp_path / "bad.run")
    shown = hybrid(*runs, "--baseline", "bad", "--measures", "RR@10").out
    assert "▲ +0.5000" in shown
    assert "[+0.5000, +0.5000]" in shown
    assert "<.0001" in shown
    assert "30/0/0" in shown
    assert "two-sided paired randomisation test over 30 queries" in " ".join(shown.split())
    shown = hybrid(*runs, "--baseline", "good", "--measures", "RR@10").out
    assert "▼ -0.5000" in shown
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, hybrid(*runs, "--baseline", "good").out.splitlines())) <= 80


def test_on_a_narrow_terminal_no_figure_is_broken(
    hybrid: Hybrid, judged: Judged, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    wanted = ["nDCG@10", "R@100", "RR@10", "AP", "P@5", "Success@1", "Judged@10"]
    options = ("--run", f"a-name-of-many-words-and-no-sense={foreign}", "--measures", " ".join(wanted))
    shown = hybrid(*judged[2:], *options).out.split("4 judged queries")[0]
    assert max(map(len, shown.splitlines())) <= 60
    assert [word for word in shown.split() if word in wanted] == wanted
    assert len(re.findall(r"\b[01]\.\d{4}\b", shown)) == len(wanted)


def test_gains_and_losses_by_query(hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path) -> None:
    options = (*judged, "--mode", "lexical", "--run", foreign, "--baseline", "lexical", "--per-query")
    found = hybrid(idx, *options, "--measures", "RR@10 AP", "--json").json["per_query"]
    assert [(one["system"], one["measure"]) for one in found] == [("foreign", "RR@10"), ("foreign", "AP")]
    by_query = found[0]["queries"]
    assert [one["query"] for one in by_query] == ["q4", "q1", "q2", "q3"]
    assert by_query[0] == {
        "query": "q4",
        "text": "glass",
        "difference": -1.0,
        "baseline": 1.0,
        "value": 0.0,
    }
    shown = hybrid(idx, *options, "--measures", "RR@10").out
    assert "foreign against lexical, RR@10 by query" in shown
    assert "glass" in shown
    assert "noise headphones" in shown
    assert "steel kettle" not in shown  # which neither gained nor lost


def test_of_many_queries_the_extremes_are_shown(hybrid: Hybrid, tmp_path: Path) -> None:
    ids = [f"q{i:02}" for i in range(40)]
    (tmp_path / "qrels").write_text("".join(f"{q} 0 a 1\n" for q in ids))
    for name, step in {"one": 1, "two": 7}.items():
        lines = (
            f"{q} Q0 {'a' if r == i * step % 20 + 1 else f'x{r}'} {r} {30 - r} t\n"
            for i, q in enumerate(ids)
            for r in range(1, 21)
        )
        (tmp_path / f"{name}.run").write_text("".join(lines))
    runs = ("--run", tmp_path / "one.run", "--run", tmp_path / "two.run")
    options = ("--qrels", tmp_path / "qrels", *runs, "--baseline", "one", "--per-query")
    shown = hybrid(*options, "--measures", "RR").out
    table = shown[shown.index("two against one") :].splitlines()[2:]
    changed = [float(line.split()[1]) for line in table if line.startswith("q")]
    assert len(changed) == 10
    assert changed == sorted(changed)
    assert "more, all in --json" in table[5]


def test_latency_is_told_unless_it_is_not_wanted(
    hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path
) -> None:
    found = hybrid(idx, *judged, "--fusion", "rrf", "--run", foreign, "--json").json
    assert list(found["latency"]) == ["lexical", "vector", "hybrid", "rrf"]
    assert found["latency"]["rrf"]["queries"] == 4
    assert 0 < found["latency"]["rrf"]["p50"] <= found["latency"]["rrf"]["p99"]
    assert found["encoding"]["queries"] == 3
    assert "p50 ms" in hybrid(idx, *judged).out
    quiet = hybrid(idx, *judged, "--no-latency", "--json").json
    assert "latency" not in quiet
    assert "encoding" not in quiet


def test_an_index_of_words_alone(hybrid: Hybrid, words: Path, judged: Judged) -> None:
    found = hybrid(words, *judged, "--json").json
    assert list(found["systems"]) == ["lexical"]
    assert "encoding" not in found
    said = hybrid(words, *judged, "--fusion", "rrf", status=2).err
    assert said == (
        "hybrid: --fusion rrf: there is nothing to fuse: no vector leg, since there is no encoder to make "
        "vectors of queries with\n"
    )


def test_grades_below_0_are_measured_and_never_end_the_process(
    hybrid: Hybrid, foreign: Path, tmp_path: Path
) -> None:
    (tmp_path / "spam.tsv").write_text("q1 0 1 -2\n")
    found = hybrid("--qrels", tmp_path / "spam.tsv", "--run", foreign, "--json").json
    assert found["systems"]["foreign"] == {
        "nDCG@10": 0,
        "R@100": 0,
        "RR@10": 0,
        "AP": 0,
        "Judged@10": 1 / 2,  # of two hits
    }


def test_judged_documents_that_the_index_lacks_are_told(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path
) -> None:
    complete = hybrid(idx, *judged, "--no-latency", "--json")
    assert complete.err == ""
    assert complete.json["coverage"]["absent"] == 0
    (tmp_path / "more.tsv").write_text(judged[3].read_text() + "q1\tgone\t1\nq2\tlost\t0\n")
    options = (*judged[:2], "--qrels", tmp_path / "more.tsv", "--no-latency")
    some = hybrid(idx, *options, "--json")
    assert some.err == (
        "hybrid: 2 of 8 judged documents (25.0%) are not in the index, 1 of 6 relevant ones: 'gone'\n"
    )
    assert some.json["coverage"] == {
        "judged": 8,
        "relevant": 6,
        "absent": 2,
        "absent_relevant": 1,
        "example": "gone",
    }
    if find_spec("jinja2") and find_spec("matplotlib"):
        hybrid(idx, *options, "--measures", "RR", "--report", tmp_path / "page.html")
        assert "2 of 8 judged documents (25.0%) are not in" in (tmp_path / "page.html").read_text("utf-8")


def test_judgments_of_another_collection_are_refused_before_anything_is_asked(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_systems", None)
    (tmp_path / "others.tsv").write_text("q1\tMED-1\t1\nq2\tMED-2\t1\n")
    said = hybrid(idx, *judged[:2], "--qrels", tmp_path / "others.tsv", status=2)
    assert said.out == ""
    assert said.err == (
        "hybrid: none of the 2 judged documents is in the index, such as 'MED-1': are the ids of judgments "
        "and documents the same?\n"
    )


def test_a_query_that_is_a_document_can_pass_over_itself(hybrid: Hybrid, idx: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text(f"1\t{TEXTS['1']}\n3\t{TEXTS['3']}\n")
    (tmp_path / "qrels.tsv").write_text("1\t2\t1\n3\t6\t1\n3\t3\t1\n")
    (tmp_path / "other.run").write_text("1 Q0 1 1 9 t\n1 Q0 2 2 8 t\n3 Q0 6 1 1 t\n")
    files = ("--queries", tmp_path / "queries.tsv", "--qrels", tmp_path / "qrels.tsv")
    options = (*files, "--run", tmp_path / "other.run", "--measures", "RR R@10", "--no-latency", "--json")
    itself = hybrid(idx, *options).json["systems"]
    assert itself["lexical"]["RR"] == (1 / 2 + 1) / 2
    assert itself["other"] == {"RR": (1 / 2 + 1) / 2, "R@10": (1 + 1 / 2) / 2}
    alone = hybrid(idx, *options, "--ignore-identical-ids", "--run-out", tmp_path / "runs").json["systems"]
    assert alone["lexical"]["RR"] == alone["other"]["RR"] == alone["other"]["R@10"] == 1
    for mode in ("lexical", "vector", "hybrid"):
        for query, hits in read_run(tmp_path / "runs" / f"{mode}.trec").items():
            assert query not in dict(hits)


@pytest.mark.parametrize("name", ["evaluate", "tune", "train", "rerank", "calibrate", "mine"])
def test_every_command_that_judges_can_pass_over_the_query_itself(name: str) -> None:
    assert "--ignore-identical-ids" in run(name, "--help").out


def test_judged_says_what_was_never_judged(hybrid: Hybrid, idx: Path, judged: Judged) -> None:
    shown = " ".join(hybrid(idx, *judged, "--no-latency").out.split())
    assert "Judged@10: documents that nobody judged count as not relevant" in shown
    shown = hybrid(idx, *judged, "--no-latency", "--measures", "RR@10").out
    assert "nobody judged" not in shown


def test_a_report_is_written(hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    page = tmp_path / "new" / "page.html"
    options = ("--measures", "nDCG@10", "--baseline", "lexical", "--report", page)
    assert str(page) in hybrid(idx, *judged, *options).out
    written = page.read_text("utf-8")
    assert "nDCG@10" in written
    assert "</html>" in written
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_without_the_extra_nothing_is_searched(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_systems", None)
    for module, extra in (
        ("matplotlib", "report"),
        ("ir_measures", "evaluate"),
        ("pytrec_eval", "evaluate"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            said = hybrid(idx, *judged, "--report", tmp_path / "page.html", status=1).err
        assert f"needs {module}; run: pip install 'hybrid-retrieval[{extra}]'" in said
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written(hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    options = ("--report", tmp_path / "file" / "page.html", "--measures", "RR")
    said = hybrid(idx, *judged, *options, status=1).err
    assert said.startswith(f"hybrid: {tmp_path / 'file' / 'page.html'}: cannot be written: ")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--baseline", "bm25"], "baseline 'bm25' is not a system here; there are lexical, vector, hybrid"),
        (["--baseline", "lexical", "--mode", "lexical"], "the only system"),
        (["--per-query"], "add --baseline"),
        (["--fusion", "borda"], "--fusion borda: "),
        (["--fusion", '{"method": "rrf", "k": -1}'], "RRF: k is -1"),
        (["--fusion", 'x={"method": '], "not JSON"),
        (["--fusion", "rrf", "--fusion", "rrf"], "there is a system 'rrf' already"),
        (["--fusion", "lexical=rrf"], "there is a system 'lexical' already"),
        (["--run", "hybrid={run}"], "there is a system 'hybrid' already"),
        (["--run", "{run}", "--run", "{run}"], "there is a system 'foreign' already"),
        (["--run", "{run}.gone"], "foreign.run.gone: cannot be read"),
        (["--mode", "both"], "--mode 'both' is not known"),
    ],
)
def test_what_cannot_be_done_is_one_line_before_anything_is_searched(
    options: list[str],
    says: str,
    hybrid: Hybrid,
    idx: Path,
    judged: Judged,
    foreign: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "run_systems", None)
    monkeypatch.setattr(command, "time_searches", None)
    done = hybrid(idx, *judged, *(option.replace("{run}", str(foreign)) for option in options), status=2)
    assert says in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_file_whose_name_looks_like_a_named_run_is_that_file(
    hybrid: Hybrid, judged: Judged, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(foreign.parent)
    foreign.rename("k=60.run")
    assert list(hybrid(*judged[2:], "--run", "k=60.run", "--json").json["systems"]) == ["k=60"]


def test_something_must_be_given(hybrid: Hybrid, idx: Path, judged: Judged, foreign: Path) -> None:
    assert "nothing to measure" in hybrid(*judged, status=2).err
    for option in ("--fusion", "--mode"):
        said = hybrid(*judged, "--run", foreign, option, "rrf", status=2).err
        assert said == "hybrid: --mode, --fusion and --encoders need an index; give its directory\n"
    assert "--queries FILE is missing" in hybrid(idx, *judged[2:], status=2).err
    assert "--qrels" in hybrid(idx, *judged[:2], status=2).err


@pytest.mark.parametrize("own", ["idx", "words"])
def test_other_encoders(
    request: pytest.FixtureRequest,
    hybrid: Hybrid,
    judged: Judged,
    own: str,
    tmp_path: Path,
) -> None:
    index, letters = request.getfixturevalue(own), bundle_of_letters(tmp_path / "letters").folder
    before = contents(index)
    said = hybrid(
        index,
        *judged,
        "--encoders",
        letters,
        "--baseline",
        "lexical",
        "--run-out",
        tmp_path / "runs",
        "--json",
    )
    there = ["lexical", "vector", "hybrid"] if own == "idx" else ["lexical"]
    names = [*there, "vector, letters", "hybrid, letters"]
    assert list(said.json["systems"]) == names
    assert {file.stem for file in (tmp_path / "runs").iterdir()} == set(names)
    with Index.create(tmp_path / "other", encoder=letters) as other:
        other.add(Document(id, text) for id, text in TEXTS.items())
        run = other.run(QUERIES, k=100, mode="vector")
    expected = evaluate({"vector": run}, QRELS, parse("RR@10")).systems["vector"]["RR@10"]
    assert said.json["systems"]["vector, letters"]["RR@10"] == pytest.approx(expected)
    assert contents(index) == before


def test_other_encoders_are_named_rightly(
    hybrid: Hybrid, idx: Path, judged: Judged, tmp_path: Path
) -> None:
    wrong = hybrid(idx, *judged, "--encoders", "no/such/model/anywhere", status=1).err
    assert "is not an encoder" in wrong
    letters = bundle_of_letters(tmp_path / "letters").folder
    assert (
        "two have the same name" in hybrid(idx, *judged, "--encoders", f"{letters},{letters}", status=2).err
    )
    assert "need an index" in hybrid(*judged, "--encoders", letters, status=2).err
