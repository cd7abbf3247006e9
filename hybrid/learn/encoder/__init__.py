"""Train the encoder of an index on judged queries, or on the texts of unjudged ones, into a bundle.

start        the index's encoder as a model of torch
examples     what it learns from
losses       how far it is from having learned it
training     the steps, checks and checkpoints
figures      what it gained, on held-out families
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hybrid.encoders import Bundle, Transformer
from hybrid.errors import InputError, require
from hybrid.learn.contest import silent
from hybrid.learn.encoder.examples import Material, labelled, unlabelled
from hybrid.learn.encoder.figures import Figures, compare
from hybrid.learn.encoder.parameters import merge, prepare
from hybrid.learn.encoder.plan import UNLABELLED, Plan
from hybrid.learn.encoder.start import Start, starting_model
from hybrid.learn.encoder.training import Training
from hybrid.learn.encoder.unfinished import Course, Unfinished, check_new
from hybrid.search.searcher import Searcher
from hybrid.types import Qrels, Stages

__all__ = ["Course", "Figures", "Plan", "Trained", "train_encoder"]


@dataclass(frozen=True)
class Trained:
    """The result of `train_encoder`. ``bundle`` is None where no step lowered the loss on the families that
    stop training, and so nothing was written. ``figures`` is None then, and without judged queries.
    ``source``: where the weights are from that training began with. ``train``, ``stop``: numbers of
    examples; ``left_out``: reason -> how many queries, positives or pairs could not be used."""

    bundle: Bundle | None
    source: str
    plan: Plan
    train: int
    stop: int
    left_out: dict[str, int]
    course: Course
    figures: Figures | None

    def to_json(self) -> dict[str, Any]:
        return {
            "encoder": None if self.bundle is None else self.bundle.id,
            "to": None if self.bundle is None else str(self.bundle.folder),
            "left_out": self.left_out,
            **_told(self.source, self.plan, self.course, self.figures),
            "examples": {"train": self.train, "stop": self.stop},
        }


def train_encoder(
    searcher: Searcher,
    out: str | Path,
    plan: Plan,
    *,
    queries: Mapping[str, str] = MappingProxyType({}),
    qrels: Qrels = MappingProxyType({}),  # type: ignore[assignment]
    texts: Mapping[str, str] | None = None,
    ignore_identical_ids: bool = False,
    known: Mapping[str, Any] = MappingProxyType({}),
    progress: Stages | None = None,
) -> Trained:
    """Train the encoder of an index by ``plan``, and write it as a bundle to the new folder ``out``.

    It learns from two thirds of the judged ``queries``; or, with the loss "kl", from ``texts`` of queries
    that nobody judged. A fifth of these examples only stops training, and held-out judged queries say what
    was gained; no family is parted. ``known``: what else the bundle is to tell of its data. Interrupted and
    called again with the same arguments, it goes on; until it is done, ``out`` does not exist.

    Raises InputError for an index without encoder, too few examples, ``out`` that exists, or another run
    in its place; EncoderFailed for an encoder that cannot be trained; ModelNotFound; MissingExtra.
    """
    require("training an encoder", "torch", "sentence_transformers", "peft", "onnx", "safetensors")
    if qrels:
        require("judging a trained encoder", "ir_measures", extra="evaluate")
    tell, out = progress or silent, Path(out)
    check_new(out)  # now, rather than after all searches
    reference = searcher.snapshot.settings.encoder
    if reference is None or searcher.legs.vector:
        raise InputError(f"there is no encoder to train: {searcher.legs.vector}")
    base = starting_model(reference)
    if (plan.loss == UNLABELLED) != (texts is not None):
        raise InputError(f"the loss {UNLABELLED} learns from unlabelled texts, and they from no other")
    if texts is None:
        material = labelled(searcher, queries, qrels, plan, ignore_identical_ids, tell)
    else:
        material = unlabelled(searcher, texts, queries, qrels, plan, ignore_identical_ids, tell)
    run = {**asdict(plan), "encoder": base.source, "examples": material.sha256}
    with Unfinished.claim(out, run) as folder:
        course = _train(base, material, plan, folder, tell)
        found = _finish(searcher, base, material, plan, course, out, known, tell)
        folder.remove()
    return found


def _train(base: Start, material: Material, plan: Plan, folder: Unfinished, tell: Stages) -> Course:
    model = base.encoder.model
    training = Training(base.encoder, prepare(model, plan), material, plan, folder)
    course = training.run(tell)
    merge(model, plan)
    return course


def _finish(
    searcher: Searcher,
    base: Start,
    material: Material,
    plan: Plan,
    course: Course,
    out: Path,
    known: Mapping[str, Any],
    tell: Stages,
) -> Trained:
    """Judge the trained model and write its bundle, if it is any other than the one it began with."""
    gained: Figures | None = None
    bundle: Bundle | None = None
    if course.best.step:
        base.encoder.model.to("cpu")  # where a bundle is made
        trained = Transformer(f"{base.name}-trained@{_fingerprint(base.encoder.model)}", base.encoder.model)
        if material.judged is not None:
            gained = compare(searcher, material.judged, trained, plan.seed, tell)
        told = _told(base.source, plan, course, gained)
        data = {"examples": material.sha256, "queries": material.fingerprints}
        bundle = trained.export(out, {**told, **known, **data})
    left_out = {reason: many for reason, many in material.left_out.items() if many}
    return Trained(
        bundle, base.source, plan, len(material.train), len(material.stop), left_out, course, gained
    )


def _told(source: str, plan: Plan, course: Course, found: Figures | None) -> dict[str, Any]:
    return {
        "base": source,
        "settings": asdict(plan),
        "steps": course.best.step,
        "checks": [check.model_dump() for check in course.checks],
        "figures": None if found is None else found.to_json(),
    }


def _fingerprint(model: Any) -> str:
    """The beginning of the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
