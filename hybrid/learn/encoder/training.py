"""Train an encoder, stop early, and go on after an interruption as if there had been none.

A loop of our own around sentence-transformers' losses, rather than its Trainer: that one keeps optimizer,
schedule and random state as pickles, which must not be read from a folder that others may write to. Here a
checkpoint is one file of tensors, and every step depends only on it: the order of examples on seed and
epoch, dropout on seed and step, the learning rate on the step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hybrid.encoders import Transformer
from hybrid.hub import quiet
from hybrid.learn.encoder import losses
from hybrid.learn.encoder.adversarial import perturbed, word_embeddings
from hybrid.learn.encoder.examples import Example, Material
from hybrid.learn.encoder.plan import Plan
from hybrid.learn.encoder.unfinished import Check, Checkpoint, Course, Unfinished
from hybrid.threads import inside
from hybrid.types import Stages

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

CHECKS: Final = 2
"""Checks in an epoch: with few queries one takes as long as a few steps."""
PATIENCE: Final = 3
"""Checks in a row that may be no better before training stops."""
_MOST_STEPS: Final = 250
"""Between two checks, at each of which a checkpoint is kept."""
_WARM_UP: Final = 0.1
_DECAY: Final = 0.01
_LONGEST_GRADIENT: Final = 1.0
_STEPS_APART: Final = 1_000_003
"""Between the random states of two seeds: more than there are steps."""


class Training:
    """``model``'s ``parameters`` learn from ``material``: `run` does all steps that are left."""

    def __init__(
        self,
        encoder: Transformer,
        parameters: Mapping[str, Parameter],
        material: Material,
        plan: Plan,
        folder: Unfinished,
    ) -> None:
        import torch

        self._model = encoder.model
        self._prompts = encoder.prompts
        self._parameters = dict(parameters)
        self._material, self._plan, self._folder = material, plan, folder
        with quiet():
            self._loss = losses.loss(plan, self._model)
        self._words = word_embeddings(self._model) if plan.adversarial else None
        self._optimizer = torch.optim.AdamW(self._parameters.values(), plan.lr, weight_decay=_DECAY)
        self._best = self._values()
        self._course = Course()
        self._epoch: tuple[int, list[list[Example]]] = (-1, [])
        self._restore()

    @property
    def total(self) -> int:
        return self._each_epoch * self._plan.epochs

    def run(self, tell: Stages) -> Course:
        """Train until the loss on the other families no longer falls, or all epochs are over. The
        parameters then have the values of the best check."""
        begun = self._course.steps
        tell("training", 0, self.total - begun)
        if not self._course.checks:
            self._check()
        between = min(math.ceil(self._each_epoch / CHECKS), _MOST_STEPS)
        while not self._course.finished:
            step = self._course.steps
            self._step(step)
            self._course = self._course.model_copy(update={"steps": step + 1})
            if (step + 1) % between == 0 or step + 1 == self.total:
                self._check()
            tell("training", step + 1 - begun, self.total - begun)
        self._assign(self._best)
        self._model.eval()
        return self._course

    @property
    def _each_epoch(self) -> int:
        return max(1, len(self._material.train) // self._plan.batch)

    # -- a step

    def _step(self, step: int) -> None:
        import torch

        torch.manual_seed(self._plan.seed * _STEPS_APART + step)
        self._model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.lr * self._share(step)
        self._optimizer.zero_grad()
        batch = self._batch(step)
        with inside:
            self._learn(batch)
            if self._words is not None:
                with perturbed(self._words, self._plan.adversarial):
                    self._learn(batch)
            torch.nn.utils.clip_grad_norm_(self._parameters.values(), _LONGEST_GRADIENT)
            self._optimizer.step()
        if self._words is not None:
            self._words.grad = None

    def _share(self, step: int) -> float:
        """The share of the learning rate: it rises for a tenth of the steps, then falls to nothing."""
        warm = max(1, round(_WARM_UP * self.total))
        return min((step + 1) / warm, (self.total - step) / max(1, self.total - warm))

    def _batch(self, step: int) -> list[Example]:
        """The examples of a step; those that do not fill a batch wait for another epoch's order."""
        epoch, place = divmod(step, self._each_epoch)
        if self._epoch[0] != epoch:
            train = self._material.train
            order = np.random.default_rng([self._plan.seed, epoch]).permutation(len(train))
            self._epoch = epoch, list(unlike([train[row] for row in order.tolist()], self._plan.batch))
        return self._epoch[1][place]

    def _learn(self, batch: Sequence[Example]) -> None:
        value: Any = self._value(batch)  # its methods carry no types
        value.backward()

    def _value(self, batch: Sequence[Example]) -> Tensor:
        import torch
        from sentence_transformers.util import batch_to_device

        columns, labels = losses.columns(self._plan, batch)
        prompts = [self._prompts.query, *[self._prompts.document] * (len(columns) - 1)]
        device = self._model.device
        features: list[Any] = [
            batch_to_device(self._model.preprocess([prompt + text for text in column]), device)
            for prompt, column in zip(prompts, columns, strict=True)
        ]
        value: Tensor = self._loss(features, torch.tensor(labels, device=device))
        return value

    # -- a check

    def _check(self) -> None:
        """Measure the loss on the other families, remember the best parameters, keep a checkpoint."""
        loss = self._stopping()
        if not math.isfinite(loss):
            raise self._folder.diverged(self._course.steps)
        checks = (*self._course.checks, Check(step=self._course.steps, loss=loss))
        course = self._course.model_copy(update={"checks": checks})
        if course.best is checks[-1]:
            self._best = self._values()
        stale = len(checks) - 1 - checks.index(course.best)
        over = course.steps >= self.total or stale >= PATIENCE
        self._course = course.model_copy(update={"finished": over})
        self._folder.save(Checkpoint(self._course, self._state()))

    def _stopping(self) -> float:
        """The mean loss on the families that stop training."""
        import torch

        torch.manual_seed(self._plan.seed)
        self._model.eval()
        total, examples = 0.0, self._material.stop
        with torch.no_grad(), inside:
            for batch in _batches(examples, self._plan.batch):
                total += float(self._value(batch)) * len(batch)
        return total / len(examples)

    # -- what a checkpoint holds

    def _values(self) -> dict[str, Tensor]:
        return {name: own.detach().cpu().clone() for name, own in self._parameters.items()}

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        import torch

        with torch.no_grad():
            for name, own in self._parameters.items():
                own.copy_(values[name])

    def _state(self) -> dict[str, Tensor]:
        found = {f"now.{name}": own for name, own in self._values().items()}
        found |= {f"best.{name}": own for name, own in self._best.items()}
        for name, own in self._parameters.items():
            if averages := self._optimizer.state.get(own):
                found |= {f"mean.{name}": averages["exp_avg"], f"square.{name}": averages["exp_avg_sq"]}
        return found

    def _restore(self) -> None:
        kept = self._folder.load()
        if kept is None:
            return
        moving = [name for name in self._parameters if f"mean.{name}" in kept.tensors]
        expected = {
            f"{role}.{name}": self._parameters[name].shape
            for names, roles in ((self._parameters, ("now", "best")), (moving, ("mean", "square")))
            for role in roles
            for name in names
        }
        if {name: own.shape for name, own in kept.tensors.items()} != expected or not kept.course.checks:
            raise self._folder.mismatch()
        self._course = kept.course
        self._best = {name: kept.tensors[f"best.{name}"] for name in self._parameters}
        self._assign({name: kept.tensors[f"now.{name}"] for name in self._parameters})
        for name in moving:  # not those that no loss depends on, such as a pooler's
            own = self._parameters[name]
            self._optimizer.state[own] = {
                "step": _counter(kept.course.steps),
                "exp_avg": kept.tensors[f"mean.{name}"].to(own),
                "exp_avg_sq": kept.tensors[f"square.{name}"].to(own),
            }


def unlike(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    """Yield batches of ``size`` in the order of ``examples``, in none of which a text occurs twice: other
    examples' documents are taken for negatives. A few batches are smaller where that is not possible."""
    waiting = deque(examples)
    while waiting:
        batch: list[Example] = []
        later: list[Example] = []
        texts: set[str] = set()
        while waiting and len(batch) < size:
            one = waiting.popleft()
            own = {one.query, *one.documents}
            if texts.isdisjoint(own):
                batch.append(one)
                texts |= own
            else:
                later.append(one)
        waiting.extendleft(reversed(later))
        yield batch


def _counter(steps: int) -> Tensor:
    import torch

    return torch.tensor(float(steps))


def _batches(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    for start in range(0, len(examples), size):
        yield examples[start : start + size]
