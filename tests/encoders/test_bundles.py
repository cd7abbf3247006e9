"""Bundles: pooling, prompts, threads, damage; building them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid.encoders import Bundle
from hybrid.encoders import bundle as bundles
from hybrid.encoders.build import building
from hybrid.encoders.bundle import Manifest, Prompts
from hybrid.errors import EncoderFailed, FormatTooNew, ModelNotFound
from tests.encoder_models import bundle_of_letters


@pytest.fixture
def letters(tmp_path: Path) -> Bundle:
    return bundle_of_letters(tmp_path / "letters")


def one_hot(letters: str, weights: Sequence[float]) -> NDArray[np.float64]:
    vector = np.zeros(26)
    for letter, weight in zip(letters, weights, strict=True):
        vector[ord(letter) - ord("a")] += weight
    return vector


def test_mean_pooling_counts_no_padding(letters: Bundle) -> None:
    short, _ = letters.documents(["a b", "c d e f g h"])
    # "a", "b" and the two special tokens, whose states are zero; then unit length
    assert short == pytest.approx(one_hot("ab", [2**-0.5, 2**-0.5]), abs=1e-6)


def test_without_normalising_the_mean_stays(tmp_path: Path) -> None:
    bundle = bundle_of_letters(tmp_path / "b", normalize=False)
    assert bundle.documents(["a b"])[0] == pytest.approx(one_hot("ab", [1 / 4, 1 / 4]))


def test_cls_pooling_takes_the_first_token(tmp_path: Path) -> None:
    bundle = bundle_of_letters(tmp_path / "b", pooling="cls", normalize=False)
    assert bundle.documents(["a b"])[0] == pytest.approx(np.zeros(26))


def test_prompts_go_before_the_text(tmp_path: Path) -> None:
    bundle = bundle_of_letters(tmp_path / "b", normalize=False, prompts=Prompts(query="q ", document="d "))
    assert bundle.queries(["a"])[0] == pytest.approx(one_hot("qa", [1 / 4, 1 / 4]))
    assert bundle.documents(["a"])[0] == pytest.approx(one_hot("da", [1 / 4, 1 / 4]))
    assert bundle.max_tokens == bundle.manifest.max_length - 3


def test_the_last_guard_keeps_the_beginning(tmp_path: Path) -> None:
    bundle = bundle_of_letters(tmp_path / "b", max_length=5, normalize=False)
    assert bundle.documents(["a b c d e f"])[0] == pytest.approx(one_hot("abc", [1 / 5] * 3))


def test_a_text_has_one_vector_in_any_company(letters: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "cores", lambda: 4)
    texts = [" ".join("abcdefgh"[: i % 9]) for i in range(100)]
    alone = np.concatenate([letters.documents([text]) for text in texts])
    assert np.array_equal(letters.documents(texts), alone)


def test_opening_reads_the_manifest_only(letters: Bundle) -> None:
    for name in letters.manifest.files:
        (letters.folder / name).unlink()
    again = Bundle(letters.folder)
    assert (again.id, again.dim) == ("letters", 26)
    with pytest.raises(EncoderFailed, match=r"model\.onnx is not the file that was built; delete"):
        again.documents(["a"])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_verify_finds_a_flipped_byte_and_loading_a_short_file(letters: Bundle, name: str) -> None:
    letters.verify()
    damage(letters.folder / name)
    with pytest.raises(EncoderFailed, match=f"{name} is not the file that was built; delete"):
        letters.verify()
    (letters.folder / name).write_bytes(b"{}")
    with pytest.raises(EncoderFailed, match=f"{name} is not the file"):
        Bundle(letters.folder).queries(["a"])


def test_files_that_were_never_a_model(letters: Bundle) -> None:
    (letters.folder / "model.onnx").write_bytes(b"not a model")
    (letters.folder / "encoder.json").unlink()
    Manifest(id="broken", dim=2, max_length=9).write(letters.folder)
    with pytest.raises(EncoderFailed, match="cannot be loaded"):
        Bundle(letters.folder).documents(["a"])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"format": 3}, FormatTooNew, "has format 3, this version reads 2"),
        ({"dim": 0}, EncoderFailed, "dim: Input should be greater than 0"),
        ({"pooling": "max"}, EncoderFailed, "pooling"),
        ({"surprise": 1}, EncoderFailed, "surprise"),
    ],
)
def test_a_malformed_manifest(
    letters: Bundle, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    path = letters.folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(error, match=says):
        Bundle(letters.folder)
    path.write_text("{")
    with pytest.raises(EncoderFailed, match="delete the folder"):
        Bundle(letters.folder)


def test_the_first_format_is_still_read(letters: Bundle) -> None:
    path = letters.folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    assert np.array_equal(Bundle(letters.folder).queries(["a b"]), letters.queries(["a b"]))


def test_queries_have_a_network_of_their_own_where_there_is_one(tmp_path: Path) -> None:
    plain = bundle_of_letters(tmp_path / "b")
    (plain.folder / "encoder.json").unlink()
    (plain.folder / "queries.onnx").write_bytes(b"not a model")
    plain.manifest.write(plain.folder)
    bundle = Bundle(plain.folder)
    assert np.array_equal(bundle.documents(["a b"]), plain.documents(["a b"]))
    with pytest.raises(EncoderFailed, match=r"cannot be loaded: .*queries\.onnx"):
        bundle.queries(["a b"])


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"not an encoder bundle: encoder\.json cannot be read"):
        Bundle(tmp_path)


def test_first_use_by_many_threads_loads_once(letters: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def counted(path: Path) -> Any:
        opened.append(path)
        return real(path)

    real = bundles.open_session
    monkeypatch.setattr(bundles, "open_session", counted)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(letters.queries, [["a b"]] * 32))
    assert len(opened) == 1
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build() -> None:
        with building(tmp_path / "b") as work:
            (work / "half").write_text("written")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build()
    assert list(tmp_path.iterdir()) == []
