"""Where a policy is measured: a base point, and one thing varied at a time around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmact_eval.errors import UsageError, did_you_mean

ARGUMENT = "policy_args."
"""What a name begins with that means an argument of the policy."""

LEAST: Mapping[str, int] = {"batch": 1, "threads": 1, "views": 1, "image_size": 16, "instruction_words": 1}
"""What can be varied beside the policy's arguments, and the smallest value of each."""

MOST: Mapping[str, int] = {
    "batch": 4096, "threads": 1024, "views": 64, "image_size": 4096, "instruction_words": 10_000,
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One way of asking.

    Attributes:
        batch: queries in a call.
        threads: of PyTorch on the CPU; None for as many as it takes.
        views: cameras that the environment is made to have; None for its own.
        image_size: height and width of their pictures in pixels; None for their own.
        instruction_words: words in the instruction.
        policy_args: what the policy is made with.
    """

    batch: int = 1
    threads: int | None = None
    views: int | None = None
    image_size: int | None = None
    instruction_words: int = 10
    policy_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """
        Raises:
            UsageError: a value makes no sense.
        """
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is None and name not in ("batch", "instruction_words"):
                continue
            if type(value) is not int or not least <= value <= MOST[name]:
                raise UsageError(f"{name} must be a whole number from {least} to {MOST[name]}, got {value!r}.")

    def having(self, name: str, value: Any) -> Point:
        """The same point but for one thing.

        Raises:
            UsageError: the value makes no sense.
        """
        if name.startswith(ARGUMENT):
            return replace(self, policy_args={**self.policy_args, name.removeprefix(ARGUMENT): value})
        return replace(self, **{name: value})


@dataclass(frozen=True)
class Vary:
    """A thing and the values that it takes.

    Attributes:
        name: one of `LEAST`, or ``policy_args.NAME``.
        values: in the order of the table.
    """

    name: str
    values: tuple[Any, ...]


def parse_vary(text: str, read: Callable[[str], Any]) -> Vary:
    """``batch=1,4,16`` → what to vary.

    Args:
        text: as typed.
        read: text of one value → the value.

    Raises:
        UsageError: it has no ``=`` or no value, or nothing of that name can be varied.
    """
    name, equals, listed = text.partition("=")
    values = tuple(dict.fromkeys(part.strip() for part in listed.split(",") if part.strip()))
    if not equals or not values:
        raise UsageError(f'--vary takes name=value,value,…, not "{text}".')
    if name not in LEAST and not (name.startswith(ARGUMENT) and name != ARGUMENT):
        known = [*LEAST, f"{ARGUMENT}NAME"]
        raise UsageError(f'--vary: there is no "{name}".{did_you_mean(name, known)} It takes: {", ".join(known)}.')
    return Vary(name, tuple(read(value) for value in values))


def planned(base: Point, varied: Sequence[Vary]) -> Iterator[tuple[str, Any, Point]]:
    """(name, value, point): the base with the name "", then each thing by itself around it.

    Raises:
        UsageError: a value makes no sense.
    """
    yield "", None, base
    for vary in varied:
        for value in vary.values:
            yield vary.name, value, base.having(vary.name, value)
