"""What the commands are told of files (--encoding, --types), what they say of them, where they write."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from hybrid import Index
from tests.commands import answer, refusal, run
from tests.conftest import Write, lines

TEXT = "昨天下午我们在图书馆里看书，后来一起去吃了晚饭。"
DOUBTFUL = "naïve café".encode("cp1252")


def new(tmp_path: Path, *inputs: Path) -> list[str | Path]:
    """The command that indexes."""
    made = (tmp_path / "idx").exists()
    return ["index", *inputs, "--to", tmp_path / "idx", *([] if made else ["--encoder", "none"])]


def test_the_summary_names_each_encoding_and_each_doubt(write: Write, tmp_path: Path) -> None:
    sure, doubted = write("docs/a.txt", TEXT.encode("gbk")), write("docs/b.txt", DOUBTFUL)
    write("docs/c.txt", TEXT)
    done = run(*new(tmp_path, tmp_path / "docs"))
    assert done.out.splitlines()[1:] == [f"{sure}: read as gb18030", "same text: docs/c.txt = docs/a.txt"]
    assert (
        done.err == f"hybrid: {doubted}: read as cp1252; that is a guess: check it, or give the encoding\n"
    )
    shutil.rmtree(tmp_path / "idx")
    report = answer(*new(tmp_path, tmp_path / "docs"))
    assert report["assumed"] == [
        {"file": str(sure), "encoding": "gb18030", "doubtful": False},
        {"file": str(doubted), "encoding": "cp1252", "doubtful": True},
    ]
    assert run("search", tmp_path / "idx", "图书馆", "--mode", "lexical", "--json").json["total"] == 2


def test_an_encoding_that_is_said_is_not_spoken_of(write: Write, tmp_path: Path) -> None:
    path = write("a.txt", DOUBTFUL)
    done = run(*new(tmp_path, path), "--encoding", "latin-1")
    assert (done.out.count("\n"), done.err) == (1, "")
    assert "1 document indexed" in run(*new(tmp_path, path), "--encoding", "cp1252").out
    assert "not valid utf-8 at byte 3" in run(*new(tmp_path, path), "--encoding", "utf8", status=1).err
    assert "'klingon' is not known" in refusal(*new(tmp_path, path), "--encoding", "klingon")


def test_types_are_said_of_columns(write: Write, tmp_path: Path) -> None:
    table = write("t.csv", 'id,text,price,zip,"a,b"\n1,kettle,9.50,90210,1\n2,kettle,12.00,10001,2\n')
    notes = write("n.jsonl", lines({"id": "3", "text": "kettle"}))
    done = run(*new(tmp_path, table, notes))
    assert done.err == (
        f"hybrid: {table}:2: column 'price' stays text because of '9.50'; if it holds numbers, use "
        "--types price=number\n"
    )
    report = answer(*new(tmp_path, table, notes))
    assert report["assumed"] == [{"file": str(table), "column": "price", "line": 2, "cell": "9.50"}]
    said = ("--types", "price=number,zip = text", "--types", '"a,b"=text')
    assert "assumed" not in answer(*new(tmp_path, table, notes), *said)
    with Index.open(tmp_path / "idx", read_only=True) as index:
        document = index.get("1")
        assert document is not None
        assert document.metadata == {"price": 9.5, "zip": "90210", "a,b": "1"}
    assert "write COLUMN=TYPE" in refusal(*new(tmp_path, table), "--types", "price")
    assert "'money' is not known" in refusal(*new(tmp_path, table), "--types", "price=money")
    assert "no column 'prize'" in refusal(*new(tmp_path, table), "--types", "prize=number")
    assert "none of the inputs is a table" in refusal(*new(tmp_path, notes), "--types", "price=number")


@pytest.fixture
def judged(write: Write, tmp_path: Path) -> tuple[Path, list[str | Path]]:
    """An index, and queries and judgments in GBK, one of them packed."""
    run(*new(tmp_path, write("c.jsonl.gz", gzip.compress(lines({"_id": "文档", "text": TEXT}).encode()))))
    queries = write("q.tsv.gz", gzip.compress(f"一\t图书馆 {TEXT}\n".encode("gbk")))
    qrels = write("qrels.tsv", f"一\t文档\t1\n{TEXT}\t文档\t1\n".encode("gbk"))
    return tmp_path / "idx", ["--queries", queries, "--qrels", qrels]


def test_other_commands_say_how_they_read(judged: tuple[Path, list[str | Path]], write: Write) -> None:
    idx, files = judged
    run_file = write("other.trec.gz", gzip.compress(f"一 Q0 文档 1 2.5 {'t' + TEXT}\n".encode("gbk")))
    done = run("evaluate", idx, *files, "--run", run_file, "--measures", "RR@10", "--json")
    assert {name: means["RR@10"] for name, means in done.json["systems"].items()} == {
        "lexical": 0.5,
        "other": 0.5,
    }
    told = [line for line in done.err.splitlines() if ": read as " in line]
    assert [line.rsplit("/", 1)[1] for line in told] == [
        "qrels.tsv: read as gb18030",
        "q.tsv.gz: read as gb18030",
        "other.trec.gz: read as gb18030",
    ]
    assert "read as" not in run("evaluate", idx, *files, "--encoding", "gbk").err


@pytest.mark.parametrize("command", ["evaluate", "tune", "train", "rerank", "calibrate", "mine", "bench"])
def test_each_command_takes_an_encoding(
    command: str, judged: tuple[Path, list[str | Path]], tmp_path: Path
) -> None:
    idx, files = judged
    more: dict[str, list[str | Path]] = {"rerank": ["--mmr"], "mine": ["--to", tmp_path / "m.jsonl"]}
    given = files[:2] if command == "bench" else files
    said = refusal(command, idx, *given, *more.get(command, []), "--encoding", "utf-8")
    assert "not valid utf-8 at byte" in said


# -- where it is written to


def run_in(encoding: str, *arguments: str | Path) -> tuple[int | str | None, str, str]:
    """Status, stdout and stderr where both can say no more than ``encoding``."""
    from hybrid.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", newline="") for _ in range(2))
    with (
        patch.object(sys, "argv", ["hybrid", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main()
    said, complained = [stream.detach().getvalue().decode(encoding, "replace") for stream in (out, err)]
    return left.value.code, said, complained


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_say_it(
    encoding: str, judged: tuple[Path, list[str | Path]], write: Write, tmp_path: Path
) -> None:
    idx, files = judged
    status, out, _ = run_in(encoding, "search", idx, "图书馆")
    assert (status, "\\u6587\\u6863" in out) == (0, True)
    status, out, _ = run_in(encoding, "search", idx, "图书馆", "--json", "--explain", "文档")
    assert (status, json.loads(out)["hits"][0]["text"]) == (0, TEXT)
    for json_or_not in ([], ["--json"]):
        status, out, err = run_in(encoding, "evaluate", idx, *files, *json_or_not)
        assert (status, "Error" in out + err) == (0, False)
        status, out, err = run_in(
            encoding, *new(tmp_path, write("笔记.txt", TEXT.encode("gbk"))), *json_or_not
        )
        assert (status, err) == (0, "")
    status, out, err = run_in(encoding, "search", tmp_path / "不存在", "x")
    assert (status, out, err.count("\n")) == (1, "", 1)
    for command in ("index", "clicks"):
        assert run_in(encoding, command, "--help")[0] == 0
    assert run_in(encoding, "stats", idx)[0] == run_in(encoding, "profile", idx, "list")[0] == 0


def test_a_path_that_is_no_text(tmp_path: Path, write: Write) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system does not take such names")
    (odd / "a.txt").write_bytes(TEXT.encode("gbk"))
    assert "the name is no text; rename it" in refusal(*new(tmp_path, odd / "a.txt"))
    (odd / "a.jsonl").write_text(lines({"id": "1", "text": TEXT}), "gbk")
    done = run(*new(tmp_path, odd / "a.jsonl"), "--json")
    assert done.json["assumed"][0]["file"] == str(odd / "a.jsonl")
    assert "\\udcff" in run(*new(tmp_path, odd / "a.jsonl")).out


def test_the_environment_of_a_bare_system(judged: tuple[Path, list[str | Path]]) -> None:
    """As cron jobs and containers have it."""
    command = [
        sys.executable,
        "-c",
        "from hybrid.cli import main; main()",
        "search",
        str(judged[0]),
        "图书馆",
    ]
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=own, capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u6587\\u6863" in done.stdout
