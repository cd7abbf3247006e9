"""Targets: the small files of an index and of an encoder's bundle, replaced by something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import hybrid.vector.leg
import hybrid.vector.view
from hybrid import Index
from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.encoders import Bundle
from hybrid.encoders.bundle import Manifest
from tests.contracts.index import letters
from tests.encoder_models import bundle_of_letters
from tests.fuzzing.inputs import JSON, json_bytes, mutated, mutated_json
from tests.fuzzing.target import DOCUMENTS, Target, World, outcome

FILES = ["current", "g1/head", "g1/lexical.json", "g1/graph.*.json"]
IDS = sorted(document.id for document in DOCUMENTS)


def _template(world: World) -> Path:
    """An index with a graph, closed."""
    folder = world.folder / "template"
    if not folder.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hybrid.vector.leg, "SEAL_AT", 4)
            patch.setattr(hybrid.vector.view, "EXACT_ROWS", 4)
            with Index.create(folder, encoder=letters) as index:
                index.add(DOCUMENTS)
        assert all(list(folder.glob(name)) for name in FILES), sorted(folder.rglob("*"))
    return folder


_PLACES = st.integers(0, len(FILES) - 1)


def _replaced(world: World, input: tuple[int, Any, bool]) -> None:
    """Any bytes; or another JSON value, sealed with its checksum as if it had been written so."""
    place, how, sealed = input
    folder = world.folder / "idx2"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_template(world), folder)
    (path,) = folder.glob(FILES[place])
    usual = path.read_bytes()
    if isinstance(how, bytes):
        path.write_bytes(how)
    else:
        value = _edited(usual, how)
        if sealed and isinstance(value, dict):
            manifest.write(Folder.open(path.parent), path.name, value)
        else:
            path.write_bytes(json_bytes(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hybrid.vector.leg, "SEAL_AT", 4)
        patch.setattr(hybrid.vector.view, "EXACT_ROWS", 4)
        _right_or_refused(folder, read_only=True)
        if _right_or_refused(folder, read_only=False):
            assert _right_or_refused(folder, read_only=True, verify=True)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(usual)
            assert _right_or_refused(folder, read_only=False), "not even with the file put back"


def _edited(usual: bytes, edits: list[tuple[int, Any]]) -> Any:
    """The JSON object with some of its values, by number, replaced."""
    try:
        value = json.loads(usual)
    except ValueError:
        return edits[0][1]
    for number, new in edits:
        _replace(value, number, new)
    return value


def _replace(value: Any, number: int, new: Any) -> None:
    places = [(holder, key) for holder, key in _places(value) if key != "crc"]
    if places:
        holder, key = places[number % len(places)]
        holder[key] = new


def _places(value: Any) -> list[tuple[Any, Any]]:
    pairs = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [place for key, inner in list(pairs) for place in [(value, key), *_places(inner)]]


def _right_or_refused(folder: Path, *, read_only: bool, verify: bool = False) -> bool:
    def ask() -> None:
        with Index.open(folder, encoder=letters, read_only=read_only) as index:
            assert sorted(document.id for document in index.documents()) == IDS
            for mode in ("lexical", "vector", "hybrid"):
                results = index.search("kettle number 7", k=12, mode=mode)
                assert sorted(hit.id for hit in results) == IDS, mode
            assert not verify or index.verify() == []

    return outcome(ask)[0] == "answer"


_NAMES = st.sampled_from(["..", ".", "g1", "g2", "/", "", "g1/..", "\0", "a\nb", "lexical-1", "x" * 300])
_NUMBERS = st.sampled_from([0, -1, 2, 2**63, 10**400, 1.5, float("inf"), float("nan")])
_EDITS = st.lists(st.tuples(st.integers(0, 99), JSON | _NAMES | _NUMBERS), min_size=1, max_size=3)

# --- bundles

_VALID: dict[str, Any] = {
    "format": 1,
    "id": "letters",
    "dim": 26,
    "max_length": 40,
    "pooling": "mean",
    "normalize": True,
    "prompts": {"query": "ask: ", "document": ""},
    "source": "",
    "files": {},
}


def _bundle(world: World) -> Path:
    folder = world.folder / "bundle"
    if not folder.exists():
        bundle_of_letters(folder)
    return folder


def _encoder(world: World, content: Any) -> None:
    folder = world.folder / "bundle2"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_bundle(world), folder)
    raw = content if isinstance(content, bytes) else json_bytes(content)
    (folder / "encoder.json").write_bytes(raw)
    _encode(folder)


def _tokenizer(world: World, content: bytes) -> None:
    folder = world.folder / "bundle3"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_bundle(world), folder)
    (folder / "encoder.json").unlink()
    (folder / "tokenizer.json").write_bytes(content)
    Manifest.model_validate(_VALID | {"files": {}}).write(folder)
    _encode(folder)


def _encode(folder: Path) -> None:
    def encode() -> None:
        bundle = Bundle(folder)
        for rows in (bundle.queries(["kettle", ""]), bundle.documents(["x" * 100])):
            assert rows.shape[1] == bundle.dim
            assert np.isfinite(rows).all()
        bundle.token_offsets("kettle of steel")

    outcome(encode)


def _tokenizers() -> list[bytes]:
    from tests.encoder_models import letters_tokenizer

    return [letters_tokenizer().to_str().encode()]


TARGETS = [
    Target(
        "manifests, any bytes",
        st.tuples(_PLACES, st.binary(max_size=50), st.just(False)),
        _replaced,
        slow=True,
    ),
    Target("manifests, other values", st.tuples(_PLACES, _EDITS, st.booleans()), _replaced, slow=True),
    Target("bundles: encoder.json", mutated_json(_VALID) | st.binary(max_size=30), _encoder),
    Target(
        "bundles: tokenizer.json",
        st.deferred(lambda: mutated(_tokenizers(), [b"null", b"0"])) | st.binary(max_size=30),
        _tokenizer,
    ),
]
