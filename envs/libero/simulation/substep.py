"""MuJoCo's part of a substep, without computing the same thing three times.

In each substep upstream calls `mj_forward`, then the controller, which calls `mj_forward` again, then `mj_step`, which
does it once more. Positions, velocities and commands do not change before the controller has spoken, so what follows
from them (kinematics, collisions, constraints, forces without contact) is computed once.

The constraint solver is another matter. Up to MuJoCo 3.3.2 or later, each of its runs starts from where the last one
ended, so all three are needed: leaving one out would change the last bits. On versions where a run starts from the last
*step*, the first two leave nothing behind, and only the third is done.
"""

from __future__ import annotations

import functools
from typing import Any

import mujoco

_SKIP_NO_STAGE, _SKIP_SENSORS = int(mujoco.mjtStage.mjSTAGE_NONE), 1
# The robot's only sensors measure accelerations, so the step computes them in any case; nothing here reads them.

_FALLING = "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"


@functools.cache
def runs_start_from_the_last_run() -> bool:
    """Whether a run of the solver changes where the next one starts from, even without a step in between."""
    model = mujoco.MjModel.from_xml_string(_FALLING)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return bool(data.qacc_warmstart.any())  # gravity, if the run has left its acceleration there


class Substep:
    """A substep in the order `begin`, `again` if the controller asks, commands, `end`.

    Attributes:
        has_begun: whether what follows from positions and velocities is computed.
    """

    def __init__(self, model: Any, data: Any) -> None:
        """`model`, `data`: MuJoCo's own; the integrator must be one that `mj_step2` has, so not RK4."""
        self._model, self._data = model, data
        self._all_runs = runs_start_from_the_last_run()
        self.has_begun = False

    def begin(self) -> None:
        """Compute what follows from positions and velocities."""
        model, data = self._model, self._data
        if self._all_runs:
            mujoco.mj_forwardSkip(model, data, _SKIP_NO_STAGE, _SKIP_SENSORS)
        else:
            mujoco.mj_fwdPosition(model, data)
            mujoco.mj_fwdVelocity(model, data)
        self.has_begun = True

    def again(self) -> None:
        """What is left of another `mj_forward` with the same positions, velocities and commands."""
        if self._all_runs:
            mujoco.mj_fwdConstraint(self._model, self._data)

    def end(self) -> None:
        """Apply the commands and go on by one time step."""
        self.has_begun = False
        mujoco.mj_step2(self._model, self._data)
