"""Text encoders: ONNX bundles, sentence-transformers models, functions; windows of long texts; a cache of
query vectors, and adapters that move them."""

from hybrid.encoders.adapter import Adapter
from hybrid.encoders.bulk import encode_documents
from hybrid.encoders.bundle import Bundle
from hybrid.encoders.cache import QueryCache
from hybrid.encoders.hashing import HashEncoder
from hybrid.encoders.registry import EncoderSpec, load, spec_of
from hybrid.encoders.trained import trained_on
from hybrid.encoders.transformer import Transformer
from hybrid.encoders.windows import compose, cut

__all__ = [
    "Adapter",
    "Bundle",
    "EncoderSpec",
    "HashEncoder",
    "QueryCache",
    "Transformer",
    "compose",
    "cut",
    "encode_documents",
    "load",
    "spec_of",
    "trained_on",
]
