"""Which parameters of a model train: those of the last layers, small additions to all layers, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hybrid.errors import InputError
from hybrid.hub import quiet
from hybrid.learn.encoder.plan import ALL, LORA, Plan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import ModuleList, Parameter

_RANK: Final = 8


def prepare(model: SentenceTransformer, plan: Plan) -> dict[str, Parameter]:
    """Have only the parameters of ``plan`` train; returns them by name. InputError for more layers than
    there are."""
    model.requires_grad_(plan.layers == ALL)
    if plan.layers == LORA:
        model[0].model = _adapted(model[0].model, plan.seed)
    elif plan.last is not None:
        layers = _layers(model)
        if plan.last > len(layers):
            raise InputError(
                f"layers is {plan.last}, the encoder has {len(layers)}; give at most that, or {ALL}"
            )
        for layer in layers[-plan.last :]:
            layer.requires_grad_(True)
    return {name: own for name, own in model.named_parameters() if own.requires_grad}


def merge(model: SentenceTransformer, plan: Plan) -> None:
    """Add what was learned beside the layers to them."""
    if plan.layers == LORA:
        network: Any = model[0].model
        model[0].model = network.merge_and_unload()


def _adapted(network: Any, seed: int) -> Any:
    """LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022."""
    with quiet():
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)  # half of what is added begins as noise
        targets = "all-linear"
        return get_peft_model(network, LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules=targets))


def _layers(model: SentenceTransformer) -> ModuleList:
    from torch.nn import ModuleList

    network: Any = model[0].model
    depth = getattr(network.config, "num_hidden_layers", None)
    for module in network.modules():
        if isinstance(module, ModuleList) and len(module) == depth:
            return module
    raise InputError(f"the encoder's layers cannot be told apart; give {LORA} or {ALL} for layers")
