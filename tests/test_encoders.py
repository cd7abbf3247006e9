"""Encoders: the contract for each kind, bundles and their damage, windows, the query cache, loading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid import encoders
from hybrid.encoders import Bundle, HashEncoder, QueryCache, compose, cut, encode_documents, load, spec_of
from hybrid.encoders import bundle as bundles
from hybrid.encoders.build import building
from hybrid.encoders.bulk import SLICE
from hybrid.encoders.bundle import Manifest, Prompts, pack
from hybrid.encoders.named import MODELS
from hybrid.encoders.places import Hub, Packaged, Unavailable
from hybrid.encoders.tokens import PIECE
from hybrid.errors import EncoderFailed, FormatTooNew, MissingExtra, ModelNotFound
from hybrid.types import Encoder, Matrix, Passage
from tests.contracts.encoder import EncoderContract, WindowedContract, distance
from tests.encoder_models import bundle_of_letters, letters_model

# --- the contract ------------------------------------------------------------------------------------


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
    tolerance = 5e-3

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


# --- bundles -----------------------------------------------------------------------------------------


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


def test_many_batches_in_threads_agree_with_one_by_one(
    letters: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "BATCH_TOKENS", 16)
    monkeypatch.setattr(bundles, "cores", lambda: 4)
    texts = [" ".join("abcdefgh"[: i % 9]) for i in range(100)]
    alone = np.concatenate([letters.documents([text]) for text in texts])
    assert letters.documents(texts) == pytest.approx(alone, abs=1e-6)


@given(st.lists(st.integers(0, 600), max_size=300))
def test_pack_takes_every_row_once_within_the_budget(lengths: list[int]) -> None:
    batches = [batch.tolist() for batch in pack(lengths)]
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or longest * len(batch) <= bundles.BATCH_TOKENS


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
        ({"format": 2}, FormatTooNew, "has format 2, this version reads 1"),
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


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no encoder bundle: encoder\.json cannot be read"):
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


# --- windows -----------------------------------------------------------------------------------------


class Words:
    """An encoder whose tokens are words or single Chinese characters, and nine tokens are its window."""

    id = "words"
    dim = 1

    def __init__(self, max_tokens: int = 12) -> None:
        self.max_tokens = max_tokens

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        spans = [found.span() for found in regex.finditer(r"\p{Han}|[^\s\p{Han}]+", text)]
        return np.array(spans, np.int64).reshape(-1, 2)

    def documents(self, texts: Sequence[str]) -> Matrix:
        return np.ones((len(texts), 1), np.float32)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.documents(texts)


def pieces(text: str, title: str = "", max_tokens: int = 12) -> list[str]:
    return [text[start:end] for start, end in cut(text, title, Words(max_tokens))]


def test_what_fits_is_not_cut() -> None:
    assert cut("one two three", "", Words()) == [Passage(0, 13)]
    assert cut("", "title", Words()) == [Passage(0, 0)]
    assert cut("word " * 500, "title", HashEncoder()) == [Passage(0, 2500)]


def test_windows_end_at_sentences_and_overlap_by_one() -> None:
    text = "a b c d e f. g h. i j k l m. n o."
    assert pieces(text) == ["a b c d e f. g h. ", "g h. i j k l m. n o."]


def test_chinese_sentences() -> None:
    text = "今天天气很好。走吧！好的，走。"
    assert pieces(text, max_tokens=16) == ["今天天气很好。走吧！", "走吧！好的，走。"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Pi is 3.14 today. Yes.", ["Pi is 3.14 today.", " Yes."]),
        ("Dr. Who met J. Doe. Fine!", ["Dr. Who met J. Doe.", " Fine!"]),
        ("他说：“走吧。”然后离开了。", ["他说：“走吧。”", "然后离开了。"]),
        ("line one\nline two", ["line one\n", "line two"]),
        ("Really?! Yes (sure.) Go", ["Really?!", " Yes (sure.)", " Go"]),
        ("see example.com now", ["see example.com now"]),
    ],
)
def test_where_sentences_end(text: str, ends: list[str]) -> None:
    bounds = [0, *(found.end() for found in encoders.windows._SENTENCE_END.finditer(text)), len(text)]
    assert [text[a:b] for a, b in pairwise(bounds) if a < b] == ends


def test_a_text_without_sentences_is_cut_all_the_same() -> None:
    text = " ".join(str(i) for i in range(100))
    windows = pieces(text, max_tokens=18)
    assert [len(window.split()) for window in windows[:-1]] == [16] * (len(windows) - 1)
    assert windows[1].split()[:2] == windows[0].split()[-2:]  # an eighth of 16


def test_the_title_takes_room_in_each_window() -> None:
    text = " ".join("x" * 30)
    assert all(len(window.split()) <= 20 - 2 - 3 for window in pieces(text, "a fine title", 20))


def test_a_long_title_takes_a_quarter_of_a_window() -> None:
    encoder, title, text = Words(20), " ".join("t" * 40), " ".join("x" * 40)
    for start, end in cut(text, title, encoder):
        whole = compose(title, text[start:end], encoder)
        assert whole.startswith("t t t t t \nx")
        assert len(encoder.token_offsets(whole)) <= 20


def test_compose() -> None:
    assert compose("Title", "text") == "Title\ntext"
    assert compose("", "text") == "text"
    assert compose("Title", "") == "Title"
    assert compose("a b c d e f g", "x", Words()) == "a b c d e f g\nx"


TEXT = st.text(
    st.sampled_from(list("abcdefgh 123") * 3 + list(" .!?\n。！？；…，你好世界ﬁ😀\u3000\x00")), max_size=400
)


@given(
    text=TEXT, title=st.sampled_from(["", "t", "a title of six words is"]), max_tokens=st.integers(3, 40)
)
def test_windows_cover_the_text_in_order_within_the_budget(text: str, title: str, max_tokens: int) -> None:
    encoder = Words(max_tokens)
    windows = cut(text, title, encoder)
    assert windows[0].start == 0
    assert windows[-1].end == len(text)
    for before, after in pairwise(windows):
        assert before.start < after.start <= before.end < after.end
    for start, end in windows:
        room = max(1, max_tokens - min(len(encoder.token_offsets(title)), max_tokens // 4))
        assert len(encoder.token_offsets(text[start:end])) <= room


def test_megabytes_are_cut_in_pieces(letters: Bundle) -> None:
    text = ("abc defg. " * 100 + "甲乙丙。" * 10) * 300 + "a" * (3 * PIECE) + "。end"
    windows = cut(text, "", letters)
    assert windows[-1].end == len(text)
    assert len(text) / 40 < len(windows) < len(text) / 5
    letters.documents([text[start:end] for start, end in windows[-2:]])


# --- bulk, cache, functions --------------------------------------------------------------------------


class Recorder:
    """Answers the length of each text, and remembers what it was asked."""

    id = "recorder"
    dim = 2

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def documents(self, texts: Sequence[str]) -> Matrix:
        self.calls.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.documents(texts)


def test_encode_documents_keeps_the_order_and_tells_progress() -> None:
    encoder, told = Recorder(), list[int]()
    texts = ["x" * (i * 37 % 500) for i in range(2 * SLICE + 5)]
    vectors = encode_documents(encoder, texts, told.append)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    assert told == [SLICE, SLICE, 5]
    lengths = [len(text) for call in encoder.calls for text in call]
    assert lengths == sorted(lengths, reverse=True)
    assert encode_documents(encoder, []).shape == (0, 2)


def nan(texts: list[str]) -> Any:
    return [[1.0, float("nan") if "bad" in text else 1.0] for text in texts]


def broken(texts: list[str]) -> Any:
    raise OSError(f"no connection for {len(texts)}")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda texts: [[1.0]] * (len(texts) + 1), r"returned shape \(3, 1\) for 2 texts"),
        (lambda texts: [1.0] * len(texts), r"returned shape \(2,\) for 2 texts"),
        (lambda texts: [[]] * len(texts), r"returned shape \(2, 0\) for 2 texts"),
        (lambda texts: [[1.0], [1.0, 2.0]], "raised ValueError"),
        (lambda texts: None, "raised TypeError|returned shape"),
        (nan, "returned NaN or infinity for the text 'a bad one'"),
        (broken, "test_encoders.broken raised OSError: no connection for 2"),
    ],
)
def test_what_is_no_matrix_of_vectors(function: Callable[[list[str]], Any], says: str) -> None:
    with pytest.raises(EncoderFailed, match=says):
        encode_documents(load(function), ["good", "a bad one"])


def test_an_encoder_that_breaks_its_word() -> None:
    encoder = Recorder()
    encoder.dim = 3
    with pytest.raises(EncoderFailed, match="returned vectors of 2 numbers, not 3"):
        encode_documents(encoder, ["a"])


def test_a_function_keeps_the_dim_of_its_first_answer() -> None:
    sizes = iter([2, 2, 3])
    encoder = load(lambda texts: np.ones((len(texts), next(sizes))))
    assert encoder.dim == 2
    assert encoder.documents(["a"]).shape == (1, 2)
    with pytest.raises(EncoderFailed, match="of 3 numbers, before of 2"):
        encoder.documents(["a"])


def test_ids_of_functions() -> None:
    class Endpoint:
        def __call__(self, texts: list[str]) -> Any:
            return letter_counts(texts)

    assert load(letter_counts).id == f"{__name__}.letter_counts"
    assert load(Endpoint()).id.endswith("Endpoint")
    named = Endpoint()
    named.id = "embedder-3"  # type: ignore[attr-defined]
    assert load(named).id == "embedder-3"


def test_the_cache_encodes_only_what_it_lacks() -> None:
    encoder = Recorder()
    cache = QueryCache(encoder, size=2)
    assert cache.vectors(["a", "bb", "a"])[:, 0].tolist() == [1, 2, 1]
    assert cache.vector("bb").tolist() == [2, 1]
    assert encoder.calls == [["a", "bb"]]
    cache.vector("ccc")  # pushes out "a", used longest ago
    cache.vectors(["bb", "a"])
    assert encoder.calls[1:] == [["ccc"], ["a"]]
    assert cache.vectors([]).shape == (0, 2)


def test_cached_vectors_cannot_be_spoilt() -> None:
    cache = QueryCache(Recorder())
    with pytest.raises(ValueError, match="read-only"):
        cache.vectors(["a"])[0, 0] = 9
    assert cache.vector("a").tolist() == [1, 1]


def test_one_batch_may_exceed_the_cache() -> None:
    cache = QueryCache(Recorder(), size=3)
    assert cache.vectors(["x" * i for i in range(9)])[:, 0].tolist() == list(range(9))


def test_the_cache_is_shared_by_threads() -> None:
    cache = QueryCache(HashEncoder(), size=5)
    texts = [f"query {i}" for i in range(20)]
    right = HashEncoder().queries(texts)
    errors: list[str] = []

    def ask() -> None:
        for i in range(200):
            row = i * 7 % len(texts)
            if not np.array_equal(cache.vector(texts[row]), right[row]):
                errors.append(texts[row])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


# --- loading -----------------------------------------------------------------------------------------


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
    with pytest.raises(ModelNotFound, match="is no encoder"):
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
    with pytest.raises(Unavailable, match=r"numpy has another __init__\.py than the one known here"):
        Packaged("numpy", {"numpy/__init__.py": "0" * 64}).fetch()
    with pytest.raises(Unavailable, match=r"numpy lacks nothing\.bin"):
        Packaged("numpy", {"numpy/nothing.bin": "0" * 64}).fetch()


@pytest.mark.usefixtures("no_network")
def test_the_hub_when_offline() -> None:
    with pytest.raises(Unavailable, match="the model hub's a/b at main cannot be had"):
        Hub("a/b", "main", {"x": "0"}).fetch()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hybrid.encoders.build.find_spec", lambda _name: None)
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
