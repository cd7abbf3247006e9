"""What installs: every package and data file, under one name, out of an application's way."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hybrid

ROOT = Path(__file__).parent.parent
FOLDERS = {"analyzers": "hybrid/analyzers", "fusion": "hybrid/fusion", "rerank": "hybrid/rerank"}
FOLDERS |= {"corpora": "hybrid/corpora", "hybrid": "hybrid"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


def sources() -> set[str]:
    """Every tracked file that should be in the wheel, by its name there."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    names = set()
    for line in listed.stdout.splitlines():
        top, _, rest = line.partition("/")
        if not (ROOT / line).is_symlink():
            names.add(f"{FOLDERS[top]}/{rest}")
    return names


def test_the_wheel_holds_every_file_and_one_top_level_name(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"hybrid"}
    assert sources() - names == set()
    assert names - sources() == set()


def test_the_wheel_holds_its_licence_and_the_notices(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        for name in ("LICENSE", "NOTICE"):
            assert archive.read(f"{info}/licenses/{name}") == (ROOT / name).read_bytes()
        assert b"License-Expression: Apache-2.0\n" in archive.read(f"{info}/METADATA")


def test_an_application_keeps_its_own_names(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    app = tmp_path / "app"
    app.mkdir()
    for name in ("fusion", "rerank", "analyzers", "corpora", "query", "vector"):
        (app / f"{name}.py").write_text("def rrf(): return 'mine'\n")
    code = (
        "import fusion, rerank, hybrid, hybrid.fusion, hybrid.rerank\n"
        "assert fusion.rrf() == rerank.rrf() == 'mine'\n"
        "assert 'site' in hybrid.__file__, hybrid.__file__\n"
        "index = hybrid.MemoryIndex(); index.add([hybrid.Document('1', '无线耳机')])\n"
        "print(index.search('耳机').hits[0].id)"
    )
    (app / "main.py").write_text(code)
    paths = [str(app), str(tmp_path / "site")]
    isolated = f"import sys, runpy; sys.path[:0] = {paths!r}; runpy.run_path({str(app / 'main.py')!r})"
    done = subprocess.run(
        [sys.executable, "-c", isolated], cwd=app, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr


def test_the_public_names() -> None:
    assert hybrid.__all__ == sorted(hybrid.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(hybrid, name) for name in hybrid.__all__)


def test_importing_is_light() -> None:
    code = (
        "import sys, hybrid\n"
        "heavy = {'torch', 'onnxruntime', 'sentence_transformers', 'transformers', 'opencc', 'jieba',\n"
        "         'ir_measures', 'scipy', 'tokenizers', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
