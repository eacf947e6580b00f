"""The local engine: worker processes on this machine, connected by pipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmact_eval.engine.arms import EngineArm
    from mmact_eval.engine.interface import Engine
    from mmact_eval.engine.options import EngineOptions


def make_engine(arms: Sequence[EngineArm], options: EngineOptions) -> Engine:
    """See `engine.interface.MakeEngine`."""
    from mmact_eval.engine.local.engine import LocalEngine  # which workers, who import this package, do without

    return LocalEngine(arms, options)
