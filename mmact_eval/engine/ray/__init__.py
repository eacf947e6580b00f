"""The Ray engine: workers are actors on the nodes of a Ray cluster, which bring what they make as bytes.

Nothing else of mmact-eval imports Ray, and this room does so only when it runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmact_eval.engine.arms import EngineArm
    from mmact_eval.engine.interface import Engine
    from mmact_eval.engine.options import EngineOptions

if importlib.util.find_spec("ray") is None:  # known before a policy is loaded
    raise ModuleNotFoundError("No module named 'ray'", name="ray")


def make_engine(arms: Sequence[EngineArm], options: EngineOptions) -> Engine:
    """See `engine.interface.MakeEngine`."""
    from mmact_eval.engine.ray.engine import RayEngine  # which the nodes do without

    return RayEngine(arms, options)
