"""MM-ACT as one object: images, instruction and state in; actions, text and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import images
from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.policies.llada.decoding import Generators, fill_codes
from mmact_eval.policies.llada.logits import Batch, code_logits, guided, text_logits, unknown_block
from mmact_eval.policies.llada.quantizer import Quantizer
from mmact_eval.policies.llada.schedule import compounding, fading
from mmact_eval.policies.llada.tokenizer import Tokenizes
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import MASK
from mmact_eval.policies.mmact.bins import from_bins
from mmact_eval.policies.mmact.packing import PadMask, pack
from mmact_eval.policies.mmact.prompts import CHUNK, Embodiment, Prompt, PromptBuilder
from mmact_eval.policies.mmact.text_decoding import fill_text

TEXT_TOKENS = 256  # length of a generated text
TEXT_STEPS = 64
IMAGE_STEPS = 18

Purpose = Literal["actions", "text", "picture"]

Views = Sequence[NDArray[np.uint8] | NDArray[np.int64]]
"""(H, W, 3) uint8 each, or their codes: encoding is the slow part of a small model."""


@dataclass(frozen=True)
class Example:
    """What the model is asked about.

    Attributes:
        images: (H, W, 3) uint8 each: the scene and the wrist view (one arm), or head, left and right wrist (two arms);
            or their codes, (256,) int64.
        instruction: the task in words.
        state: 8 numbers (one arm) or 16 (two arms) in the convention the checkpoint was trained with, clipped to
            [-1, 1]. Actions need it. For text and pictures, None leaves it out, as the published training does.
    """

    images: Views
    instruction: str
    state: ArrayLike | None = None


class MMACT:
    """A loaded model; `mmact_eval.policies.mmact.load` makes one. All methods are deterministic given their seeds.

    The methods in the plural take examples of one embodiment and one seed for each. An example gets the same answer
    whatever else is in the batch, up to rounding.
    """

    def __init__(
        self,
        predictor: MaskedTokenPredictor,
        quantizer: Quantizer,
        tokenizer: Tokenizes,
        pad_mask: PadMask,
        embodiment: Embodiment | None = None,
    ) -> None:
        self.predictor = predictor
        self.quantizer = quantizer
        self.tokenizer = tokenizer
        self.pad_mask = pad_mask
        self.not_real = ""
        words, images_as = predictor.config.vocabulary, quantizer.config
        if (words.image_tokens, words.codebook) != (images_as.grid**2, 2**images_as.bits):
            raise UsageError(
                f"the transformer reads pictures of {words.image_tokens} codes out of {words.codebook}, and this image "
                f"tokenizer makes {images_as.grid**2} out of {2**images_as.bits}; take the one it was trained with"
            )
        self._prompts = PromptBuilder(tokenizer.encode, predictor.config.vocabulary, embodiment)

    @property
    def config(self) -> TransformerConfig:
        return self.predictor.config

    @property
    def device(self) -> torch.device:
        return next(self.predictor.parameters()).device

    # Images and their codes

    def image_codes(self, image: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(H, W, 3) uint8 → (256,) int64 codes in [0, 8192), row by row.

        Images are encoded one at a time: a code is made of signs, and another batch size may round one the other way.
        """
        with torch.inference_mode():
            codes = self.quantizer.encode(images.to_pixels(image, self.quantizer.config.side)[None].to(self.device))[0]
            array: NDArray[np.int64] = codes.cpu().numpy()
            return array

    def decode_image(self, codes: ArrayLike) -> NDArray[np.float32]:
        """(256,) codes → (256, 256, 3) float32, clipped to [-1, 1].

        Raises:
            UsageError: these are not 256 codes.
        """
        array = np.asarray(codes)
        words = self.config.vocabulary
        if array.shape != (words.image_tokens,) or array.min() < 0 or array.max() >= words.codebook:
            raise UsageError(f"a picture is {words.image_tokens} codes in [0, {words.codebook})")
        with torch.inference_mode():
            tokens = torch.from_numpy(array.astype(np.int64))[None].to(self.device)
            return images.to_array(self.quantizer.decode(tokens)[0])

    # Actions

    def action_prompt(
        self, images: Views, instruction: str, state: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
        """The sequence that asks for actions, at its published length (1024 or 1120).

        Returns:
            ids (L,), mask (L,) that is False at pads, and the index of ``<soa>``; the block of masks follows it.
        """
        prompt = self._action_prompt(Example(images, instruction, state))
        return prompt.ids, prompt.mask, prompt.start

    def action_logits(self, images: Views, instruction: str, state: ArrayLike) -> NDArray[np.float32]:
        """Logits of the 2048 bins for all numbers of a chunk, nothing known of it yet: (chunk · dim, 2048) float32."""
        with torch.inference_mode():
            batch = pack([self._action_prompt(Example(images, instruction, state))], self.device, self.pad_mask)
            logits: NDArray[np.float32] = self._action_logits(batch)(unknown_block(batch))[0].float().cpu().numpy()
            return logits

    def actions(
        self,
        images: Views,
        instruction: str,
        state: ArrayLike,
        steps: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        noise: float = 0.0,
        median: bool = False,
    ) -> NDArray[np.float32]:
        """A chunk of actions, (8, 7) or (8, 16) float32 in [-1, 1], in the convention of the training data.

        Args:
            images, instruction, state: as in `Example`.
            steps: steps of decoding; 1 is a single pass through the model, the published default.
            seed: of the draws.
            temperature: of sampling; 1 is the published policy, 0 takes the most likely bin, which is another policy.
            noise: Gumbel noise in the choice of what is masked again; 0 in the published policy.
            median: take the middle of the distribution instead of drawing from it: another policy too.

        Raises:
            UsageError: wrong number of views, width of state, type of image, steps or temperature.
        """
        return self.action_chunks([Example(images, instruction, state)], [seed], steps, temperature, noise, median)[0]

    def action_chunks(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = 1,
        temperature: float = 1.0,
        noise: float = 0.0,
        median: bool = False,
    ) -> list[NDArray[np.float32]]:
        """`actions` for several examples at once."""
        _check(examples, seeds, steps, temperature, noise)
        with torch.inference_mode():
            prompts = [self._action_prompt(example) for example in examples]
            batch = pack(_same_block(prompts), self.device, self.pad_mask)
            bins = fill_codes(
                self._action_logits(batch),
                prompts[0].block,
                Generators(seeds, self.device),
                len(prompts),
                device=self.device,
                temperature=temperature,
                noise=fading(noise, steps),
                median=median,
            )
        return [from_bins(row, self.config.vocabulary.bins).reshape(CHUNK, -1) for row in bins.cpu().numpy()]

    # Text

    def generate_text(
        self,
        images: Views,
        instruction: str,
        state: ArrayLike | None = None,
        steps: int = TEXT_STEPS,
        temperature: float = 0.0,
        guidance: float = 0.0,
        seed: int = 0,
        tokens: int = TEXT_TOKENS,
    ) -> str:
        """The model's description of the sub-task.

        Args:
            images, instruction, state: as in `Example`.
            steps: steps of decoding, at most `tokens`.
            temperature: of sampling; 0 takes the most likely token.
            guidance: how far to go beyond the logits, away from those with everything before the text masked.
            seed: of the draws.
            tokens: length of the block the text is written into; the text ends at the first end-of-text in it.

        Raises:
            UsageError: as `actions`.
        """
        return self.texts([Example(images, instruction, state)], [seed], steps, temperature, guidance, tokens)[0]

    def texts(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = TEXT_STEPS,
        temperature: float = 0.0,
        guidance: float = 0.0,
        tokens: int = TEXT_TOKENS,
    ) -> list[str]:
        """`generate_text` for several examples at once."""
        return [
            self.tokenizer.decode(row.tolist())
            for row in self.text_tokens(examples, seeds, steps, temperature, guidance, tokens)
        ]

    def text_tokens(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = TEXT_STEPS,
        temperature: float = 0.0,
        guidance: float = 0.0,
        tokens: int = TEXT_TOKENS,
    ) -> NDArray[np.int64]:
        """The ids behind `texts`: (B, tokens) int64."""
        _check(examples, seeds, steps, temperature, guidance)
        if not 1 <= steps <= tokens:
            raise UsageError(f"MM-ACT writes {tokens} tokens of text in 1 to {tokens} steps, got {steps}")
        with torch.inference_mode():
            prompts = [self._text_prompt(example, tokens) for example in examples]
            away = [prompt.without_context() for prompt in prompts] if guidance else None
            ids = fill_text(
                guided(self._text_logits(prompts), self._text_logits(away) if away else None, guidance),
                tokens,
                Generators(seeds, self.device),
                len(prompts),
                device=self.device,
                temperature=temperature,
                steps=steps,
                mask_id=self.config.vocabulary.special(MASK),
            )
            array: NDArray[np.int64] = ids.cpu().numpy()
            return array

    # Pictures

    def generate_image(
        self,
        images: Views,
        instruction: str,
        state: ArrayLike | None = None,
        steps: int = IMAGE_STEPS,
        temperature: float = 1.0,
        noise: float = 0.0,
        guidance: float = 0.0,
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        """The picture the model expects of the head view a chunk later: (256, 256, 3) uint8.

        Args:
            images, instruction, state: as in `Example`.
            steps: steps of decoding.
            temperature: of sampling; 1 as published, 0 takes the most likely code.
            noise: Gumbel noise in the choice of what is masked again; decays from step to step.
            guidance: g in (1 + g) · logits − g · logits of the same sequence without instruction, state and views.
            seed: of the draws.

        Raises:
            UsageError: as `actions`.
        """
        return self.pictures([Example(images, instruction, state)], [seed], steps, temperature, noise, guidance)[0]

    def pictures(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = IMAGE_STEPS,
        temperature: float = 1.0,
        noise: float = 0.0,
        guidance: float = 0.0,
    ) -> list[NDArray[np.uint8]]:
        """`generate_image` for several examples at once."""
        codes = self.picture_codes(examples, seeds, steps, temperature, noise, guidance)
        return [images.to_uint8(self.decode_image(row)) for row in codes]

    def picture_codes(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        steps: int = IMAGE_STEPS,
        temperature: float = 1.0,
        noise: float = 0.0,
        guidance: float = 0.0,
    ) -> NDArray[np.int64]:
        """The codes behind `pictures`: (B, 256) int64."""
        _check(examples, seeds, steps, temperature, noise, guidance)
        with torch.inference_mode():
            codes = [self._codes(example) for example in examples]
            asked = list(zip(codes, examples, strict=True))
            prompts = [self._image_prompt(c, e) for c, e in asked]
            away = [self._prompts.empty_image(c, e.state) for c, e in asked] if guidance else None
            filled = fill_codes(
                guided(self._picture_logits(prompts), self._picture_logits(away) if away else None, guidance),
                self.config.vocabulary.image_tokens,
                Generators(seeds, self.device),
                len(prompts),
                device=self.device,
                temperature=temperature,
                noise=compounding(noise, steps),
            )
            array: NDArray[np.int64] = filled.cpu().numpy()
            return array

    # From examples to logits

    def prompt(self, purpose: Purpose, example: Example, tokens: int = TEXT_TOKENS) -> Prompt:
        """The sequence that asks for something, with its pads only if they are attended to.

        Raises:
            UsageError: as `actions`.
        """
        if purpose == "actions":
            prompt = self._action_prompt(example)
        elif purpose == "text":
            prompt = self._text_prompt(example, tokens)
        else:
            prompt = self._image_prompt(self._codes(example), example)
        return prompt if self.pad_mask == "additive" else prompt.without_pads()

    def _codes(self, example: Example) -> list[NDArray[np.int64]]:
        return [
            cast("NDArray[np.int64]", image) if np.ndim(image) == 1 else self.image_codes(image)  # type: ignore[arg-type]
            for image in example.images
        ]

    def _action_prompt(self, example: Example) -> Prompt:
        if example.state is None:
            raise UsageError("MM-ACT needs a state to predict actions")
        return self._prompts.action(self._codes(example), example.instruction, example.state)

    def _text_prompt(self, example: Example, tokens: int) -> Prompt:
        return self._fitting(self._prompts.text(self._codes(example), example.instruction, example.state, tokens))

    def _image_prompt(self, codes: list[NDArray[np.int64]], example: Example) -> Prompt:
        return self._fitting(self._prompts.image(codes, example.instruction, example.state))

    def _fitting(self, prompt: Prompt) -> Prompt:
        if len(prompt.ids) > self.config.max_sequence_length:
            raise UsageError(
                f"instruction, views and {prompt.block} tokens to generate make a sequence of {len(prompt.ids)}; "
                f"the model's limit is {self.config.max_sequence_length}"
            )
        return prompt

    def _action_logits(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        vocabulary = self.config.vocabulary
        return code_logits(self.predictor, batch, vocabulary.action_offset, vocabulary.bins)

    def _picture_logits(self, prompts: Sequence[Prompt]) -> Callable[[Tensor], Tensor]:
        vocabulary = self.config.vocabulary
        batch = pack(prompts, self.device, self.pad_mask)
        return code_logits(self.predictor, batch, vocabulary.image_offset, vocabulary.codebook)

    def _text_logits(self, prompts: Sequence[Prompt]) -> Callable[[Tensor, Tensor], Tensor]:
        return text_logits(self.predictor, pack(prompts, self.device, self.pad_mask))


def _check(examples: Sequence[Example], seeds: Sequence[int], steps: int, *not_negative: float) -> None:
    if not examples or len(examples) != len(seeds):
        raise UsageError(f"MM-ACT takes one seed for each example, got {len(examples)} and {len(seeds)}")
    if type(steps) is not int or steps < 1:
        raise UsageError(f"MM-ACT decodes in an integer number of steps ≥ 1, got {steps!r}")
    if not all(0 <= number < float("inf") for number in not_negative):
        raise UsageError("MM-ACT's temperature, noise and guidance must not be negative, NaN or infinite")


def _same_block(prompts: Sequence[Prompt]) -> Sequence[Prompt]:
    if len({prompt.block for prompt in prompts}) > 1:
        raise UsageError("MM-ACT takes examples of one arm and of two arms in separate batches")
    return prompts
