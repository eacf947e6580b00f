"""How the simulator's process handles upstream's tasks, with tasks that only count: no simulator."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import env as env_module
from mmact_eval.envs.robotwin import plugin
from mmact_eval.envs.robotwin.catalog import NEEDS_EXPERT
from mmact_eval.envs.robotwin.install import vulkan
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.envs.robotwin.seeds.manifest import Verdict
from mmact_eval.envs.robotwin.simulator import server, task
from mmact_eval.envs.robotwin.simulator.task import Driver
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode


class Unstable(Exception):
    """As upstream's."""


class CountingTask:
    """Succeeds at its second action."""

    step_lim = 400

    def __init__(self) -> None:
        self.checks = self.take_action_cnt = self.closed = 0
        self.plan_success, self.eval_success = True, False
        self.seeds: list[int] = []
        self.drawn: list[float] = []
        self.renderer = object()
        self.robot = SimpleNamespace(
            get_left_arm_jointState=lambda: [0.0] * 7, get_right_arm_jointState=lambda: [0.0] * 7,
            get_left_gripper_val=lambda: 1.0, get_right_gripper_val=lambda: 1.0,
        )  # fmt: skip
        self.info: dict[str, Any] = {}
        self.direction_light_lst: list[Any] = []
        self.point_light_lst: list[Any] = []
        self.scene = SimpleNamespace(get_all_actors=list, get_all_articulations=list)

    def setup_demo(self, seed: int, **_: Any) -> None:
        self.seeds.append(seed)
        self.drawn.append(random.random())

    def get_arm_pose(self, side: str) -> list[float]:
        return [0.0] * 7

    def _update_render(self) -> None: ...

    def close_env(self, clear_cache: bool) -> None:
        self.closed += 1

    def play_once(self) -> dict[str, Any]:
        self._take_picture()
        return {"info": {"{A}": "red block"}}

    def _take_picture(self) -> None:
        raise AssertionError("nothing is drawn while the expert plays")

    def check_success(self) -> bool:
        self.checks += 1
        return True

    def take_action(self, action: Any, kind: str) -> None:
        self.take_action_cnt += 1
        self.eval_success = self.take_action_cnt == 2


class FakeRuntime:
    """Hands out one task."""

    unstable_error = Unstable

    def __init__(self, task: CountingTask) -> None:
        self.task = task

    def new_task(self, name: str) -> CountingTask:
        return self.task

    def arguments(self, name: str) -> dict[str, Any]:
        return {}

    def instructions(self, name: str, info: dict[str, Any], seed: int) -> dict[str, str]:
        return {"unseen": f"move {info['{A}']}"}


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> CountingTask:
    monkeypatch.setattr(task, "_seed_planner", lambda seed: None)
    return CountingTask()


@pytest.fixture
def driver(counting: CountingTask) -> Driver:
    return Driver(FakeRuntime(counting))  # type: ignore[arg-type]


def test_success_is_checked_as_often_as_upstream_does(driver: Driver, counting: CountingTask) -> None:
    """In some tasks the check changes what it checks."""
    driver.set_up("click_bell", 100_000, 7)
    assert counting.checks == 0
    done = driver.execute(np.zeros((5, 14)), "qpos", 400)
    driver.state_hash()
    assert (done["steps"], done["success"], done["total"]) == (2, True, 2)
    assert counting.checks == 0, "take_action does that itself"
    driver.check_seed("click_bell", 100_000, 7)
    assert counting.checks == 1, "once after the expert"


@pytest.mark.parametrize(("flickering", "told"), [(False, [2]), (True, [0, 1])])
def test_the_renderer_is_told_once_unless_lights_flicker(
    driver: Driver, counting: CountingTask, monkeypatch: pytest.MonkeyPatch, flickering: bool, told: list[int]
) -> None:
    """With flickering lights, telling it draws random numbers, so it happens as often as upstream does it."""

    def act(action: Any, kind: str) -> None:
        counting._update_render()
        CountingTask.take_action(counting, action, kind)

    driver.set_up("click_bell", 100_000, 7)
    after: list[int] = []
    monkeypatch.setattr(CountingTask, "_update_render", lambda self: after.append(self.take_action_cnt))
    monkeypatch.setattr(counting, "take_action", act)
    monkeypatch.setattr(counting, "crazy_random_light", flickering, raising=False)
    driver.execute(np.zeros((5, 14)), "qpos", 400)
    assert after == told


def test_the_expert_plays_the_same_scene_on_the_same_instance_before_the_policy(
    driver: Driver, counting: CountingTask
) -> None:
    found = driver.set_up("open_laptop", 100_003, 7, expert=True)
    assert counting.seeds == [100_003, 100_003]
    assert counting.drawn[0] == counting.drawn[1], "what upstream draws from `random` is the same again"
    assert found["success"]
    assert found["actions"].shape == (1, 14)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(Unstable("the hammer moved"), "unstable: the hammer moved"), (KeyError("pose"), "error: KeyError: 'pose'")],
)
def test_what_upstream_raises_rejects_a_seed_with_its_reason(
    driver: Driver, counting: CountingTask, monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str
) -> None:
    def fall(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(counting, "setup_demo", fall)
    assert driver.check_seed("beat_block_hammer", 100_000, 7)["reason"] == reason


def test_upstreams_exit_is_an_error_like_another(capsys: pytest.CaptureFixture[str]) -> None:
    class Exits:
        def do_set_up(self) -> dict[str, Any]:
            raise SystemExit(1)

    assert server._answer(Exits(), {"do": "set_up"}) == {"error": "it called exit()"}  # type: ignore[arg-type]
    assert "SystemExit" in capsys.readouterr().err, "the traceback is in the process's output"


@pytest.mark.parametrize("name", [*sorted(NEEDS_EXPERT), "lift_pot"])
def test_tasks_whose_check_needs_the_expert_let_it_play_for_every_policy(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked: list[dict[str, Any]] = []

    class Recorded:
        alive = False

        def __init__(self, *_: Any) -> None: ...

        def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
            asked.append({"do": what, **arguments})
            return {"scene_hash": "", "state": {"joint_action": np.zeros(14), "endpose": np.zeros(16)}}

    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/_base_task.py").write_text("")
    (tmp_path / "task_config").mkdir()
    monkeypatch.setattr(env_module, "Simulator", Recorded)
    monkeypatch.setattr(vulkan, "choose", lambda: vulkan.Driver("none"))
    monkeypatch.setattr(seeds, "accepted_seed", lambda *_: Verdict(100_000, "", {"unseen": "go"}))
    suite = load_suite("robotwin-50", (f"env_args.root={tmp_path}",))
    (chosen,) = [known for known in plugin.tasks(suite) if known.name == name]
    env = env_module.RobotwinEnv(suite, chosen, Needs(), vulkan.Driver("none"))
    env.begin(Episode(suite.name, name, 0, 0))
    assert asked[0]["expert"] is (name in NEEDS_EXPERT)
