"""Tables: CSV, TSV, and the types of their columns."""

from __future__ import annotations

import csv
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.corpora import TYPES, Assumed, AssumedText, read_documents, tables
from hybrid.corpora.cells import ColumnType, value
from hybrid.errors import CorpusError, InputError
from hybrid.metadata.filters import parse
from hybrid.types import Document
from tests.conftest import Write


def metadata(path: Path, **options: Any) -> list[Any]:
    return [dict(made.metadata) for made in read_documents(path, assuming=lambda _: None, **options)]


def column(write: Write, *cells: str) -> list[Any]:
    """What becomes of the cells of one column."""
    path = write("c.csv", "id,text,x\n" + "".join(f'{i},t,"{cell}"\n' for i, cell in enumerate(cells)))
    return [own.get("x") for own in metadata(path)]


def test_a_table_becomes_documents(write: Write) -> None:
    path = write(
        "c.csv", 'id,Title,TEXT,price,code,sold,note\r\n1,T,"a, ""b""\nc",9.5,007,TRUE,\r\n2,,x,,,,n\r\n'
    )
    assert list(read_documents(path)) == [
        Document("1", 'a, "b"\nc', "T", {"price": 9.5, "code": "007", "sold": True}),
        Document("2", "x", "", {"note": "n"}),
    ]


def test_tabs_separate_a_tsv(write: Write) -> None:
    [made] = read_documents(write("c.tsv", "_id\tbody\n1\ta, b\n"))
    assert made == Document("1", "a, b")


def test_of_several_names_for_the_text_the_first_counts(write: Write) -> None:
    [made] = read_documents(write("c.csv", "id,body,text,_id\n1,b,t,x\n"))
    assert made == Document("x", "t", "", {"body": "b", "id": 1})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_in_either_encoding(write: Write, encoding: str) -> None:
    [made] = read_documents(write("c.csv", "id,text\n1,无线耳机，降噪\n".encode(encoding)))
    assert made == Document("1", "无线耳机，降噪")


def test_a_cell_beyond_the_csv_modules_own_limit(write: Write) -> None:
    text = "x" * 200_000
    [made] = read_documents(write("c.csv", f"id,text\n1,{text}\n"))
    assert made.text == text


def test_blank_rows_and_columns_without_a_name_are_left_out(write: Write) -> None:
    path = write("c.csv", "id,text,,\n\n,,,\n1,x,y,\n")
    assert list(read_documents(path)) == [Document("1", "x")]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2", "1 cells where the header row has 2"),
        ("2,x,y", "3 cells where the header row has 2"),
        (",x", '"id" is empty'),
        ("2,", "neither text"),
        ('2,"x"y', "expected after"),
    ],
)
def test_a_broken_row_is_named_by_the_line_it_begins_at(write: Write, row: str, what: str) -> None:
    path = write("c.csv", f'id,text\n1,"two\nlines"\n{row}\n3,x\n')
    with pytest.raises(CorpusError, match=what) as raised:
        list(read_documents(path))
    assert str(raised.value).startswith(f"{path}:4: ")
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(path, skipped.append)] == ["1", "3"]
    assert len(skipped) == 1


def test_a_quote_that_is_never_closed_is_an_error(write: Write) -> None:
    with pytest.raises(CorpusError, match=":2: unexpected end of data"):
        list(read_documents(write("c.csv", 'id,text\n1,"x\n2,y\n')))


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("name,text", '"id" or "_id"'),
        ("id,name", '"text" or "title"'),
        ("id,text,a,a", "only once"),
    ],
)
def test_a_header_that_will_not_do_is_raised_even_when_skipping(
    write: Write, header: str, what: str
) -> None:
    path = write("c.csv", f"{header}\n1,x\n")
    with pytest.raises(CorpusError, match=what) as raised:
        list(read_documents(path, lambda _: None))
    assert str(raised.value).startswith(f"{path}:1: ")


_CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=5))
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "c.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *rows])
    assert [(made.id, made.text) for made in read_documents(path)] == [
        (id_.strip(), text) for id_, text in rows
    ]


# The types of columns


def test_zip_codes_stay_what_they_are(write: Write) -> None:
    assert column(write, "90210", "02134", "90210-1234") == ["90210", "02134", "90210-1234"]
    path = write("z.csv", "id,text,zip,version\n1,t,90210,1.9\n2,t,02134,1.10\n3,t,90210-1234,2.0\n")
    found = metadata(path)
    assert [own["version"] for own in found] == ["1.9", "1.10", "2.0"]
    assert [parse({"zip": "90210"}).matches(own) for own in found] == [True, False, False]
    assert [parse({"not": {"zip": "90210"}}).matches(own) for own in found] == [False, True, True]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["12", "-3", "0", ""], [12, -3, 0, None]),
        (["9.5", "12", "0.0", "-0.25"], [9.5, 12, 0.0, -0.25]),
        (["0.00001", "123456.789"], [0.00001, 123456.789]),
        (["0.30000000000000004"], [0.30000000000000004]),
        (["true", "false"], [True, False]),
        (["True", "", "False"], [True, None, False]),
        (["TRUE", "TRUE"], [True, True]),
    ],
)
def test_what_comes_back_as_it_was_has_a_type(write: Write, cells: list[str], values: list[Any]) -> None:
    found = column(write, *cells)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


ODD = [
    "007",
    "+1",
    "-0",
    "1.10",
    "1.0e5",
    "1e5",
    "1E5",
    "0x10",
    "1_000",
    "1,000",
    ".5",
    "5.",
    " 5",
    "5 ",
    "\t5",
]
ODD += [
    "NaN",
    "nan",
    "inf",
    "-Infinity",
    "6901234567890123",
    "1.2.3",
    "６",
    "٣",
    "½",
    "5%",
    "yes",
    "2024-05-01",
]
ODD += [
    "tRUE",
    "1.00000000000000001",
    "0.1234567890123456789",
    "--5",
    "−5",
    "1e999",
    "9" * 5000,
    "12abc",
    "$5",
]


@pytest.mark.parametrize("cell", ODD)
def test_one_cell_that_would_change_makes_a_column_text(write: Write, cell: str) -> None:
    for cells in ([cell], ["5", cell], [cell, "5"], ["5", "", cell, "9.5", "7"], ["true", cell]):
        assert column(write, *cells) == [own or None for own in cells]


def test_no_type_is_mixed_with_another(write: Write) -> None:
    assert column(write, "true", "1") == ["true", "1"]
    assert column(write, "true", "False") == ["true", "False"]
    assert column(write, "TRUE", "true") == ["TRUE", "true"]
    assert column(write, "", "  ") == [None, None]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text())
)
def test_a_type_keeps_every_cell(values: list[Any]) -> None:
    cells = [str(own) for own in values]
    seen = ColumnType()
    for line, cell in enumerate(cells):
        seen.see(line, cell)
    if seen.type == "number":
        for cell in cells:
            number = value(cell, "number")
            assert repr(number) == cell or float(number) == float(cell)
            assert isinstance(number, float) == ("." in cell)
    elif seen.type == "bool":
        assert {cell.lower() for cell in cells} <= {"true", "false"}
    assert all(value(cell, "text") == cell for cell in cells)


def test_a_type_may_be_said(write: Write) -> None:
    path = write(
        "c.csv", "id,text,zip,price,sold,n\n1,t,90210,9.50,TRUE,5\n2,t,10001, +1e2 ,false,\n3,t,1,.5,,7\n"
    )
    types = {"zip": "text", "price": "number", "sold": "bool"}
    assert metadata(path, types=types) == [
        {"zip": "90210", "price": 9.5, "sold": True, "n": 5},
        {"zip": "10001", "price": 100.0, "sold": False},
        {"zip": "1", "price": 0.5, "n": 7},
    ]
    assert metadata(path, types={"n": "text"})[0]["n"] == "5"


@pytest.mark.parametrize(
    ("type", "cell", "what"),
    [
        ("number", "n/a", "column 'x': 'n/a' is not a number"),
        ("number", "nan", "is not a number"),
        ("number", "1_000", "is not a number"),
        ("number", "1e999", "is not a number"),
        ("number", "９", "is not a number"),
        ("bool", "yes", "is not a boolean: true or false"),
        ("bool", "1", "is not a boolean"),
    ],
)
def test_a_cell_that_is_not_what_was_said(write: Write, type: str, cell: str, what: str) -> None:
    path = write("c.csv", f"id,text,x\n1,t,\n2,t,{cell}\n3,t,\n")
    with pytest.raises(CorpusError, match=what) as caught:
        metadata(path, types={"x": type})
    assert str(caught.value).startswith(f"{path}:3: ")
    skipped: list[CorpusError] = []
    assert len(list(read_documents(path, skipped.append, types={"x": type}))) == 2  # type: ignore[dict-item]
    assert len(skipped) == 1


@pytest.mark.parametrize(
    ("types", "error", "what"),
    [
        ({"zipp": "text"}, CorpusError, "no column 'zipp' to set the type of; there are 'zip, n'"),
        ({"id": "text"}, CorpusError, "no column 'id'"),
        ({"text": "text"}, CorpusError, "no column 'text'"),
        ({"zip": "integer"}, InputError, "type 'integer' is not known; it is one of text, number, bool"),
        ({"zip": None}, InputError, "type None is not known"),
        ([("zip", "text")], InputError, "types are a mapping"),
    ],
)
def test_types_that_cannot_be(write: Write, types: Any, error: type[InputError], what: str) -> None:
    with pytest.raises(error, match=what):
        metadata(write("c.csv", "id,text,zip,n\n1,t,5,6\n"), types=types)


def test_types_are_of_tables(write: Write) -> None:
    with pytest.raises(InputError, match="types are only for the columns of a table"):
        read_documents(write("c.jsonl", '{"id": "1", "text": "t"}'), types={"n": "text"})
    assert set(TYPES) == {"text", "number", "bool"}


def test_numbers_that_stay_text_are_told(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("c.csv", "id,text,price,zip,n,note\n1,t,9,90210,5,5\n2,t,9.50,90210-1,7,x\n")
    told: list[Assumed] = []
    list(read_documents(path, assuming=told.append))
    assert told == [AssumedText(path, "price", 3, "9.50")]
    said = "column 'price' stays text because of '9.50'; if it holds numbers, use --types price=number"
    assert str(told[0]) == f"{path}:3: {said}"
    with caplog.at_level(logging.WARNING):
        list(read_documents(path))
    assert caplog.messages == [str(told[0])]
    told.clear()
    list(read_documents(path, types={"price": "number"}, assuming=told.append))
    assert told == []


def test_a_broken_row_does_not_change_a_type(write: Write) -> None:
    path = write("c.csv", "id,text,x\n1,t,5\n2,t\n3,t,6,x\n4,t,7\n")
    found = list(read_documents(path, lambda _: None))
    assert [made.metadata for made in found] == [{"x": 5}, {"x": 7}]


# Tab-separated values


def tsv(write: Write, content: str) -> list[tuple[str, ...]]:
    found = read_documents(write("c.tsv", content), lambda _: None, assuming=lambda _: None)
    return [(made.id, made.text, *map(str, made.metadata.values())) for made in found]


def test_quotes_in_tab_separated_values_are_text(write: Write) -> None:
    content = 'id\ttext\n1\t"Heroes" by D.\n2\t"open\n3\tend"\n4\t5" disk\n5\t"whole"\n'
    assert tsv(write, content) == [
        ("1", '"Heroes" by D.'),
        ("2", '"open'),
        ("3", 'end"'),
        ("4", '5" disk'),
        ("5", '"whole"'),
    ]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('"id"\t"text"\n"1"\t"a b"\n2\t"c"\n', [("1", "a b"), ("2", "c")]),
        ('id\ttext\n1\t"say ""hi"""\n2\tx\n', [("1", 'say "hi"'), ("2", "x")]),
        ('id\ttext\n1\t"two\nlines"\n2\tx\n', [("1", "two\nlines"), ("2", "x")]),
        ('id\ttext\n1\t"a\ttab"\n2\t"x"\n', [("1", "a\ttab"), ("2", "x")]),
    ],
)
def test_a_file_that_quotes_throughout_is_unquoted(
    write: Write, content: str, rows: list[tuple[str, ...]]
) -> None:
    assert tsv(write, content) == rows


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.sampled_from('ab" \t\n'), min_size=1), min_size=1, max_size=4).filter(any))
def test_what_is_written_quoted_throughout_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tsv") / "c.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerows([("id", "text"), *((str(i), f"x{text}") for i, text in enumerate(texts))])
    assert [made.text for made in read_documents(path)] == [f"x{text}" for text in texts]


# What is broken


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_a_nul_is_named(write: Write, name: str) -> None:
    content = "id,text\n1,a\n2,b\0c\n3,d\n".replace(",", "\t" if name == "c.tsv" else ",")
    path = write(name, content)
    with pytest.raises(CorpusError, match=r"binary, not text: a control character at byte 16, line 3"):
        list(read_documents(path))
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(path, skipped.append, encoding="utf-8")] == ["1", "3"]
    assert [str(error) for error in skipped] == [f"{path}:3: holds a NUL character"]


def test_blank_lines_stand_before_a_header(write: Write) -> None:
    assert metadata(write("c.csv", "\n,,\r\n\nid,text,n\n\n1,t,5\n")) == [{"n": 5}]
    with pytest.raises(CorpusError, match=r"c\.csv:1: the header row has no names"):
        metadata(write("c.csv", "\n\n,,\n"))
    with pytest.raises(CorpusError, match=r"c\.csv:3: the header row has 'a, b'"):
        metadata(write("c.csv", "\n\na,b\n"))


def test_a_file_is_read_more_than_once_and_no_more_than_a_row_is_held(write: Write) -> None:
    row = "x" * 20_000
    path = write("c.csv", "id,text,n\n" + "".join(f"{i},{row},{i}\n" for i in range(1000)))
    tracemalloc.start()
    assert sum(made.metadata["n"] for made in read_documents(path)) == sum(range(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000  # of 20 MB


def test_a_file_that_changes_between_the_passes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("c.csv", "id,text,n\n1,t,5\n2,t,x\n")
    monkeypatch.setattr(tables, "_types", lambda *_: {2: "number"})
    with pytest.raises(CorpusError, match=r"c\.csv:3: column 'n': 'x' is not a number"):
        list(read_documents(path))
