"""An index kept in step with files and folders: what is read, what is left, what is removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index
from hybrid.corpora.walk import Stamp
from hybrid.crawl import Crawler, Prune, Report
from hybrid.crawl.watch import watch
from hybrid.errors import CorpusError, InputError, lacking
from tests import office
from tests.conftest import Write, lines


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=None) as made:
        yield made


def crawl(index: Index, *inputs: Path, prune: Prune | None = None) -> Report:
    with Crawler(index, inputs, prune=prune) as crawler:
        return crawler.run()


def ids(index: Index) -> list[str]:
    return sorted(document.id for document in index.documents())


def later(path: Path, seconds: int = 10) -> None:
    """As if written after the last look."""
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + seconds * 10**9))


# -- what is found

TOPICS = ["copper kettles", "oolong tea", "paper boats", "郁金香的种植", "brass telescopes", "城市的钟楼"]


def sentence(kind: str, place: int) -> str:
    topic = TOPICS[place % len(TOPICS)]
    return f"Sentence {place} of {kind} is about {topic} and unlike word{place}x{kind}."


def every_format(folder: Path, count: int = 40) -> dict[str, str]:
    """A file of each format, and a sentence from the middle of each."""
    folder.mkdir()
    texts = {
        kind: [sentence(kind, place) for place in range(count)]
        for kind in "txt md html pdf docx xlsx epub eml mbox csv tsv jsonl py".split()  # noqa: SIM905
    }
    blocks = {kind: "\n\n".join(text) for kind, text in texts.items()}
    page = "".join(f"<p>{text}</p>" for text in texts["html"])
    rows = "".join(office.row(n, n, text) for n, text in enumerate(texts["xlsx"], start=1))
    half = count // 2
    chapters = [
        "".join(f"<p>{one}</p>" for one in texts["epub"][a:b]) for a, b in ((0, half), (half, count))
    ]
    contents: dict[str, str | bytes] = {
        "txt": blocks["txt"],
        "md": "# A title\n\n" + blocks["md"],
        "html": f"<title>x</title>{page}",
        "pdf": office.paged("A title", texts["pdf"]),
        "docx": office.docx("".join(map(office.paragraph, texts["docx"]))),
        "xlsx": office.xlsx(rows),
        "epub": office.epub("A title", chapters),
        "eml": f"Subject: x\n\n{blocks['eml']}",
        "mbox": "".join(f"From a\nSubject: {n}\n\n{text}\n\n" for n, text in enumerate(texts["mbox"])),
        "csv": "id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(texts["csv"])),
        "tsv": "a\tb\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(texts["tsv"])),
        "jsonl": lines(*({"id": n, "text": text} for n, text in enumerate(texts["jsonl"]))),
        "py": "".join(f"# {text}\n" for text in texts["py"]),
    }
    for kind, content in contents.items():
        (folder / f"a.{kind}").write_bytes(content.encode() if isinstance(content, str) else content)
    return {kind: text[half] for kind, text in texts.items()}


@pytest.mark.skipif(
    bool(lacking("mammoth", "pypdfium2", "python_calamine", "selectolax")), reason="needs the extra files"
)
def test_every_format_is_found_by_a_sentence_of_its_middle(index: Index, tmp_path: Path) -> None:
    middles = every_format(tmp_path / "mine")
    report = crawl(index, tmp_path / "mine")
    assert report.failed == []
    for kind, text in middles.items():
        found = index.search(text).hits[0]
        name, _, part = found.id.partition("#")
        assert name == f"mine/a.{kind}"
        assert bool(part) is (kind in ("mbox", "csv", "jsonl"))
        assert text in found.document.text
    again = crawl(index, tmp_path / "mine")
    assert (again.indexed, again.unchanged) == (0, len(middles))


def test_what_a_document_says_of_its_file(index: Index, write: Write) -> None:
    path = write("mine/sub/a.md", "# Tulips\n\nThey bloom.")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    crawl(index, path.parent.parent)
    found = index.get("mine/sub/a.md")
    assert found is not None
    assert (found.title, found.text) == ("Tulips", "# Tulips\n\nThey bloom.")
    said: Any = found.metadata
    assert said["path"] == "sub/a.md"
    assert said["file"] == {
        "root": str(path.parent.parent),
        "size": 21,
        "modified": "2023-11-14T22:13:20.123456789Z",
        "hash": said["file"]["hash"],
    }
    before = {"file.modified": {"lt": "2024-01"}}
    assert [hit.id for hit in index.search("tulips", filter=before)] == [found.id]


def test_what_is_passed_over(index: Index, write: Write, tmp_path: Path) -> None:
    write("mine/a.txt", "x")
    for name in ("a.png", "b.png", ".hidden.txt", "~$a.docx", ".git/c.txt", "noend"):
        write(f"mine/{name}", "x")
    secret = write("secret.txt", "secret")
    (tmp_path / "mine" / "link.txt").symlink_to(secret)
    (tmp_path / "mine" / "out").symlink_to(tmp_path)
    with Index.create(tmp_path / "mine" / "idx2", encoder=None) as other:
        other.add([Document("1", "x")])
        report = crawl(index, tmp_path / "mine")
    assert ids(index) == ["mine/a.txt"]
    assert (dict(report.others), report.links, report.complete) == ({".png": 2, "no suffix": 1}, 2, True)


def test_a_folder_behind_a_link_is_the_folder(index: Index, write: Write, tmp_path: Path) -> None:
    write("mine/a.txt", "x")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    crawl(index, tmp_path / "mine")
    assert crawl(index, tmp_path / "link", tmp_path / "mine" / ".." / "mine").unchanged == 2
    assert ids(index) == ["mine/a.txt"]


@pytest.mark.parametrize("bad", ["nowhere", "a\0b"])
def test_where_nothing_is(index: Index, tmp_path: Path, bad: str) -> None:
    with pytest.raises(CorpusError):
        Crawler(index, [tmp_path / bad])
    with pytest.raises(InputError, match='prune is None, "gone" or "all"'):
        Crawler(index, [tmp_path], prune="some")  # type: ignore[arg-type]


# -- ids


def test_two_roots_of_one_name_never_clash(index: Index, write: Write, tmp_path: Path) -> None:
    index.add([Document("notes-2/a.txt", "of no file")])
    for place in ("x", "y"):
        write(f"{place}/notes/a.txt", f"tulips {place}")
    crawl(index, tmp_path / "x" / "notes", tmp_path / "y" / "notes")
    expected = ["notes-2/a.txt", "notes-3/a.txt", "notes/a.txt"]
    assert ids(index) == expected
    assert crawl(index, tmp_path / "y" / "notes").unchanged == 1
    write("y/notes/a.txt", "roses now")
    assert crawl(index, tmp_path / "y" / "notes").indexed == 1
    assert ids(index) == expected
    assert [hit.id for hit in index.search("roses")] == ["notes-3/a.txt"]


def test_a_file_has_one_id_from_whichever_folder_it_is_seen(
    index: Index, write: Write, tmp_path: Path
) -> None:
    write("all/sub/a.txt", "x")
    write("all/b.txt", "y")
    crawl(index, tmp_path / "all" / "sub")
    crawl(index, tmp_path / "all")
    crawl(index, tmp_path / "all" / "sub" / "a.txt")
    assert ids(index) == ["all/b.txt", "sub/a.txt"]


# -- what changed


def test_only_what_changed_is_read(index: Index, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("mine/a.txt", "one").parent
    write("mine/b.txt", "two")
    assert crawl(index, folder).indexed == 2
    later(folder / "a.txt")
    assert (crawl(index, folder).indexed, len(index)) == (
        0,
        2,
    )  # touched: the hash says that it is the same
    write("mine/b.txt", "tea")
    later(folder / "b.txt")
    report = crawl(index, folder)
    assert (report.indexed, report.unchanged) == (1, 1)
    assert [hit.id for hit in index.search("tea")] == ["mine/b.txt"]


def test_of_a_mailbox_only_new_messages_are_written(index: Index, write: Write) -> None:
    def box(*numbers: int) -> str:
        return "".join(f"From a\nSubject: s{n}\n\ntext{n}\n\n" for n in numbers)

    path = write("mine/a.mbox", box(0, 1, 2))
    assert crawl(index, path).indexed == 3
    write("mine/a.mbox", box(0, 1, 2, 3))
    assert (
        crawl(index, path).indexed == 2
    )  # the new one, and the one that says which state of the file it was
    write("mine/a.mbox", box(0, 1))
    report = crawl(index, path)
    assert (report.indexed, report.removed, len(index)) == (1, 2, 2)
    assert crawl(index, path).unchanged == 1


def test_a_file_that_is_broken_in_part_is_read_again(index: Index, write: Write) -> None:
    path = write("mine/a.jsonl", '{"id": 1, "text": "x"}\n{"id": 2,\n{"id": 1, "text": "y"}\n')
    for indexed in (1, 0):
        report = crawl(index, path)
        assert (report.indexed, len(report.failed), ids(index)) == (indexed, 2, ["mine/a.jsonl#1"])
    assert ":2: not valid JSON" in report.failed[0]
    assert "the id '1' is there twice; the first is kept" in report.failed[1]


def test_a_file_that_broke_keeps_its_document(index: Index, write: Write) -> None:
    path = write("mine/a.txt", "tulips")
    crawl(index, path)
    write("mine/a.txt", b"\0\1\2\3")
    for _ in range(2):
        report = crawl(index, path.parent, prune="all")
        assert len(report.failed) == 1
        assert [hit.id for hit in index.search("tulips")] == ["mine/a.txt"]


def test_the_same_text_is_reported(index: Index, write: Write, tmp_path: Path) -> None:
    write("mine/a.txt", "tulips\n")
    write("mine/b.txt", "roses")
    assert crawl(index, tmp_path / "mine").duplicates == []
    write("mine/c.txt", "tulips")
    assert crawl(index, tmp_path / "mine").duplicates == [("mine/c.txt", "mine/a.txt")]
    (tmp_path / "mine" / "a.txt").rename(tmp_path / "mine" / "d.txt")
    assert crawl(index, tmp_path / "mine", prune="gone").duplicates in ([], [("mine/d.txt", "mine/c.txt")])


@pytest.mark.parametrize(
    "sentence",
    [
        "the {} of the garden grows by the wall and drinks rain",
        "花园里的{}长在墙边，喝的是雨水，晒的是太阳",
    ],
)
def test_nearly_the_same_text_is_reported(
    index: Index, write: Write, tmp_path: Path, sentence: str
) -> None:
    flowers = ("tulip", "玫瑰", "rose", "lily", "orchid", "daisy", "百合", "aster", "lilac", "poppy")
    text = "\n".join(sentence.format(flower) for flower in flowers)
    write("mine/a.txt", text)
    write("mine/other.txt", "\n".join(f"{flower} costs {len(flower)} a piece" for flower in flowers))
    assert crawl(index, tmp_path / "mine").near_duplicates == []
    write("mine/b.txt", text + "\nand nothing else")
    report = crawl(index, tmp_path / "mine")
    assert (report.near_duplicates, report.duplicates) == ([("mine/b.txt", "mine/a.txt")], [])
    write("mine/b.txt", "quite another text")
    assert crawl(index, tmp_path / "mine").near_duplicates == []
    write("mine/c.txt", text + "\nand nothing else")
    assert crawl(index, tmp_path / "mine").near_duplicates == [("mine/c.txt", "mine/a.txt")]


# -- what is gone


@pytest.fixture
def four(index: Index, write: Write) -> Path:
    for name in "abcd":
        write(f"mine/{name}.txt", f"text {name}")
    write("other/e.txt", "text e")
    crawl(index, folder := write("mine/sub/f.md", "text f").parent.parent, folder.parent / "other")
    index.add([Document("own", "of no file")])
    return folder


def test_nothing_is_removed_unasked(index: Index, four: Path) -> None:
    (four / "a.txt").unlink()
    report = crawl(index, four)
    assert (report.gone, report.removed, len(index)) == (1, 0, 7)


def test_prune_removes_what_is_gone_below_that_root_alone(index: Index, four: Path) -> None:
    (four / "a.txt").unlink()
    shutil.rmtree(four / "sub")
    (four.parent / "other" / "e.txt").unlink()
    report = crawl(index, four, prune="gone")
    assert (report.removed, report.complete) == (2, True)
    assert ids(index) == ["mine/b.txt", "mine/c.txt", "mine/d.txt", "other/e.txt", "own"]


def test_past_half_only_with_all(index: Index, four: Path) -> None:
    for name in "abc":
        (four / f"{name}.txt").unlink()
    report = crawl(index, four, prune="gone")
    assert (report.removed, len(index)) == (0, 7)
    assert report.kept == [
        f"{four}: 3 documents of files that are gone stay: they are more than half of the 5 there; "
        "--prune=all removes them"
    ]
    assert crawl(index, four, prune="all").removed == 3


def emptied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def denied(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)


def broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "b.txt").write_bytes(b"\0\1\2")


@pytest.mark.parametrize(("harm", "prune"), [(emptied, "gone"), (closed, "all"), (broken, "all")])
def test_prune_holds_back_where_the_listing_may_be_wrong(
    index: Index,
    four: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path, pytest.MonkeyPatch], None],
    prune: Prune,
) -> None:
    (four / "a.txt").unlink()
    harm(four, monkeypatch)
    report = crawl(index, four, prune=prune)
    assert (report.removed, report.complete, len(index)) == (0, False, 7)
    assert len(report.kept) == 1


def test_a_root_that_is_missing(index: Index, four: Path) -> None:
    with Crawler(index, [four], prune="all") as crawler:
        shutil.rmtree(four)
        report = crawler.run()
    assert (report.removed, len(index)) == (0, 7)
    assert "cannot be read: No such file" in report.failed[0]
    with pytest.raises(CorpusError, match="no such file or folder"):
        Crawler(index, [four], prune="all")


def test_one_file_prunes_nothing(index: Index, four: Path) -> None:
    (four / "a.txt").unlink()
    assert crawl(index, four / "b.txt", prune="all").removed == 0


# -- watch


def test_a_folder_is_followed(index: Index, write: Write) -> None:
    folder = write("mine/a.txt", "one").parent
    told: list[Report] = []
    acts: list[Callable[[], object]] = [
        lambda: None,  # seen once: it may still be being written
        lambda: write("mine/b.txt", "two"),
        lambda: write("mine/b.txt", "two and more"),  # it was
        lambda: None,
        lambda: write("mine/bad.txt", b"\0\1"),
        lambda: None,
        lambda: None,
        lambda: (folder / "b.txt").unlink(),
    ]

    def sleep(seconds: float) -> None:
        assert seconds >= 2
        if not acts:
            raise KeyboardInterrupt
        acts.pop(0)()

    with Crawler(index, [folder], prune="gone") as crawler, pytest.raises(KeyboardInterrupt):
        watch(crawler, told.append, sleep)
    assert [(one.indexed, one.removed, len(one.failed), len(one.kept)) for one in told] == [
        (1, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        (0, 0, 0, 1),
    ]
    assert [hit.id for hit in index.search("more")] == ["mine/b.txt"]


def test_a_stamp_is_of_size_and_time(write: Write) -> None:
    path = write("a.txt", "one")
    before = Stamp.of(path)
    later(path)
    assert Stamp.of(path) != before
