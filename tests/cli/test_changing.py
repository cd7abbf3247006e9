"""``hybrid delete`` and ``hybrid update``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from hybrid import Document, Index
from tests.commands import answer, refusal, run

CHEAP = '{"price": {"lt": 100}}'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(Document(f"d{price}", "kettle", metadata={"price": price}) for price in (10, 20, 300))
    return tmp_path / "idx"


def test_deleting_by_id_asks_nothing(shop: Path) -> None:
    assert answer("delete", shop, "d10", "nobody") == {"deleted": 1, "documents": 2}


@pytest.mark.parametrize(("reply", "status", "left"), [("y\n", 0, 1), ("n\n", 1, 3), ("", 1, 3)])
def test_deleting_by_filter_shows_how_many_and_asks(
    shop: Path, monkeypatch: pytest.MonkeyPatch, reply: str, status: int, left: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(reply))
    said = run("delete", shop, "--filter", CHEAP, status=status)
    assert "Delete 2 of 3 documents?" in said.err
    assert answer("count", shop) == {"documents": left}


def test_yes_is_an_answer(shop: Path) -> None:
    assert answer("delete", shop, "--filter", CHEAP, "--yes") == {"deleted": 2, "documents": 1}
    assert answer("delete", shop, "--everything", "--yes") == {"deleted": 1, "documents": 0}


def test_updating(shop: Path) -> None:
    assert run("update", shop, "d10", "--set", '{"stock": 0}').out == "1 document updated\n"
    changes = "--set", '{"price": null, "stock": 1}'
    assert answer("update", shop, *changes, "--filter", CHEAP, "--yes") == {"updated": 2}
    with Index.open(shop, read_only=True) as index:
        assert [one.metadata for one in index.documents({"stock": 1})] == [{"stock": 1}, {"stock": 1}]


@pytest.mark.parametrize(
    "named", [[], ["--filter", "{}"], ["d10", "--everything"], ["d10", "--filter", CHEAP]]
)
def test_which_documents_must_be_said(shop: Path, named: list[str]) -> None:
    assert "everything" in refusal("delete", shop, *named)
    assert "everything" in refusal("update", shop, *named, "--set", "{}")


def test_what_is_no_change(shop: Path) -> None:
    assert "not JSON" in refusal("update", shop, "d10", "--set", "{")
    refusal("update", shop, "d10", "--set", "5")
