"""The command line as a person and as a program meet it."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index
from hybrid.analyzers import Mixed
from tests.commands import answer, refusal, run

HYBRID = [sys.executable, "-c", "from hybrid.cli import main; main()"]

CORPUS = [
    {
        "_id": "1",
        "title": "WH-1000XM5 headphones",
        "text": "noise cancelling",
        "metadata": {"price": 299.5},
    },
    {"_id": "2", "title": "无线耳机", "text": "主动降噪,续航三十小时", "metadata": {"price": 99}},
    {"_id": "3", "title": "Kettle", "text": "a kettle of steel", "metadata": {"price": 35}},
]


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    write(folder / "corpus.jsonl", *CORPUS)
    write(folder / "queries.jsonl", {"_id": "q1", "text": "降噪耳机"}, {"_id": "q 2", "text": "kettle"})
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\t2\t2\nq1\t1\t1\nq 2\t3\t1\nq3\t1\t1\n"
    )
    return folder


@pytest.fixture(scope="module")
def idx(tmp_path_factory: pytest.TempPathFactory, beir: Path) -> Path:
    path = tmp_path_factory.mktemp("index") / "idx"
    assert answer("index", beir, "--to", path, "--encoder", "none") == {
        "indexed": 3,
        "skipped": 0,
        "documents": 3,
    }
    return path


def test_search_prints_hits_for_people_and_json_for_programs(idx: Path) -> None:
    shown = run("search", idx, "wh1000xm5").out
    assert "WH-1000XM5 headphones" in shown
    assert "1 of " in shown
    found = answer(
        "search",
        idx,
        "耳机 headphones",
        "-k",
        "5",
        "--mode",
        "lexical",
        "--filter",
        '{"price": {"lt": 100}}',
    )
    assert found["total"] == 1
    assert [hit["id"] for hit in found["hits"]] == ["2"]
    assert found["hits"][0]["metadata"] == {"price": 99}


def test_search_prints_the_fields_asked_for(idx: Path) -> None:
    hit = answer("search", idx, "kettle", "--fields", "title,metadata.price")["hits"][0]
    assert (hit["title"], hit["metadata"], "text" in hit) == ("Kettle", {"price": 35}, False)
    assert (hit["heading"], hit["page"]) == (None, None)  # one passage, and no vectors to find a part by
    assert "titel" in run("search", idx, "kettle", "--fields", "titel", status=2).err


def test_search_groups(idx: Path) -> None:
    query = "headphones 耳机 kettle"
    found = answer("search", idx, query, "--group-by", "nothing")["hits"]
    assert [hit["folded"] for hit in found] == [0, 0, 0]
    passages = answer("search", idx, query, "--group-by", "passage")["hits"]
    assert sorted(hit["id"] for hit in passages) == ["1", "2", "3"]
    assert "3 passages of 3 documents" in run("search", idx, query, "--group-by", "passage").out
    assert "group_by" in run("search", idx, "x", "--group-by", "", status=2).err


def test_search_sorts(idx: Path) -> None:
    prices = [
        [hit["metadata"].get("price") for hit in answer("search", idx, "耳机 headphones", *sort)["hits"]]
        for sort in (["--sort", "price"], ["--sort", "-price", "--sort", "brand"])
    ]
    known = [[price for price in found if price is not None] for found in prices]
    assert known[0] == sorted(known[0])
    assert known[0][::-1] == known[1]
    assert len(known[0]) > 1
    assert "sort" in run("search", idx, "x", "--sort", "-", status=2).err


def test_evaluate_measures_and_writes_runs(idx: Path, beir: Path, tmp_path: Path) -> None:
    command = (
        "evaluate",
        idx,
        "--queries",
        beir / "queries.jsonl",
        "--qrels",
        beir / "qrels.tsv",
        "--mode",
        "lexical",
    )
    done = run(*command, "--measures", "RR@10 R@100", "--run-out", tmp_path / "runs", "--json")
    report = json.loads(done.out)
    assert report["queries"] == 3
    # q1: document 2 comes first; "q 2": found; q3 has no text: scored 0 and counted
    assert report["systems"] == {
        "lexical": {"RR@10": pytest.approx(2 / 3), "R@100": pytest.approx((0.5 + 1) / 3)}
    }
    assert "'q3'" in done.err
    lines = (tmp_path / "runs" / "lexical.trec").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["q1", "q%202"]
    shown = run(*command, "--measures", "nDCG@10").out
    assert "nDCG@10" in shown
    assert "lexical" in shown


def test_an_index_grows_shrinks_and_stays_sound(tmp_path: Path) -> None:
    idx = tmp_path / "idx"
    table = tmp_path / "more.csv"
    table.write_text("id,title,text,price\n7,Lamp,a reading lamp,20\n")
    answer("index", write(tmp_path / "a.jsonl", *CORPUS), "--to", idx, "--encoder", "none")
    assert answer("index", table, "--to", idx) == {"indexed": 1, "skipped": 0, "documents": 4}
    assert answer("search", idx, "lamp")["hits"][0]["metadata"] == {"price": 20}
    assert answer("delete", idx, "7", "nobody") == {"deleted": 1, "documents": 3}
    assert answer("reindex", idx, "--analyzer", "chinese")["analyzer"] == "chinese-2"
    assert answer("verify", idx) == {"sound": True, "problems": []}
    assert "sound" in run("verify", idx).out
    stats = answer("stats", idx)
    assert (stats["documents"], stats["analyzer"], stats["encoder"]) == (3, "chinese-2", None)
    assert "chinese-2" in run("stats", idx).out


def test_stop_words_are_chosen_when_an_index_is_made(tmp_path: Path) -> None:
    idx, words, own = tmp_path / "idx", tmp_path / "stop.txt", tmp_path / "own.txt"
    words.write_text("# own\nkettle\n\n水壶\n")
    own.write_text("电热水\n")
    corpus = write(tmp_path / "a.jsonl", *CORPUS)
    answer("index", corpus, "--to", idx, "--encoder", "none", "--stop-words", words, "--user-dict", own)
    assert [hit["id"] for hit in answer("search", idx, "a kettle of steel")["hits"]] == ["3"]
    assert answer("search", idx, "kettle")["hits"][0]["id"] == "3"  # nothing else is asked
    before = answer("stats", idx)["analyzer"]
    assert "'mixed-2" in refusal("index", corpus, "--to", idx, "--stop-words", "none", status=1)
    changed = answer("reindex", idx, "--stop-words", "none")["analyzer"]
    assert len({before, changed, "mixed-2"}) == 3
    with Index.open(idx, analyzer=Mixed(("电热水",), ())) as index:  # the user dictionary is kept
        assert index.verify() == []
    assert answer("reindex", idx, "--analyzer", "english")["analyzer"].startswith("english-2+")
    assert "stop.tx: " in refusal("reindex", idx, "--stop-words", tmp_path / "stop.tx")


def test_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "notes" / "deep" / "tea.md").write_text("How to brew oolong tea.")
    (tmp_path / "notes" / "茶.txt").write_bytes("乌龙茶的冲泡方法".encode("gb18030"))
    run("index", tmp_path / "notes", "--to", tmp_path / "idx", "--encoder", "none")
    assert answer("search", tmp_path / "idx", "oolong")["hits"][0]["id"] == "notes/deep/tea.md"
    assert answer("search", tmp_path / "idx", "乌龙茶")["hits"][0]["id"] == "notes/茶.txt"


def test_a_bad_line_is_named_and_nothing_written(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(
        '{"_id": "1", "text": "fine"}\n{"_id": "2", "text": \n'
        '{"_id": "", "text": "x"}\n{"_id": "1", "text": "again"}\n'
    )
    assert "bad.jsonl:2" in refusal("index", file, "--to", tmp_path / "idx", "--encoder", "none")
    assert not (tmp_path / "idx").exists()
    done = run("index", file, "--to", tmp_path / "idx", "--encoder", "none", "--skip-bad", "--json")
    assert json.loads(done.out) == {"indexed": 1, "skipped": 3, "documents": 1}
    assert done.err.count("skipped: ") == 3


def test_verify_says_no_with_status_1_and_repairs(idx: Path, tmp_path: Path) -> None:
    hurt = tmp_path / "hurt"
    shutil.copytree(idx, hurt)
    shutil.rmtree(next(hurt.glob("g1/lexical-*")))
    done = run("verify", hurt, "--json", status=1)
    assert json.loads(done.out)["sound"] is False
    assert run("verify", hurt, "--repair").out.strip() == "sound"
    assert answer("search", hurt, "kettle")["hits"][0]["id"] == "3"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["search", "{idx}", "x", "--mode", "both"], 2, "mode 'both'"),
        (["search", "{idx}", "x", "-k", "0"], 2, "k is 0"),
        (["search", "{idx}", "x", "-k", "many"], 2, "-k"),
        (["search", "{idx}", "x", "--filter", "{price"], 2, "not JSON"),
        (["search", "{idx}", "x", "--filter", '{"price": {"about": 1}}'], 2, "about"),
        (["search", "{idx}", "x", "--mode", "vector"], 2, "no encoder"),
        (["search", "{tmp}/nowhere", "x"], 1, "no index here"),
        (["search", "{idx}"], 2, "QUERY"),
        (["serach", "{idx}", "x"], 2, "serach"),
        (["stats", "{idx}", "--verbose"], 2, "--verbose"),
        (["index", "{tmp}/nothing.jsonl", "--to", "{tmp}/i"], 2, "nothing.jsonl"),
        (["index", "{beir}", "--to", "{tmp}/i", "--encoder", "no-such/model"], 1, "no-such/model"),
        (["index", "{beir}", "--to", "{beir}", "--encoder", "none"], 1, "no index here"),
        (
            ["evaluate", "{idx}", "--queries", "{beir}/queries.jsonl", "--qrels", "{beir}/none.tsv"],
            2,
            "none.tsv",
        ),
        (
            [
                "evaluate",
                "{idx}",
                "--queries",
                "{beir}/queries.jsonl",
                "--qrels",
                "{beir}/qrels.tsv",
                "--measures",
                "nDGC@10",
            ],
            2,
            "nDGC@10",
        ),
    ],
)
def test_errors_are_one_line_without_a_traceback(
    arguments: list[str], status: int, says: str, idx: Path, beir: Path, tmp_path: Path
) -> None:
    filled = [
        a.replace("{idx}", str(idx)).replace("{tmp}", str(tmp_path)).replace("{beir}", str(beir))
        for a in arguments
    ]
    assert says in refusal(*filled, status=status)
    assert not (tmp_path / "i").exists()


def test_help_names_every_command() -> None:
    shown = run("--help").out
    for command in (
        *("index", "delete", "reindex", "search", "evaluate", "verify", "stats", "demo"),
        *("compact", "backup", "restore", "export"),
    ):
        assert f"  {command} " in shown


def test_compaction_says_what_it_freed(idx: Path, tmp_path: Path) -> None:
    shutil.copytree(idx, tmp_path / "idx")
    run("delete", tmp_path / "idx", "1", "2")
    report = answer("compact", tmp_path / "idx")
    assert report["documents"] == 1
    assert report["bytes_before"] > report["bytes_after"] > 0
    held = sum(path.stat().st_size for path in (tmp_path / "idx").rglob("*") if path.is_file())
    assert report["bytes_after"] == held
    assert run("compact", tmp_path / "idx").out.startswith("1 document in ")


def test_a_backup_and_what_is_restored_from_it(idx: Path, tmp_path: Path) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    assert answer("backup", idx, copy)["documents"] == 3
    assert run("restore", copy, back).out.startswith(f"3 documents restored to {back}, ")
    with Index.open(idx, read_only=True) as index:
        expected = index.search("kettle 耳机").hits
    for path in (copy, back):
        with Index.open(path, read_only=True) as index:
            assert index.search("kettle 耳机").hits == expected
    assert str(copy) in refusal("backup", idx, copy, status=1)
    assert str(back) in refusal("restore", copy, back, status=1)
    assert "no index here" in refusal("restore", tmp_path, tmp_path / "new", status=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "copy"]


def test_an_export_is_read_back(idx: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert run("export", idx, file).out == f"3 documents exported to {file}\n"
    shown = run("export", idx).out
    assert file.read_text("utf-8") == shown
    assert [json.loads(line) for line in shown.splitlines()] == CORPUS
    run("index", file, "--to", tmp_path / "new", "--encoder", "none")
    assert run("export", tmp_path / "new", "-").out == shown
    assert "name it .jsonl" in refusal("export", idx, tmp_path / "out.json")
    cut = f'{shlex.join(HYBRID)} export "$0" | head -c 10'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", cut, idx], capture_output=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, shown[:10].encode(), b"")


def test_what_is_left_of_a_damaged_index_is_saved(tmp_path: Path) -> None:
    idx, saved = tmp_path / "idx", tmp_path / "saved.jsonl"
    with Index.create(idx, encoder=None) as index:
        index.add([Document("1", "a kettle", vector=[1.0]), Document("2", "a lamp"), Document("3", "tea")])
    for file in (idx / "g1" / "ledger.db", idx / "g1" / "bodies"):
        file.write_bytes(file.read_bytes().replace(b"a lamp", b"a lump"))
    assert "damaged" in refusal("export", idx, saved, status=1)
    assert not saved.exists()
    done = run("export", idx, saved, "--salvage", status=1)
    assert done.out == f"2 documents exported to {saved}\n"
    assert done.err == "hybrid: 1 documents could not be read; of the others 1 have no vectors\n"
    found = [json.loads(line) for line in saved.read_text().splitlines()]
    assert [(record["_id"], record.get("vector")) for record in found] == [("1", [[1.0]]), ("3", None)]
    assert run("export", idx, "--salvage", status=1).out == saved.read_text()


def test_the_metric_is_chosen_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"_id": "1", "vector": [3, 4]})
    new = ("index", file, "--to", tmp_path / "idx", "--encoder", "none")
    assert "manhattan" in refusal(*new, "--metric", "manhattan")
    run(*new, "--metric", "ip")
    assert json.loads(run("export", tmp_path / "idx").out)["vector"] == [[3.0, 4.0]]
    again = ("index", file, "--to", tmp_path / "idx")
    assert "built with metric 'ip', not 'l2'" in refusal(*again, "--metric", "l2", status=1)
    run(*again, "--metric", "ip")
    run(*again)


def test_the_family_of_the_vector_index_is_chosen_and_changed(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"_id": "1", "vector": [3, 4]})
    idx, ann = tmp_path / "idx", "--ann"
    new = ("index", file, "--to", idx, "--encoder", "none")
    assert "ann 'lsh' is not known; it is one of hnsw, flat" in refusal(*new, ann, "lsh")
    run(*new, ann, "hnsw(precision=int8)")
    again = ("index", file, "--to", idx)
    run(*again)
    run(*again, ann, "hnsw( precision = int8 )")
    said = refusal(*again, ann, "ivf_pq", status=1)
    assert f"'hnsw(precision=int8)', not 'ivf_pq'; run: hybrid reindex {idx} --ann ivf_pq" in said
    run("reindex", idx, ann, "ivf_pq(lists=512)")
    run(*again, ann, "ivf_pq(lists=512)")


@pytest.mark.parametrize(
    ("name", "status", "word"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")]
)
@pytest.mark.parametrize("point", ["ledger.inside", "ledger.committed"])
def test_a_signal_ends_it_in_good_order(
    name: str, status: int, word: str, point: str, tmp_path: Path
) -> None:
    code = (
        "import os, signal\n"
        "from hybrid.disk import failpoints\n"
        "from hybrid.cli import main\n"
        f"failpoints.arm({point!r}, lambda: os.kill(os.getpid(), signal.{name}))\n"
        "main()"
    )
    file = write(tmp_path / "a.jsonl", {"_id": "1", "text": "kettle"})
    command = [sys.executable, "-c", code, "index", str(file), "--to", str(tmp_path / "idx")]
    command += ["--encoder", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"hybrid: {word}; all acknowledged changes are kept\n"
    with Index.open(tmp_path / "idx") as index:  # no lock is left
        assert len(index) == 1  # the batch on its way was finished
        assert index.verify() == []


def test_the_handler_of_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run("--help")
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_a_sentence_at_the_end_of_a_long_file_is_found_by_meaning(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    dull = "The committee met on Tuesday, read the minutes of the last meeting and approved them. " * 120
    (folder / "minutes.txt").write_text(
        dull + "At the end the cat gave birth to four kittens under the table."
    )
    (folder / "other.txt").write_text(dull)
    (folder / "会议.txt").write_text(
        "委员会在星期二开会,宣读并通过了上次的会议记录。" * 120 + "最后,猫在桌子下面生了四只小猫。"
    )
    run("index", folder, "--to", tmp_path / "idx")
    for query, expected in (("newborn pets", "minutes.txt"), ("宠物刚出生", "会议.txt")):
        hit = answer("search", tmp_path / "idx", query, "--mode", "vector", "--fields", "text")["hits"][0]
        assert hit["id"] == f"notes/{expected}"
        start, end = hit["passage"]
        assert start > 0
        assert "kittens" in hit["text"][start:end] or "小猫" in hit["text"][start:end]
