"""The training of a model: stages of steps, with reports, saved states and rollouts in between."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.policies.llada.training.data.moments import Indices
from mmact_eval.policies.llada.training.learning import state as states
from mmact_eval.policies.llada.training.learning.losses import Answered, Told
from mmact_eval.policies.llada.training.learning.optimizing import Stepper
from mmact_eval.policies.llada.training.learning.tables import share
from mmact_eval.policies.llada.training.settings import AnyTraining, Planned, Precision
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor

_HELD_OUT = 64
"""Examples of each target that the held-out loss is the mean of."""


Q = TypeVar("Q")
Q_co = TypeVar("Q_co", covariant=True)
M = TypeVar("M", bound=nn.Module)


class Examples(Protocol[Q_co]):
    """Makes questions of moments."""

    def usable(self, target: str, chosen: Indices) -> Indices:
        """Those of the moments that have such a target.

        Raises:
            UsageError: a setting does not fit the data.
        """

    def question(self, target: str, places: Indices, rng: np.random.Generator) -> Q_co:
        """A question about these moments, (B,) indices. Everything random in it follows from the generator."""


@dataclass(frozen=True)
class Data(Generic[Q]):
    """What to train on.

    Attributes:
        examples: makes questions.
        train, held_out: moments.
        digest: of the data and of everything that was trained before, for the saved state.
        answer: asks the model, with its layers computed in the context that is given.
    """

    examples: Examples[Q]
    train: Indices
    held_out: Indices
    digest: str
    answer: Callable[[Any, Q, AbstractContextManager[None]], Answered]


def new_predictor(
    config: TransformerConfig, seed: int, numbers: Mapping[int, float] = MappingProxyType({})
) -> MaskedTokenPredictor:
    """A transformer with first weights.

    A layer keeps the scale of what it gets (in a narrow model that takes larger weights than the usual 0.02: attention
    would begin even and learn late where to look), and adds the less to the stream the more layers there are.

    Args:
        config: of the transformer.
        seed: of the weights.
        numbers: text tokens that stand for numbers, as `Task` has them.
    """
    torch.manual_seed(seed)
    predictor = MaskedTokenPredictor(config)
    parts = predictor.model["transformer"]
    with torch.no_grad():
        for block in parts["blocks"]:
            for layer in (block.q_proj, block.k_proj, block.v_proj, block.attn_out, block.ff_proj, block.up_proj,
                          block.ff_out):  # fmt: skip
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            for layer in (block.attn_out, block.ff_out):
                layer.weight.div_((2 * config.n_layers) ** 0.5)
        nn.init.normal_(parts["wte"].weight, std=0.5)
        nn.init.normal_(parts["ff_out"].weight, std=0.02)
    share(predictor, numbers)
    return predictor


def train(
    settings: AnyTraining,
    precision: Precision,
    model: M,
    data: Data[Q],
    folder: Path,
    device: torch.device,
    say: Callable[[str], None],
    rollouts: Callable[[int], str] | None = None,
) -> M:
    """Train, going on where a state in the folder says.

    Everything random of a step follows from seed, stage and step, so that an interruption leaves no trace: on a CPU,
    equal settings give equal weights, bit for bit.

    Args:
        settings: how.
        precision: what the model is computed in.
        model: with its first weights.
        data: on what.
        folder: for state and log.
        device: where.
        say: gets lines of progress.
        rollouts: measures success after so many steps of the last stage, and says so in a line.

    Raises:
        UsageError: the state in the folder is of another training.
        OSError: state or log cannot be written.
    """
    model.to(device).train()
    saved = states.load(folder, data.digest)
    if saved:
        model.load_state_dict(saved.weights)
        say(f"goes on after step {saved.step} of stage {saved.stage + 1}")
    log = states.Log(folder, saved.stage if saved else 0, saved.step if saved else 0)
    context = _context(precision, device)
    for number, (name, stage) in enumerate(settings.planned.items()):
        if (saved and number < saved.stage) or not stage.targets:
            continue
        stepper = Stepper(model.named_parameters(), stage.optimizer, stage.steps)
        first = 0
        if saved and number == saved.stage:
            stepper.load_state_dict(saved.optimizer)
            first = saved.step
        run = _Stage(settings, name, number, stage, model, data, context, log, say)
        last_stage = number == len(settings.planned) - 1
        if rollouts and last_stage and first and settings.rollouts.due(first, stage.steps):
            say(rollouts(first))  # the state was saved before they were run, so they may have been interrupted
        for step in range(first, stage.steps):
            run.step(stepper, step)
            done = step + 1
            if done % settings.save_every == 0 or done == stage.steps:
                state = states.State(number, done, model.state_dict(), stepper.state_dict())
                states.save(state, folder, data.digest)
            if rollouts and last_stage and settings.rollouts.due(done, stage.steps):
                say(rollouts(done))
    return model.eval()


class _Stage:
    """One stage's steps and reports."""

    def __init__(
        self, settings: AnyTraining, name: str, number: int, stage: Planned, model: nn.Module, data: Data[Any],
        context: Callable[[], AbstractContextManager[None]], log: states.Log, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._settings, self._name, self._number, self._stage = settings, name, number, stage
        self._model, self._data, self._context, self._log, self._say = model, data, context, log, say
        self._targets = stage.targets
        self._usable = {target: data.examples.usable(target, data.train) for target in self._targets}
        self._sums: dict[str, list[float]] = {}
        self._since, self._steps = time.perf_counter(), 0

    def step(self, stepper: Stepper, step: int) -> None:
        """One step of the optimizer, and a report if it is time."""
        rng = np.random.default_rng([self._settings.seed, self._number, step])
        total: Tensor | None = None
        with parametrize.cached():  # the tables are the same for all targets of a step
            for target, (weight, count) in self._targets.items():
                places = rng.choice(self._usable[target], count)
                question = self._data.examples.question(target, places, rng)
                answered = self._data.answer(self._model, question, self._context())
                for name, part in answered.parts.items():
                    self._sums.setdefault(name, []).append(part.loss)
                total = weight * answered.loss if total is None else total + weight * answered.loss
        assert total is not None
        stepper.step(step, total)
        self._steps += 1
        if (step + 1) % self._settings.report_every == 0 or step + 1 == self._stage.steps:
            self._report(step + 1)

    def _report(self, done: int) -> None:
        trained = {name: float(np.mean(values)) for name, values in self._sums.items()}
        tested = {name: told for target in self._targets for name, told in self._held_out(target).items()}
        rate = self._steps / (time.perf_counter() - self._since)
        facts = {name: {"loss": loss, **tested.get(name, {})} for name, loss in trained.items()}
        self._log.write(self._number, done, name=self._name, steps_per_second=round(rate, 3), **facts)
        told = "  ".join(_in_words(name, facts[name]) for name in facts)
        self._say(f"{self._name} {done}/{self._stage.steps}: {told}  ({rate:.2f} steps/s)")
        self._sums, self._steps, self._since = {}, 0, time.perf_counter()

    def _held_out(self, target: str) -> dict[str, dict[str, float]]:
        """The loss on the same held-out questions at every report, of each part."""
        usable = self._data.examples.usable(target, self._data.held_out)
        if not len(usable):
            return {}
        rng = np.random.default_rng(self._settings.seed)
        places = rng.choice(usable, min(_HELD_OUT, len(usable)), replace=False)
        answers: dict[str, list[tuple[int, Told]]] = {}
        self._model.eval()
        with torch.no_grad():
            for first in range(0, len(places), 32):
                part = places[first : first + 32]
                question = self._data.examples.question(target, part, rng)
                for name, told in self._data.answer(self._model, question, self._context()).parts.items():
                    answers.setdefault(name, []).append((len(part), told))
        self._model.train()
        return {name: _mean(told) for name, told in answers.items()}


def _mean(answers: list[tuple[int, Told]]) -> dict[str, float]:
    sizes = [size for size, _ in answers]
    found = {"held_out": float(np.average([told.loss for _, told in answers], weights=sizes))}
    if answers[0][1].right is not None:
        found["right"] = float(np.average([told.right or 0.0 for _, told in answers], weights=sizes))
    if answers[0][1].off is not None:
        found["off"] = float(np.average([told.off or 0.0 for _, told in answers], weights=sizes))
    return found


def _in_words(name: str, facts: dict[str, float]) -> str:
    held = f"/{facts['held_out']:.3f}" if "held_out" in facts else ""
    off = f" off {facts['off']:.3f}" if "off" in facts else ""
    return f"{name} {facts['loss']:.3f}{held}{off}"


def _context(wanted: Precision, device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Makes the context that the model is computed in."""
    if wanted == "float32" or (wanted == "auto" and device.type == "cpu"):
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)
