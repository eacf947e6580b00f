"""Which physics is installed: that of LIBERO's published numbers, or a later one in which scenes settle otherwise."""

from __future__ import annotations

from importlib import metadata
from typing import Literal, get_args

from mmact_eval.errors import UsageError
from mmact_eval.machine.mujoco_family import PICTURES_CHANGED_FROM, mujoco_family
from mmact_eval.specs import Physics

INSTALL = "pip install 'mujoco>=3.2.3,<3.3.3'"
"""Brings the physics and the pictures of the published numbers."""

Choice = Literal["published", "any"]
"""`env_args.physics`. ``published``: only that of the published numbers will do. ``any``: whatever is installed."""


def installed() -> Physics | None:
    """The physics of the MuJoCo that is installed, None if none is; nothing is imported."""
    try:
        version = metadata.version("mujoco")
    except metadata.PackageNotFoundError:
        return None
    return Physics(
        engine=f"MuJoCo {version}",
        family=mujoco_family(version),
        pictures=mujoco_family(version, PICTURES_CHANGED_FROM),
    )


def not_comparable(physics: Physics | None) -> str:
    """What every table of a run in this physics says, "" for that of the published numbers."""
    if physics is None or physics.family == "published":
        return ""
    return (
        f"the physics of {physics.engine}, in which stored scenes settle otherwise than below 3.4; not comparable with "
        "published numbers of LIBERO, nor with runs in their physics"
    )


def other_pictures(physics: Physics | None, benchmark: str) -> str:
    """What tables of policies that look say of LIBERO-Object's pictures, and of its variants'; else ""."""
    if physics is None or physics.pictures == "published" or not benchmark.startswith("libero_object"):
        return ""
    return (
        f"{physics.engine} draws the floor darker than MuJoCo below 3.3.3, which published numbers were made with (on "
        f"average by 36 of 255 grey levels); {INSTALL} brings the old one back"
    )


def check(suite: str, choice: str) -> Physics | None:
    """The installed physics, if a suite may run on it.

    Args:
        suite: its name, for the message.
        choice: its ``env_args.physics``.

    Raises:
        UsageError: an unknown choice, or the installed physics is not the one of the published numbers.
    """
    if choice not in get_args(Choice):
        raise UsageError(f"suite {suite}: env_args.physics is {choice!r}, must be published or any (or left out).")
    physics = installed()
    if physics is None or physics.family == "published" or choice == "any":
        return physics
    raise UsageError(
        f"{physics.engine} is installed here, and LIBERO's published numbers were made below 3.4: from 3.4 on, stored "
        f"scenes settle otherwise (objects slide off or hang in the air). Install their physics: {INSTALL}. Or run on "
        "this one all the same, which every table will say: --set env_args.physics=any"
    )
