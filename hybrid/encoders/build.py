"""Make bundles: export a torch network to ONNX, and build a folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hybrid.disk.folder import Folder
from hybrid.hub import quiet


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a temporary sibling to build in; at the end, sync its files and rename it to ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield work
        with closing(Folder.open(work)) as made:
            made.sync_tree()
        work.chmod(0o755)  # mkdtemp's folders are private, a bundle is not
        work.rename(folder)
        with closing(Folder.open(folder.parent)) as parent:
            parent.sync()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def export(network: Any, path: Path) -> None:
    """Write a Hugging Face text encoder as ONNX: its last hidden states from ids and mask."""
    import torch

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            answer = self.network(input_ids=input_ids, attention_mask=attention_mask)
            states: torch.Tensor = answer.last_hidden_state
            return states

    axes = {0: "batch", 1: "tokens"}
    names = ["input_ids", "attention_mask"]
    sample = torch.ones((2, 8), dtype=torch.int64)
    with quiet():
        torch.onnx.export(
            States().eval(),
            (sample, sample),
            str(path),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes=dict.fromkeys([*names, "last_hidden_state"], axes),
            opset_version=17,
            dynamo=False,  # the newer exporter needs onnxscript
        )
