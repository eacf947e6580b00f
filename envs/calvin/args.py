"""What a suite may write in CALVIN's ``env_args``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mmact_eval.envs.calvin.world.bullet import RENDERERS
from mmact_eval.errors import UsageError, did_you_mean

WORLDS = ("calvin", "stand-in")
BLOCKS = ("published", "resampled")


@dataclass(frozen=True)
class CalvinArgs:
    """Checked ``env_args``.

    Attributes:
        renderer: ``tiny`` (on the processor) or ``egl`` (OpenGL, as published).
        blocks: ``published``: as in the thousand chains. ``resampled``: their poses on the table are drawn anew by the
            same rules, from the episode's seed.
        world: ``calvin``, or ``stand-in``: boxes in place of CALVIN's assets, for tests without any download.
    """

    renderer: str = "tiny"
    blocks: str = "published"
    world: str = "calvin"

    @classmethod
    def parse(cls, env_args: Mapping[str, Any]) -> CalvinArgs:
        """Check and convert.

        Raises:
            UsageError: an unknown name or a value that makes no sense; the message says what would.
        """
        names = [field.name for field in fields(cls)]
        for key in env_args:
            if key not in names:
                hint = did_you_mean(key, names)
                raise UsageError(f'calvin env_args: unknown "{key}"; known: {", ".join(names)}.{hint}')
        args = cls(**env_args)
        for name, known in (("renderer", RENDERERS), ("blocks", BLOCKS), ("world", WORLDS)):
            value = getattr(args, name)
            if value not in known:
                hint = did_you_mean(str(value), known)
                raise UsageError(f"calvin env_args.{name}: {value!r} is not {' or '.join(known)}.{hint}")
        return args
