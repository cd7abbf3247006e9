"""Words are cut as jieba cuts them: against the package itself, words of the user's included."""

from __future__ import annotations

import json
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hybrid.analyzers.lexicon import Lexicon
from hybrid.analyzers.normalize import fold
from hybrid.analyzers.segment import HAN

TEXTS = [
    "南京市长江大桥",
    "乒乓球拍卖完了",
    "结婚的和尚未结婚的",
    "研究生命科学的中华人民共和国公民",
    "他说的确实在理",
    "二〇二四年人々と𠮷野家㐀",
    "凪卍一一一一",
]
CHARACTERS = st.sampled_from(sorted({*"".join(TEXTS)})) | st.characters(
    min_codepoint=0x4E00, max_codepoint=0x9FFF
)
RUNS = st.sampled_from(TEXTS) | st.text(CHARACTERS, min_size=1, max_size=60)
USER_WORDS = st.tuples(st.text(CHARACTERS, min_size=1, max_size=8), st.none() | st.integers(1, 10**12))


@pytest.fixture(scope="module")
def jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its source, and pkg_resources
        import jieba
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon()


@settings(deadline=None)
@given(RUNS)
@example("".join(TEXTS))
def test_cuts_are_those_of_jieba(jieba: Any, lexicon: Lexicon, run: str) -> None:
    assert lexicon.cut(run) == list(jieba.cut(run, HMM=False))
    for start in range(len(run) - 1):
        word = run[start : start + 2]
        assert lexicon.has(word) == bool(jieba.FREQ.get(word))


def test_words_are_those_of_jieba(jieba: Any, lexicon: Lexicon) -> None:
    words = [word for word, count in jieba.FREQ.items() if count and re.fullmatch("[\u4e00-\u9fd5]+", word)]
    assert len(words) > 300_000
    for word in words[::50]:
        assert lexicon.cut(word) == list(jieba.cut(word, HMM=False))
        assert len(word) == 1 or lexicon.has(word)


@settings(deadline=None, max_examples=30)
@given(st.lists(USER_WORDS, min_size=1, max_size=20), st.lists(RUNS, max_size=10))
@example([("江大", None), ("市长江", 5), ("的", 7), ("𠮷野家", None), ("江大", None)], TEXTS)
def test_words_of_the_users_own_count_as_in_jieba(
    jieba: Any, words: list[tuple[str, int | None]], runs: list[str]
) -> None:
    theirs, mine = type(jieba)(), Lexicon()
    theirs.FREQ, theirs.total, theirs.initialized = dict(jieba.FREQ), jieba.total, True
    for word, frequency in words:
        mine.add(word, frequency)
        theirs.add_word(word, frequency)
    for run in [*runs, *(f"人{word}大" for word, _ in words)]:
        assert mine.cut(run) == list(theirs.cut(run, HMM=False))


def test_one_lexicon_leaves_the_others_alone(lexicon: Lexicon) -> None:
    before = lexicon.cut("降噪耳机壳")
    own = Lexicon()
    own.add("降噪耳机壳", None)
    assert own.cut("降噪耳机壳") == ["降噪耳机壳"]
    assert lexicon.cut("降噪耳机壳") == Lexicon().cut("降噪耳机壳") == before


def test_threads_may_read_the_same_words_at_once(lexicon: Lexicon) -> None:
    fresh = Lexicon()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fresh.cut, TEXTS * 20)) == [lexicon.cut(text) for text in TEXTS * 20]


@pytest.mark.parametrize("name", ["zh_medqa", "cmrc2018", "qbqtc_zh", "xquad_mixed"])
def test_real_texts_are_cut_as_by_jieba(jieba: Any, lexicon: Lexicon, name: str) -> None:
    folder = Path(os.environ.get("HYBRID_DATA", "")) / name
    if not os.environ.get("HYBRID_DATA") or not folder.is_dir():
        pytest.skip("HYBRID_DATA does not hold it")
    for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()[::100]:
        for run in re.findall(f"[{HAN}]+", fold(json.loads(line)["text"]).text):
            assert lexicon.cut(run) == list(jieba.cut(run, HMM=False))
