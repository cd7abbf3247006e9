from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.analyzers import Chinese, English, Mixed, by_name, read_user_dictionary
from hybrid.analyzers.normalize import _alone, _fold_by_cluster, _interacting, fold, fold_apart
from hybrid.errors import CorpusError, SettingsError
from hybrid.types import Analyzer
from tests.contracts.analyzer import TEXTS, AnalyzerContract

_JOINERS = str.maketrans("", "", "-_,'.")
USER_WORDS = ("降噪耳机壳 100 n", "T恤", "卡拉OK")


class TestEnglish(AnalyzerContract):
    def make(self) -> Analyzer:
        return English()


class TestChinese(AnalyzerContract):
    def make(self) -> Analyzer:
        return Chinese()


class TestMixed(AnalyzerContract):
    def make(self) -> Analyzer:
        return Mixed()


class TestMixedWithUserWords(AnalyzerContract):
    def make(self) -> Analyzer:
        return Mixed(USER_WORDS)


ENGLISH = {
    "The running dogs were QUICKLY": "run dog were quick",
    "Jane's dogs' James’s": "jane dog jame",
    "O'Brien l’Oréal o'clock van't Hoff": "obrien brien loreal oreal oclock clock vant hoff",
    "I'm we'll THEY’RE don't can´t it's": "",
    "Jane'll rock’n’roll rock 'n' roll": "jane rocknrol rock n roll rock n roll",
    "Hawaiʻi Hawai'i Qurʾān": "hawaii hawaii quran",
    "node.js nodejs Ph.D. PhD": "nodej node js nodej phd ph d phd",
    "#MachineLearning #fun C#Sharp": "machinelearn machin learn fun c# sharp",
    "infor-\nmation in\u00ad\r\n  side A-\n\nB 3-\n4": "inform infor mation insid side b 3 4",
    "C++ C# F# .NET C": "c++ c# f# .net c",
    "c++17 Notepad++ ASP.NET": "c++ 17 notepad++ notepad aspnet asp .net",
    "3.5mm 1,000 v2.1": "3.5mm 3.5 mm 1000 v2.1 v 2.1",
    "1,000,000.50 2015,2016 192.168.0.1": "1000000.50 2015 2016 192.168.0.1",
    "WH-1000XM5": "wh1000xm5 wh 1000xm5 1000 xm 5",
    "wh1000xm5": "wh1000xm5 wh 1000 xm 5",
    "WH 1000XM5": "wh 1000xm5 1000 xm 5",
    "iPhone15": "iphone15 iphon 15",
    "iphone 15": "iphon 15",
    "state-of-the-art e-mail": "stateoftheart state art email e mail",
    "snake_case": "snakecas snake case",
    "U.S.A. e.g. AT&T R&D": "usa eg at&t t r&d r d",
    "jane.doe@example.com": "jane.doe@example.com jane doe exampl com",
    "https://example.com/a-b?x=1&y=2": "https examplecom exampl com ab b x 1 y 2",
    "b08n5wrwnw 978-3-16": "b08n5wrwnw 978316 978 3 16",
    "ＦＵＬＬ　ｗｉｄｔｈ ﬁnance 5㎏": "full width financ 5kg 5 kg",
    "Café cafe\u0301 Straße Łódź Smørrebrød": "cafe cafe strass lodz smorrebrod",
    "Sony™ in\u00adfor\u00admation 6½ 2015¹² m²": "soni inform 6 1 2 2015 12 m2 m 2",
    "Привет, МИР! Ёлка й": "привет мир елка й",
    "한국어 \u1112\u1161\u11ab": "한국어 한",
    "देवनागरी مَرحبا": "देवनागरी مرحبا",
    "ガス ｶﾞｽ ก้าว": "ガス ガス ก้า าว",
    "I ❤️ 🍕 🇨🇳 👍🏽": "i ❤ 🍕 🇨🇳 👍",
    "hello\x00world\x85foo\x1cbar": "hello world foo bar",
    "中国人": "中国 国人",
}

CHINESE = {
    "无线耳机的降噪": "无线耳机 无线 耳机 降噪",
    "無線耳機的降噪": "无线耳机 无线 耳机 降噪",
    "中华人民共和国": "中华人民共和国 中华 华人 人民 共和国 共和",
    "我们在北京的天安门": "北京 天安门 天安",
    "请问高血压怎么办？": "高血压 血压",
    "乾隆的頭髮很乾燥": "乾隆 头发 干燥",
    "２０２４年　ＡＢＣ": "2024 年 abc",
    "Running shoes 跑步鞋": "running shoes 跑步 鞋",
    "㍿ ⼀丁": "株式会社 会社 一丁",
    "𠮷野家": "𠮷 野 家",
    "⻩河 ⺠族": "黄河 民族",
    "维生素A the": "维生素 维生 a the",
}

MIXED = {
    "iPhone15手机壳": "iphone15 iphon 15 手机 壳",
    "C++程序": "c++ 程序",
    "C程序": "c 程序",
    "用Python编程running": "python 编程 run",
    "5G手机 3D打印": "5g 5 g 手机 3d 3 d 打印",
    "索尼WH-1000XM5耳機": "索尼 wh1000xm5 wh 1000xm5 1000 xm 5 耳机",
    "日本の首都": "日本 の 首都",
    "約翰·史密斯": "约翰 史密斯 密斯",
    "维生素A 维生素 A 维生素Ａ 维生素(A)": "维生素 维生 a 维生素 维生 a 维生素 维生 a 维生素 维生 a",
    "A股 IT行业 B超 甲型H1N1": "a 股 it 行业 b 超 甲型 h1n1 h 1 n 1",
    "《A》 A、B两型": "a a b 两 型",
    "プランA 비타민 A гепатит A": "プラ ラン a 비타민 a гепатит a",
    "Python for循环 不用 IT": "python for 循环 不用 it",
    "The Who乐队 read in the 北京 hotel": "who 乐队 read 北京 hotel",
    "The β subunit of A and 3 in 1": "β subunit 3 1",
}


@pytest.mark.parametrize(("text", "terms"), ENGLISH.items())
def test_english(text: str, terms: str) -> None:
    assert English().terms(text) == terms.split()


@pytest.mark.parametrize(("text", "terms"), CHINESE.items())
def test_chinese(text: str, terms: str) -> None:
    assert Chinese().terms(text) == terms.split()


@pytest.mark.parametrize(("text", "terms"), MIXED.items())
def test_mixed(text: str, terms: str) -> None:
    assert Mixed().terms(text) == terms.split()


@pytest.mark.parametrize("text", [text for text in ENGLISH if "中" not in text])
def test_mixed_is_english_where_there_is_no_chinese(text: str) -> None:
    assert Mixed().spans(text) == English().spans(text)


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("Sony WH-1000XM5", "wh1000xm5"),
        ("Sony WH-1000XM5", "WH 1000XM5"),
        ("Sony wh1000xm5", "wh-1000xm5"),
        ("iPhone15手机壳", "iphone 15"),
        ("iPhone 15 手机壳", "iphone15"),
        ("a 3.5mm jack", "3.5 mm"),
        ("1,000 watts", "1000"),
        ("version v2.1", "2.1"),
        ("AT&T", "at&t"),
        ("wi-fi", "wifi"),
        ("state-of-the-art", "art state"),
        ("ASP.NET", ".net"),
        ("電腦", "电脑"),
        ("naïve", "NAIVE"),
    ],
)
def test_what_a_person_expects_to_find(document: str, query: str) -> None:
    wanted, there = Mixed().terms(query), Mixed().terms(document)
    assert len(set(wanted) & set(there)) >= max(1, len(set(wanted)) // 2)


@pytest.mark.parametrize(
    ("one", "other"), [("C++", "C"), ("C#", "C"), ("F#", "f"), (".NET", "net"), ("ai", "said")]
)
def test_what_a_person_expects_not_to_find(one: str, other: str) -> None:
    assert not set(Mixed(("AI",)).terms(one)) & set(Mixed(("AI",)).terms(other))


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("… ﬁne cafe\u0301!", ["ﬁne", "cafe\u0301"]),
        ("5㎏", ["5㎏", "5", "㎏"]),
        ("6½ x", ["6", "½", "½", "x"]),
        ("ｶﾞｽ", ["ｶﾞｽ"]),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af ok", ["\u1112\u1161\u11ab\u1100\u1173\u11af", "ok"]),
        ("👨‍👩‍👧x", ["👨‍👩‍👧", "👨‍👩‍👧", "👨‍👩‍👧", "x"]),
        ("in\u00adside 𠮷 İzmir", ["in\u00adside", "𠮷", "İzmir"]),
        ("\u200d無線\ufe00耳機", ["無線\ufe00耳機", "無線\ufe00", "耳機"]),
        ("1,000 Jane's", ["1,000", "Jane"]),
    ],
)
def test_spans_point_into_the_original(text: str, sources: list[str]) -> None:
    assert [text[start:end] for _, start, end in Chinese().spans(text)] == sources


@settings(deadline=None)
@given(TEXTS | st.text(st.characters(max_codepoint=0x17F)))
def test_the_short_ways_to_fold_agree_with_the_long_one(text: str) -> None:
    short, long = fold_apart(text), _fold_by_cluster(text)
    every = [("", at, at + 1) for at in range(len(short.text))]
    assert short.text == long.text
    assert short.originals(every) == long.originals(every)


def test_characters_that_fold_by_themselves_are_no_neighbours() -> None:
    neighbours = _interacting.findall("".join(map(chr, range(0x110000))))
    assert len(neighbours) > 2000
    assert not [character for character in neighbours if _alone.fullmatch(character)]


@pytest.mark.parametrize("name", ["english", "chinese", "mixed"])
def test_ids_name_the_version(name: str) -> None:
    analyzer = by_name(name)
    assert analyzer.id == f"{name}-2"
    assert repr(analyzer).lower().startswith(name)


def test_english_alone_keeps_latin_words_among_chinese_too() -> None:
    assert English().terms("维生素A of it") == ["维生", "生素", "a"]


@pytest.mark.parametrize(
    ("text", "stop_words"),
    [
        ("To be, or not to be", "to to_be be be_or or or_not not not_to to to_be be"),
        ("The The", "the the_the the"),
        ("I'm it", "i'm i'm_it it"),
        ("the cat, it", "the it"),
        ("IT行业", "it"),
        ("你好", "你好"),
        ("是不是 这个", "是不是 是不是_这个 这个"),
        ("不知道是你的错", "不 是 是_你 你 你_的 的"),
    ],
)
def test_stop_words_stand_apart_with_the_pairs_of_neighbours(text: str, stop_words: str) -> None:
    terms, stopped = Mixed().with_stop_words(text)
    assert stopped == stop_words.split()
    assert terms == Mixed().terms(text)


@pytest.mark.parametrize("none", [(), None])
def test_stop_words_can_be_switched_off(none: tuple[str, ...] | None) -> None:
    assert Mixed(stop_words=none).with_stop_words("I'm the 你好") == (["i'm", "the", "你好"], [])
    assert English(none).terms("to be") == ["to", "be"]
    assert Chinese(stop_words=none).terms("是不是 the") == ["是不是", "不是", "the"]


def test_stop_words_can_be_replaced() -> None:
    own = Mixed(stop_words=("Kettle", "水壺", "don't", "e-mail"))
    text = "the kettle 水壶 是 don't do email app的"
    assert own.with_stop_words(text) == (
        ["the", "是", "do", "app", "的"],
        ["kettle", "kettle_水壶", "水壶", "don't", "email"],
    )
    assert Mixed(stop_words=("app",)).terms("打开app") == ["打开"]  # the user's list is the user's
    assert Chinese(stop_words=("the",)).terms("the 是") == ["是"]


def test_stop_words_are_part_of_the_id() -> None:
    choices: list[tuple[str, ...] | None] = [(), ("the",), ("the", "a")]
    ids = {by_name("mixed", words, chosen).id for words in ((), ("the",)) for chosen in choices}
    assert len(ids) == 6
    assert not ids & {Mixed().id, Mixed(("the",)).id}
    assert Mixed(stop_words=None).id == Mixed(stop_words=()).id


@pytest.mark.parametrize(
    "bad", ["none", ["the"], ("two words",), ("",), (5,), ("x" * 101,), ("\ud800",), 5]
)
def test_what_is_no_list_of_stop_words(bad: Any) -> None:
    for make in (Mixed, Chinese, English):
        with pytest.raises(SettingsError, match="stop word"):
            make(stop_words=bad)


def test_a_users_word_is_no_stop_word() -> None:
    own = Mixed(("你好", "IT", "一个"))
    assert own.with_stop_words("你好, it 您好") == (["你好", "it"], ["您好"])
    assert own.terms("一个") == ["一个"]
    assert Mixed(("的",), ("的", "了")).terms("的了") == ["的"]


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'latin'; choose english, chinese or mixed"):
        by_name("latin")


def test_english_takes_no_user_dictionary() -> None:
    with pytest.raises(SettingsError, match="english"):
        by_name("english", ["耳机壳"])


def test_a_user_dictionary_changes_terms_and_id() -> None:
    plain, own = by_name("mixed"), by_name("mixed", USER_WORDS)
    assert own == Mixed(USER_WORDS) != plain
    assert own.id.startswith("mixed-2+")
    assert own.id != by_name("mixed", USER_WORDS[:1]).id
    assert own.terms("降噪耳机壳")[:2] == ["降噪耳机壳", "降噪"]
    assert own.terms("卡拉OK的T恤") == ["卡拉ok", "卡拉", "ok", "t恤", "t", "恤"]
    assert plain.terms("降噪耳机壳") == ["降噪", "耳机", "壳"]


def test_user_words_are_folded_as_texts_are() -> None:
    assert "降噪耳机壳" in Chinese(("降噪耳機殼",)).terms("降噪耳机壳")


@pytest.mark.parametrize("entry", ["", "词 0", "两 个 词", "词 5 n 多"])
def test_a_malformed_user_word_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError, match="user word"):
        Mixed((entry,))


def test_reading_a_user_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff降噪耳机 100 n\r\n\r\n# 注释\n  T恤\n卡拉OK 3\n".encode())
    assert read_user_dictionary(path) == ("降噪耳机 100 n", "T恤", "卡拉OK 3")


def test_a_broken_user_dictionary_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("好词\n一 二 三 四\n", "utf-8")
    with pytest.raises(CorpusError, match=r"words\.txt:2: .*'一 二 三 四'"):
        read_user_dictionary(path)
    path.write_bytes("好词\n".encode() + "坏词".encode("gb18030"))
    with pytest.raises(CorpusError, match=r"words\.txt:2: not UTF-8"):
        read_user_dictionary(path)
    with pytest.raises(CorpusError, match=r"none\.txt"):
        read_user_dictionary(tmp_path / "none.txt")


def test_nothing_heavy_is_imported_and_nothing_is_printed_or_written(tmp_path: Path) -> None:
    code = """
import sys
from hybrid.analyzers import Mixed
analyzer = Mixed()
assert not {"jieba", "opencc", "Stemmer"} & set(sys.modules)
analyzer.terms("无线耳机 and headphones")
assert "jieba" not in sys.modules and {"opencc", "Stemmer"} <= set(sys.modules)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_threads_share_an_analyzer() -> None:
    texts = [f"Running shoe{n}s 第{n}双跑步鞋 WH-{n}XM{n}" for n in range(200)]
    analyzer = Mixed(("跑步鞋",))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(analyzer.spans, texts))
    assert together == [Mixed(("跑步鞋",)).spans(text) for text in texts]


@pytest.mark.parametrize(
    "unit",
    [
        "a", "a-", "1,", "a'", "é", "a\u0301", "\u0301", "ﬁ", "\ud800",
        "無", "无线耳机", "ก", "ガ", "👨‍👩‍👧", "\u1100",
        "\u0915\u094d", ".net", "c++", "\0", "\u200d", "The quick fox. ",
    ],
)  # fmt: skip
def test_ten_times_the_text_takes_ten_times_as_long(unit: str) -> None:
    analyzer = Mixed()

    def seconds(size: int) -> float:
        started = time.process_time()
        analyzer.spans(unit * (size // len(unit)))
        return time.process_time() - started

    seconds(20_000)
    assert seconds(200_000) < 40 * seconds(20_000) + 0.5  # quadratic work would take 100 times as long


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["The quick brown fox. ", "无线耳机，降噪效果好。", "無", "a", "cafe\u0301 "]
)
def test_megabytes(unit: str, whole: bool) -> None:
    megabytes = 10 if whole else 2
    text = unit * (megabytes * 1_000_000 // len(unit.encode()))
    started = time.process_time()
    spans = Mixed().spans(text)
    assert spans[-1][2] <= len(text)
    assert time.process_time() - started < 9 * megabytes


def test_real_documents_keep_their_offsets() -> None:
    folder = Path(os.environ.get("HYBRID_DATA", "")) / "xquad_mixed"
    if not os.environ.get("HYBRID_DATA") or not folder.exists():
        pytest.skip("HYBRID_DATA/xquad_mixed is not there")
    for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()[::10]:
        text = json.loads(line)["text"]
        for term, start, end in Chinese().spans(text):
            source = fold(text[start:end]).text.translate(_JOINERS)
            assert term.translate(_JOINERS) in source
