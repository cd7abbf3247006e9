"""The wheel and the sdist, each installed into a clean environment without a compiler, and tried.

python -m tests.install
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.wheels import SOURCE

ROOT: Final = Path(__file__).parent.parent

_SMOKE: Final = """
import sys
from importlib.util import find_spec
import numpy
import hybrid
from hybrid.encoders import HashEncoder

assert find_spec("hnswlib") is find_spec("scipy") is find_spec("lightgbm") is None
vectors = numpy.random.default_rng(0).normal(size=(4200, 8))
with hybrid.Index.create("graph", encoder=None) as index:
    index.load(hybrid.Document(str(i), f"word{i}", vector=v) for i, v in enumerate(vectors))
with hybrid.Index.open("graph", read_only=True) as index:
    assert index.stats()["graph_library"] == "faiss", index.stats()
    assert index.search("word7", vector=vectors[7]).hits[0].id == "7"
with hybrid.Index.create("words", encoder=HashEncoder()) as index:
    index.add([hybrid.Document("1", "不锈钢水壶 kettle"), hybrid.Document("2", "无线耳机 headphones")])
    assert index.search("水壶").hits[0].id == "1"
    assert index.search("headphones").hits[0].id == "2"
try:
    hybrid.evaluate.parse("nDCG@10")
except hybrid.errors.MissingExtra as error:
    assert str(error).endswith("run: pip install 'hybrid-retrieval[evaluate]'"), error
else:
    sys.exit("evaluate does not refuse")
"""


def built(folder: Path) -> list[Path]:
    """The sdist, and the wheel that is made of it."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return sorted(folder.iterdir())


def environment(folder: Path) -> dict[str, str]:
    """A new virtual environment's variables, under which nothing can be compiled."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return inherited | {
        "CC": "/bin/false",
        "CXX": "/bin/false",
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
    }


def install(what: Path, variables: dict[str, str]) -> None:
    """With its dependencies, from wheels but for `SOURCE`."""
    pure = [f"--no-binary={name}" for name in SOURCE]
    limits = ["--constraint", str(ROOT / "constraints.txt")]
    command = ["pip", "install", "--only-binary=:all:", *pure, *limits, str(what)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


def tried(variables: dict[str, str], folder: Path) -> None:
    """Create, add, search; what measures says what it lacks."""
    folder.mkdir()
    subprocess.run(["python", "-c", _SMOKE], check=True, env=variables, cwd=folder)
    sample = ROOT / "corpora" / "sample"
    judged = ["--queries", str(sample / "queries.jsonl"), "--qrels", str(sample / "qrels" / "test.tsv")]
    command = ["hybrid", "evaluate", "graph", *judged]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 1 or "hybrid-retrieval[evaluate]" not in done.stderr:
        sys.exit(f"hybrid evaluate: status {done.returncode}: {done.stderr}")


def size(variables: dict[str, str], folder: Path) -> str:
    """How many packages there are but pip's own, and their megabytes."""
    listed = subprocess.run(
        ["pip", "list", "--format=json"], env=variables, check=True, capture_output=True, text=True
    )
    packages = {one["name"] for one in json.loads(listed.stdout)} - {"pip", "setuptools"}
    (site,) = folder.glob("lib/python*/site-packages")
    files = [
        path
        for top in site.iterdir()
        if not top.name.startswith(("pip", "setuptools"))
        for path in _below(top)
    ]
    return f"{len(packages)} packages, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB"


def _below(top: Path) -> list[Path]:
    return [path for path in (top, *top.rglob("*")) if path.is_file()]


def quiet(variables: dict[str, str]) -> None:
    """As the Makefile installs, with the newest pip: it prints nothing."""
    upgrade = ["pip", "install", "--upgrade", "pip"]
    subprocess.run(upgrade, check=True, env=variables, capture_output=True)
    done = subprocess.run(
        ["pip", "install", "--quiet", "--no-deps", "--editable", str(ROOT)],
        env=variables | {"PYTHONWARNINGS": "ignore:Editable installation"},
        capture_output=True,
        text=True,
        check=True,
    )
    if said := done.stdout + done.stderr:
        sys.exit(f"an editable installation says: {said}")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for what in built(work / "dist"):
            place = work / what.suffix
            variables = environment(place)
            install(what, variables)
            tried(variables, work / f"tried{what.suffix}")
            sys.stdout.write(f"{what.name}: installs and answers; {size(variables, place)}\n")
        quiet(variables)
        sys.stdout.write("editable: without a warning\n")


if __name__ == "__main__":
    main()
