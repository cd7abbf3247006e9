"""Modules that other packages bring: an example package is installed and used, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from hybrid import RRF, Document, Index, Profile, analyzers, encoders, fusion, plugins
from hybrid.errors import IndexMismatch, ModelNotFound, PluginError, SettingsError
from hybrid.plugins import Plugin
from hybrid.rerank import stored
from tests.commands import run

TEXT = {"id": "1", "text": ""}
EXAMPLE = Path(__file__).parent / "plugin_example"
DOCUMENTS = [Document("1", "red kettle"), Document("2", "blue kettle of steel"), Document("3", "a lamp")]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example is installed."""
    source, target = tmp_path_factory.mktemp("source") / "example", tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True, timeout=300)
    return target


@pytest.fixture
def _installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(package)
    _forget()
    yield
    sys.modules.pop("hybrid_example", None)
    _forget()


def _forget() -> None:
    plugins.installed.cache_clear()
    plugins.load.cache_clear()


@pytest.mark.usefixtures("_installed")
def test_they_are_listed_and_not_loaded(tmp_path: Path) -> None:
    listed = run("plugins", "--json").json
    assert [(one["kind"], one["name"], one["package"]) for one in listed] == [
        ("encoders", "letters", "hybrid-example"),
        ("analyzers", "spaces", "hybrid-example"),
        ("fusions", "borda", "hybrid-example"),
        ("rerankers", "shuffled", "hybrid-example"),
        ("readers", "cards", "hybrid-example"),
    ]
    assert "hybrid_example:Borda" in run("plugins").out
    assert {"name": "letters", "kind": "encoder", "package": "hybrid-example"} in run(
        "encoders", "--json"
    ).json
    assert "of the package hybrid-example 1.0" in run("encoders").out
    assert "hybrid_example" not in sys.modules


@pytest.mark.usefixtures("_installed")
def test_an_index_keeps_their_names(tmp_path: Path) -> None:
    profile = Profile(fusion={"method": "borda", "votes": 7})
    with Index.create(tmp_path / "i", encoder="letters", analyzer="spaces") as index:
        index.add(DOCUMENTS)
        index.install(profile, {})
    with Index.open(tmp_path / "i") as index:
        assert [hit.id for hit in index.search("kettle red")][:2] == ["1", "2"]
        assert index.search("kettle red").hits[0].score == 14  # twice first
        made = stored.load({"kind": "shuffled", "top": 3})
        index.install(profile.model_copy(update={"reranker": index.keep_model(made)}), {})
        assert [hit.id for hit in index.search("kettle red")][-1] == "1"
    settings = json.dumps(run("stats", tmp_path / "i", "--json").json)
    assert "letters" in settings
    assert "hybrid_example" not in settings
    with Index.open(tmp_path / "i") as index:
        index.reindex(analyzer="mixed")
        assert index.verify() == []
    assert fusion.dump(fusion.load({"method": "borda"})) == {"method": "borda", "votes": 100}


@pytest.mark.usefixtures("_installed")
def test_commands_take_the_names(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a red kettle", "utf-8")
    run("index", file, "--to", tmp_path / "i", "--encoder", "letters", "--analyzer", "spaces")
    assert run("search", tmp_path / "i", "kettle", "--json").json["hits"][0]["id"].endswith("a.txt")


@pytest.mark.usefixtures("_installed")
def test_files_are_read_where_their_reader_is_named(tmp_path: Path) -> None:
    folder, index = tmp_path / "notes", tmp_path / "i"
    folder.mkdir()
    (folder / "a.cards").write_text("Kettle|boils water\nLamp|gives light", "utf-8")
    (folder / "b.txt").write_text("a text", "utf-8")
    run("index", folder, "--to", index, "--encoder", "none")
    assert run("stats", index, "--json").json["documents"] == 1
    run("index", folder, "--to", index, "--reader", "cards")
    [hit] = run("search", index, "light", "--json").json["hits"]
    assert (hit["id"], hit["title"]) == ("notes/a.cards#2", "Lamp")
    assert "hybrid_example" not in sys.modules  # only the process that reads has loaded it
    run("index", folder / "a.cards", "--to", tmp_path / "j", "--encoder", "none", "--reader", "cards")
    (folder / "a.cards").write_bytes(b"\xff")
    assert "UnicodeDecodeError" in run("index", folder, "--to", index, "--reader", "cards", status=1).err
    said = run("index", folder, "--to", index, "--reader", "boxes", status=2).err
    assert said == "hybrid: no installed package has a reader 'boxes'; there are: cards\n"


def test_without_the_package(tmp_path: Path, package: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        _forget()
        with Index.create(tmp_path / "i", encoder="letters", analyzer="spaces") as index:
            index.add(DOCUMENTS)
    sys.modules.pop("hybrid_example", None)
    _forget()
    assert "no other package" in run("plugins").out
    with pytest.raises(SettingsError, match="unknown analyzer 'spaces'"):
        Index.open(tmp_path / "i")
    with pytest.raises((ModelNotFound, IndexMismatch)):
        encoders.load("letters/")
    with pytest.raises(SettingsError, match="'borda'"):
        fusion.load({"method": "borda"})
    with pytest.raises(SettingsError, match="install the package"):
        stored.load({"kind": "shuffled"})


class Odd:
    """No encoder, no analyzer."""


def broken() -> None:
    raise RuntimeError("first line\nsecond line")


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[metadata.EntryPoint]]:
    found: list[metadata.EntryPoint] = []

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        return [one for one in found if one.group == group]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    _forget()
    yield found
    _forget()


@pytest.mark.parametrize(
    ("kind", "value", "act", "says"),
    [
        ("encoders", "no_such_module:x", encoders.load, "cannot be loaded: ModuleNotFoundError"),
        ("encoders", "tests.test_plugins:nothing", encoders.load, "cannot be loaded: AttributeError"),
        ("encoders", "tests.test_plugins:Odd", encoders.load, "returns no encoder"),
        ("encoders", "tests.test_plugins:DOCUMENTS", encoders.load, "is a list, which cannot be called"),
        ("encoders", "tests.test_plugins:broken", encoders.load, "failed: RuntimeError: first line$"),
        ("analyzers", "hybrid.analyzers:English", analyzers.load, "must be its name"),
        ("fusions", "tests.test_plugins:Odd", lambda name: fusion.load({"method": name}), "no dataclass"),
        ("fusions", "hybrid:RRF", lambda name: fusion.load({"method": name, "a": 1}), "no parameter 'a'"),
        ("fusions", "hybrid:RRF", lambda name: fusion.load({"method": name, "k": -1}), "failed: "),
        (
            "fusions",
            "hybrid:Document",
            lambda name: fusion.load({"method": name, **TEXT}),
            "called",
        ),
        (
            "rerankers",
            "hybrid:Document",
            lambda name: stored.load({"kind": name, **TEXT}),
            "called",
        ),
    ],
)
def test_what_is_wrong_with_one_is_said_in_a_line(
    points: list[metadata.EntryPoint], kind: Any, value: str, act: Any, says: str
) -> None:
    points.append(metadata.EntryPoint("mine", value, f"hybrid_retrieval.{kind}"))
    with pytest.raises(PluginError, match=says) as error:
        act("mine")
    assert "\n" not in str(error.value)
    assert value in str(error.value)


def test_names(points: list[metadata.EntryPoint]) -> None:
    for name in ("Mine", "a-b", "os.path", "", "a" * 33, "rrf", "mixed", "all_minilm"):
        points.append(metadata.EntryPoint(name, "tests.test_plugins:Odd", "hybrid_retrieval.fusions"))
    assert plugins.names("fusions") == ["all_minilm", "mixed", "rrf"]
    assert fusion.load({"method": "rrf"}) == RRF()  # this package's own come first
    points.append(metadata.EntryPoint("mixed", "hybrid:RRF", "hybrid_retrieval.fusions"))
    _forget()
    with pytest.raises(PluginError, match="uninstall all but one"):
        plugins.find("fusions", "mixed")


def test_only_what_is_declared_is_kept_by_name() -> None:
    assert plugins.stored("fusions", RRF()) is None
    assert plugins.stored("fusions", RRF) is None
    assert str(Plugin("fusions", "a", "b", "1", "c:d")) == "a of the package b 1 (c:d)"
