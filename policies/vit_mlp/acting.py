"""ViT + MLP behind the policy protocol."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mmact_eval.policies.llada.policy.freeing import free_gpu_memory
from mmact_eval.policies.vit_mlp.loading import Example, Loaded
from mmact_eval.policies.vit_mlp.robots import Arm
from mmact_eval.specs import PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


class VitMlpPolicy:
    """Answers batches of queries in one pass. Nothing is random; the batch has a part in the rounding, about 1e-6."""

    pinned_args = frozenset({"checkpoint"})
    """The spec has it with a hash of its content."""

    def __init__(self, spec: PolicySpec, model: Loaded, robot: Arm) -> None:
        self.spec = spec
        self._model = model
        self._robot = robot
        self._heard: set[str] = set()

    def reset(self, episodes: Sequence[Episode]) -> None:
        """There is nothing to forget."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """A (chunk, 7) float32 chunk for each query.

        Raises:
            UsageError: an observation holds something else than images and numbers of the promised shapes.
        """
        seen = [query.observation for query in queries]
        examples = [Example(self._robot.views(one), one.instruction, self._robot.vector(one.state)) for one in seen]
        chunks = self._model.action_chunks(examples)
        return [
            PolicyOutput(chunk, extras=self._unread(example.instruction))
            for chunk, example in zip(chunks, examples, strict=True)
        ]

    def free_weights(self) -> None:
        """Drop the model: replicas of this policy answer, and it is asked nothing any more."""
        vars(self).pop("_model", None)
        free_gpu_memory()

    def _unread(self, instruction: str) -> dict[str, Any]:
        """How many words say nothing to the model, for the episode's record; said once of each instruction."""
        unread = self._model.words.unread(instruction)
        if not unread:
            return {}
        if instruction not in self._heard:
            self._heard.add(instruction)
            print(f'{self.spec.name} was not trained with these words of "{instruction}": {", ".join(unread)}.',
                  file=sys.stderr)  # fmt: skip
        return {"figures": {"unknown_words": float(len(unread))}}
