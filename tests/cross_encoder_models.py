"""A cross-encoder small enough to be trained by the tests, and a collection that only it can order.

The query "zbc red" is answered by the document "zbc crimson", and no word says that a colour and its tint
belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid import Document
from hybrid.types import Qrels

COLOURS = ("red", "blue", "green", "yellow", "white")
TINTS = ("crimson", "navy", "olive", "amber", "ivory")
KINDS = len(TINTS)
PLACES = 60
NAMES = [f"z{a}{b}" for a in "bcdfghjk" for b in "bcdfghjk"]
QUERIES = {f"q{place}": f"{NAMES[place]} {COLOURS[place % KINDS]}" for place in range(PLACES)}
QRELS: Qrels = {f"q{place}": {f"d{place}.{place % KINDS}": 1} for place in range(PLACES)}


def documents() -> Iterator[Document]:
    for place in range(PLACES):
        for step in range(KINDS):
            kind = (step + place // KINDS) % KINDS  # so that the right one has no place of its own
            yield Document(f"d{place}.{kind}", f"{NAMES[place]} {TINTS[kind]}")


def words_tokenizer() -> Any:
    """Words to ids; only colours and tints are known; pairs as BERT takes them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *COLOURS, *TINTS]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def cross_encoder(folder: Path, *, steps: int, labels: int = 1) -> Path:
    """A model in ``folder``, trained for so many ``steps`` to tell which colour and tint go together."""
    import torch
    import transformers
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = words_tokenizer()
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast: Any = transformers.PreTrainedTokenizerFast  # its constructor carries no types
    fast(tokenizer_object=tokenizer, model_max_length=16, **specials).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made: Any = BertConfig  # its constructor does not say all that it takes
        config = made(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=16,
            num_labels=labels,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.2,
        )
        network: Any = BertForSequenceClassification(config)
        _train(network, tokenizer, steps)
    network.save_pretrained(folder)
    return folder


def _train(network: Any, tokenizer: Any, steps: int) -> None:
    import torch

    pairs = [(i, j) for i in range(KINDS) for j in range(KINDS)]
    encoded = [tokenizer.encode(f"z {COLOURS[i]}", f"z {TINTS[j]}") for i, j in pairs]
    ids = torch.tensor([one.ids for one in encoded])
    match = torch.tensor([[float(i == j)] for i, j in pairs])
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(float(KINDS)))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(network(input_ids=ids).logits, match).backward()
        optimizer.step()
    network.eval()
