"""The READMEs and docs: every block runs and prints what stands below it, links lead somewhere, both
languages say the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from hybrid import corpora
from tests.commands import run

ROOT = Path(__file__).parent.parent
DOCS = (
    "install",
    "guide/documents",
    "guide/searching",
    "guide/results",
    "guide/filters",
    "guide/languages",
    "guide/chatbots",
    "guide/serving",
    "guide/encoders",
    "guide/plugins",
    "judging-and-learning",
    "reliability",
    "performance",
    "architecture",
    "commands",
)
ENGLISH = ["README.md", *(f"docs/{name}.md" for name in DOCS)]
SHELL = ["docs/commands.md", "docs/judging-and-learning.md"]
FOLDERS = ("analyzers", "corpora", "docs", "fusion", "rerank", "tests")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_FIGURE = re.compile(r"\| \**(\.\d{2,4}|\d+\.\d{1,4})\b(?! (?:million|亿))")
_SCORE = re.compile(r"\b\d+\.\d{4}\b")
_SECTION = re.compile(r"^## `hybrid ([\w-]+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_RUNNER = """
import contextlib, io, json, os, sys

printed = []
for folder, blocks in json.load(sys.stdin):
    os.chdir(folder)
    names = {}
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(block, names)
        printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""

pytestmark = pytest.mark.slow


class Block(NamedTuple):
    kind: str
    body: str


def blocks(name: str) -> list[Block]:
    text = (ROOT / name).read_text("utf-8")
    return [Block(*found) for found in _BLOCK.findall(text)]


def shown(name: str) -> list[tuple[str, str]]:
    """Each block of Python, and the output that is shown below it: none where it prints nothing."""
    pairs = pairwise([*blocks(name), Block("", "")])
    return [(a.body, b.body if b.kind == "output" else "") for a, b in pairs if a.kind == "python"]


def commands(name: str) -> list[str]:
    """Every command of every shell block, comments left out."""
    lines = "".join(body for kind, body in blocks(name) if kind == "sh").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def sessions(name: str) -> list[tuple[str, str]]:
    """Each command of the console blocks, and the output that is shown for it."""
    text = "".join(body for kind, body in blocks(name) if kind == "console")
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def chinese(name: str) -> str:
    return name.replace("README.md", "README.zh.md").replace("docs/", "docs/zh/")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each page, in which the sample stands where a clone has it."""
    desk = tmp_path_factory.mktemp("desk")
    for name in ENGLISH:
        (desk / name).mkdir(parents=True)
        (desk / name / "corpora").symlink_to(ROOT / "corpora")
    return desk


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Small stand-ins for the sample and for the collections in $HYBRID_DATA."""
    data = tmp_path_factory.mktemp("data")
    for name in {"sample", *re.findall(r"\$HYBRID_DATA/(\w+)", "".join(map(page, ENGLISH)))}:
        shrink(corpora.sample(), data / name)
    return {"SAMPLE": str(data / "sample"), "HYBRID_DATA": str(data)}


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def shrink(source: Path, target: Path) -> None:
    """A few judged queries of the sample and their documents."""
    lines = (source / "qrels" / "test.tsv").read_text("utf-8").splitlines(keepends=True)
    judged = [line.split("\t") for line in lines[1:8]]
    target.mkdir(exist_ok=True)
    for name, column in (("corpus.jsonl", 1), ("queries.jsonl", 0)):
        wanted = {row[column] for row in judged}
        records = (source / name).read_text("utf-8").splitlines()
        (target / name).write_text(
            "".join(line + "\n" for line in records if json.loads(line)["_id"] in wanted), "utf-8"
        )
    (target / "qrels").mkdir(exist_ok=True)
    text = "query-id\tcorpus-id\tscore\n" + "".join("\t".join(row) for row in judged)
    for split in ("test", "dev", "train"):
        (target / "qrels" / f"{split}.tsv").write_text(text)


def said(output: str) -> list[str]:
    """Lines without what differs from run to run: times, and the spaces at their ends."""
    return [re.sub(r"\d+\.\d ms", "… ms", line.rstrip()) for line in output.rstrip().splitlines()]


# -- blocks


def test_python_prints_what_is_shown(desk: Path) -> None:
    every = [(name, *one) for name in ENGLISH for one in shown(name)]
    pages = [(str(desk / name), [code for code, _ in shown(name)]) for name in ENGLISH]
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER],
        input=json.dumps(pages),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for (name, code, output), printed in zip(every, json.loads(done.stdout), strict=True):
        assert said(printed) == said(output), (name, code)


def test_the_demo_needs_no_network_and_the_readme_shows_what_commands_say(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk / "README.md")
    done = subprocess.run(
        [Path(sys.executable).parent / "hybrid", "demo"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "✓" in done.stdout
    assert "nDCG@10" in done.stdout
    for command, output in sessions("README.md"):
        printed = run(*shlex.split(command)[1:]).out
        assert said(_SCORE.sub("#", printed)) == said(_SCORE.sub("#", output)), command
        # Processors differ in the last digits of a vector, and so in what a fusion makes of it.
        scores = [float(score) for score in _SCORE.findall(output)]
        assert [float(score) for score in _SCORE.findall(printed)] == pytest.approx(scores, rel=0.1)


@pytest.mark.parametrize("name", SHELL)
def test_shell_blocks_run(
    name: str, desk: Path, small: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk / name)
    for key, value in small.items():
        monkeypatch.setenv(key, value)
    ran = [shlex.split(os.path.expandvars(line), comments=True) for line in commands(name)]
    for program, *arguments in ran:
        if program == "make":
            subprocess.run([program, *arguments, "--dry-run"], cwd=ROOT, check=True, capture_output=True)
        else:
            assert program == "hybrid"
            run(*arguments)
    assert ran


def test_the_newcomers_two_commands() -> None:
    assert [c for c in commands("README.md") if c.startswith("make")] == ["make demo", "make test"]
    for target in ("demo", "test"):
        subprocess.run(["make", target, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


# -- pages


def test_every_page_is_tested() -> None:
    there = {str(file.relative_to(ROOT)) for file in (ROOT / "docs").rglob("*.md")}
    assert there == {*ENGLISH[1:], *map(chinese, ENGLISH[1:]), "docs/api.md", "docs/index.md"}
    for name in there - {*SHELL, *map(chinese, SHELL)}:
        assert not commands(name), name


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_a_readme_is_a_door(name: str) -> None:
    assert page(name).count("\n") <= 150


@pytest.mark.parametrize("name", ENGLISH)
def test_both_languages_show_the_same_code_figures_and_sections(name: str) -> None:
    runs = ("python", "output", "sh", "console", "text")
    code = [[one for one in blocks(n) if one.kind in runs] for n in (name, chinese(name))]
    assert code[0] == code[1]
    texts = [_BLOCK.sub("", page(n)) for n in (name, chinese(name))]
    sections = [[len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)] for text in texts]
    assert sections[0] == sections[1]
    figures = [
        sorted(re.findall(r"\| \**(\.\d{2,4}|\d+\.\d{1,4})\b(?! (?:million|亿))", text)) for text in texts
    ]
    assert figures[0] == figures[1]


def written() -> list[Path]:
    files = [*ROOT.glob("*.md"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md"))]
    return sorted(files)


@pytest.mark.parametrize("file", written(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for link in _LINK.findall(_BLOCK.sub("", file.read_text("utf-8"))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(file: Path) -> set[str]:
    """As GitHub and the site make them of headings."""
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", file.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- what pages say of the code


def test_every_command_and_option_is_described() -> None:
    from hybrid.cli import app

    text = page("docs/commands.md")
    sections = {
        part.split("`")[0]: part for part in re.split(r"^## `hybrid ", text, flags=re.MULTILINE)[1:]
    }
    every = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(sections) == set(every)
    for name, command in every.items():
        for option in (o for parameter in command.params for o in parameter.opts if o.startswith("-")):
            assert f"`{option}" in sections[name], (name, option)


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/zh/architecture.md"])
def test_every_room_is_described(name: str) -> None:
    rooms = {file.parent.name for file in (ROOT / "hybrid").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in page(name)} == set()


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/zh/architecture.md", "CONTRIBUTING.md"])
def test_files_and_names_of_the_code_are_there(name: str) -> None:
    found = re.findall(r"`(\w+/[\w/]+\.py)(?:: ([\w.]+))?`", page(name))
    assert found
    for path, symbol in found:
        text = (ROOT / path).read_text("utf-8")
        for part in filter(None, symbol.split(".")):
            assert re.search(rf"(def|class) {part}\b", text), (path, symbol)


def test_the_site_has_every_page() -> None:
    index = page("docs/index.md").splitlines()
    assert {*DOCS, *(f"zh/{name}" for name in DOCS), "api"} <= set(index)
