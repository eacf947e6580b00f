"""mmact-eval: trustworthy, fast simulation-benchmark evaluation of vision-language-action policies.

The names below are loaded on first use, so that ``import mmact_eval`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.evaluation import Results, evaluate, load_results
    from mmact_eval.protocols import Env, EnvPlugin, Needs, Observer, Policy, Task
    from mmact_eval.rollout import run_episode
    from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec
    from mmact_eval.suite import Protocol, Suite
    from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

_HOMES = {
    "mmact_eval.config.suite_file": ("load_suite",),
    "mmact_eval.evaluation": ("Results", "evaluate", "load_results"),
    "mmact_eval.protocols": ("Env", "EnvPlugin", "Needs", "Observer", "Policy", "Task"),
    "mmact_eval.rollout": ("run_episode",),
    "mmact_eval.specs": ("ActionSpec", "EnvSpec", "PolicySpec", "StateSpec"),
    "mmact_eval.suite": ("Protocol", "Suite"),
    "mmact_eval.types": ("Episode", "EpisodeResult", "Observation", "PolicyOutput", "Query"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ActionSpec",
    "Env",
    "EnvPlugin",
    "EnvSpec",
    "Episode",
    "EpisodeResult",
    "Needs",
    "Observation",
    "Observer",
    "Policy",
    "PolicyOutput",
    "PolicySpec",
    "Protocol",
    "Query",
    "Results",
    "StateSpec",
    "Suite",
    "Task",
    "__version__",
    "evaluate",
    "load_results",
    "load_suite",
    "run_episode",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
