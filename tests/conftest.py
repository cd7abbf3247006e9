"""What several tests need."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from hybrid import Document
from hybrid.errors import lacking
from tests.commands import Files, judged_files
from tests.cross_encoder_models import cross_encoder
from tests.encoder_models import LETTERS

# pytest-xdist tells its workers a size of the terminal, which a console made at import keeps for good.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# A worker has one core: threads of torch's OpenMP that wait for each other busily would take the others'.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The benchmarks' other side is bare hnswlib.
collect_ignore = ["test_benchmarks.py"] if lacking("hnswlib") else []

HERE = Path(__file__).parent
Write = Callable[[str, str | bytes], Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="large inputs and long series, whole")


def pytest_configure(config: pytest.Config) -> None:
    examples = 100 if config.getoption("whole") else 50
    usual = hypothesis.settings()
    hypothesis.settings.register_profile("tests", usual, max_examples=examples, deadline=None)
    hypothesis.settings.load_profile("tests")


# Begun last, these would keep one worker busy long after the other. Those that load torch stand together:
# its import takes ten seconds, once a worker.
FIRST = (
    "store/test_power.py",
    *(
        "rerank/test_cross_encoder.py",
        "rerank/test_late_interaction.py",
        "hub/test_hub.py",
        "learn/test_reranking.py",
        "cli/test_rerank.py",
    ),
    *("learn/test_mining.py", "encoders/test_encoders.py"),
    *("store/test_salvage.py", "store/test_faults.py", "store/test_crash.py", "cli/test_signals.py"),
    *("test_docs.py", "cli/test_cli.py", "store/test_moves.py", "store/test_concurrency.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {HERE / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether there is time for all of what is large or long: ``make test-whole``."""
    return bool(request.config.getoption("whole"))


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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Queries of two words that one document has, over an encoder that only counts letters."""
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 5)) for _ in range(100)]
    texts = [list(random.choice(words, 6, replace=False)) for _ in range(90)]
    return judged_files(
        tmp_path_factory.mktemp("made"),
        (Document(f"d{i}", " ".join(text)) for i, text in enumerate(texts)),
        {f"q{i}": " ".join(random.choice(text, 2, replace=False)) for i, text in enumerate(texts)},
        ((f"q{i}", f"d{i}") for i in range(90)),
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cross-encoder that knows which colour and tint go together."""
    return str(cross_encoder(tmp_path_factory.mktemp("models") / "trained", steps=100))


@pytest.fixture
def files(made: Files, tmp_path: Path) -> Files:
    """What a module has ``made``, to write to."""
    shutil.copytree(made.folder, tmp_path / "idx")
    return made._replace(folder=tmp_path / "idx")
