"""What a study's file holds: a base run, and arms that override it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from mmact_eval.suite import Count, Strict
from mmact_eval.transforms import Transform

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_+=\-]*$"

ArmName = Annotated[str, StringConstraints(pattern=_NAME, max_length=80)]
"""It is also the name of the arm's run folder."""


class Overrides(Strict):
    """What an arm, or a value of an axis, changes of the base run.

    Attributes:
        label: its name in reports; by default the name in the file.
        policy: another policy. Arguments belong to a policy: those of the base are not handed to another.
        policy_args: arguments, laid over the base's.
        protocol: fields of the suite's protocol.
        env_args: of the suite's environment, laid over the suite's.
        transforms: come after (around) the base's.
    """

    label: str = ""
    policy: str | None = None
    policy_args: dict[str, Any] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)
    env_args: dict[str, Any] = Field(default_factory=dict)
    transforms: tuple[Transform, ...] = ()


class Base(Strict):
    """The run that all arms share.

    Attributes:
        suite, policy: as on the command line, where they can be replaced.
        policy_args: arguments of this policy.
        tasks: as for ``--tasks``; null for all.
        episodes: episodes per task; null for the suite's number.
        init_states: as for ``--init-states``; null for all.
        seed: the run's seed.
        protocol: fields of the suite's protocol.
        env_args: of the suite's environment, laid over the suite's.
        transforms: of the policy, in all arms.
    """

    suite: str
    policy: str
    policy_args: dict[str, Any] = Field(default_factory=dict)
    tasks: str | None = None
    episodes: Count | None = Field(default=None, ge=1)
    init_states: str | None = None
    seed: Count = 0
    protocol: dict[str, Any] = Field(default_factory=dict)
    env_args: dict[str, Any] = Field(default_factory=dict)
    transforms: tuple[Transform, ...] = ()


class Study(Strict):
    """A base run and its arms, listed one by one or as a grid.

    Attributes:
        name: for folders and the command line.
        title, description: for people.
        base: what arms share.
        arms: arm → what it changes.
        axes: axis → value → what it changes; the arms are all combinations, named ``value-value``.
        repeats: the axis whose values do the same thing again, with another training seed, say; the report then says
            what can be said of the others over these repeats.
        baseline: the arm that the others are compared with; by default the first.
        against: published results to set beside, as for ``--against``.
    """

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.\-]*$", description="text of lower-case letters, digits, dots and hyphens"
    )
    title: str = ""
    description: str = ""
    base: Base
    arms: dict[ArmName, Overrides] = Field(default_factory=dict)
    axes: dict[str, dict[ArmName, Overrides]] = Field(default_factory=dict)
    repeats: str | None = None
    baseline: str | None = None
    against: str | None = None

    @model_validator(mode="after")
    def _has_arms(self) -> Study:
        if bool(self.arms) == bool(self.axes):
            raise ValueError("a study has either arms or axes: write one of them")
        empty = [axis for axis, values in self.axes.items() if not values]
        if empty:
            raise ValueError(f"axes without values: {', '.join(empty)}")
        if self.repeats is not None and (self.repeats not in self.axes or len(self.axes) < 2):
            raise ValueError(f'repeats must be one of two or more axes, and "{self.repeats}" is not')
        return self
