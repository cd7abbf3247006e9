"""``hybrid clicks`` as a person and as a program meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, corpora
from hybrid.learn.clicks.judgments import judgments
from hybrid.settings import Profile
from tests.click_model import INVERSE, served_log
from tests.commands import answer, refusal, run
from tests.conftest import Write, lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of the documents d0 to d19, with two profiles; its path wants quoting."""
    path = tmp_path / "my idx"
    with Index.create(path, encoder=None) as index:
        index.add(Document(f"d{i}", "kettle") for i in range(20))
        index.install(Profile(depth=7))
    return path


@pytest.fixture
def logged(path: Path) -> Path:
    """The same, served in turns: its log tells ranks apart."""
    with Index.open(path) as index:
        index.log(one for one in served_log(1, INVERSE, 8_000) if one.profile == 1)
        index.log(_served(one, 2) for one in served_log(1, INVERSE, 8_000) if one.profile == 0)
    return path


def _served(one: Any, profile: int) -> Any:
    return type(one)(one.query, one.shown, one.clicked, profile, one.time)


def logs(path: Path) -> int:
    with Index.open(path, read_only=True) as index:
        return sum(1 for _ in index.impressions())


def test_what_was_clicked_becomes_judgments_that_readers_read(logged: Path, tmp_path: Path) -> None:
    qrels, queries = tmp_path / "new" / "qrels.tsv", tmp_path / "queries.jsonl"
    out, err = run("clicks", logged, "--to-qrels", qrels, "--to-queries", queries, "--json")
    told = json.loads(out)
    assert err == ""
    with Index.open(logged, read_only=True) as index:
        log = list(index.impressions())
    found = judgments(log)
    assert corpora.read_qrels(qrels) == found.qrels
    assert corpora.read_queries(queries) == found.queries
    assert qrels.read_text().startswith("query-id\tcorpus-id\tscore\n")
    assert (told["impressions"], told["clicks"]) == (8_000, sum(len(one.clicked) for one in log))
    assert told["queries"] == len(found.qrels)
    assert told["judgments"] == sum(told["grades"].values()) == sum(map(len, found.qrels.values()))
    assert (told["left_out"], told["to_qrels"], told["to_queries"]) == (0, str(qrels), str(queries))
    assert [row["rank"] for row in told["propensities"]] == list(range(1, 11))
    values = [row["propensity"] for row in told["propensities"]]
    assert np.abs(np.log(values / INVERSE)).max() < 0.5
    assert told["pairs"] == found.propensities.pairs > told["effective_pairs"] > 1


def test_a_person_sees_how_far_the_log_says_what_is_looked_at(logged: Path) -> None:
    out, err = run("clicks", logged)
    assert err == ""
    assert out.startswith("8,000 impressions, ")
    assert [line.split()[0] for line in out.splitlines()[2:12]] == list(map(str, range(1, 11)))
    assert "of grade 3" in out
    assert "written" not in out
    assert "shown at several ranks: " in out


def test_a_log_is_judged_once(logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []

    def counted(*arguments: Any, **options: Any) -> Any:
        judged.append(options)
        return judgments(*arguments, **options)

    monkeypatch.setattr("hybrid.cli.clicks.judgments", counted)
    told = answer("clicks", logged, "--learn", "--least-looks", "2")
    assert judged == [{"least_looks": 2.0}]
    assert told["learned"] > 0
    assert told["impressions"] == 8_000


def test_least_looks_judges_fewer(logged: Path) -> None:
    many, few = (answer("clicks", logged, "--least-looks", least)["judgments"] for least in ("1", "20"))
    assert 0 < few < many / 2


def test_without_swaps_it_says_so_and_the_remedy(path: Path) -> None:
    with Index.open(path) as index:
        for _ in range(5):
            index.feedback("kettle", ["d1", "d2", "d3"], ["d1"])
    out, err = run("clicks", path)
    assert "15 judgments" not in out
    assert err.count("\n") == 1
    assert f"hybrid profile '{path}' use N" in err
    assert "no clicked document was shown at two ranks" in err
    with Index.open(path) as index:
        index.feedback("kettle", ["d2", "d1"], ["d1"])
    assert "only 1 pairs" in run("clicks", path)[1]


def test_where_one_document_is_shown_there_is_nothing_to_warn_of(path: Path) -> None:
    with Index.open(path) as index:
        index.feedback("kettle", ["d1"], ["d1"])
    assert run("clicks", path)[1] == ""


def test_documents_that_the_index_does_not_hold_are_left_out(path: Path, tmp_path: Path) -> None:
    with Index.open(path) as index:
        for _ in range(3):
            index.feedback("kettle\twith\ntab", ["d1", "tab\tin", "line\nbreak", "gone"], ["tab\tin"])
            index.feedback("other", ["gone"])
    qrels, queries = tmp_path / "qrels.tsv", tmp_path / "queries.jsonl"
    out, err = run("clicks", path, "--to-qrels", qrels, "--to-queries", queries, "--json")
    assert json.loads(out)["left_out"] == 3
    assert "3 judgments left out: the document is not in the index" in err
    assert [list(judged) for judged in corpora.read_qrels(qrels).values()] == [["d1"]]
    assert list(corpora.read_queries(queries).values()) == ["kettle\twith\ntab"]


def test_nothing_to_judge_is_an_error(path: Path, tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.tsv"
    assert "record some with Index.feedback" in refusal("clicks", path, "--to-qrels", qrels)
    with Index.open(path) as index:
        index.feedback("kettle", ["gone"])
    assert "none of them is in the index" in refusal("clicks", path, "--to-qrels", qrels)
    assert "--least-looks" in refusal("clicks", path, "--to-qrels", qrels, "--least-looks", "2")
    assert "least_looks is 0" in refusal("clicks", path, "--least-looks", "0")
    assert "least_looks is nan" in refusal("clicks", path, "--least-looks", "nan")
    assert "name it .jsonl" in refusal("clicks", path, "--to-queries", tmp_path / "queries.tsv")
    assert "no index here" in refusal("clicks", tmp_path / "none", status=1)
    assert not qrels.exists()


def test_judgments_alone_name_queries_that_nobody_knows(logged: Path, tmp_path: Path) -> None:
    out, err = run("clicks", logged, "--to-qrels", tmp_path / "qrels.tsv")
    assert "--to-queries writes" in err
    assert out.endswith(f"written: {tmp_path / 'qrels.tsv'}\n")


@pytest.mark.parametrize("device", ["/dev/null", "."])
def test_what_is_no_file_is_not_replaced(logged: Path, device: str) -> None:
    assert "not a file" in run("clicks", logged, "--to-qrels", device, status=1)[1]
    assert not Path(device).is_file()


GOOD = {"query": "kettle", "shown": ["d1", "d2"], "clicked": ["d2"]}


def test_another_programs_log_is_appended(path: Path, write: Write) -> None:
    full = GOOD | {"first": 11, "profile": 1, "time": 1.6e9}
    log = write("log.jsonl", "\ufeff" + lines(GOOD) + "\r\n" + lines(full, GOOD | {"query": "水壶"}))
    with Index.open(path) as index:
        index.feedback("before", ["d1"])
    assert run("clicks", path, "--import", log) == (f"3 impressions imported from {log}\n", "")
    assert json.loads(run("clicks", path, "--import", log, "--json")[0]) == {"imported": 3}
    with Index.open(path, read_only=True) as index:
        before, one, two, three, *again = index.impressions()
    assert before.query == "before"
    assert (one.shown, one.clicked, one.first, one.profile) == (("d1", "d2"), frozenset({"d2"}), 1, 2)
    assert abs(one.time - before.time) < 60
    assert (two.first, two.profile, two.time) == (11, 1, 1.6e9)
    assert three.query == "水壶"
    assert len(again) == 3


def test_a_log_is_imported_and_judged_in_one_go(path: Path, write: Write, tmp_path: Path) -> None:
    log = write("log.jsonl", lines(GOOD, GOOD, GOOD | {"shown": ["d2", "d1"]}))
    qrels = tmp_path / "qrels.tsv"
    told = json.loads(run("clicks", path, "--import", log, "--to-qrels", qrels, "--json")[0])
    assert (told["imported"], told["impressions"], told["clicks"]) == (3, 3, 3)
    assert len(corpora.read_qrels(qrels)) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "a JSON object, not []"),
        ("null", "a JSON object, not None"),
        ("[" * 100_000, "nested too deep"),
        ("1" * 5_000, "not valid JSON"),
        (GOOD | {"query": ""}, "has no text"),
        (GOOD | {"query": 7}, "has no text"),
        (GOOD | {"query": "a" * 100_001}, "100,001 characters"),
        ({"query": "kettle", "shown": ["d1"]}, 'no "clicked"'),
        (GOOD | {"shown": "d1"}, "\"shown\" is 'd1'"),
        (GOOD | {"shown": []}, "nothing was shown"),
        (GOOD | {"shown": ["d2", "d2"]}, "shown twice"),
        (GOOD | {"shown": [["d2"]]}, "not a document id"),
        (GOOD | {"clicked": [["d2"]]}, "not a document id"),
        (GOOD | {"clicked": {"d2": 1}}, "must be a list"),
        (GOOD | {"clicked": ["d9"]}, "clicked but not shown"),
        (GOOD | {"fisrt": 11}, "unknown key 'fisrt'; an impression has"),
        (GOOD | {"first": 0}, "first is 0"),
        (GOOD | {"first": 1e9}, "first is"),
        (GOOD | {"profile": 3}, "there is no profile 3; there are 1 to 2"),
        (GOOD | {"profile": 0}, "there is no profile 0"),
        (GOOD | {"profile": True}, "profile is True"),
        (GOOD | {"time": 1.7e12}, "seconds since the epoch"),
        (GOOD | {"time": None}, "time is None"),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_written(
    path: Path, write: Write, line: Any, complaint: str
) -> None:
    bad = line + "\n" if isinstance(line, str) else lines(line)
    said = refusal("clicks", path, "--import", write("log.jsonl", lines(GOOD) + "\n" + bad + lines(GOOD)))
    assert "log.jsonl:3: " in said
    assert complaint in said
    assert len(said) < 500
    assert logs(path) == 0


def test_what_is_no_log_is_refused(path: Path, write: Write, tmp_path: Path) -> None:
    assert "no such file" in refusal("clicks", path, "--import", tmp_path / "none.jsonl")
    assert "not a file" in refusal("clicks", path, "--import", tmp_path)
    assert "binary, not text" in refusal("clicks", path, "--import", write("log.jsonl", b"\xff\0\n"))
