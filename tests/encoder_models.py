"""Models small enough to be made by the tests: no hub, no weights of anybody's."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid.encoders import Bundle
from hybrid.encoders.bundle import Manifest

LETTERS = string.ascii_lowercase


def letters_tokenizer() -> Any:
    """Words to letters; [CLS] before and [SEP] after; what is no letter or digit is [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    signs = LETTERS + string.digits + ".,!?:"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *("##" + sign for sign in signs)]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def bundle_of_letters(folder: Path, **settings: Any) -> Bundle:
    """A bundle whose network gives each letter its own axis, and every other token zero."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    tokenizer = letters_tokenizer()
    tokenizer.enable_padding(length=64)  # as in some published files: a bundle must not heed them
    tokenizer.enable_truncation(8)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.zeros((tokenizer.get_vocab_size(), 26), np.float32)
    for i, letter in enumerate(LETTERS):
        table[[tokenizer.token_to_id(letter), tokenizer.token_to_id("##" + letter)], i] = 1
    axes = ["batch", "tokens"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["states"])],
        "letters",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, axes)],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, [*axes, 26])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    Manifest.model_validate({"id": "letters", "dim": 26, "max_length": 40} | settings).write(folder)
    return Bundle(folder)


def letters_model(folder: Path) -> Path:
    """A sentence-transformers model, two random layers over letters, with prompts of its own."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    tokenizer = letters_tokenizer()
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast: Any = transformers.PreTrainedTokenizerFast  # its constructor carries no types
    fast(tokenizer_object=tokenizer, model_max_length=64, **specials).save_pretrained(folder / "network")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "network")
    model = SentenceTransformer(
        modules=[Transformer(str(folder / "network"), max_seq_length=48), Pooling(32, "mean"), Normalize()],
        prompts={"query": "ask: ", "document": "tell: "},
    )
    model.save(str(folder / "model"))
    return folder / "model"


def words_model(folder: Path, words: Sequence[str], layers: int = 2) -> Path:
    """A sentence-transformers model, some random layers over ``words``, with prompts of its own."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ask", "tell", ":", *words]
    inner = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    pre: Any = inner
    pre.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pre.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast: Any = transformers.PreTrainedTokenizerFast  # its constructor carries no types
    fast(tokenizer_object=inner, model_max_length=32, **specials).save_pretrained(folder / "network")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder / "network")
    network = Transformer(str(folder / "network"), max_seq_length=32)
    prompts = {"query": "ask: ", "document": "tell: "}
    SentenceTransformer(modules=[network, Pooling(32, "mean"), Normalize()], prompts=prompts).save(
        str(folder / "model")
    )
    return folder / "model"
