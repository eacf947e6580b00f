"""MMaDA-VLA behind the policy protocol: from queries to chunks of actions and pictures of the goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmact_eval.policies.llada.images import to_uint8
from mmact_eval.policies.llada.policy.costs import answer_cost, rehearse_decoding, rehearse_encoding, token_kinds
from mmact_eval.policies.llada.policy.freeing import free_gpu_memory
from mmact_eval.policies.llada.policy.turns import Turns, seeds
from mmact_eval.policies.mmada_vla.images import third_person
from mmact_eval.policies.mmada_vla.model import Example, MMaDAVLA
from mmact_eval.policies.mmada_vla.policy.adapters import Adapter, as_trained
from mmact_eval.policies.mmada_vla.policy.options import Options
from mmact_eval.specs import PolicySpec
from mmact_eval.types import AnswerCost, Episode, PolicyOutput, Query, TokenPasses


class MmadaVlaPolicy:
    """Answers batches of queries with one batched call of the model.

    What is drawn at random depends on the run's seed, the episode and the number of the query. The batch only has a
    part in the rounding of logits, about 1e-6 in float32; a draw that falls between two codes by less than that may
    turn out otherwise. Queries in batches of one give the same bits always.
    """

    pinned_args = frozenset({"checkpoint", "quantizer", "tokenizer", "action_stats"})
    """The spec has them with a commit or a hash of their content."""

    def __init__(self, spec: PolicySpec, model: MMaDAVLA, adapter: Adapter, options: Options) -> None:
        self.spec = spec
        self._model = model
        self._adapter = adapter
        self._options = options
        self._turns = Turns()

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget with which query their stages began; nothing else is known of them."""
        self._turns.reset(episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """A (chunk, 7) float32 chunk for each query, with the codes of its goal if the model draws one; every so often
        the picture as well.

        Raises:
            UsageError: an observation holds something else than images and numbers of the promised shapes.
        """
        options = self._options
        self._turns.note(queries)
        answers = self._model.chunks(
            [self._example(query) for query in queries], seeds(queries, "mmada-vla", "answer"),
            options.steps, options.refresh, options.temperature, options.noise, options.decoding,
        )  # fmt: skip
        shown = self._turns.due(queries, options.goal if self._model.config.goal else 0)
        return [self._output(*answer, place in shown) for place, answer in enumerate(answers)]

    def free_weights(self) -> None:
        """Drop the model: replicas of this policy answer, and it is asked nothing any more."""
        vars(self).pop("_model", None)
        free_gpu_memory()

    def describe_cost(self, query: Query) -> AnswerCost:
        """One sequence for actions and goal, pads included: they count as places."""
        model = self._model
        unseen = self._unseen(query)
        ids, _ = model.prompt(unseen.images, unseen.instruction, unseen.state)
        sequence = TokenPasses("actions", token_kinds(ids, model.config.vocabulary), self._passes)
        return answer_cost(model.predictor, model.quantizer, [sequence])

    def rehearse(self, queries: Sequence[Query]) -> None:
        """The passes that `act` makes, with pictures of one colour and nothing drawn."""
        with torch.inference_mode():
            rehearse_encoding(self._model.quantizer, len(queries))
            self._model.rehearse([self._unseen(query) for query in queries], self._passes)
            shown = self._turns.due(queries, self._options.goal if self._model.config.goal else 0)
            rehearse_decoding(self._model.quantizer, len(shown))

    @property
    def _passes(self) -> int:
        return math.ceil(self._options.steps / self._options.refresh)

    def _unseen(self, query: Query) -> Example:
        """What the model is asked about, with codes that nobody has to compute in place of the picture."""
        codes = np.zeros(self._model.config.vocabulary.image_tokens, np.int64)
        return Example(codes, self._words(query), self._adapter.vector(query.observation.state))

    def _words(self, query: Query) -> str:
        words = query.observation.instruction
        return as_trained(query.episode.task, words) if self._options.instruction == "as_trained" else words

    def _example(self, query: Query) -> Example:
        seen = query.observation
        return Example(self._adapter.views(seen), self._words(query), self._adapter.vector(seen.state))

    def _output(self, chunk: NDArray[np.float64], goal: NDArray[np.int64], shown: bool) -> PolicyOutput:
        extras: dict[str, Any] = {"goal_codes": goal} if len(goal) else {}
        picture = None
        if shown:
            picture = third_person(to_uint8(self._model.decode_image(goal)))
            extras |= {"panel": True, "image_of": {"camera": self._adapter.cameras[0], "steps": len(chunk)}}
        return PolicyOutput(chunk.astype(np.float32), None, picture, extras)
