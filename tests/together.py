"""torch, faiss and LightGBM in one process, imported in each order: each brings an OpenMP of its own.

python -m tests.together
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import permutations
from typing import Final

LIBRARIES: Final = ("torch", "faiss", "lightgbm")
ORDERS: Final = list(permutations(LIBRARIES))

_PROGRAM: Final = """
import sys
import numpy
for unused in ("sklearn", "pandas", "matplotlib"):  # by LightGBM's core; their import takes seconds
    sys.modules[unused] = None
x = numpy.random.default_rng(0).normal(size=(300, 8)).astype(numpy.float32)

def torch():
    import torch
    assert float((torch.from_numpy(x) @ torch.from_numpy(x.T)).trace()) > 0

def faiss():
    import faiss
    index = faiss.IndexHNSWFlat(8, 16, faiss.METRIC_INNER_PRODUCT)
    index.add(x)
    assert index.search(x[:50], 5)[1].shape == (50, 5)

def lightgbm():
    import lightgbm
    data = lightgbm.Dataset(x, numpy.arange(300), params={"verbosity": -1})
    assert lightgbm.train({"verbosity": -1, "num_threads": 2}, data, 3).num_trees() == 3

for _ in range(2):
"""


def trouble(order: tuple[str, ...]) -> str | None:
    """How a process ends that imports and uses the libraries in this ``order``, twice; None if well."""
    code = _PROGRAM + "".join(f"    {name}()\n" for name in order)
    threads = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=threads
    )
    return None if done.returncode == 0 and not done.stderr else f"status {done.returncode}: {done.stderr}"


def main() -> None:
    lacking = [name for name in LIBRARIES if find_spec(name) is None]
    if lacking:
        sys.exit(f"needs {', '.join(lacking)}")
    for order in ORDERS:
        if found := trouble(order):
            sys.exit(f"{', '.join(order)}: {found}")
        sys.stdout.write(f"{', '.join(order)}: well\n")


if __name__ == "__main__":
    main()
