"""MM-ACT behind the policy protocol: from queries to chunks of actions, plans and pictures of sub-goals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.llada.policy.freeing import free_gpu_memory
from mmact_eval.policies.llada.policy.turns import Turns, seeds
from mmact_eval.policies.mmact.adapters import Adapter
from mmact_eval.policies.mmact.model import MMACT, Example
from mmact_eval.policies.mmact.options import Options
from mmact_eval.policies.mmact.prompts import CHUNK
from mmact_eval.specs import PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

Said = TypeVar("Said")


class MmactPolicy:
    """Answers batches of queries with the model's batched calls.

    What is drawn at random depends on the run's seed, the episode and the number of the query. The batch only has a
    part in the rounding of logits, about 1e-6 in float32; a draw that falls between two bins by less than that may
    turn out otherwise. Queries in batches of one give the same bits always.
    """

    pinned_args = frozenset({"checkpoint", "quantizer"})
    """The spec has them with a commit or a hash of their content."""

    def __init__(self, spec: PolicySpec, model: MMACT, adapter: Adapter, options: Options) -> None:
        self.spec = spec
        self._model = model
        self._adapter = adapter
        self._options = options
        self._turns = Turns()

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget with which query their stages began."""
        self._turns.reset(episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """A (8, 7) or (8, 16) float32 chunk for each query; every so often a text and a picture with it.

        Raises:
            UsageError: an observation holds something else than images and numbers of the promised shapes.
        """
        options = self._options
        examples = [self._example(query) for query in queries]
        self._turns.note(queries)
        chunks = self._model.action_chunks(
            examples, seeds(queries, "mmact", "actions"), options.steps, options.action_temperature, options.noise,
            options.decoding == "median",
        )  # fmt: skip
        texts = self._said(queries, examples, options.plan, "plan", self._texts)
        pictures = self._said(queries, examples, options.subgoal, "subgoal", self._pictures)
        return [self._output(*parts) for parts in zip(chunks, texts, pictures, strict=True)]

    def free_weights(self) -> None:
        """Drop the model: replicas of this policy answer, and it is asked nothing any more."""
        vars(self).pop("_model", None)
        free_gpu_memory()

    def _example(self, query: Query) -> Example:
        seen = query.observation
        return Example(self._adapter.views(seen), seen.instruction, self._adapter.vector(seen.state))

    def _output(self, chunk: NDArray[np.float32], text: str | None, picture: NDArray[np.uint8] | None) -> PolicyOutput:
        extras: dict[str, Any] = {}
        if text is not None or picture is not None:
            extras["panel"] = True
        if picture is not None:
            extras["image_of"] = {"camera": self._adapter.cameras[0], "steps": CHUNK}
        return PolicyOutput(chunk, text, picture, extras)

    def _said(
        self,
        queries: Sequence[Query],
        examples: Sequence[Example],
        every: int,
        purpose: str,
        generate: Callable[[list[Example], list[int]], Sequence[Said]],
    ) -> list[Said | None]:
        """What `generate` makes for those queries whose turn it is, a stage's first one always, None for the others."""
        turn = self._turns.due(queries, every)
        if not turn:
            return [None] * len(queries)
        # Plans and pictures were trained without the state.
        asked = [Example(examples[i].images, examples[i].instruction) for i in turn]
        made = generate(asked, seeds([queries[i] for i in turn], "mmact", purpose))
        by_place = dict(zip(turn, made, strict=True))
        return [by_place.get(i) for i in range(len(queries))]

    def _texts(self, examples: list[Example], seeds: list[int]) -> Sequence[str]:
        options = self._options
        return self._model.texts(
            examples, seeds, options.plan_steps, options.plan_temperature, tokens=options.plan_tokens
        )

    def _pictures(self, examples: list[Example], seeds: list[int]) -> Sequence[NDArray[np.uint8]]:
        return self._model.pictures(examples, seeds, self._options.subgoal_steps, self._options.subgoal_temperature)
