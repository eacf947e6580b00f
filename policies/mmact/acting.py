"""MM-ACT behind the policy protocol: from queries to chunks of actions, plans and pictures of sub-goals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mmact_eval.policies.llada.logits import Codes
from mmact_eval.policies.llada.policy.costs import (
    answer_cost,
    rehearse_blocks,
    rehearse_decoding,
    rehearse_encoding,
    rehearse_text,
    token_kinds,
)
from mmact_eval.policies.llada.policy.freeing import free_gpu_memory
from mmact_eval.policies.llada.policy.turns import Turns, seeds
from mmact_eval.policies.mmact.adapters import Adapter
from mmact_eval.policies.mmact.model import MMACT, Example, Purpose
from mmact_eval.policies.mmact.options import Options
from mmact_eval.policies.mmact.packing import pack
from mmact_eval.policies.mmact.prompts import CHUNK
from mmact_eval.specs import PolicySpec
from mmact_eval.types import AnswerCost, Episode, PolicyOutput, Query, TokenPasses

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

    def describe_cost(self, query: Query) -> AnswerCost:
        """The sequences behind the answer: of the actions, and of a text and a picture where it is their turn."""
        model, words = self._model, self._model.config.vocabulary
        sequences = []
        for purpose, passes in self._asked_for(query):
            prompt = model.prompt(purpose, self._unseen(query, purpose), self._options.plan_tokens)
            sequences.append(TokenPasses(purpose, token_kinds(prompt.ids, words), passes))
        return answer_cost(model.predictor, model.quantizer, sequences)

    def rehearse(self, queries: Sequence[Query]) -> None:
        """The passes that `act` makes, with pictures of one colour and nothing drawn."""
        model, words = self._model, self._model.config.vocabulary
        asked = [(query, purpose, passes) for query in queries for purpose, passes in self._asked_for(query)]
        with torch.inference_mode():
            for purpose, passes in dict.fromkeys((purpose, passes) for _, purpose, passes in asked):
                of_it = [query for query, other, _ in asked if other == purpose]
                examples = [self._unseen(query, purpose) for query in of_it]
                rehearse_encoding(model.quantizer, len(examples) * len(self._adapter.cameras))
                prompts = [model.prompt(purpose, example, self._options.plan_tokens) for example in examples]
                batch = pack(prompts, model.device, model.pad_mask)
                length = prompts[0].block
                if purpose == "text":
                    rehearse_text(model.predictor, batch, passes)
                elif purpose == "actions":
                    blocks = [Codes(length, words.action_offset, words.bins)]
                    rehearse_blocks(model.predictor, batch, blocks, passes)
                else:
                    blocks = [Codes(length, words.image_offset, words.codebook)]
                    rehearse_blocks(model.predictor, batch, blocks, passes)
                    rehearse_decoding(model.quantizer, len(of_it))

    def _asked_for(self, query: Query) -> list[tuple[Purpose, int]]:
        """What an answer holds, and the passes that it takes."""
        options = self._options
        found: list[tuple[Purpose, int]] = [("actions", options.steps)]
        if self._turns.due([query], options.plan):
            found.append(("text", options.plan_steps))
        if self._turns.due([query], options.subgoal):
            found.append(("picture", options.subgoal_steps))
        return found

    def _unseen(self, query: Query, purpose: Purpose) -> Example:
        """What the model is asked about, with codes that nobody has to compute in place of pictures."""
        seen = query.observation
        codes = [np.zeros(self._model.config.vocabulary.image_tokens, np.int64)] * len(self._adapter.cameras)
        return Example(codes, seen.instruction, self._adapter.vector(seen.state) if purpose == "actions" else None)

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
