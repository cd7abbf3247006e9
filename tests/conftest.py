"""What several tests need."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# pytest-xdist tells its workers a size of the terminal, which a console made at import keeps for good.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

Write = Callable[[str, str | bytes], Path]


def lines(*records: Any) -> str:
    """The records as JSON lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written
