"""Filling in a block of masks: in one step or several, keeping at each step what the model is surest of.

Each example has its own random generator, on the CPU: what it draws depends on its seed alone, not on the batch it is
in or the device the model is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmact_eval.policies.llada.schedule import masked_after, uncovered_at
from mmact_eval.policies.llada.vocabulary import MASK

UNKNOWN = -1  # a code that is still masked
TINY = 1e-20


class Generators:
    """A random generator for each example of a batch."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._device = device

    def exponential(self, *shape: int) -> Tensor:
        """(B, *shape) float32, exponentially distributed with mean 1."""
        return self._draw(lambda g: torch.empty(shape).exponential_(generator=g))

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """(B, *shape) in [0, 1)."""
        return self._draw(lambda g: torch.rand(shape, generator=g, dtype=dtype))

    def gumbel(self, *shape: int) -> Tensor:
        """(B, *shape) float32 of the standard Gumbel distribution."""
        return -((-(self.uniform(*shape).clamp(min=TINY).log())).clamp(min=TINY).log())

    def _draw(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(generator) for generator in self._generators]).to(self._device)


def fill_codes(
    predict: Callable[[Tensor], Tensor],
    block: int,
    generators: Generators,
    batch: int,
    *,
    device: torch.device,
    temperature: float,
    noise: Sequence[float],
    median: bool = False,
) -> Tensor:
    """Actions and images: sample all masked codes, mask the least sure of them again, and so on.

    Args:
        predict: codes (B, block), `UNKNOWN` where masked → logits (B, block, codes).
        block: codes to fill in.
        generators: one for each example.
        batch: B.
        device: where `predict` wants its codes.
        temperature: of sampling; 1 for the model's own distribution, 0 for the most likely code.
        noise: how much Gumbel noise the choice of what is masked again gets at each step; its length is the number of
            steps. The last one is of no consequence.
        median: take the code in the middle of the distribution, instead of drawing one; for codes that are ordered.

    Returns:
        (B, block) int64 codes.

    Raises:
        FloatingPointError: the model's logits hold NaN or infinity.
    """
    codes = torch.full((batch, block), UNKNOWN, dtype=torch.long, device=device)
    steps = len(noise)
    for step in range(1, steps + 1):
        probabilities = _scaled(predict(codes).float(), temperature).softmax(-1)
        unknown = codes == UNKNOWN
        taken = _middle(probabilities) if median else _sample(probabilities, generators, temperature)
        sampled = torch.where(unknown, taken, codes)
        if step == steps:
            return sampled
        confidence = probabilities.gather(-1, sampled[..., None])[..., 0]
        confidence = torch.where(unknown, confidence, torch.finfo(confidence.dtype).max).clamp(min=TINY).log()
        confidence = confidence + noise[step - 1] * generators.gumbel(block)
        stay = (unknown.sum(-1, keepdim=True) - 1).clamp(max=masked_after(step, steps, block)).clamp(min=1)
        # Strictly less: of equally sure codes at the border, none is masked again.
        border = confidence.sort(-1).values.gather(-1, stay)
        codes = torch.where(confidence < border, UNKNOWN, sampled)
    raise ValueError("decoding needs at least one step")


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """Logits at a temperature; as they are at 0, where the most likely one is taken.

    Raises:
        FloatingPointError: one is no finite number. To argmax, cumsum and topk a NaN is a number like others: they
            would answer with a bin or a token that the model never chose.
    """
    scaled = logits / temperature if temperature else logits
    if not scaled.isfinite().all():
        nan, infinite = int(logits.isnan().sum()), int(logits.isinf().sum())
        raise FloatingPointError(
            f"the model answers with NaN or infinity: of {logits.numel()} logits {nan} are NaN, {infinite} infinite "
            f"(temperature {temperature}); look at its weights, and if dtype is float16, take bfloat16 or float32"
        )
    return scaled


def _sample(probabilities: Tensor, generators: Generators, temperature: float) -> Tensor:
    """(B, N, codes) → (B, N): the code whose probability, divided by an exponential variable, is the largest.

    That is how PyTorch's own `multinomial` draws, so equal generators give equal codes.
    """
    if temperature == 0:
        return probabilities.argmax(-1)
    return (probabilities / generators.exponential(*probabilities.shape[1:])).argmax(-1)


def _middle(probabilities: Tensor) -> Tensor:
    """(B, N, codes) → (B, N): the first code up to which lies half of the probability."""
    return (probabilities.cumsum(-1) < 0.5).sum(-1).clamp(max=probabilities.shape[-1] - 1)


def fill_text(
    predict: Callable[[Tensor, Tensor], Tensor],
    block: int,
    generators: Generators,
    batch: int,
    *,
    device: torch.device,
    temperature: float,
    steps: int,
    mask_id: int = MASK,
) -> Tensor:
    """Text: at each step, uncover the tokens the model is surest of; an uncovered token stays.

    Args:
        predict: ids (B, block) and a bool selection of M of them → logits (M, vocabulary) of the selected.
        block, generators, batch, device: as in `fill_codes`.
        temperature: of sampling; 0 for the most likely token.
        steps: number of steps, at most `block`.
        mask_id: the id of the mask.

    Returns:
        (B, block) int64 ids.

    Raises:
        FloatingPointError: as `fill_codes`.
    """
    tokens = torch.full((batch, block), mask_id, dtype=torch.long, device=device)
    for step in range(1, steps + 1):
        masked = tokens == mask_id  # the model may also choose the mask itself; then the place is tried again
        if not masked.any():
            break
        draws = generators.uniform(block, dtype=torch.float64)[masked] if temperature else None
        best, confidence = _most_likely(predict(tokens, masked), draws, temperature)
        proposed = tokens.masked_scatter(masked, best)
        sure = torch.full(tokens.shape, -torch.inf, dtype=torch.float64, device=device)
        sure = sure.masked_scatter(masked, confidence)
        chosen = sure.topk(uncovered_at(step, steps, block), dim=-1).indices
        uncover = torch.zeros_like(masked).scatter(1, chosen, True) & masked
        tokens = torch.where(uncover, proposed, tokens)
    return tokens


def _most_likely(logits: Tensor, draws: Tensor | None, temperature: float, rows: int = 32) -> tuple[Tensor, Tensor]:
    """Token and its probability (float64, at temperature 1) for each row of (M, vocabulary) logits.

    A few rows at a time: in float64, a row of the whole vocabulary takes a megabyte.
    """
    tokens, confidence = [], []
    for start in range(0, len(logits), rows):
        part = logits[start : start + rows].double()
        scaled = _scaled(part, temperature)
        if draws is None:
            token = part.argmax(-1)
        else:
            cumulative = scaled.softmax(-1).cumsum(-1)
            target = draws[start : start + rows, None] * cumulative[:, -1:]
            token = torch.searchsorted(cumulative, target, right=True)[:, 0].clamp(max=part.shape[-1] - 1)
        tokens.append(token)
        confidence.append((part.gather(-1, token[:, None])[:, 0] - part.logsumexp(-1)).exp())
    return torch.cat(tokens), torch.cat(confidence)
