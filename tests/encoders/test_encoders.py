"""The contract for each kind of encoder; loading by name, folder, function; what is nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import regex

from hybrid import encoders
from hybrid.encoders import Bundle, HashEncoder, load, spec_of
from hybrid.encoders.named import MODELS
from hybrid.encoders.places import Hub, Packaged, Unavailable
from hybrid.errors import EncoderFailed, MissingExtra, ModelNotFound
from hybrid.types import Encoder
from tests.contracts.encoder import EncoderContract, WindowedContract, distance
from tests.encoder_models import bundle_of_letters, letters_model


class TestHashEncoder(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        return HashEncoder()

    def test_texts_that_share_words_are_near(self, encoder: Encoder) -> None:
        query = encoder.queries(["red headphones"])[0]
        near, far, chinese = encoder.documents(
            ["headphones, wireless and red", "a garden chair", "红色沙发"]
        )
        assert query @ near > 0.5 > max(query @ far, query @ chinese)
        sofa = encoder.queries(["沙发"])[0]
        assert sofa @ chinese > sofa @ near

    def test_its_vectors_never_change(self) -> None:
        cat = HashEncoder(4).documents(["cat"])[0]
        assert cat.tolist() == pytest.approx([-2 / 3, 0, 1 / 3, 2 / 3], abs=1e-6)
        assert HashEncoder(4) == HashEncoder(4)
        assert HashEncoder(4).id == "hash-4"


def letter_counts(texts: list[str]) -> list[list[float]]:
    return [[1.0, *(float(text.count(letter)) for letter in "aeiou")] for text in texts]


class TestFunction(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        return load(letter_counts)


class TestBundleOfLetters(WindowedContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
        return bundle_of_letters(tmp_path_factory.mktemp("bundles") / "letters")


@pytest.mark.slow
class TestTransformer(WindowedContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
        return load(letters_model(tmp_path_factory.mktemp("model")))

    def test_its_own_prompts_are_used(self, encoder: Encoder) -> None:
        assert distance(encoder.documents(["a cab"]), encoder.queries(["a cab"])) > 1e-4

    def test_id_is_of_the_weights(self, encoder: Encoder) -> None:
        assert regex.fullmatch(r"model@[0-9a-f]{12}", encoder.id)

    def test_a_bundle_of_it_agrees(self, encoder: Encoder, tmp_path: Path) -> None:
        assert isinstance(encoder, encoders.Transformer)
        bundle = encoder.export(tmp_path / "bundle")
        texts = ["a cab in the rain.", "x", "the quick brown fox " * 30]
        assert distance(bundle.documents(texts), encoder.documents(texts)) < 1e-2
        assert distance(bundle.queries(texts), encoder.queries(texts)) < 1e-2
        assert (bundle.dim, bundle.max_tokens) == (encoder.dim, encoder.max_tokens)
        with pytest.raises(EncoderFailed, match="exists already"):
            encoder.export(tmp_path / "bundle")


def packaged(name: str) -> Encoder:
    try:
        return load(name)
    except (ModelNotFound, MissingExtra) as error:
        pytest.skip(str(error))


@pytest.mark.slow
class TestMiniLM(WindowedContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        return packaged("all-MiniLM-L6-v2")

    def test_published_similarities(self, encoder: Encoder) -> None:
        """The figures on the model's page."""
        happy, *others = encoder.documents(
            [
                "That is a happy person",
                "That is a very happy person",
                "That is a happy dog",
                "Today is a sunny day",
            ]
        )
        published = [0.94291496, 0.69457746, 0.25687605]
        assert [float(happy @ other) for other in others] == pytest.approx(published, abs=1e-5)


@pytest.mark.slow
class TestE5(WindowedContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        return packaged("multilingual-e5-small")

    def test_meaning_crosses_languages(self, encoder: Encoder) -> None:
        answers = encoder.documents(
            ["The Great Wall is over 21,000 km long.", "Espresso is brewed under pressure."]
        )
        questions = encoder.queries(["长城有多长？", "意式浓缩咖啡怎么做？"])
        assert (questions @ answers.T).argmax(axis=1).tolist() == [0, 1]


@pytest.fixture
def letters(tmp_path: Path) -> Bundle:
    return bundle_of_letters(tmp_path / "letters")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, a hub that cannot be reached and none of the packages that carry weights."""
    monkeypatch.setenv("HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_an_encoder_is_taken_as_it_is() -> None:
    encoder = HashEncoder()
    assert load(encoder) is encoder


def test_a_folder_by_any_path(letters: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(letters.folder.parent)
    for spec in (letters.folder, str(letters.folder), "letters", "./letters"):
        assert load(spec).id == "letters"
        assert spec_of(spec) == str(letters.folder)


def test_what_an_index_stores_of_a_spec() -> None:
    assert spec_of("multilingual-e5-small") == "multilingual-e5-small"
    assert spec_of("BAAI/bge-small-zh-v1.5") == "BAAI/bge-small-zh-v1.5"
    assert spec_of(letter_counts) is None
    assert spec_of(HashEncoder()) is None


@pytest.mark.parametrize("spec", ["/nowhere/at all", "what is this", Path("missing"), 7])
def test_what_is_no_encoder(spec: Any) -> None:
    with pytest.raises(ModelNotFound, match="is not an encoder"):
        load(spec)


@pytest.mark.usefixtures("no_network")
def test_a_named_model_that_is_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("hybrid.encoders.places.distribution", absent)
    for name in MODELS:
        with pytest.raises(ModelNotFound) as raised:
            load(name)
        message = str(raised.value)
        assert f"{name} is nowhere to be found: there is no bundle of it in {tmp_path}" in message
        assert "is not installed (pip install 'hybrid-retrieval[offline]')" in message
        assert "HF_HUB_OFFLINE is set" in message
        assert "\n" not in message


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["nobody/nothing", "all-nothing"])
def test_a_hub_name_that_is_nowhere(name: str) -> None:
    with pytest.raises(
        ModelNotFound, match=rf"{name} is nowhere to be found: .* \(HF_HUB_OFFLINE is set\)"
    ):
        _ = load(name).id


def test_files_of_a_package_are_checked() -> None:
    with pytest.raises(Unavailable, match=r"numpy has another __init__\.py than expected"):
        Packaged("numpy", {"numpy/__init__.py": "0" * 64}).fetch()
    with pytest.raises(Unavailable, match=r"numpy lacks nothing\.bin"):
        Packaged("numpy", {"numpy/nothing.bin": "0" * 64}).fetch()


@pytest.mark.usefixtures("no_network")
def test_the_hub_when_offline() -> None:
    with pytest.raises(Unavailable, match="the model hub's a/b at main is not available"):
        Hub("a/b", "main", {"x": "0"}).fetch()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hybrid.errors.find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtra, match=r"needs sentence_transformers; run: pip install 'hybrid-retrieval\[models\]'"
    ):
        load(tmp_path).documents(["a"])


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )


HEAVY = "{'torch', 'onnxruntime', 'onnx', 'tokenizers', 'huggingface_hub', 'sentence_transformers'}"


def test_importing_loads_nothing_heavy() -> None:
    answer = run(f"import sys, hybrid.encoders; print({HEAVY} & set(sys.modules))")
    assert (answer.stdout, answer.stderr) == ("set()\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_named_model_is_built_served_and_verified_in_silence(name: str, tmp_path: Path) -> None:
    packaged(name)
    code = f"""
import sys
from hybrid.encoders import load
bundle = load({name!r})
assert bundle.queries(["hello"]).shape == (1, 384)
bundle.verify()
assert load({name!r}).folder == bundle.folder
print({{"torch", "transformers"}} & set(sys.modules))
"""
    answer = run(code, HYBRID_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert (answer.stdout, answer.stderr) == ("set()\n", "")
    kept = [path for path in (tmp_path / "bundles").iterdir() if path.is_dir()]
    assert [path.name.startswith(name) for path in kept] == [True]
