"""Models of the hub: names, pinned revisions, and weights as data alone."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import regex

from hybrid import Document, Index, hub
from hybrid.encoders import load, spec_of
from hybrid.errors import EncoderFailed, IndexMismatch, ModelNotFound
from hybrid.hub import PUBLISHED, Reference, reference
from hybrid.rerank import CrossEncoder, LateInteraction
from tests.contracts.encoder import distance
from tests.encoder_models import letters_model
from tests.hub_models import offline, served

OLD, NEW = "a" * 40, "b" * 40
GRANITE = PUBLISHED["granite-embedding-97m-multilingual-r2"]


def test_every_entry_of_the_catalogue_is_whole() -> None:
    assert {one.kind for one in PUBLISHED.values()} == {"encoder", "cross-encoder", "late-interaction"}
    for name, one in PUBLISHED.items():
        assert name == one.name
        assert regex.fullmatch("[0-9a-f]{40}", one.revision)
        assert regex.fullmatch("[^/]+/[^/]+", one.repository)
        assert one.card == f"https://huggingface.co/{one.repository}"
        assert not one.tried
        assert one.dim is not None or one.kind != "encoder"
        assert min(one.max_length, one.parameters) > 0
        assert all((one.languages, one.licence, one.facts))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (GRANITE.name, Reference(GRANITE.repository, GRANITE.repository, GRANITE.revision)),
        (GRANITE.repository, Reference(GRANITE.repository, GRANITE.repository, GRANITE.revision)),
        (f"{GRANITE.name}@main", Reference(GRANITE.repository, GRANITE.repository, "main")),
        ("a/b", Reference("a/b", "a/b")),
        ("a/b@refs/pr/1", Reference("a/b", "a/b", "refs/pr/1")),
        (f"a/b@{NEW}", Reference("a/b", "a/b", NEW)),
        ("b@v1.0", Reference("b", "sentence-transformers/b", "v1.0")),
    ],
)
def test_names_and_revisions(name: str, found: Reference) -> None:
    assert reference(name, "encoder") == found


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "../b",
        "a/b@",
        "a/b@-x",
        "a/b@../c",
        "a/b@x y",
        "a/b@x\n",
        "a/b/c",
        "a/b@" + "x" * 99,
        "x" * 300,
        "~nobody/x",
    ],
)
def test_what_is_no_name_of_the_hub(name: str) -> None:
    assert reference(name, "encoder") is None
    with pytest.raises(ModelNotFound, match="is not an encoder"):
        load(name)
    with pytest.raises(ModelNotFound, match="is nowhere to be found") as raised:
        CrossEncoder(name).scores("a", ["b"])
    assert "\n" not in str(raised.value)


def test_only_kinds_with_an_owner_of_their_own_are_named_without() -> None:
    assert reference("b", "cross-encoder") == Reference("b", "cross-encoder/b")
    assert reference("b", "late-interaction") is None


def test_a_reranker_is_no_encoder_and_an_encoder_no_reranker() -> None:
    with pytest.raises(ModelNotFound, match="no encoder but a model of the kind cross-encoder"):
        load("ms-marco-MiniLM-L6-v2")
    with pytest.raises(ModelNotFound, match="no late-interaction but a model of the kind cross-encoder"):
        LateInteraction("ms-marco-MiniLM-L6-v2").scores("a", ["b"])
    with pytest.raises(ModelNotFound, match="no cross-encoder but a model of the kind encoder"):
        CrossEncoder(GRANITE.name).scores("a", ["b"])


def test_an_index_stores_the_short_name() -> None:
    for name in (GRANITE.name, GRANITE.repository):
        assert spec_of(name) == GRANITE.name
    assert spec_of(f"{GRANITE.repository}@main") == f"{GRANITE.repository}@main"


def test_a_model_that_is_not_cached_is_named_with_its_revision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offline(monkeypatch, tmp_path)
    with pytest.raises(
        ModelNotFound, match=f"not on the model hub as {GRANITE.repository}@{GRANITE.revision}"
    ):
        _ = load(GRANITE.name).id


def test_what_is_fetched_has_neither_pickles_nor_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub.utils._paths import filter_repo_objects

    files = ["pytorch_model.bin", "x.pt", "x.pkl", "x.h5", "modeling.py", "onnx/config.json", "x.onnx"]
    wanted = ["model.safetensors", "1_Pooling/config.json", "vocab.txt", "tokenizer.model"]
    asked: list[dict[str, Any]] = []

    def download(repository: str, **arguments: Any) -> str:
        if arguments.get("local_files_only"):
            raise FileNotFoundError
        asked.append({"repository": repository, **arguments})
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert hub.snapshot(Reference("a/b", "a/b", "v1"), "a/b") == tmp_path
    (one,) = asked
    assert (one["repository"], one["revision"]) == ("a/b", "v1")
    patterns = {name: one[name] for name in ("allow_patterns", "ignore_patterns")}
    assert [*filter_repo_objects([*files, *wanted], **patterns)] == wanted


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letters_model(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def other(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network without pooling by the mean: other vectors."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(model, folder)
    settings = folder / "1_Pooling" / "config.json"
    text = settings.read_text().replace('"mean"', '"cls"')
    settings.write_text(text)
    return folder


class TestRevisions:
    def test_the_right_one_is_loaded(
        self, model: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offline(monkeypatch, tmp_path)
        served(tmp_path, "a/b", {OLD: model, NEW: other}, main=NEW)
        texts = ["the quick brown fox"]
        by_folder = [load(folder).documents(texts) for folder in (model, other)]
        assert distance(*by_folder) > 1e-3
        for spec, commit, expected in (
            ("a/b", NEW, by_folder[1]),
            ("a/b@main", NEW, by_folder[1]),
            (f"a/b@{OLD}", OLD, by_folder[0]),
        ):
            encoder = load(spec)
            assert encoder.id == f"a/b@{commit[:12]}"
            assert distance(encoder.documents(texts), expected) < 1e-6
        with pytest.raises(ModelNotFound, match="not on the model hub as a/b@v2 "):
            _ = load("a/b@v2").id

    def test_a_short_name_means_its_revision_and_no_other(
        self, model: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offline(monkeypatch, tmp_path / "hub")
        home = served(tmp_path / "hub", GRANITE.repository, {NEW: other}, main=NEW)
        with pytest.raises(ModelNotFound, match="is nowhere to be found"):
            load(GRANITE.name).documents(["a"])
        shutil.copytree(model, home / "snapshots" / GRANITE.revision)
        with Index.create(tmp_path / "idx", encoder=GRANITE.name) as index:
            index.add([Document("x", "a fox")])
            assert load(GRANITE.name).id == f"{GRANITE.repository}@{GRANITE.revision[:12]}"
        with Index.open(tmp_path / "idx") as index:
            assert [hit.id for hit in index.search("a fox", mode="vector")] == ["x"]
        with pytest.raises(IndexMismatch, match=NEW[:12]):
            Index.open(tmp_path / "idx", encoder=f"{GRANITE.repository}@main")


class Planted:
    """A pickle that writes a file where it is read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return Path.write_text, (self._file, "read")


@pytest.mark.parametrize("place", ["", "2_Dense"])
def test_weights_in_a_pickle_are_refused_and_never_read(place: str, model: Path, tmp_path: Path) -> None:
    folder, written = tmp_path / "model", tmp_path / "written"
    shutil.copytree(model, folder)
    (folder / place).mkdir(exist_ok=True)
    for weights in (folder / place).glob("*.safetensors"):
        weights.unlink()
    (folder / place / "pytorch_model.bin").write_bytes(pickle.dumps(Planted(written)))
    for ask in (
        lambda: load(folder).documents(["a"]),
        lambda: CrossEncoder(str(folder)).scores("a", ["b"]),
        lambda: LateInteraction(str(folder)).scores("a", ["b"]),
    ):
        with pytest.raises(EncoderFailed, match=r"only as a pickle \(.*pytorch_model\.bin\)") as raised:
            ask()
        assert "model.save_pretrained(folder, safe_serialization=True)" in str(raised.value)
    assert not written.exists()
    pickle.loads((folder / place / "pytorch_model.bin").read_bytes())  # it would have been seen
    assert written.exists()


def test_a_pickle_beside_safetensors_is_never_read(model: Path, tmp_path: Path) -> None:
    folder, written = tmp_path / "model", tmp_path / "written"
    shutil.copytree(model, folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Planted(written)))
    assert distance(load(folder).documents(["a fox"]), load(model).documents(["a fox"])) < 1e-6
    assert not written.exists()


def test_code_of_a_model_is_never_run(model: Path, tmp_path: Path) -> None:
    folder, written = tmp_path / "model", tmp_path / "written"
    shutil.copytree(model, folder)
    (folder / "planted.py").write_text(f"open({str(written)!r}, 'w')\nclass Module: ...\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "planted.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderFailed, match="is not a sentence-transformers model"):
        load(folder).documents(["a"])
    assert not written.exists()
