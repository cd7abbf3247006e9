"""Models in the layout of the hub's cache, made by the tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.encoder_models import letters_tokenizer


def served(cache: Path, repository: str, commits: dict[str, Path], main: str | None = None) -> Path:
    """Lay the folder of each commit into ``cache`` as the hub's client does; ``main`` is what the main
    branch holds."""
    home = cache / f"models--{repository.replace('/', '--')}"
    for commit, folder in commits.items():
        shutil.copytree(folder, home / "snapshots" / commit)
    (home / "refs").mkdir()
    if main is not None:
        (home / "refs" / "main").write_text(main)
    return home


def offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing of the hub but what ``cache`` holds."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


def token_model(folder: Path, seed: int = 0) -> Path:
    """A late-interaction model, two random layers over letters and a projection to 8 numbers."""
    import torch
    import transformers
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    network = _bert(folder / "network", seed)
    fast: Any = transformers.PreTrainedTokenizerFast  # its constructor carries no types
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast(tokenizer_object=letters_tokenizer(), model_max_length=64, **specials).save_pretrained(network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        modules: list[Any] = [
            Transformer(str(network), max_seq_length=48),
            Dense(32, 8, bias=False, module_input_name="token_embeddings"),
            MultiVectorMask(),
            Normalize(module_input_name="token_embeddings"),
        ]
    model = MultiVectorEncoder(modules=modules, prompts={"query": "ask: ", "document": "tell: "})
    model.save(str(folder / "model"))
    return folder / "model"


def _bert(folder: Path, seed: int) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=letters_tokenizer().get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return folder
