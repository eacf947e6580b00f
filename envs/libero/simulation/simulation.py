"""One compiled LIBERO scene that is reset and stepped with upstream's bits and without upstream's waste.

Upstream recompiles the model at every reset, renders at every step and computes each position stage three times.
None of that changes a number, so none of it is done here; `mmact_eval.envs.libero.checks.verify` compares bit by bit.
"""

from __future__ import annotations

import functools
import gc
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.compiled.models import compiled
from mmact_eval.envs.libero.simulation.arm import Arm
from mmact_eval.envs.libero.simulation.lazy_camera import Renderer, Snapshot
from mmact_eval.envs.libero.simulation.model_state import ModelState
from mmact_eval.envs.libero.simulation.substep import Substep
from mmact_eval.envs.libero.upstream import load_simulator, quiet
from mmact_eval.errors import EnvironmentFailure

CONTROL_HZ = 20

# Beyond it MuJoCo calls a value bad (mjMAXVAL).
_MUJOCO_LIMIT = 1e10
_BAD_ACCELERATION = int(mujoco.mjtWarning.mjWARN_BADQACC)


def problem_arguments() -> dict[str, Any]:
    """What upstream's `ControlEnv` passes to a problem class by default, cameras aside."""
    import robosuite

    return {
        "robots": ["Panda"],
        "controller_configs": robosuite.load_controller_config(default_controller="OSC_POSE"),
        "gripper_types": "default",
        "initialization_noise": None,
        "has_renderer": False,
        "control_freq": CONTROL_HZ,
    }


class Simulation:
    """A robosuite environment of LIBERO, compiled once.

    Attributes:
        problem: the robosuite environment (upstream's `OffScreenRenderEnv.env`).
        renderer: draws what the cameras saw when the observables were last sampled.
        samplers: the samplers of doors, drawers and knobs that the next reset draws from (see `seeding`).
    """

    def __init__(self, bddl_file: Path) -> None:
        load_simulator()
        with quiet():
            import libero.libero.envs.bddl_utils as bddl_utils
            from libero.libero.envs import TASK_MAPPING

            problem_class = TASK_MAPPING[bddl_utils.get_problem_info(str(bddl_file))["problem_name"]]
            self.problem: Any = problem_class.__new__(problem_class)
            self._compile_once()
            self.problem.__init__(
                str(bddl_file),
                **problem_arguments(),
                has_offscreen_renderer=False,
                use_camera_obs=False,
                ignore_done=True,
                hard_reset=False,
            )
        self.samplers: list[Any] = self.problem.object_property_initializers
        self._sim = self.problem.sim
        self._model = self._sim.model._model
        self._data = self._sim.data._data
        self._qpos, self._qvel = self._data.qpos, self._data.qvel
        # LIBERO asks at each step; no address changes in a compiled model.
        self._sim.model.get_joint_qpos_addr = functools.cache(self._sim.model.get_joint_qpos_addr)
        self._visible = {
            name: dict(thing.object_properties["vis_site_names"])
            for name, thing in {**self.problem.objects_dict, **self.problem.fixtures_dict}.items()
            if hasattr(thing, "object_properties")
        }
        self._snapshot = Snapshot(self._sim, self._textures)
        self.renderer = Renderer(self._snapshot)
        self._sample_only_snapshots()
        self._substep_count = int(self.problem.control_timestep / self.problem.model_timestep)
        self._substep = Substep(self._model, self._data)
        self._arm = Arm(self.problem, self._substep_count)
        self._sim.reset = self._as_compiled
        self._sim.forward = self._forward
        if self._model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
            raise EnvironmentFailure("scenes with the RK4 integrator are not supported: it needs whole steps")

    def _compile_once(self) -> None:
        """Have the model from the cache, and copy it right then: the constructor goes on to place fixtures in it."""

        def initialize(xml_string: str | None = None) -> None:
            """robosuite's own, but for where the model comes from."""
            from robosuite.utils.binding_utils import MjSim

            model, self._textures = compiled(xml_string or self.problem.model.get_xml())
            self.problem.sim = MjSim(model)
            self.problem.sim.forward()
            self.problem.initialize_time(self.problem.control_freq)
            self._pristine = ModelState(model)

        self.problem._initialize_sim = initialize

    def _sample_only_snapshots(self) -> None:
        """Let one observable stand for all: they share their timers, so all are sampled at the same substep.

        robosuite's observables read the simulation and nothing reads them but the caller; what they would have said is
        in the snapshot.
        """
        from robosuite.utils.observables import Observable, sensor

        def take(obs_cache: dict[str, Any]) -> NDArray[np.float64]:
            self._snapshot.take()
            return np.zeros(2)

        taking = sensor(modality="snapshot")(take)
        snapshot = Observable(name="snapshot", sensor=taking, sampling_rate=CONTROL_HZ, active=False)
        self.problem._observables = {"snapshot": snapshot}

    def _as_compiled(self) -> None:
        """What a soft reset starts from: exactly where a hard reset has arrived after compiling."""
        for name, visible in self._visible.items():
            self.problem.get_object(name).object_properties["vis_site_names"] = dict(visible)
        gripper = self.problem.robots[0].gripper
        gripper.current_action = np.zeros_like(gripper.current_action)
        self._pristine.restore()
        mujoco.mj_resetData(self._model, self._data)
        # Upstream calls it after compiling and again while making its render context. Each call changes where the
        # constraint solver starts from.
        self._sim.forward()
        self._sim.forward()

    def reset(self) -> None:
        """Reset as a hard reset does, drawing the scene from numpy's global generator.

        Raises:
            robosuite.utils.errors.RandomizationError: no free place was found for an object; upstream tries again.
        """
        self.problem.reset()
        self._arm.adopt_controller()

    def set_init_state(self, state: NDArray[np.float64]) -> None:
        """Put objects and robot where an initial state has them, as upstream's `set_init_state`."""
        self._sim.set_state_from_flattened(state)
        self._sim.forward()
        self.problem._check_success()
        self.problem._post_process()
        self.problem._update_observables(force=True)

    def step(self, action: NDArray[Any]) -> tuple[float, bool]:
        """One control step of 50 ms: robosuite's `step` without computing the same thing three times (see `Substep`).

        Returns:
            Upstream's reward (1.0 at success) and whether the goal holds.

        Raises:
            EnvironmentFailure: the simulation became unstable. (MuJoCo would go on from its default pose.)
        """
        problem = self.problem
        problem.timestep += 1
        snapshot, timestep, cache = problem._observables["snapshot"], problem.model_timestep, problem._obs_cache
        for number in range(self._substep_count):
            self._substep.begin()
            self._arm.command(action, number)
            self._substep.end()
            snapshot.update(timestep, cache)
        problem.cur_time += problem.control_timestep
        reward, _, _ = problem._post_action(action)
        self._check_stable()
        return float(reward), bool(problem._check_success())

    def _forward(self) -> None:
        """Stands in for robosuite's `sim.forward`."""
        if self._substep.has_begun:
            self._substep.again()
        else:
            mujoco.mj_forward(self._model, self._data)

    def _check_stable(self) -> None:
        bad = self._data.warning[_BAD_ACCELERATION].number
        # The largest of numbers with a NaN among them is NaN, and no comparison with it holds.
        if bad or not (np.abs(self._qpos).max() < _MUJOCO_LIMIT and np.abs(self._qvel).max() < _MUJOCO_LIMIT):
            raise EnvironmentFailure("the simulation became unstable (MuJoCo reports diverging values)")

    def state(self) -> dict[str, NDArray[np.float64]]:
        """The robot's state when the observables were last sampled, as robosuite's observables report it."""
        data = self._snapshot.data._data
        robot = self.problem.robots[0]
        body = self._sim.model.body_name2id(robot.robot_model.eef_name)
        quat = data.xquat[body]
        return {
            "eef_pos": np.array(data.site_xpos[robot.eef_site_id]),
            "eef_quat": np.array(quat[[1, 2, 3, 0]]),
            "gripper_qpos": np.array(data.qpos[robot._ref_gripper_joint_pos_indexes]),
            "joint_pos": np.array(data.qpos[robot._ref_joint_pos_indexes]),
        }

    def fixed_poses(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Poses of all bodies relative to their parents: (nbody, 3) in m and (nbody, 4) wxyz; fixtures live here."""
        return np.array(self._model.body_pos), np.array(self._model.body_quat)

    @property
    def nq(self) -> int:
        """How many joint positions there are."""
        return int(self._model.nq)

    def flat_state(self) -> NDArray[np.float64]:
        """(1 + nq + nv,) time, joint positions and velocities now, as upstream's `get_sim_state`."""
        flat: NDArray[np.float64] = self._sim.get_state().flatten()
        return flat

    def close(self) -> None:
        """Free renderer, model and data now; a second call does nothing."""
        if not vars(self):
            return
        self.renderer.close()
        # robosuite's objects refer to each other in circles, and Python's collector does not know how big a compiled
        # model is: left to itself, it would let several pile up.
        vars(self).clear()
        gc.collect()
