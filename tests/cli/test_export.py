"""An export: its lines, exact to the bit, and the file they stand in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybrid import Document, Index, PastQuery
from hybrid.cli import app, copies
from hybrid.corpora import jsonl, records
from hybrid.corpora.records import BadRecord
from hybrid.encoders import Bundle
from hybrid.errors import InputError, StorageError
from hybrid.types import Matrix
from tests.commands import answer, refusal, run
from tests.encoder_models import bundle_of_letters

# -- one line


IDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1023), 2**1023)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["_id", "id", "text", "title", "metadata", "vector", "passages"]) | TEXTS


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text, title = draw(TEXTS), draw(TEXTS)
    rows, dim = draw(st.integers(0 if (text + title).strip() else 1, 3)), draw(st.integers(1, 4))
    bits = draw(st.lists(st.integers(0, 2**32 - 1), min_size=rows * dim, max_size=rows * dim))
    vectors = np.array(bits, np.uint32).view(np.float32)
    vectors = np.where(np.isfinite(vectors), vectors, np.float32(-0.0)).reshape(rows, dim)
    place = st.integers(0, len(text))
    passages = [tuple(sorted((draw(place), draw(place)))) for _ in range(rows)]
    metadata = draw(st.dictionaries(KEYS, JSON, max_size=3))
    if not rows:
        return Document(draw(IDS), text, title, metadata)
    return Document(draw(IDS), text, title, metadata, vectors, passages)  # type: ignore[arg-type]


def bits(document: Document) -> list[list[int]] | None:
    if document.vector is None:
        return None
    found: list[list[int]] = np.array(document.vector, np.float32).view(np.uint32).tolist()
    return found


# As a decimal of the fewest digits this float32 would come back as its neighbour.
AWKWARD = np.array([[0x15AE43FD, 0x80000000, 1]], np.uint32).view(np.float32)


@given(documents())
@example(Document("a", vector=AWKWARD, passages=[(0, 0)]))
def test_a_line_reads_back_as_the_document_to_the_bit(document: Document) -> None:
    line = copies.line(document)
    assert line.count(b"\n") == 1
    again = records.document(jsonl.parse(line))
    assert again == document
    assert bits(again) == bits(document)
    assert (again.passages or []) == (document.passages or [])


def test_a_line_is_what_anybody_can_read() -> None:
    metadata = {"text": "x", "price": 9.5, "list": [1, None, {"deep": True}]}
    document = Document("a", "红 fox", "T", metadata, [[0.1, -1e-9]], [(0, 5)])
    assert json.loads(copies.line(document)) == {
        "_id": "a",
        "title": "T",
        "text": "红 fox",
        "metadata": metadata,
        "vector": [[0.1, -1e-9]],
        "passages": [[0, 5]],
    }
    assert b"[[0.1,-1e-9]]" in copies.line(document)  # as short as float32 allows
    assert json.loads(copies.line(Document("b", "words"))).keys() == {"_id", "title", "text", "metadata"}


def test_passages_are_metadata_where_there_is_no_vector() -> None:
    made = records.document({"id": "a", "text": "x", "passages": ["what", "others", "mean"]})
    assert made == Document("a", "x", "", {"passages": ["what", "others", "mean"]})


@pytest.mark.parametrize(
    ("vector", "passages", "says"),
    [
        ([[1], [2, 3]], None, "all of one length"),
        ([[1], 2], None, "all of one length"),
        ([[]], None, "all of one length"),
        ([[True]], None, "all of one length"),
        ([1, 2], [[0, 1], [1, 2]], '"passages" must be a list of 1'),
        ([[1], [2]], [[0, 1]], '"passages" must be a list of 2'),
        ([[1]], {"0": 1}, '"passages" must be a list of 1'),
        ([[1]], [[0, 5]], '"passages" holds [0, 5], not a [start, end] in a text of 4 characters'),
        ([[1]], [[2, 1]], '"passages" holds [2, 1]'),
        ([[1]], [[0, 1.0]], '"passages" holds [0, 1.0]'),
        ([[1]], [[False, True]], '"passages" holds [False, True]'),
        ([[1]], ["all"], "\"passages\" holds 'all'"),
    ],
)
def test_a_line_with_vectors_that_cannot_be_right(vector: object, passages: object, says: str) -> None:
    with pytest.raises(BadRecord) as caught:
        records.document({"id": "a", "text": "text", "vector": vector, "passages": passages})
    assert says in str(caught.value)


# -- the file


def test_the_command_reads_its_own_file_without_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user would, with an encoder that is named by its path."""
    encoder = str(bundle_of_letters(tmp_path / "letters").folder)
    long = " ".join(f"{word} of the fox." for word in ["kettle", "steel", "water"] * 9)
    with Index.create(tmp_path / "idx", encoder=encoder, analyzer="english") as index:
        index.add([Document("long", long, "Fox"), Document("short", "a kettle"), Document("zh", "水壶")])
        index.compact()
        assert index.stats()["vectors"] > 4
        file = tmp_path / "out.jsonl"
        copies.export(tmp_path / "idx", file)
        expected = [index.search(query).hits for query in ("kettle", "fox of steel", "水壶")]
    asked = encoder_asked(monkeypatch)
    command = ["index", str(file), "--to", str(tmp_path / "new"), "--encoder", encoder]
    app([*command, "--analyzer", "english"], standalone_mode=False)
    assert asked == ["水壶"]  # that encoder's vector of it is zero, so there was none to export
    with Index.open(tmp_path / "new") as copy:
        assert [copy.search(query).hits for query in ("kettle", "fox of steel", "水壶")] == expected


def encoder_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that bundles encode for documents from now on."""
    asked: list[str] = []
    encode = Bundle.documents

    def listening(self: Bundle, texts: Sequence[str]) -> Matrix:
        asked.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(Bundle, "documents", listening)
    return asked


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_file_appears_whole_or_not_at_all(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document(str(i), "text") for i in range(3)])
    file = tmp_path / "out.jsonl"
    if before is not None:
        file.write_bytes(before)
    lines, write = iter([b"1\n", b"2\n"]), copies.line
    monkeypatch.setattr(copies, "line", lambda _: next(lines))
    with pytest.raises(StopIteration):
        copies.export(tmp_path / "idx", file)
    assert (file.read_bytes() if file.exists() else None) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"idx", "out.jsonl"}
    monkeypatch.setattr(copies, "line", write)
    copies.export(tmp_path / "idx", file)
    assert file.read_bytes() == b"".join(write(Document(str(i), "text")) for i in range(3))


def test_a_link_is_followed_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("a", "text")])
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    copies.export(tmp_path / "idx", tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").read_bytes() == copies.line(Document("a", "text"))
    copies.export(tmp_path / "idx", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_past_queries_are_exported_and_learned_again(tmp_path: Path) -> None:
    idx, file, past = tmp_path / "idx", tmp_path / "out.jsonl", tmp_path / "past.jsonl"
    known = [
        PastQuery("水壶 \u2028", {"a": 2, "b": 1}, time=5.5),
        PastQuery("kettle", {"b": 1}, "clicked", "u", 7),
    ]
    with Index.create(idx, encoder=None) as index:
        index.add([Document("a", "text"), Document("b", "text")])
        assert run("export", idx, file).err == ""
        index.keep_past_queries(known)
    said = run("export", idx, file)
    assert said.err == "hybrid: the export does not hold 2 past queries; --past-queries FILE writes them\n"
    said = run("export", idx, file, "--past-queries", past)
    assert said == (
        f"2 documents exported to {file}\n",
        f"hybrid: 2 past queries exported to {past}\n",
    )
    assert json.loads(past.read_bytes().split(b"\n")[1]) == {
        "query": "kettle",
        "answers": {"b": 1},
        "origin": "clicked",
        "user": "u",
        "time": 7.0,
    }
    run("index", file, "--to", tmp_path / "new", "--encoder", "none")
    assert "15 or more held out" in run("learn", tmp_path / "new", "--past-queries", past, status=2).err
    with Index.open(tmp_path / "new") as index:
        assert list(index.past_queries()) == known


def test_past_queries_that_were_clicked_are_kept_where_none_can_choose(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document("a", "text")])
    past = tmp_path / "past.jsonl"
    past.write_text('{"query": "kettle", "answers": {"a": 1}, "origin": "clicked", "time": 7}\n')
    said = run("learn", tmp_path / "idx", "--past-queries", past)
    assert said == ("1 past query kept; the index has 1\n", "")
    assert answer("learn", tmp_path / "idx", "--past-queries", past) == {"kept": 1, "past_queries": 1}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[]", "a past query is a JSON object, not []"),
        ('{"query": "x"}', 'no "answers"'),
        ('{"query": "x", "answers": {"a": 1}, "vector": []}', "unknown key 'vector'"),
        ('{"query": "x", "answers": ["a"]}', "must have 1 to 10,000 answers"),
        ('{"query": "x", "answers": {"a": 1}, "origin": ["judged"]}', "origin is ['judged']"),
        ('{"query": ["x"], "answers": {"a": 1}}', "past query ['x']: a past query is a text"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_past_query_is_not_kept(line: str, says: str, tmp_path: Path) -> None:
    Index.create(tmp_path / "idx", encoder=None).close()
    past = tmp_path / "past.jsonl"
    past.write_text('{"query": "kettle", "answers": {"a": 1}}\n' + line)
    said = refusal("learn", tmp_path / "idx", "--past-queries", past)
    assert "past.jsonl:2: " in said
    assert says in said
    with Index.open(tmp_path / "idx") as index:
        assert list(index.past_queries()) == []


def test_past_queries_have_a_file_of_their_own(tmp_path: Path) -> None:
    Index.create(tmp_path / "idx", encoder=None).close()
    file = tmp_path / "out.jsonl"
    for past in (file, Path("-")):
        said = refusal("export", tmp_path / "idx", file, "--past-queries", past)
        assert "that nothing else is written to" in said
    assert "name it .jsonl" in refusal("export", tmp_path / "idx", "--past-queries", tmp_path / "x.txt")
    assert not file.exists()


def test_where_no_file_can_be_written(tmp_path: Path) -> None:
    Index.create(tmp_path / "idx", encoder=None).close()
    with pytest.raises(InputError, match=r"out\.txt: name it \.jsonl"):
        copies.export(tmp_path / "idx", tmp_path / "out.txt")
    for file in (tmp_path, tmp_path / "no" / "out.jsonl"):
        with pytest.raises(StorageError, match="cannot be written"):
            copies.export(tmp_path / "idx", file)
    assert [path.name for path in tmp_path.iterdir()] == ["idx"]
