"""Where a base install needs no compiler: whether pip finds wheels for all of it, and for the extras.

    python -m tests.wheels

Asks the package index that pip is set up for; installs nothing. Fails if the base lacks a wheel.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

PYTHON: Final = "3.11"
PLATFORMS: Final = {
    "Linux x86_64": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)]
    + ["manylinux2014_x86_64"],
    "Linux aarch64": [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 24, 17)]
    + ["manylinux2014_aarch64"],
    "macOS arm64": ["macosx_14_0_arm64"],
    "Windows amd64": ["win_amd64"],
}
SOURCE: Final = ("jieba",)
"""Pure Python that is distributed as source only: pip makes a wheel of it anywhere, without a compiler."""
EXTRAS: Final = ("hnsw", "evaluate", "offline", "report", "files", "parquet")

_PROJECT: Final = Path(__file__).parent.parent / "pyproject.toml"


def base() -> list[str]:
    """The requirements of a base install, but for `SOURCE`."""
    return [one for one in _project()["dependencies"] if name(one) not in SOURCE]


def extras() -> dict[str, list[str]]:
    return {extra: _project()["optional-dependencies"][extra] for extra in EXTRAS}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]
    return project


def name(requirement: str) -> str:
    return re.split(r"[<>=!~ \[;]", requirement, maxsplit=1)[0]


def found(requirements: list[str], tags: list[str], *options: str) -> list[str] | None:
    """The packages, with versions, that pip would install of wheels; None where one has none."""
    platform = [part for tag in tags for part in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
            *("--only-binary=:all:", "--python-version", PYTHON, *platform, "--target", folder, *options),
            *("--report", str(report), *requirements),
        ]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        installed = [one["metadata"] for one in json.loads(report.read_text("utf-8"))["install"]]
    return sorted(f"{one['name']} {one['version']}" for one in installed)


def main() -> None:
    lacking = False
    for system, tags in PLATFORMS.items():
        packages = found(base(), tags)
        if packages is None:
            without = [name(one) for one in base() if found([one], tags, "--no-deps") is None]
            lacking = True
            sys.stdout.write(f"{system}: no wheel of {', '.join(without) or 'something that they need'}\n")
        else:
            sys.stdout.write(
                f"{system}: wheels of all {len(packages)} packages; {', '.join(SOURCE)}: pure\n"
            )
        for extra, requirements in extras().items():
            without = [name(one) for one in requirements if found([one], tags, "--no-deps") is None]
            sys.stdout.write(f"  {extra}: {'no wheel of ' + ', '.join(without) if without else 'wheels'}\n")
    sys.exit(lacking)


if __name__ == "__main__":
    main()
