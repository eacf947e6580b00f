"""A suite: a named list of tasks with the protocol they are evaluated under.

Suites are YAML files, from the package (``suites/``) or from a path. A wrong file is refused with its name, the line
and the field. ``--set a.b=c`` changes a field after reading and is checked by the same rules.
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmact_eval.errors import UsageError, did_you_mean

SeedMode = Literal["episode", "upstream"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Protocol(_Strict):
    """How an episode is run. All of it is in the protocol fingerprint.

    Attributes:
        episodes: episodes a task, when the command line does not say.
        max_steps: environment steps a policy has.
        settle_steps: steps of the environment's settle action before the first query.
        cameras: cameras on offer; only those a policy looks at are rendered.
        resolution: height and width of the images in pixels.
        rotation: degrees the raw camera image is rotated by before the policy sees it.
        replan: actions of each chunk that are executed before the next query; null: as the policy says.
        seed_mode: ``episode``: the scene depends on (seed, suite, task, init state) alone.
            ``upstream``: the scene that a sequential loop which seeds once a task has at that episode.
        episode_timeout: seconds an episode may spend in the environment before it is an error.
    """

    episodes: int = Field(default=50, ge=1)
    max_steps: int = Field(ge=1)
    settle_steps: int = Field(default=0, ge=0)
    cameras: tuple[str, ...] = ()
    resolution: int = Field(default=256, ge=16, le=2048)
    rotation: Literal[0, 90, 180, 270] = 0
    replan: int | None = Field(default=None, ge=1)
    seed_mode: SeedMode = "episode"
    episode_timeout: float = Field(default=900.0, gt=0)


class Suite(_Strict):
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

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.\-]*$")
    env: str
    protocol: Protocol
    env_args: dict[str, Any] = {}
    tasks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    source: str = ""
