"""A suite: a named list of tasks with the protocol they are evaluated under.

Suites are YAML files, from the package (``suites/``) or from a path; `mmact_eval.config.suite_file` reads them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SeedMode = Literal["episode", "upstream"]


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return values


# `true` and "50" are not counts: YAML has types, and a quoted number is a slip worth knowing of.
Count = Annotated[int, Field(strict=True)]
Names = Annotated[tuple[str, ...], AfterValidator(_distinct)]


class Strict(BaseModel):
    """What a file says: nothing that is not known, and not to be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Disturbance(Strict):
    """Something that happens to the scene in the middle of an episode (see `mmact_eval.transforms.disturbance`).

    Attributes:
        metres: how far the object that the task is about is displaced, horizontally.
        first_step, last_step: just before one of these environment steps is executed, counted from 0. Which one, and
            in which direction, follows from the episode.
    """

    metres: float = Field(gt=0, le=0.5, strict=True)
    first_step: Count = Field(ge=0)
    last_step: Count = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Disturbance:
        if self.last_step < self.first_step:
            raise ValueError(f"last_step ({self.last_step}) comes before first_step ({self.first_step})")
        return self


class Protocol(Strict):
    """How an episode is run. All of it is in the protocol fingerprint.

    Attributes:
        episodes: episodes per task, when the command line does not say.
        max_steps: environment steps a policy has.
        settle_steps: steps of the environment's settle action before the first query.
        cameras: cameras on offer; only those a policy looks at are rendered.
        resolution: height and width of the images in pixels.
        rotation: degrees the raw camera image is rotated by before the policy sees it.
        replan: actions of each chunk that are executed before the next query; null: as the policy says.
        seed_mode: ``episode``: the scene depends on (seed, suite, task, init state) alone.
            ``upstream``: the scene that a sequential loop which seeds once a task has at that episode.
        episode_timeout: seconds an episode may spend in the environment before it is an error.
        disturbance: what happens to the scene in the middle of each episode; null for nothing.
        stages: how many instructions an episode gives one after another, each once the one before is solved; success
            is all of them. 1 where an episode has one instruction.
        stage_steps: environment steps a policy has for each stage; null for `max_steps` alone.
    """

    episodes: Count = Field(default=50, ge=1)
    max_steps: Count = Field(ge=1)
    settle_steps: Count = Field(default=0, ge=0)
    cameras: Names = ()
    resolution: Count = Field(default=256, ge=16, le=2048)
    rotation: Literal[0, 90, 180, 270] = 0
    replan: Count | None = Field(default=None, ge=1)
    seed_mode: SeedMode = "episode"
    episode_timeout: float = Field(default=900.0, gt=0, strict=True, allow_inf_nan=False)
    disturbance: Disturbance | None = None
    stages: Count = Field(default=1, ge=1)
    stage_steps: Count | None = Field(default=None, ge=1)


class Suite(Strict):
    """A named list of tasks with a protocol.

    Attributes:
        name: canonical name.
        env: name of the environment plug-in.
        env_args: arguments of the plug-in, checked by it.
        tasks: names to keep, in this order; empty for all.
        protocol: how episodes are run.
        aliases: other names it is known by.
        title, description, source: for people.
    """

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.\-]*$", description="text of lower-case letters, digits, dots and hyphens"
    )
    env: str
    protocol: Protocol
    env_args: dict[str, Any] = {}
    tasks: Names = ()
    aliases: Names = ()
    title: str = ""
    description: str = ""
    source: str = ""
