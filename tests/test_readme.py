"""The READMEs: every block is run, and both say the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid import corpora

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text("utf-8")
    return [body for kind, body in _BLOCK.findall(text) if kind == language]


def commands() -> list[str]:
    """Every command of every shell block, comments left out."""
    lines = "".join(blocks("README.md", "sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A shell in which `hybrid` is found and $HYBRID_DATA has small stand-ins for the collections."""
    data = tmp_path_factory.mktemp("data")
    for name in set(re.findall(r"\$HYBRID_DATA/(\w+)|for set in ([\w ]+);", "\n".join(commands()))) or ():
        for one in " ".join(name).split():
            shrink(corpora.sample(), data / one)
    bin_folder = Path(sys.executable).parent
    return os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "SAMPLE": str(corpora.sample()),
        "HYBRID_DATA": str(data),
    }


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


def test_the_python_blocks_run_one_after_the_other(desk: Path) -> None:
    program = "\n".join(blocks("README.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=desk, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "documents pass the filter" in done.stdout


def test_the_shell_blocks_run(desk: Path, environment: dict[str, str]) -> None:
    ran = 0
    for command in commands():
        if command.startswith("make "):
            subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=desk,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        ran += 1
    assert ran >= 9


def test_both_languages_show_the_same_code_figures_and_sections() -> None:
    for language in ("python", "sh"):
        assert blocks("README.md", language) == blocks("README.zh.md", language)
    texts = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md")]
    counts = [
        [len(line.split()[0]) for line in text.splitlines() if re.match(r"#+ ", line)] for text in texts
    ]
    assert counts[0] == counts[1]
    figures = [sorted(re.findall(r"\| (\.\d{3,4}|\d\.\d{3,4})", text)) for text in texts]
    assert figures[0] == figures[1]


def test_the_demo_needs_no_network(desk: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(desk / "hybrid-demo", ignore_errors=True)
    done = subprocess.run(
        ["hybrid", "demo"],
        cwd=desk,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "✓" in done.stdout
    assert "nDCG@10" in done.stdout
