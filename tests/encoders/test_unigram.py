"""The Unigram tokenizer over mapped files: the ids and offsets of the tokenizers library, for any text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from hybrid.encoders import Bundle, unigram
from hybrid.encoders.bundle import Manifest
from hybrid.encoders.tokens import PIECE, LibraryTokens
from tests.encoder_models import bundle_of_letters

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = {"▁": -2.0, "▁a": -2.5, "a": -3.0, "b": -3.1, "ab": -4.0, "▁ab": -6.05, "ba": -5.2, "aba": -7.0}
PIECES |= {"长": -5.0, "城": -5.1, "长城": -9.0, "▁长城有": -11.5, "fi": -6.0, "😀": -9.5, "</": -4.4}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vocabulary = [*((piece, 0.0) for piece in SPECIAL), *PIECES.items(), ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 3, False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in [*SPECIAL, "<mask>"]])
    tokenizer.enable_truncation(8)  # as in some published files: neither form may heed it
    path = tmp_path_factory.mktemp("library") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="module")
def theirs(source: Path) -> LibraryTokens:
    return LibraryTokens(source)


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    unigram.write(source, folder)
    return folder


@pytest.fixture(scope="module")
def ours(folder: Path) -> unigram.UnigramTokens:
    return unigram.UnigramTokens(folder)


signs = st.sampled_from(
    [*"ab长城有<>/sfiﬁﷺ😀▁é\t ＜ｓ＞", "  ", "a\u0301", "\0", "<s>", "</s>", "<unk>", "<mask>"]
)
texts = st.lists(signs).map("".join) | st.text()


@given(text=texts)
def test_ids_and_offsets_are_the_librarys(
    ours: unigram.UnigramTokens, theirs: LibraryTokens, text: str
) -> None:
    assert ours.ids(text) == theirs.ids(text)
    assert np.array_equal(ours.offsets(text), theirs.offsets(text))


def test_a_long_text(ours: unigram.UnigramTokens, theirs: LibraryTokens) -> None:
    text = "ab 长城有ﬁne 😀 " * PIECE
    assert ours.ids(text) == theirs.ids(text)
    assert np.array_equal(ours.offsets(text), theirs.offsets(text))


def test_the_likeliest_pieces_are_found(ours: unigram.UnigramTokens) -> None:
    identity = dict(zip([*SPECIAL, *PIECES], range(100), strict=False))
    assert ours.ids("ab") == [0, identity["▁a"], identity["b"], 2]  # -5.6 against -6.05
    assert ours.ids("长城有") == [0, identity["▁长城有"], 2]
    assert ours.ids("?!") == [0, identity["▁"], 3, 2]  # neighbours that are unknown are one token


def test_a_bundle_is_served_with_it(folder: Path, tmp_path: Path) -> None:
    bundle = bundle_of_letters(tmp_path / "b")
    (bundle.folder / "encoder.json").unlink()
    for path in folder.iterdir():
        (bundle.folder / path.name).write_bytes(path.read_bytes())
    Manifest(id="b", dim=26, max_length=9).write(bundle.folder)
    unigrams = Bundle(bundle.folder)
    assert unigrams.max_tokens == 7
    assert unigrams.token_offsets("ab").tolist() == [[0, 1], [1, 2]]
    assert unigrams.queries(["ab ab", "ba"]).shape == (2, 26)
