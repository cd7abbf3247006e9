"""Every letter of every script is found, and what looks like a character is that character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid.analyzers import Mixed
from hybrid.analyzers.normalize import fold
from tests.lookalikes import TABLE, table

# As hybrid.analyzers.normalize documents: apostrophes, tatweel, Hangul fillers, ⺀ and strokes that look
# like no character, Arabic vowel points.
SILENT = (
    "[\u02bb-\u02bf\u0640\u115f\u1160\u3164\uffa0\u2e80\u31c0-\u31c5\u31c7-\u31ce\u31e2-\u31e5"
    "\ufc5e-\ufc63\ufcf2-\ufcf4\ufe70-\ufe72\ufe74\ufe76-\ufe7f]"
)
UNIFORM = re.compile(
    "CJK UNIFIED|(HANGUL|YI|VAI) SYLLABLE|TANGUT|KHITAN|NUSHU|CUNEIFORM|EGYPTIAN|ANATOLIAN|LINEAR|BAMUM"
)
LETTERLIKE = re.compile("CJK (RADICAL|STROKE)|KANGXI RADICAL")
SOURCE = Path("/usr/share/unicode/EquivalentUnifiedIdeograph.txt")


def letters() -> Iterator[str]:
    """All that are assigned; of long blocks whose characters are alike, one of 29."""
    for letter in map(chr, range(0x110000)):
        category = unicodedata.category(letter)
        if category[0] == "L" or category == "So":
            name = unicodedata.name(letter, "TANGUT")  # which Python does not name
            like = ord(letter) % 29 and UNIFORM.match(name)
            if not like and (category[0] == "L" or LETTERLIKE.match(name)):
                yield letter


def test_every_letter_gives_a_term_or_is_documented() -> None:
    known, analyzer = list(letters()), Mixed(stop_words=())
    voiced: set[str] = set()
    for start in range(0, len(known), 200):
        text = "\n".join(known[start : start + 200])
        voiced.update(text[at] for _, at, _ in analyzer.spans(text))
    assert len(known) > 15_000
    assert set(known) - voiced == set(re.findall(SILENT, "".join(known)))


def test_radicals_and_strokes_are_the_characters_that_they_look_like() -> None:
    radicals, characters = TABLE.read_text("utf-8").splitlines()[2:]
    assert len(radicals) == len(characters) == 132
    for radical, character in zip(radicals, characters, strict=True):
        assert fold(radical).text == fold(character).text != radical


def test_the_table_is_unicodes() -> None:
    if not SOURCE.exists():
        pytest.skip("the package unicode-data is not there")
    assert TABLE.read_text("utf-8") == table(SOURCE.read_text("utf-8"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("⻩河", "黄河"),
        ("⾼兴", "高兴"),  # Kangxi radicals are NFKC's
        ("龍\ufe00", "龙"),
        ("葛\U000e0100城", "葛城"),
        ("ᠰ\u180bᠠᠢᠨ", "ᠰᠠᠢᠨ"),
        ("สวัสดี\u200bครับ", "สวัสดีครับ"),
        ("می\u200cخواهم", "میخواهم"),
        ("क्\u200dष", "क्ष"),
        ("word\u2060\ufeffs", "words"),
        ("in\u00adfor\u00admation", "information"),
        ("ｶﾞｷﾞｸﾞﾊﾟ", "ガギグパ"),
        ("ﻣﺮﺣﺒﺎ", "مرحبا"),
        ("مـــرحبا", "مرحبا"),
        ("ﾡﾢ 한", "ᄀᄁ 한"),
        ("क़लम", "क़लम"),
        ("น้ำ", "น\u0e49\u0e4d\u0e32"),
    ],
)
def test_one_word_however_it_is_encoded(one: str, other: str) -> None:
    assert Mixed().terms(one) == Mixed().terms(other) != []
