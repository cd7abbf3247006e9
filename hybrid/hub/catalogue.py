"""Published models that may be used by a short name: where they are, and what is known of them.

The facts are those of the registry of mteb, a Python package; none of the models could be tried here, and
how they do on your texts is for ``hybrid evaluate`` to say. Prompts are not among the facts: they are read
from the model's own files when it loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["encoder", "cross-encoder", "late-interaction"]

REGISTRY: Final = "mteb 2.26.24"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A model on the hub: its ``repository``, and the ``revision``, a commit, that the short name means;
    millions of ``parameters``; ``dim``, the length of its vectors, one per text or token (None: it has
    none, or the registry does not say); ``max_length``, the tokens that it reads of a text.

    ``facts`` is where all this comes from, ``card`` where the publisher describes it; ``remark``: where
    the two differ, or what else to know. ``tried``: whether it has been run with this package.
    """

    repository: str
    revision: str
    kind: Kind
    languages: str
    licence: str
    parameters: int
    dim: int | None
    max_length: int
    facts: str = REGISTRY
    remark: str = ""
    tried: bool = False

    @property
    def name(self) -> str:
        """The short name: the repository without its owner."""
        return self.repository.partition("/")[2]

    @property
    def card(self) -> str:
        """The address of the model card."""
        return f"https://huggingface.co/{self.repository}"


_MODELS: Final = (
    Published(
        repository="ibm-granite/granite-embedding-97m-multilingual-r2",
        revision="c61e626a6255c490879d0af885078b61929d51f6",
        kind="encoder",
        languages="Chinese, English and others",
        licence="Apache-2.0",
        parameters=97,
        dim=384,
        max_length=8192,
        remark="its card says 32,768 tokens; the registry evaluates 8,192",
    ),
    Published(
        repository="hotchpotch/bekko-embedding-v1-a8m",
        revision="a8cedb6b46fad5df6f10e1c94750ff62e298fbd2",
        kind="encoder",
        languages="Chinese, English and others",
        licence="MIT",
        parameters=106,
        dim=384,
        max_length=8192,
        remark="98 million of the parameters are the table of tokens",
    ),
    Published(
        repository="hotchpotch/bekko-embedding-v1-a25m",
        revision="aede922b27c1751d091b1e26c86dc82446a46cb4",
        kind="encoder",
        languages="Chinese, English and others",
        licence="MIT",
        parameters=123,
        dim=384,
        max_length=8192,
        remark="98 million of the parameters are the table of tokens",
    ),
    Published(
        repository="cross-encoder/ms-marco-MiniLM-L6-v2",
        revision="c5ee24cb16019beea0893ab7796b1df96625c6b8",
        kind="cross-encoder",
        languages="English",
        licence="Apache-2.0",
        parameters=23,
        dim=None,
        max_length=512,
    ),
    Published(
        repository="mixedbread-ai/mxbai-rerank-base-v2",
        revision="3ea9d4dffa7d12a4f366be8e275c349de9fc9865",
        kind="cross-encoder",
        languages="Chinese, English and others",
        licence="Apache-2.0",
        parameters=494,
        dim=None,
        max_length=32768,
        remark="made from the language model Qwen2.5-0.5B",
    ),
    Published(
        repository="mixedbread-ai/mxbai-edge-colbert-v0-17m",
        revision="23ae07f5bf028bc0d1f80c82e6e2dd2311f13a46",
        kind="late-interaction",
        languages="English",
        licence="Apache-2.0",
        parameters=17,
        dim=None,
        max_length=7999,
    ),
    Published(
        repository="lightonai/mLateOn",
        revision="1a3f1d70415f80515ee4611ce3ba96ea7f5816ca",
        kind="late-interaction",
        languages="Arabic, English and seven more of Europe, not Chinese",
        licence="Apache-2.0",
        parameters=307,
        dim=128,
        max_length=8192,
    ),
)

PUBLISHED: Final = {model.name: model for model in _MODELS}
"""Every model of the catalogue by its short name."""
