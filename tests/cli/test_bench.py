"""``hybrid bench`` as a person and as a program meet it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.ann import FAMILIES, HNSW
from hybrid.settings import Profile
from hybrid.vector import leg
from tests.commands import Files, answer, contents, refusal, run


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index whose graph holds nearly all rows."""
    folder = tmp_path_factory.mktemp("built") / "idx"
    random = np.random.default_rng(0)
    rows = random.normal(size=(600, 16)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patched, Index.create(folder, encoder=None) as index:
        patched.setattr(leg, "SEAL_AT", 64)
        index.add(
            Document(f"d{i}", f"word{i % 7} word{i % 11}", metadata={"half": i % 2}, vector=row)
            for i, row in enumerate(rows)
        )
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It, to write to, where a graph pays from the first row on."""
    monkeypatch.setattr(leg, "SEAL_AT", 64)
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 1)
    shutil.copytree(built, tmp_path / "graphed")
    return tmp_path / "graphed"


def test_what_is_suggested_is_installed_with_its_evidence_and_can_be_undone(folder: Path) -> None:
    told = answer("bench", folder, "--sample", 20, "--recall", 0.8, "--apply")
    assert (told["installed"], told["before"], told["wanted"]) == (2, 1, 0.8)
    assert told["suggested"]["effort"] in HNSW.ladder
    shown = answer("profile", folder)
    assert shown["number"] == 2
    assert shown["profile"] == told["installs"]
    assert shown["profile"]["effort"] == told["suggested"]["effort"]
    evidence = shown["evidence"]
    assert evidence["chosen by"].startswith("hybrid bench 0.")
    assert (evidence["documents"], evidence["queries"], evidence["made from the documents"]) == (
        600,
        20,
        True,
    )
    assert evidence[f"recall@10 with effort {told['suggested']['effort']}"]["lower bound"] >= 0.8
    run("profile", folder, "use", 1)
    with Index.open(folder) as index:
        assert index.profiles.serving == Profile()
        assert index.verify() == []


def test_what_serves_already_is_not_installed_again(folder: Path) -> None:
    options = ("--sample", 20, "--recall", 0.8, "--apply")
    first = run("bench", folder, *options).out
    assert "installed as profile 2: " in first
    assert f"back: hybrid profile {folder} use 1" in first
    again = run("bench", folder, *options).out
    assert "the serving profile stays: " in again
    assert "back: " not in again
    assert answer("profile", folder)["number"] == 2


def test_without_apply_every_byte_stays(folder: Path) -> None:
    before = contents(folder)
    shown = run("bench", folder, "--sample", 20, "--recall", 0.8).out
    assert contents(folder) == before
    assert "--apply would install: " in shown
    assert "back: " not in shown


def test_people_see_stages_recall_depths_and_filters(folder: Path) -> None:
    shown = run("bench", folder, "--sample", 20, "--recall", 0.8).out
    lines = shown.splitlines()
    assert lines[0] == "600 documents, 600 vectors, 20 queries"
    assert "generated from the documents, easier than users' queries" in lines[1]
    for word in ("analyse", "lexical leg", "vector leg", "fuse", "fetch", "search", "█"):
        assert word in shown
    for word in ("recall@10", "recall@100", "at least", "as at 400", "passes", '{"half": '):
        assert word in shown
    [default] = [line for line in lines if line.startswith("default")]
    assert default.rstrip().endswith("serves")
    assert "is the least with a recall@10 of 0.8 or more" in shown
    assert max(map(len, lines[: lines.index(lines[-1]) - 3])) <= 80


def test_too_few_queries_and_what_cannot_be_reached_are_told(folder: Path) -> None:
    shown = run("bench", folder, "--sample", 5, "--apply").out
    assert "5 queries are too few to show a recall of 0.99: use 39 or more (--sample)" in shown
    assert "the serving profile stays: " in shown
    assert answer("profile", folder)["number"] == 1


def test_a_small_index_says_that_it_is_exact(files: Files) -> None:
    before = contents(files.folder)
    shown = run("bench", files.folder, "--queries", files.queries, "--apply").out
    assert "all exact" in shown
    assert "90 queries" in shown
    assert "made from" not in shown
    assert "encode" in shown
    assert "recall@" not in shown
    assert "the serving profile stays: " in shown
    assert contents(files.folder) == before
    assert next(iter(answer("bench", files.folder, "--sample", 3)["stages"])) == "analyse"


def test_users_queries_are_told_in_the_evidence(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leg, "SEAL_AT", 8)
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 1)
    asked = ("--queries", files.queries, "--recall", 0.5, "--sample", 30)
    told = answer("bench", files.folder, *asked, "--apply")
    evidence = answer("profile", files.folder)["evidence"]
    assert told["made"] is False
    assert told["stages"]["encode"]["queries"] == 29
    sha256 = hashlib.sha256(files.queries.read_bytes()).hexdigest()
    assert evidence["queries file"] == {"file": "queries.jsonl", "sha256": sha256}
    assert evidence["made from the documents"] is False


def test_what_cannot_be_measured_is_refused_in_one_line(folder: Path, files: Files, tmp_path: Path) -> None:
    with Index.create(tmp_path / "empty", encoder=None):
        pass
    assert "no documents" in refusal("bench", tmp_path / "empty", status=1)
    refusal("bench", tmp_path / "none", status=1)
    assert "no encoder" in refusal("bench", folder, "--queries", files.queries)
    refusal("bench", files.folder, "--queries", tmp_path / "absent.jsonl")
    for recall in (0, 1, 2, "nan"):
        assert "between 0 and 1" in refusal("bench", folder, "--recall", recall)
    refusal("bench", folder, "--sample", 1)
    refusal("bench", folder, "--seed", -1)


def test_a_busy_machine_is_told_of(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (6.5, 0.0, 0.0))
    busy = run("bench", files.folder, "--sample", 2).err
    assert (
        busy == "hybrid: this machine is busy (load 6.5, 2 cores): times are longer than on an idle one\n"
    )
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 0.0, 0.0))
    assert run("bench", files.folder, "--sample", 2).err == ""


def test_another_writer_is_told_of_in_one_line(folder: Path) -> None:
    with Index.open(folder):
        told = refusal("bench", folder, "--sample", 20, "--recall", 0.8, "--apply", "--json", status=1)
    assert "writer" in told


class TestFamilies:
    def test_each_is_measured_and_the_one_that_fits_is_applied(self, folder: Path) -> None:
        told = answer("bench", folder, "--families", "--sample", 20, "--memory", "25kB")
        measured = {one["family"]: one for one in told["families"]}
        assert set(measured) == set(FAMILIES)
        assert told["serving"] == "hnsw"
        assert measured["flat"]["memory"] == 0
        assert measured["flat"]["recall"]["value"] == 1
        assert measured["hnsw"]["memory"] > 25_000 > measured["binary"]["memory"] > 0
        assert told["suggested"] not in (None, "hnsw", "ivf_flat")
        assert not told["applied"]
        assert answer("stats", folder)["ann"] == "hnsw"
        applied = answer("bench", folder, "--families", "--sample", 20, "--memory", "0B", "--apply")
        assert (applied["suggested"], applied["applied"]) == ("flat", True)
        assert answer("stats", folder)["ann"] == "flat"
        assert "flat stays" in run("bench", folder, "--families", "--memory", "0B").out

    def test_no_family_may_fit(self, folder: Path) -> None:
        assert "no family fits" in run("bench", folder, "--families", "--sample", 5, "--latency", "0us").out

    @pytest.mark.parametrize("text", ["2", "GB", "2gb", "-1GB", "1e9B", "2GBs", "", "9" * 99 + "GB", "١GB"])
    def test_a_budget_has_a_unit(self, folder: Path, text: str) -> None:
        said = refusal("bench", folder, "--families", "--memory", text)
        assert "give a number and a unit, one of B, kB, MB, GB, TB" in said

    def test_a_budget_needs_families(self, folder: Path) -> None:
        assert "add --families" in refusal("bench", folder, "--latency", "5ms")
