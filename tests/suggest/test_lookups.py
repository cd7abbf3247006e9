"""The words that suggestions are chosen from, against a plain look at all of them."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest
from pypinyin import lazy_pinyin

from hybrid import Document, Index, corpora
from hybrid.suggest import kept
from hybrid.suggest.completions import Completions, spoken
from hybrid.suggest.edits import distances
from hybrid.suggest.homophones import Homophones
from hybrid.suggest.pinyin import pinyin
from hybrid.suggest.spelling import Spelling, edits
from hybrid.suggest.vocabulary import Vocabulary
from tests.benchmarks.report import Table
from tests.benchmarks.suggestions import part_numbers, right
from tests.benchmarks.typing_errors import misspelt
from tests.benchmarks.vocabulary import vocabulary


@pytest.fixture(scope="module")
def english() -> Vocabulary:
    return Vocabulary({word: rank for rank, word in enumerate(vocabulary("en").words[:4_000])})


@pytest.fixture(scope="module")
def chinese() -> Vocabulary:
    return Vocabulary({word: rank for rank, word in enumerate(vocabulary("zh").words[:3_000])})


def test_every_word_that_few_edits_make_is_near(english: Vocabulary) -> None:
    spelling, random = Spelling(english), Random(1)
    for word in random.sample([word for word in english.words if len(word) >= 5], 60):
        typo = misspelt(misspelt(word, random), random)
        away = dict(zip(english.words, distances(typo, english.words).tolist(), strict=True))
        expected = {
            other
            for other, distance in away.items()
            if 0 < distance <= edits(typo) and other[0] == typo[0] and other.isalpha() and len(other) > 3
            if not typo.startswith(other)
        }
        found = {near.word for near in spelling.near(typo)}
        assert found >= expected or len(found) == 16


def test_another_first_letter_counts_as_two_edits() -> None:
    spelling = Spelling(Vocabulary({"headphones": 1, "protein": 1}))
    assert spelling.near("rotein") == spelling.near("xrotein") == []
    for typo in ("xeadphones", "eadphones", "xheadphones", "ehadphones"):
        assert [(near.word, near.edits) for near in spelling.near(typo)] == [("headphones", 2)]
    assert spelling.near("xeadphonse") == []


def test_a_missing_letter_is_likelier_than_a_wrong_one() -> None:
    spelling = Spelling(Vocabulary({"spleen": 3, "spline": 1}))
    assert [near.word for near in spelling.near("splien")] == ["spline", "spleen"]
    spelling = Spelling(Vocabulary({"spleen": 6, "spline": 1}))
    assert [near.word for near in spelling.near("splien")] == ["spleen", "spline"]


def test_another_form_of_a_word_is_no_misspelling() -> None:
    spelling = Spelling(Vocabulary({"leak": 1, "scapula": 1}))
    assert spelling.near("leaky") == spelling.near("scapular") == []
    assert [near.word for near in spelling.near("scapulaa")] == ["scapula"]


def test_pinyin_is_that_of_pypinyin(chinese: Vocabulary) -> None:
    words = [*chinese.words, "银行行长", "绿色女儿", "民族音乐", "纽约爱乐乐团"]
    assert [pinyin(word) for word in words] == [tuple(lazy_pinyin(word)) for word in words]


def test_homophones_are_all_words_that_are_read_alike(chinese: Vocabulary) -> None:
    homophones = Homophones(chinese)
    for word in chinese.words[::40]:
        alike = {other for other in chinese.words if pinyin(other) == pinyin(word) and len(other) > 1}
        assert {near.word for near in homophones.near(word)} == alike - {word} or len(alike) > 16


@pytest.mark.parametrize("prefix", ["s", "sh", "shi", "zhongg", "the", "中", "中国", "zz", ""])
def test_completions_are_the_most_frequent_of_all_that_begin_so(
    english: Vocabulary, chinese: Vocabulary, prefix: str
) -> None:
    counts = {word: own.count(word) for own in (english, chinese) for word in own.words}
    keys = {word: {word, *spoken(word)} for word in counts}
    fitting = [word for word, own in keys.items() if any(key.startswith(prefix) for key in own)]
    fitting.sort(key=lambda word: (prefix not in keys[word], -counts[word]))
    found = Completions(Vocabulary(counts)).starting(prefix, 10)
    assert [counts[word] for word in found] == [counts[word] for word in fitting[:10]]


def test_the_words_of_a_large_index_follow_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SMALL", 0)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("1", "protein")])
        assert index.autocomplete("pro") == ["protein"]
        index.add([Document("2", "protection")])
        index.delete(["1"])
        assert "protein" not in index.autocomplete("pro")
        end = time.monotonic() + 60
        while index.autocomplete("pro") != ["protection"] and time.monotonic() < end:
            time.sleep(0.01)
        assert index.autocomplete("pro") == ["protection"]


def test_a_reader_sees_what_a_writer_adds(tmp_path: Path) -> None:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None) as writer, Index.open(path, read_only=True) as reader:
        assert reader.autocomplete("pro") == []
        writer.add([Document("1", "protein")])
        assert reader.autocomplete("pro") == ["protein"]
        writer.delete(["1"])
        assert reader.autocomplete("pro") == []
        assert reader.suggest("protien") is None
        writer.add([Document("2", "protein")])
        writer.compact()
        assert reader.autocomplete("pro") == ["protein"]


def test_typos_of_the_sample_are_put_right_and_part_numbers_stay(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.load(corpora.read_documents(corpora.sample()))
        with index.searcher() as searcher:
            table = Table("right")
            right(searcher, table, 60)
            assert {row["language"]: row["typos"] for row in table.rows} == {"en": 60, "zh": 60}
            assert all(row["right"] >= 0.9 for row in table.rows)  # type: ignore[operator]
            changed = [one for one in part_numbers(200) if searcher.suggest(one) is not None]
            assert len(changed) <= 2
