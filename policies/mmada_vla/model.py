"""MMaDA-VLA as one object: images, instruction and state in; a chunk of actions and a goal picture out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import images as pictures
from mmact_eval.policies.llada.decoding import Block, Draws, Generators, Step, fill_blocks
from mmact_eval.policies.llada.logits import Batch, Codes, block_logits, unknown_block
from mmact_eval.policies.llada.policy.costs import rehearse_blocks
from mmact_eval.policies.llada.quantizer import Quantizer
from mmact_eval.policies.llada.schedule import compounding
from mmact_eval.policies.llada.tokenizer import Tokenizes
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import MASK
from mmact_eval.policies.mmada_vla.attention import Attention, mask
from mmact_eval.policies.mmada_vla.bins import DECODING, ActionStatistics, to_actions
from mmact_eval.policies.mmada_vla.config import ModelConfig
from mmact_eval.policies.mmada_vla.draws import Draw, GivenDraws
from mmact_eval.policies.mmada_vla.images import stack, to_pixels
from mmact_eval.policies.mmada_vla.prompts import Prompt, PromptBuilder

Images = Sequence[NDArray[np.uint8]] | NDArray[np.int64]
"""[third-person, wrist], (H, W, 3) uint8 each as the environment hands them out, or the (256,) codes of both."""

Record = list[dict[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]]
"""For each step and each of ``action`` and ``goal``: what was drawn or known, and what of it is masked again, (N,)."""

STEPS = 24
REFRESH = 6
"""As released: by its cache the model is asked at every sixth step, and its logits are held in between."""


@dataclass(frozen=True)
class Example:
    """What the model is asked about.

    Attributes:
        images: of both cameras, or their codes: encoding is the slow part on a CPU.
        instruction: the task in words.
        state: 8 (LIBERO) or 15 (CALVIN) numbers, as they are; their type decides how they are written.
    """

    images: Images
    instruction: str
    state: ArrayLike


Answer = tuple[NDArray[np.float64], NDArray[np.int64]]
"""(chunk, 7) actions for the environment, (256,) codes of the goal picture; (0,) of a model that draws none."""


class MMaDAVLA:
    """A loaded model; `mmact_eval.policies.mmada_vla.load` makes one. Equal seeds give equal answers."""

    def __init__(
        self,
        predictor: MaskedTokenPredictor,
        config: ModelConfig,
        quantizer: Quantizer,
        tokenizer: Tokenizes,
        statistics: ActionStatistics,
        robot: str,
        attention: Attention,
    ) -> None:
        self.predictor = predictor
        self.config = config
        self.quantizer = quantizer
        self.tokenizer = tokenizer
        self.statistics = statistics
        self.robot = robot
        self.attention: Attention = attention
        self.not_real = ""
        words, images_as = config.vocabulary, quantizer.config
        if (words.image_tokens, words.codebook) != (images_as.grid**2, 2**images_as.bits):
            raise UsageError(
                f"the transformer reads pictures of {words.image_tokens} codes out of {words.codebook}, and this image "
                f"tokenizer makes {images_as.grid**2} out of {2**images_as.bits}; take the one it was trained with"
            )
        self._prompts = PromptBuilder(tokenizer.encode, config)

    @property
    def device(self) -> torch.device:
        return next(self.predictor.parameters()).device

    # Images and their codes

    def stack(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Both views as one picture, (256, 256, 3) uint8."""
        return stack(images, self.quantizer.config.side)

    def image_codes(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
        """Both views → (256,) int64 codes in [0, 8192), row by row: the upper half is the third-person view's."""
        with torch.inference_mode():
            codes: NDArray[np.int64] = (
                self.quantizer.encode(to_pixels(self.stack(images))[None].to(self.device))[0].cpu().numpy()
            )
            return codes

    def decode_image(self, codes: ArrayLike) -> NDArray[np.float32]:
        """(256,) codes → (256, 256, 3) float32, clipped to [-1, 1], one view above the other.

        Raises:
            UsageError: these are not 256 codes.
        """
        array, words = np.asarray(codes), self.config.vocabulary
        if array.shape != (words.image_tokens,) or array.min() < 0 or array.max() >= words.codebook:
            raise UsageError(f"a picture is {words.image_tokens} codes in [0, {words.codebook})")
        with torch.inference_mode():
            tokens = torch.from_numpy(array.astype(np.int64))[None].to(self.device)
            return pictures.to_array(self.quantizer.decode(tokens)[0])

    # What is asked, and the answer

    def prompt(self, images: Images, instruction: str, state: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sequence: ids (L,) and the block of each (0 pad, 1 task, 2 observation, 3 text, 4 goal, 5 action)."""
        prompt = self._prompt(Example(images, instruction, state))
        return prompt.ids, prompt.blocks

    def logits(
        self, images: Images, instruction: str, state: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of the goal picture (256, 8192) and of the actions (7 · chunk, 256), nothing known of them yet."""
        with torch.inference_mode():
            batch = self._batch([self._prompt(Example(images, instruction, state))])
            action, *goals = self._ask(batch)(unknown_block(batch).split(list(self._lengths.values()), dim=1))
            none = np.zeros((0, self.config.vocabulary.codebook), np.float32)
            return goals[0][0].float().cpu().numpy() if goals else none, action[0].float().cpu().numpy()

    def generate(
        self,
        images: Images,
        instruction: str,
        state: ArrayLike,
        steps: int = STEPS,
        seed: int = 0,
        refresh: int = REFRESH,
        temperature: float = 1.0,
        noise: float = 1.0,
        draws: Draw | None = None,
        record: Record | None = None,
        decoding: str = "sample",
    ) -> Answer:
        """A chunk of actions, (chunk, 7) float64 for the environment, and the (256,) codes of the goal picture.

        Args:
            images, instruction, state: as in `Example`.
            steps: steps of decoding, for both.
            seed: of the draws.
            refresh: a pass through the model at every so many steps, the first always; logits are held in between.
            temperature: of sampling; 0 takes the most likely token.
            noise: Gumbel noise in the choice of what is masked again; it fades from step to step.
            draws: random numbers in place of the seed's, see `draws.Draw`.
            record: each step appends what it did.
            decoding: ``sample``, or ``median``: of actions the bin in the middle of the distribution, which is another
                policy; the goal is drawn either way.

        Raises:
            UsageError: an image, a state or a number makes no sense.
        """
        source = None if draws is None else GivenDraws(draws, self.device)
        kept: list[Step] = []
        answer = self._generate(
            [Example(images, instruction, state)], [seed], steps, refresh, temperature, noise, decoding, source, kept
        )[0]
        if record is not None:
            record += [{name: (codes[0].cpu().numpy(), again[0].cpu().numpy()) for name, (codes, again) in step.items()}
                       for step in kept]  # fmt: skip
        return answer

    def chunks(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = STEPS,
        refresh: int = REFRESH,
        temperature: float = 1.0,
        noise: float = 1.0,
        decoding: str = "sample",
    ) -> list[Answer]:
        """`generate` for several examples at once, with a seed for each."""
        return self._generate(examples, seeds, steps, refresh, temperature, noise, decoding, None, None)

    def _generate(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int,
        refresh: int,
        temperature: float,
        noise: float,
        decoding: str,
        draws: Draws | None,
        record: list[Step] | None,
    ) -> list[Answer]:
        _check(examples, seeds, steps, refresh, temperature, noise)
        if decoding not in DECODING:
            raise UsageError(f"MMaDA-VLA's decoding must be {' or '.join(DECODING)}, got {decoding!r}")
        with torch.inference_mode():
            batch = self._batch([self._prompt(example) for example in examples])
            fading = compounding(noise, steps)
            blocks = [
                Block(length, fading, name, median=name == "action" and decoding == "median")
                for name, length in self._lengths.items()
            ]
            bins, *goals = fill_blocks(
                self._ask(batch),
                blocks,
                draws or Generators(seeds, self.device),
                len(examples),
                device=self.device,
                temperature=temperature,
                refresh=refresh,
                record=record,
            )
        chunks = bins.cpu().numpy().reshape(len(examples), self.config.chunk, -1)
        size = self.config.vocabulary.bins
        acted = [to_actions(chunk, self.statistics, self.robot, size) for chunk in chunks]
        drawn = goals[0].cpu().numpy() if goals else np.zeros((len(examples), 0), np.int64)
        return list(zip(acted, drawn, strict=True))

    def rehearse(self, examples: Sequence[Example], passes: int) -> None:
        """The passes of an answer with nothing drawn in between; of examples whose pictures are given as codes."""
        rehearse_blocks(
            self.predictor, self._batch([self._prompt(example) for example in examples]), self._codes, passes
        )

    @property
    def _lengths(self) -> dict[str, int]:
        """Of the blocks, actions first: in this order their random numbers are drawn."""
        lengths = {"action": self.config.action_tokens}
        return lengths | {"goal": self.config.goal_tokens} if self.config.goal else lengths

    def _prompt(self, example: Example) -> Prompt:
        images = example.images
        given = isinstance(images, np.ndarray) and images.ndim == 1
        codes = images if given else self.image_codes(cast(Sequence[NDArray[np.uint8]], images))
        return self._prompts.prompt(codes, example.instruction, example.state)

    def _batch(self, prompts: Sequence[Prompt]) -> Batch:
        ids = np.stack([prompt.ids for prompt in prompts])
        places = np.stack([np.concatenate([prompt.action, prompt.goal]) for prompt in prompts])
        attention = mask(self.attention, [prompt.blocks for prompt in prompts], self.device)
        tokens, where = (torch.from_numpy(array).to(self.device) for array in (ids, places))
        return Batch(tokens, attention, where, self.config.vocabulary.special(MASK))

    def _ask(self, batch: Batch) -> Callable[[Sequence[Tensor]], list[Tensor]]:
        return block_logits(self.predictor, batch, self._codes)

    @property
    def _codes(self) -> list[Codes]:
        words = self.config.vocabulary
        ids = {"action": (words.action_offset, words.bins), "goal": (words.image_offset, words.codebook)}
        return [Codes(length, *ids[name]) for name, length in self._lengths.items()]


def _check(examples: Sequence[Example], seeds: Sequence[int], steps: int, refresh: int, *not_negative: float) -> None:
    if not examples or len(examples) != len(seeds):
        raise UsageError(f"MMaDA-VLA takes one seed for each example, got {len(examples)} and {len(seeds)}")
    for name, number in (("steps", steps), ("refresh", refresh)):
        if type(number) is not int or number < 1:
            raise UsageError(f"MMaDA-VLA's {name} must be an integer ≥ 1, got {number!r}")
    if not all(0 <= number < float("inf") for number in not_negative):
        raise UsageError("MMaDA-VLA's temperature and noise must not be negative, NaN or infinite")
