"""Which encoding a file of text is taken for: the right one, or it is doubted or refused."""

from __future__ import annotations

import contextlib
import gzip
import logging
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybrid.corpora import AssumedEncoding, read_documents, read_qrels, read_queries
from hybrid.corpora.encodings import check_encoding, encoding_of
from hybrid.corpora.languages import ENCODINGS
from hybrid.errors import CorpusError, InputError
from hybrid.evaluate import read_run
from tests.conftest import Write, lines

CHINESE = "昨天下午我们在图书馆里看书，后来一起去吃了晚饭。"
TRADITIONAL = "昨天下午我們在圖書館裡看書，後來一起去吃了晚飯。"
JAPANESE = "きのうの午後、図書館で本を読んで、それからみんなで夕食を食べました。"
KOREAN = "어제 오후에 우리는 도서관에서 책을 읽고 나서 함께 저녁을 먹었다."
GERMAN = "Müller wohnt in Köln und möchte am Samstag über die Brücke gehen."
FRENCH = "Le déjeuner était prêt à midi, mais le garçon a préféré dormir."
SPANISH = "El niño pequeño durmió la siesta después de comer, y mañana irá también."
POLISH = "Zażółć gęślą jaźń, a potem wróć się i zjedz pączka na śniadanie."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, když přišel večer."
RUSSIAN = "Вчера днём мы читали книги в библиотеке, а потом вместе поужинали."
GREEK = "Χθες το απόγευμα διαβάζαμε βιβλία και μετά φάγαμε όλοι μαζί."
HEBREW = "אתמול אחר הצהריים קראנו ספרים בספרייה ואחר כך אכלנו יחד"
ARABIC = "قرأنا الكتب في المكتبة أمس بعد الظهر ثم تناولنا العشاء معا"
THAI = "เมื่อวานตอนบ่ายเราอ่านหนังสือในห้องสมุดแล้วไปกินข้าวเย็นด้วยกัน"
TURKISH = "Dün öğleden sonra kütüphanede kitap okuduk, sonra hep birlikte akşam yemeği yedik, çay içtik."

WRITTEN = [
    (CHINESE, "gb2312", "gb18030"),
    (CHINESE, "gbk", "gb18030"),
    (CHINESE, "gb18030", "gb18030"),
    (TRADITIONAL, "big5", "big5hkscs"),
    (TRADITIONAL, "cp950", "big5hkscs"),
    (TRADITIONAL + "史蒂夫‧賈伯斯，€", "cp950", "cp950"),
    (TRADITIONAL + "着嘅", "big5hkscs", "big5hkscs"),
    (JAPANESE, "shift_jis", "cp932"),
    (JAPANESE, "euc_jp", "euc_jp"),
    (JAPANESE, "iso2022_jp", "iso2022_jp_2"),
    (KOREAN, "euc_kr", "cp949"),
    (KOREAN, "iso2022_kr", "iso2022_kr"),
    (GERMAN, "cp1252", "cp1252"),
    (GERMAN, "iso8859-1", "cp1252"),
    (FRENCH, "iso8859-1", "cp1252"),
    (SPANISH, "cp1252", "cp1252"),
    (POLISH, "cp1250", "cp1250"),
    (POLISH, "iso8859-2", "iso8859-2"),
    (CZECH, "cp1250", "cp1250"),
    (RUSSIAN, "cp1251", "cp1251"),
    (RUSSIAN, "koi8-r", "koi8-r"),
    (RUSSIAN, "iso8859-5", "iso8859-5"),
    (RUSSIAN, "cp866", "cp866"),
    (GREEK, "cp1253", "cp1253"),
    (HEBREW, "cp1255", "cp1255"),
    (ARABIC, "cp1256", "cp1256"),
    (THAI, "tis-620", "cp874"),
    (TURKISH, "iso8859-9", "cp1254"),
    *(
        (text, f"utf-16-{end}", f"utf-16-{end}")
        for text in (CHINESE, GERMAN, KOREAN)
        for end in ("le", "be")
    ),
    ("plain words", "utf-16-le", "utf-16-le"),
    (CHINESE, "utf-16", "utf-16-le"),
    (RUSSIAN, "utf-32", "utf-32-le"),
    (RUSSIAN, "utf-32-be", "utf-32-be"),
]


def text_of(path: Path) -> str:
    [document] = read_documents(path, assuming=lambda _: None)
    return document.text


def assumed(path: Path) -> list[AssumedEncoding]:
    told: list[AssumedEncoding] = []
    encoding_of(path, assuming=told.append)  # type: ignore[arg-type]
    return told


@pytest.mark.parametrize(("text", "written", "read"), WRITTEN, ids=[written for _, written, _ in WRITTEN])
def test_a_sentence(write: Write, text: str, written: str, read: str) -> None:
    path = write("a.txt", text.encode(written))
    assert assumed(path) == [AssumedEncoding(path, read, False)]
    assert text_of(path) == text


def test_the_smallest_example(write: Write) -> None:
    assert text_of(write("a.txt", "Müller wohnt in Köln".encode("cp1252"))) == "Müller wohnt in Köln"


@pytest.mark.parametrize(
    "content", [b"", b"a", CHINESE.encode(), b"\xef\xbb\xbf" + GERMAN.encode(), b"a\x1b[1mb"]
)
def test_utf8_is_nothing_to_speak_of(write: Write, content: bytes) -> None:
    path = write("a.txt", content)
    assert assumed(path) == []
    assert text_of(path) == content.decode("utf-8-sig")


TINY = [(text, written) for text, written, _ in WRITTEN if not written.startswith(("utf", "iso2022"))]


@pytest.mark.parametrize(("text", "written"), TINY, ids=[written for _, written in TINY])
def test_few_characters_are_right_or_doubtful(write: Write, text: str, written: str) -> None:
    for size in (1, 2, 3, 5, 8, 13, 20):
        for part in (text[:size], text[-size:], text[10 : 10 + size]):
            path = write("a.txt", part.encode(written))
            try:
                told = assumed(path)
            except CorpusError:
                continue
            if told:  # or it happens to be UTF-8
                right = path.read_bytes().decode(told[0].encoding) == part
                assert right or told[0].doubtful, (part, told)


def test_ten_characters_of_utf16_are_not_taken_for_others(write: Write) -> None:
    for text in (CHINESE, JAPANESE, KOREAN, RUSSIAN, GREEK):
        for written in ("utf-16-le", "utf-16-be"):
            for start in range(0, len(text) - 10, 6):
                part = text[start : start + 10]
                path = write("a.txt", part.encode(written))
                [told] = assumed(path)
                assert told.encoding == written or told.doubtful, part


def test_chinese_is_certain_soon(write: Write) -> None:
    for text, written in ((CHINESE, "gbk"), (TRADITIONAL, "big5"), (JAPANESE, "shift_jis")):
        for start in range(len(text) - 8):
            path = write("a.txt", text[start : start + 8].encode(written))
            assert [told.doubtful for told in assumed(path)] == [False]


@pytest.mark.parametrize(
    "declaration",
    [
        '<?xml version="1.0" encoding="big5"?>',
        "<meta charset=big5>",
        "# -*- coding: Big5 -*-",
        "charset=BIG5",
    ],
)
def test_a_declaration_decides_for_what_is_short(write: Write, declaration: str) -> None:
    path = write("a.md", f"{declaration}\n灣".encode("big5"))
    assert assumed(path) == [AssumedEncoding(path, "big5hkscs", False)]


@pytest.mark.parametrize("said", ["utf-8", "utf-16", "shift_jis", "no-such", "rot13", "cp037"])
def test_a_declaration_that_cannot_be(write: Write, said: str) -> None:
    text = f"coding: {said}\n{CHINESE}"
    assert text_of(write("a.txt", text.encode("gbk"))) == text


def test_a_declaration_against_all_likelihood_is_a_doubt(write: Write) -> None:
    path = write("a.txt", f"charset: iso-8859-1\n{CHINESE}".encode("gbk"))
    assert assumed(path) == [AssumedEncoding(path, "cp1252", True)]


GIVEN = random.Random(5).randbytes(4000)
BINARY = [
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"plain text and one\0NUL",
    b"\0",
    gzip.compress(CHINESE.encode() * 50, mtime=0),
    GIVEN,
    *(GIVEN[i : i + 200] for i in range(0, 4000, 200)),
]


@pytest.mark.parametrize("content", BINARY)
def test_what_is_binary_is_refused_with_its_place(write: Write, content: bytes) -> None:
    path = write("a.txt", content)
    with pytest.raises(
        CorpusError, match=r"binary, not text: a control character at byte [0-9,]+, line"
    ) as caught:
        text_of(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            (CHINESE + "\n").encode() * 3 + CHINESE.encode()[:4],
            "looks like utf-8, but is not valid at byte 223, line 4",
        ),
        (
            (CHINESE + "\n").encode("gbk") * 9 + b"\xff\n",
            "looks like gb18030, but is not valid at byte 442, line 10",
        ),
        (GERMAN.encode("utf-16-le") + b"a", "looks like utf-16-le, but is not valid at byte 131"),
        (b"\xff\xfea", "begins with the mark of utf-16-le but is not valid at byte 3"),
        (f"{GERMAN}\n".encode() + GERMAN.encode("cp1252"), "some lines are UTF-8, others are not"),
        (f"{CHINESE}\n".encode("gbk") * 5 + f"{GERMAN}\n".encode(), "some lines are UTF-8, others are not"),
        (
            f"{CHINESE}\n".encode() * 5 + f"{GERMAN}\n".encode("cp1252"),
            "looks like utf-8|some lines are UTF-8",
        ),
    ],
)
def test_what_is_damaged_or_mixed_is_refused(write: Write, content: bytes, what: str) -> None:
    with pytest.raises(CorpusError, match=what):
        text_of(write("a.txt", content))


@pytest.mark.parametrize(
    "parts",
    [
        [(CHINESE, "gbk"), (GERMAN, "cp1252")],
        [(CHINESE, "gbk"), (TRADITIONAL, "big5")],
        [(GERMAN, "cp1252"), (RUSSIAN, "cp1251")],
    ],
)
def test_lines_of_two_encodings_are_doubtful_or_refused(
    write: Write, parts: Sequence[tuple[str, str]]
) -> None:
    (much, first), (little, second) = parts
    content = f"{much}\n".encode(first) * 200 + f"{little}\n".encode(second) * 20
    path = write("a.txt", content)
    with contextlib.suppress(CorpusError):
        assert [told.doubtful for told in assumed(path)] == [True]


def test_what_comes_late_counts(write: Write) -> None:
    """The first character that is not ASCII, and the first that is not valid, after megabytes."""
    ascii = b"nothing to see here\n" * 120_000
    path = write(
        "a.tsv", b"q\ttext\n".replace(b"text", ascii[:19]) + ascii.replace(b"nothing", b"q1\tnothing")
    )
    assert assumed(path) == []
    late = ascii + CHINESE.encode("gbk")
    assert assumed(write("late.txt", late)) == [
        AssumedEncoding(path.with_name("late.txt"), "gb18030", False)
    ]
    with pytest.raises(CorpusError, match=r"gb18030, but is not valid at byte 2,400,049, line 120,001"):
        text_of(write("worse.txt", late + b"\xff."))


# -- what is said


def test_what_is_said_is_believed_and_checked(write: Write) -> None:
    path = write("a.txt", "灣".encode("big5"))
    [document] = read_documents(path, encoding="Big5")
    assert document.text == "灣"
    with pytest.raises(CorpusError, match=r"a\.txt: not valid utf-8 at byte 1, line 1"):
        list(read_documents(path, encoding="utf-8"))
    with pytest.raises(CorpusError, match=r"a\.txt: not valid utf-16 at byte 1"):
        list(read_documents(path, encoding="utf-16"))
    [document] = read_documents(write("b.txt", b"one\0two"), encoding="utf-8")
    assert document.text == "one\0two"


def test_a_mark_is_never_text(write: Write) -> None:
    for said in ("utf-8", "utf-16", "utf-16-le", "utf-32-be", "gb18030"):
        content = (("" if said == "utf-16" else "\ufeff") + "id,text\n1,水\n").encode(said)
        for encoding in (said, None):
            [document] = read_documents(write("a.csv", content), encoding=encoding, assuming=lambda _: None)
            assert (document.id, document.text) == ("1", "水")


@pytest.mark.parametrize("name", ["latin-7", "", "base64", "a\0b", "\ud800", 7, b"utf-8"])
def test_an_encoding_that_there_is_not(write: Write, name: str) -> None:
    for read in (read_queries, read_qrels, read_run, read_documents):
        with pytest.raises(InputError, match="is not known; give one such as utf-8"):
            list(read(write("q.tsv", "q\td\t1\n"), encoding=name))


# -- every kind of file


@pytest.mark.parametrize(
    ("text", "written"), [(CHINESE, "gbk"), (GERMAN, "cp1252"), (JAPANESE, "utf-16-le")]
)
def test_every_reader(write: Write, text: str, written: str) -> None:
    told: list[object] = []

    def file(name: str, content: str) -> Path:
        return write(name, content.encode(written))

    [made] = read_documents(file("c.jsonl", lines({"id": "1", "text": text})), assuming=told.append)
    assert made.text == text
    [made] = read_documents(file("c.csv", f'id,text,n\n1,"{text}",5\n'), assuming=told.append)
    assert (made.text, made.metadata) == (text, {"n": 5})
    assert read_queries(file("q.jsonl", lines({"id": "1", "text": text})), assuming=told.append) == {
        "1": text
    }
    assert read_queries(file("q.tsv", f"1\t{text}\n"), assuming=told.append) == {"1": text}
    id = text.replace(" ", "_")
    assert read_qrels(file("qrels.tsv", f"q\t{id}\t1\n"), assuming=told.append) == {"q": {id: 1}}
    assert read_run(file("run.trec", f"q Q0 {id} 1 2.5 t\n"), assuming=told.append) == {"q": [(id, 2.5)]}
    assert len(told) == 6


def test_lines_of_json_go_on_past_those_that_are_not_utf8(write: Write) -> None:
    content = lines({"id": "1", "text": CHINESE}, {"id": "2", "text": GERMAN}).encode()
    path = write(
        "c.jsonl", content + b'{"id": "3", "text": "\xff"}\n' + lines({"id": "4", "text": "x"}).encode()
    )
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(path, skipped.append)] == ["1", "2", "4"]
    assert [str(error) for error in skipped] == [
        f"{path}:3: not valid UTF-8 at byte 22 of the line; is it another encoding?"
    ]


def test_a_folder_tells_of_each_file(write: Write, tmp_path: Path) -> None:
    write("a.txt", CHINESE.encode("gbk"))
    write("b.txt", CHINESE)
    write("c/d.md", "naïve café".encode("cp1252"))
    told: list[object] = []
    assert [made.text for made in read_documents(tmp_path, assuming=told.append)] == [
        CHINESE,
        CHINESE,
        "naïve café",
    ]
    assert [str(one) for one in told] == [
        f"{tmp_path}/a.txt: read as gb18030",
        f"{tmp_path}/c/d.md: read as cp1252; that is a guess: check it, or give the encoding",
    ]


def test_a_doubt_is_logged_where_nobody_listens(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(read_documents(write("a.txt", CHINESE.encode("gbk"))))
        assert caplog.messages == []
        list(read_documents(write("b.txt", "naïve café".encode("cp1252"))))
    assert len(caplog.messages) == 1
    assert "b.txt: read as cp1252; that is a guess" in caplog.messages[0]


def test_each_encoding_has_the_name_by_which_it_may_be_said() -> None:
    assert [check_encoding(name) for name in ENCODINGS] == list(ENCODINGS)
