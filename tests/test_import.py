"""``import hybrid`` waits for nothing; what it offers loads when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hybrid

HEAVY = (
    "'torch onnxruntime sentence_transformers transformers opencc jieba ir_measures scipy tokenizers"
    " lightgbm marisa_trie huggingface_hub'"
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_loads_neither_numpy_nor_pydantic() -> None:
    assert run("import sys, hybrid; print({'numpy', 'pydantic'} & set(sys.modules))") == "set()"


def test_every_name_loads_and_brings_nothing_heavy() -> None:
    code = "import sys, hybrid; all(getattr(hybrid, name) for name in hybrid.__all__);"
    assert run(f"{code} print(set({HEAVY}.split()) & set(sys.modules))") == "set()"


def test_names_come_from_where_they_are_defined() -> None:
    homes = {name for names in hybrid._HOMES.values() for name in names.split()}
    assert homes | {"__version__"} == set(hybrid.__all__)
    assert set(hybrid.__all__) <= set(dir(hybrid))


def test_parts_are_there_without_an_import_of_their_own() -> None:
    assert run("import hybrid; print(hybrid.fusion.RRF is hybrid.RRF)") == "True"


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'hybrid' has no attribute 'Indx'"):
        _ = hybrid.Indx  # type: ignore[attr-defined]
