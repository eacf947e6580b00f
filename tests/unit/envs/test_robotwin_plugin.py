"""The RoboTwin plug-in without its simulator: arguments, specs, the synthetic robot, what crosses the pipe."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from mmact_eval.config.suite_file import list_suites, load_suite
from mmact_eval.envs.robotwin import catalog, gym_ids, plugin
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.client import Simulator, SimulatorDied
from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.envs.robotwin.install.debian import _first_choices
from mmact_eval.envs.robotwin.simulator import embodiment, wire
from mmact_eval.envs.robotwin.simulator.runtime import Runtime, Settings, layout_of
from mmact_eval.envs.robotwin.spec import NOT_COMPARABLE
from mmact_eval.errors import EnvironmentFailure, UsageError
from mmact_eval.suite import Suite

MMACT8 = {
    "adjust_bottle", "beat_block_hammer", "click_bell", "dump_bin_bigbin", "lift_pot", "move_playingcard_away",
    "place_burger_fries", "place_can_basket",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path / "cache"))
    for name in ("ROBOTWIN_ROOT", "ROBOTWIN_PYTHON"):
        monkeypatch.delenv(name, raising=False)


def smoke(*overrides: str) -> Suite:
    return load_suite("robotwin-smoke", overrides)


def checkout(folder: Path, layout: str = "stable_2.0") -> Path:
    configs = folder / {"stable_2.0": "task_config", "main": "env_cfg/task_config"}[layout]
    for path in (folder / "envs", configs):
        path.mkdir(parents=True)
    (folder / "envs/_base_task.py").write_text("")
    return folder


# Suites and arguments.


def test_suites_hold_the_tasks_they_are_named_for() -> None:
    suites = {suite.name: suite for suite in list_suites() if suite.env == "robotwin"}
    assert len(plugin.tasks(suites["robotwin-50"])) == len(catalog.STEP_LIMITS) == 50
    assert set(suites["robotwin-mmact8"].tasks) == MMACT8
    assert set(suites["robotwin-smoke"].tasks) == set(catalog.PRIMITIVE)
    assert suites["robotwin-mmact8-randomized"].env_args["config"] == "demo_randomized"
    for suite in suites.values():
        known = {task.name for task in plugin.tasks(suite)}
        assert set(suite.tasks) <= known
        plugin.spec(suite)


def test_no_suite_cuts_a_task_short() -> None:
    for suite in list_suites():
        if suite.env == "robotwin":
            assert suite.protocol.max_steps >= max(catalog.STEP_LIMITS.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "D453"}, "D435"),
        ({"mod": "real"}, "mode"),
        ({"action": "delta"}, "qpos"),
        ({"embodiment": ["a", "b"]}, "distance"),
        ({"attempts": 0}, "attempts"),
        ({"expert_timeout": True}, "expert_timeout"),
        ({"mode": "embedded", "planner": "curobo"}, "mode: real"),
        ({"config": "../secrets"}, "config"),
    ],
)
def test_wrong_arguments_are_refused_with_a_hint(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RobotwinArgs.parse(changes)


def test_a_checkout_is_asked_for_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ROBOTWIN_ROOT"):
        installation.settings(RobotwinArgs.parse({}))
    with pytest.raises(UsageError, match=r"no RoboTwin 2\.0 checkout"):
        installation.settings(RobotwinArgs.parse({"root": str(tmp_path)}))


def test_a_checkout_without_its_assets_is_told_before_anything_runs(tmp_path: Path) -> None:
    root = checkout(tmp_path / "RoboTwin")
    suite = load_suite("robotwin-50", (f"env_args.root={root}",))
    with pytest.raises(UsageError, match=r"no assets .*_download_assets"):
        plugin.prepare_run(suite, [], 1, lambda text: None)
    assert not (tmp_path / "cache").exists(), "no search for seeds was begun"


@pytest.mark.parametrize("layout", ["stable_2.0", "main"])
def test_both_layouts_are_recognised(tmp_path: Path, layout: str) -> None:
    root = checkout(tmp_path / "RoboTwin", layout)
    assert layout_of(root) == layout
    chosen = installation.settings(RobotwinArgs.parse({"root": str(root)}))
    assert (chosen.source, chosen.planner, chosen.shader, chosen.embodiment) == (
        "checkout", "curobo", "rt", ["aloha-agilex"]
    )  # fmt: skip
    assert layout in installation.identity(RobotwinArgs.parse({"root": str(root)}))["source"]


def test_embedded_mode_says_how_to_get_the_task_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "runtime_root", lambda: None)
    with pytest.raises(UsageError, match="mmact-eval setup robotwin"):
        installation.settings(RobotwinArgs.parse({"mode": "embedded"}))


# Specs.


def test_every_substitution_is_named() -> None:
    missing = plugin.spec(smoke("env_args.config=demo_randomized")).not_real
    for word in ("synthetic robot", "mplib", "shader", "clutter", NOT_COMPARABLE):
        assert word in missing


def test_the_real_thing_is_called_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "versions_under", lambda python: {"sapien": installation.PINNED_SAPIEN})
    root = checkout(tmp_path / "RoboTwin")
    suite = load_suite("robotwin-50", (f"env_args.root={root}",))
    assert plugin.spec(suite).not_real == ""
    substituted = load_suite("robotwin-50", (f"env_args.root={root}", "env_args.planner=mplib"))
    assert "mplib instead of cuRobo" in plugin.spec(substituted).not_real


@pytest.mark.parametrize(
    ("camera", "width", "size"),
    [("D435", 320, (240, 320)), ("L515", 320, (180, 320)), ("L515", 640, (360, 640)), ("D435", 640, (480, 640))],
)
def test_image_sizes_follow_the_camera(camera: str, width: int, size: tuple[int, int]) -> None:
    spec = plugin.spec(smoke(f"env_args.camera={camera}", f"protocol.resolution={width}"))
    assert set(spec.cameras.values()) == {size}


def test_actions_are_qpos_or_ee() -> None:
    assert plugin.spec(smoke()).action.dim == 14
    ee = plugin.spec(smoke("env_args.action=ee")).action
    assert (ee.dim, ee.frame, ee.rotation) == (16, "world", "quat_wxyz")


@pytest.mark.parametrize(
    "override",
    ["protocol.resolution=256", "protocol.rotation=180", "protocol.settle_steps=5", "protocol.seed_mode=upstream",
     "protocol.cameras=[wrist]"],
)  # fmt: skip
def test_protocols_that_robotwin_cannot_follow_are_refused(override: str) -> None:
    with pytest.raises(UsageError):
        plugin.spec(smoke(override))


def test_a_dual_arm_of_other_joints_widens_the_action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout(tmp_path / "RoboTwin")
    robot = root / "assets/embodiments/franka-panda"
    robot.mkdir(parents=True)
    (root / "task_config/_embodiment_config.yml").write_text(
        "franka-panda: {file_path: ./assets/embodiments/franka-panda}"
    )
    names = [[f"j{i}" for i in range(7)]] * 2
    (robot / "config.yml").write_text(json.dumps({"arm_joints_name": names}))
    overrides = (f"env_args.root={root}", "env_args.embodiment=[franka-panda, franka-panda, 0.6]")
    assert plugin.spec(load_suite("robotwin-50", overrides)).action.dim == 16


# The synthetic robot.


def test_the_synthetic_robot_has_the_joints_its_configuration_names() -> None:
    robot = ElementTree.fromstring(embodiment.urdf())
    joints = {joint.get("name"): joint for joint in robot.iter("joint")}
    links = {link.get("name") for link in robot.iter("link")}
    config = embodiment.config()
    for arm in config["arm_joints_name"]:
        assert len(arm) == 6
        assert all(joints[name].get("type") == "revolute" for name in arm)
    assert set(config["move_group"]) <= links
    assert {"left_camera", "right_camera"} <= links
    children = [joint.find("child").get("link") for joint in joints.values()]  # type: ignore[union-attr]
    assert len(children) == len(set(children)) == len(links) - 1, "a tree with one root"
    assert not list(robot.iter("mesh")), "no third-party data"


def test_the_synthetic_robot_is_written_once(tmp_path: Path) -> None:
    folder = installation.robot_folder()
    written = (folder / "robot.urdf").stat().st_mtime_ns
    assert installation.robot_folder() == folder
    assert (folder / "robot.urdf").stat().st_mtime_ns == written


# The pipe.


def test_arrays_cross_the_pipe_bit_by_bit() -> None:
    here, there = Pipe()
    message: dict[str, Any] = {
        "a": np.arange(6, dtype=np.float64).reshape(2, 3) / 7,
        "b": [np.zeros((0, 14)), {"c": np.full((2, 2, 3), 255, np.uint8)}],
        "d": {"n": np.float32(0.5), "text": "ü", "none": None},
    }
    wire.send(here, message)
    got = wire.receive(there)
    np.testing.assert_array_equal(got["a"], message["a"])
    assert got["b"][0].shape == (0, 14)
    assert got["b"][1]["c"].dtype == np.uint8
    assert got["d"] == {"n": 0.5, "text": "ü", "none": None}
    got["a"][0, 0] = 1  # writable


def fake_simulator(folder: Path, body: str) -> str:
    """An "interpreter" that answers `open`, then does something else."""
    root = Path(__file__).parents[3] / "envs/robotwin/simulator"
    script = folder / "python"
    script.write_text(
        f"#!{sys.executable}\n"
        "import importlib.util, sys, os, time\n"
        "from multiprocessing.connection import Connection\n"
        f"spec = importlib.util.spec_from_file_location('wire', {str(root / 'wire.py')!r})\n"
        "wire = importlib.util.module_from_spec(spec); spec.loader.exec_module(wire)\n"
        "pipe = Connection(int(sys.argv[-1]))\n"
        "wire.receive(pipe); wire.send(pipe, {'versions': {}})\n"
        "request = wire.receive(pipe)\n" + body
    )
    script.chmod(0o755)
    return str(script)


def test_a_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    python = fake_simulator(tmp_path, "print('no Vulkan device', flush=True); os._exit(3)\n")
    simulator = Simulator(Settings("package"), python)
    with pytest.raises(SimulatorDied, match="exited with code 3: no Vulkan device"):
        simulator.ask("set_up")


def test_a_hanging_simulator_is_ended(tmp_path: Path) -> None:
    python = fake_simulator(tmp_path, "time.sleep(600)\n")
    simulator = Simulator(Settings("package"), python)
    with pytest.raises(SimulatorDied, match=r"within 0\.2 s"):
        simulator.ask("check_seed", 0.2)
    assert not simulator.alive


def test_an_error_of_the_simulator_leaves_it_alive(tmp_path: Path) -> None:
    python = fake_simulator(tmp_path, "wire.send(pipe, {'error': 'it called exit()'}); time.sleep(600)\n")
    simulator = Simulator(Settings("package"), python)
    with pytest.raises(EnvironmentFailure, match="exit"):
        simulator.ask("execute")
    assert simulator.alive
    simulator.kill()


def test_an_interpreter_that_does_not_exist_is_named() -> None:
    with pytest.raises(EnvironmentFailure, match="/nowhere/python"):
        Simulator(Settings("package"), "/nowhere/python")
    with pytest.raises(UsageError, match="/nowhere/python"):
        installation.versions_under("/nowhere/python")


def test_the_simulators_side_needs_nothing_of_the_engine() -> None:
    folder = Path(__file__).parents[3] / "envs/robotwin/simulator"
    pattern = re.compile(r"^\s*(from|import) mmact_eval", re.MULTILINE)
    assert not [path.name for path in folder.glob("*.py") if pattern.search(path.read_text())]


def test_upstreams_default_arguments_do_not_drift_from_reset_to_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    class Task:
        def get_cluttered_table(self, xlim: list[float] = [-0.5, 0.5]) -> list[float]:  # noqa: B006  # as upstream
            xlim[0] += 0.3
            return list(xlim)

    module = ModuleType("fake_envs.dump_bin_bigbin")
    module.dump_bin_bigbin = Task  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    runtime = object.__new__(Runtime)
    runtime._prefix, runtime._defaults = "fake_envs", {}
    limits = [runtime.new_task("dump_bin_bigbin").get_cluttered_table() for _ in range(3)]
    assert limits == [[-0.2, 0.5]] * 3


# Set-up.


def test_the_users_driver_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VK_ICD_FILENAMES", "/opt/driver/icd.json")
    assert [driver.variables for driver in vulkan.candidates()] == [{}]


def test_without_a_driver_the_set_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vulkan, "_ICD_FOLDERS", ())
    with pytest.raises(UsageError, match="mmact-eval setup robotwin"):
        vulkan.choose()


def test_a_private_driver_names_its_library_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    library = root / "usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"
    icd = root / "usr/share/vulkan/icd.d/lvp_icd.x86_64.json"
    for path in (library, icd):
        path.parent.mkdir(parents=True)
    library.write_bytes(b"")
    icd.write_text(json.dumps({"ICD": {"library_path": "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"}}))
    driver = vulkan._write_icd("mesa", "Mesa", icd, root)
    written = json.loads(Path(driver.variables["VK_ICD_FILENAMES"]).read_text())
    assert written["ICD"]["library_path"] == str(library)
    assert driver.variables["LD_LIBRARY_PATH"].startswith(str(library.parent))
    library.unlink()
    assert vulkan._private_icd("mesa") is None, "what is gone is not offered"


def test_dependencies_are_read_from_a_package() -> None:
    depends = "libc6 (>= 2.36), libllvm15 (>= 1:15.0), libdrm2 | libdrm-fake, python3:any"
    assert _first_choices(depends) == ["libc6", "libllvm15", "libdrm2", "python3"]


# Gymnasium.


def test_there_is_an_id_for_each_task() -> None:
    script = "import gymnasium, mmact_eval.envs.robotwin.gym_ids as g; print(len([gymnasium.spec(i) for i in g.IDS]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "50"
    assert gym_ids.gym_id("stack_blocks_two") == "mmact_eval/RoboTwin-StackBlocksTwo-v0"


def test_a_task_that_needs_assets_says_so() -> None:
    with pytest.raises(UsageError, match="ROBOTWIN_ROOT"):
        gym_ids.make_env("lift_pot")


def test_listing_tasks_loads_no_simulator() -> None:
    script = (
        "import sys\n"
        "from mmact_eval.envs.robotwin import plugin\n"
        "from mmact_eval.config.suite_file import load_suite\n"
        "plugin.tasks(load_suite('robotwin-smoke')); plugin.spec(load_suite('robotwin-smoke')); plugin.versions()\n"
        "print([name for name in ('sapien', 'mplib', 'torch', 'gymnasium') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_first_seeds_are_upstreams() -> None:
    assert [catalog.first_seed(seed) for seed in (0, 1)] == [100_000, 200_000]
    assert len(set(itertools.chain(catalog.PRIMITIVE, catalog.NEEDS_EXPERT))) == 8
