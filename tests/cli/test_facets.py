"""``hybrid count`` and ``hybrid facets``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid import Document, Index
from tests.commands import answer, refusal, run


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "idx"
    with Index.create(path, encoder=None) as index:
        index.add(
            Document(str(i), "kettle" if i % 2 else "teapot", metadata=metadata)
            for i, metadata in enumerate(
                [
                    {"brand": "Aria", "price": 10, "since": "2024-05-01"},
                    {"brand": "Aria", "price": 20.5, "since": "2025-01-01"},
                    {"brand": "Borea", "price": 300},
                    {"brand": 7, "tags": [True, "x"]},
                    {},
                ]
            )
        )
    return path


def test_counting(shop: Path) -> None:
    assert run("count", shop).out == "5 documents\n"
    assert run("count", shop, "--filter", '{"brand": "Borea"}').out == "1 document\n"
    assert answer("count", shop, "--query", "kettle") == {"documents": 2}


def test_facets_are_shown(shop: Path) -> None:
    said = run("facets", shop, "brand", "price=20,100", "since=2025-01", "--top", 2).out
    lines = [line.split() for line in said.splitlines()]
    assert ["Aria", "2"] in lines
    assert "1 more value; 1 of 5 documents without" in said
    assert ["20", "to", "below", "100", "1"] in lines
    assert ["100", "and", "above", "1"] in lines
    assert ["below", "2025-01-01", "1"] in lines


def test_facets_for_programs(shop: Path) -> None:
    found = answer("facets", shop, "tags", "price=20", "--query", "kettle", "--filter", "{}")
    assert found["tags"] == {
        "path": "tags",
        "counts": [{"value": True, "documents": 1}, {"value": "x", "documents": 1}],
        "distinct": 2,
        "missing": 1,
        "documents": 2,
    }
    assert found["price"]["counts"] == [
        {"lower": None, "upper": 20, "documents": 0},
        {"lower": 20, "upper": None, "documents": 1},
    ]


@pytest.mark.parametrize("paths", [["price=x"], ["price=2,1"], ["price="], ["brand", "brand"]])
def test_what_is_no_facet(shop: Path, paths: list[str]) -> None:
    refusal("facets", shop, *paths)


def test_what_is_no_filter(shop: Path) -> None:
    assert "not JSON" in refusal("count", shop, "--filter", "{")
