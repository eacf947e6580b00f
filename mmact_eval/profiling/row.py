"""What was measured at a point, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmact_eval.profiling.points import Point
from mmact_eval.types import TokenPasses


@dataclass(frozen=True)
class Timing:
    """Of the calls after the warm-up.

    Attributes:
        calls: how many.
        p50_ms, p95_ms, mean_ms: wall-clock milliseconds of a call.
        cpu_ms: milliseconds of processor time of a call, all threads together; what other programs take is not in it.
    """

    calls: int
    p50_ms: float
    p95_ms: float
    mean_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Memory:
    """The most that was held.

    Attributes:
        process_mib: by the process, program and libraries included.
        since_start: whether that is since the process began: this system does not tell it of a point alone.
        gpu_mib: by PyTorch on GPUs; None without one.
    """

    process_mib: float
    since_start: bool
    gpu_mib: float | None


@dataclass(frozen=True)
class Work:
    """Arithmetic and traffic of one call, which is of a batch.

    Attributes:
        products: FLOPs of products of matrices: linear layers.
        attention: FLOPs of attention, scores and sums: fused kernels, and batched products.
        convolutions: FLOPs of convolutions.
        moved: bytes that operations read and write, as if nothing stayed in a cache.
    """

    products: int
    attention: int
    convolutions: int
    moved: int

    @property
    def flops(self) -> int:
        """All of them; a multiplication and an addition are two."""
        return self.products + self.attention + self.convolutions

    @property
    def attention_share(self) -> float:
        """Of attention and products of matrices; 0 where there are none."""
        both = self.products + self.attention
        return self.attention / both if both else 0.0

    @property
    def intensity(self) -> float:
        """FLOPs for a byte moved."""
        return self.flops / self.moved if self.moved else 0.0


@dataclass(frozen=True)
class Weights:
    """The learned numbers of a policy.

    Attributes:
        count: all of them.
        bytes: that they take; None if it is not known.
        parts: where → how many.
        dtypes: type of number → how many.
        device: where they are, e.g. ``cpu``, ``cuda:0``, ``meta``; "" if it is not known.
        found_by: ``policy`` if it says so itself, ``modules`` if its PyTorch modules were looked for.
    """

    count: int
    bytes: int | None
    parts: Mapping[str, int]
    dtypes: Mapping[str, int]
    device: str
    found_by: str


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        varied: what was varied, "" for the base point.
        value: that it had.
        point: all of it.
        policy: its name.
        not_real: what of it is not the real thing, "" if nothing.
        chunk: actions of an answer that are executed.
        problem: why nothing could be measured, "" if something was.
        unknown: what could not be told, and why, a sentence each.
        timing, memory, work, weights: what was measured; None where it was not.
        first_work: of the call that begins an episode, if that takes more than others; else None.
        sequences: of an answer; empty where the policy does not say it.
    """

    varied: str
    value: Any
    point: Point
    policy: str = ""
    not_real: str = ""
    chunk: int = 0
    problem: str = ""
    unknown: tuple[str, ...] = ()
    timing: Timing | None = None
    memory: Memory | None = None
    work: Work | None = None
    first_work: Work | None = None
    weights: Weights | None = None
    sequences: tuple[TokenPasses, ...] = ()

    @property
    def answers_per_s(self) -> float | None:
        """Answers a second, by the mean time of a call."""
        return 1000.0 * self.point.batch / self.timing.mean_ms if self.timing and self.timing.mean_ms else None

    @property
    def actions_per_s(self) -> float | None:
        """Actions a second that could be executed, if nothing else took time."""
        return None if self.answers_per_s is None else self.chunk * self.answers_per_s

    @property
    def tokens(self) -> int | None:
        """Of the longest sequence; None where the policy does not say it."""
        return max((sum(of.tokens.values()) for of in self.sequences), default=None)

    @property
    def passes(self) -> int | None:
        """Over all sequences of an answer."""
        return sum(of.passes for of in self.sequences) if self.sequences else None

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens that the network goes over in a second, each as often as it is passed, by the median call."""
        if not self.timing or not self.timing.p50_ms or not self.sequences:
            return None
        read = sum(sum(of.tokens.values()) * of.passes for of in self.sequences)
        return 1000.0 * self.point.batch * read / self.timing.p50_ms

    @property
    def flops_per_s(self) -> float | None:
        """Achieved, by the median call."""
        return (
            1000.0 * self.work.flops / self.timing.p50_ms if self.work and self.timing and self.timing.p50_ms else None
        )
