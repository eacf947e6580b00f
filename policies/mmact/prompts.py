"""The token sequences MM-ACT was trained on, for one arm and for two.

A sequence is a task token, the instruction, the state, the views, the number of action dimensions and a block of masks
to be filled in. Each phrase is tokenized by itself; a joined string would give other tokens at the seams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import vocabulary as ids
from mmact_eval.policies.llada.vocabulary import Vocabulary
from mmact_eval.policies.mmact import vocabulary as own
from mmact_eval.policies.mmact.bins import to_bins
from mmact_eval.policies.mmact.vocabulary import PUBLISHED

CHUNK = 8  # actions in a block

HEAD_VIEW = "The third/head view of robot is:"
WRIST_VIEW = "The wrist view of robot is:"
LEFT_WRIST_VIEW = "The left wrist view of robot is:"
RIGHT_WRIST_VIEW = "The right wrist view of robot is:"
STATE = "The current states of robot is:"
ACTION_DIM = "Robot's action dim is:"


@dataclass(frozen=True)
class Embodiment:
    """What the prompts for one kind of robot look like.

    Attributes:
        name: in words.
        views: the phrase before each view.
        state: numbers in a state.
        dim: numbers in an action.
        dim_token: the token that states the number of action dimensions (not always truthfully).
        total: published length of a sequence, pads included.
        trailing_pads: pads behind an action block.
    """

    name: str
    views: tuple[str, ...]
    state: int
    dim: int
    dim_token: int
    total: int
    trailing_pads: int

    @property
    def action_tokens(self) -> int:
        return CHUNK * self.dim

    @property
    def action_slot(self) -> int:
        """Published length of what stands before an action block, left pads included."""
        return self.total - self.action_tokens - 2 - self.trailing_pads


ONE_ARM = Embodiment("one arm", (HEAD_VIEW, WRIST_VIEW), 8, 7, own.DIM_7, 1024, trailing_pads=CHUNK * 7)
TWO_ARMS = Embodiment(
    "two arms", (HEAD_VIEW, LEFT_WRIST_VIEW, RIGHT_WRIST_VIEW), 16, 16, own.DIM_14, 1120, trailing_pads=0
)
EMBODIMENTS = (ONE_ARM, TWO_ARMS)


@dataclass(frozen=True)
class Prompt:
    """A sequence with a block of masks to be filled in.

    Attributes:
        ids: (L,) int64.
        mask: (L,) bool, False at pads.
        start: index of the token right before the block (``<soa>`` or ``<soi>``, the last prompt token for text).
        block: length of the block.
        vocabulary: of the ids.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    start: int
    block: int
    vocabulary: Vocabulary = PUBLISHED

    def without_pads(self) -> Prompt:
        """The same sequence without its pads. Nothing attends to a pad, and only distances matter: the same logits."""
        start = int(self.mask[: self.start].sum())
        return replace(self, ids=self.ids[self.mask], mask=self.mask[self.mask], start=start)

    def padded_to(self, length: int) -> Prompt:
        """The same sequence with pads added on its left."""
        pads = length - len(self.ids)
        pad = self.vocabulary.special(ids.PAD)
        tokens, mask = np.pad(self.ids, (pads, 0), constant_values=pad), np.pad(self.mask, (pads, 0))
        return replace(self, ids=tokens, mask=mask, start=self.start + pads)

    def without_context(self) -> Prompt:
        """The same length with everything before the block masked: what text generation is guided away from."""
        unknown = self.ids.copy()
        unknown[: self.start + 1] = self.vocabulary.special(ids.MASK)
        return replace(self, ids=unknown)


def embodiment_for(state: ArrayLike | None, views: int) -> Embodiment:
    """The embodiment with this width of state and number of views; by the views alone if there is no state.

    Raises:
        UsageError: there is none, or state and views disagree.
    """
    if state is None:
        for embodiment in EMBODIMENTS:
            if len(embodiment.views) == views:
                return embodiment
        raise UsageError(f"MM-ACT takes 2 views (one arm) or 3 (two arms), got {views}")
    shape = np.shape(state)
    for embodiment in EMBODIMENTS:
        if shape == (embodiment.state,):
            if len(embodiment.views) != views:
                raise UsageError(
                    f"a state of {embodiment.state} numbers means {embodiment.name} and {len(embodiment.views)} views, "
                    f"got {views}"
                )
            return embodiment
    raise UsageError(f"MM-ACT takes a state of 8 numbers (one arm) or 16 (two arms), got shape {shape}")


class PromptBuilder:
    """Builds prompts from image codes, instruction and state.

    Args:
        encode: text → ids.
        vocabulary: where image codes and bins lie.
        embodiment: of all prompts; None to tell it by states and views.
    """

    def __init__(
        self, encode: Callable[[str], list[int]], vocabulary: Vocabulary, embodiment: Embodiment | None = None
    ) -> None:
        self._encode = encode
        self._vocabulary = vocabulary
        self._embodiment = embodiment
        phrases = (HEAD_VIEW, WRIST_VIEW, LEFT_WRIST_VIEW, RIGHT_WRIST_VIEW, STATE, ACTION_DIM)
        self._phrases = {phrase: encode(phrase) for phrase in phrases}

    def action(self, codes: Sequence[ArrayLike], instruction: str, state: ArrayLike) -> Prompt:
        """The sequence that asks for actions, at the published length (1024 or 1120), pads included.

        Args:
            codes: the image codes of each view (256, as published), in the embodiment's order.
            instruction: the task in words, as the benchmark has it.
            state: 8 numbers (one arm) or 16 (two arms), in the model's convention; clipped to [-1, 1].

        Raises:
            UsageError: wrong number of views or state numbers, or an instruction too long for the published length.
        """
        embodiment = self._robot(state, len(codes))
        special = self._vocabulary.special
        context = [*self._context(own.TASK_ACTION, embodiment, codes, instruction, state), special(ids.EOS)]
        block = embodiment.action_tokens
        left = embodiment.action_slot - len(context)
        if left < 0:
            # Upstream cuts the end off, which takes views with it; no benchmark has instructions that long.
            raise UsageError(
                f"the prompt has {len(context)} tokens and MM-ACT was trained with at most {embodiment.action_slot}; "
                f"shorten the instruction: {instruction[:60]!r}"
            )
        tokens = [
            *[special(ids.PAD)] * left,
            *context,
            special(own.ACTION_START),
            *[special(ids.MASK)] * block,
            special(own.ACTION_END),
            *[special(ids.PAD)] * embodiment.trailing_pads,
        ]
        mask = np.ones(len(tokens), dtype=bool)
        mask[:left] = False
        mask[len(tokens) - embodiment.trailing_pads :] = False
        return Prompt(np.array(tokens), mask, left + len(context), block, self._vocabulary)

    def image(self, codes: Sequence[ArrayLike], instruction: str, state: ArrayLike | None = None) -> Prompt:
        """The sequence that asks for the picture a chunk later.

        Left-padded to the embodiment's length, as in training; longer if it has to be (with the state of two arms,
        say), as in the released evaluation. Arguments and errors as for `action`, but for the length; without a state,
        the phrase about it is left out too.
        """
        embodiment = self._robot(state, len(codes))
        context = self._context(own.TASK_IMAGE, embodiment, codes, instruction, state)
        return self._image([*context, self._vocabulary.special(ids.EOS)], embodiment)

    def empty_image(self, codes: Sequence[ArrayLike], state: ArrayLike | None = None) -> Prompt:
        """The sequence that asks for any picture: what image generation is guided away from."""
        context = [self._vocabulary.special(token) for token in (own.TASK_IMAGE, ids.BOS, ids.EOS)]
        return self._image(context, self._robot(state, len(codes)))

    def text(
        self, codes: Sequence[ArrayLike], instruction: str, state: ArrayLike | None = None, block: int = 256
    ) -> Prompt:
        """The sequence that asks for a description of the sub-task, without pads.

        Arguments and errors as for `action`, but for the length; without a state, the phrase about it is left out too.
        """
        embodiment = self._robot(state, len(codes))
        context = self._context(own.TASK_TEXT, embodiment, codes, instruction, state)
        tokens = np.array([*context, *[self._vocabulary.special(ids.MASK)] * block])
        return Prompt(tokens, np.ones(len(tokens), dtype=bool), len(context) - 1, block, self._vocabulary)

    def _robot(self, state: ArrayLike | None, views: int) -> Embodiment:
        return self._embodiment or embodiment_for(state, views)

    def _context(
        self, task: int, embodiment: Embodiment, codes: Sequence[ArrayLike], instruction: str, state: ArrayLike | None
    ) -> list[int]:
        special = self._vocabulary.special
        text, bos = self._encode(instruction), special(ids.BOS)
        context = [special(task), *([] if text[:1] == [bos] else [bos]), *text]
        if state is not None:
            bins = to_bins(state, self._vocabulary.bins) + self._vocabulary.action_offset
            context += [*self._phrases[STATE], special(own.STATE_START), *bins.tolist(), special(own.STATE_END)]
        for phrase, view in zip(embodiment.views, codes, strict=True):
            image = self._image_ids(view)
            context += [*self._phrases[phrase], special(ids.IMAGE_START), *image, special(ids.IMAGE_END)]
        return [*context, *self._phrases[ACTION_DIM], special(embodiment.dim_token)]

    def _image_ids(self, codes: ArrayLike) -> list[int]:
        array = np.asarray(codes)
        if (
            array.shape != (self._vocabulary.image_tokens,)
            or array.min() < 0
            or array.max() >= self._vocabulary.codebook
        ):
            raise UsageError(f"a view is {self._vocabulary.image_tokens} image codes below {self._vocabulary.codebook}")
        tokens: list[int] = (array.astype(np.int64) + self._vocabulary.image_offset).tolist()
        return tokens

    def _image(self, context: list[int], embodiment: Embodiment) -> Prompt:
        special, block = self._vocabulary.special, self._vocabulary.image_tokens
        left = max(0, embodiment.total - block - 2 - len(context))
        picture = [special(ids.IMAGE_START), *[special(ids.MASK)] * block, special(ids.IMAGE_END)]
        tokens = [*[special(ids.PAD)] * left, *context, *picture]
        mask = np.arange(len(tokens)) >= left
        return Prompt(np.array(tokens), mask, left + len(context), block, self._vocabulary)
