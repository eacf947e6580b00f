"""The parts of recording, without workers: columns, statistics, noise, and what belongs to which frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.toy import plugin
from mmact_eval.errors import UsageError
from mmact_eval.lazy_images import LazyImages
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.protocols import Needs
from mmact_eval.rollout import run_episode
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec
from mmact_eval.suite import Protocol
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

pytest.importorskip("pyarrow")
from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.recording import column_statistics as statistics
from mmact_eval.recording import dataset, images, staging
from mmact_eval.recording.assemble import subgoals
from mmact_eval.recording.layout import Layout
from mmact_eval.recording.lead_in import LedIn
from mmact_eval.recording.perturbed import BEFORE, CLEAN_ACTIONS, Perturbed, smooth_motion
from mmact_eval.recording.recorder import DemonstrationRecorder

ARM = ActionSpec(7, "ee_delta_pose", "base", "axis_angle", "-1 open, +1 close")
PROTOCOL = Protocol(max_steps=50)
LOOK = Observation({}, {}, "do it")


class Recorded:
    """A policy that notes its queries and moves a little."""

    def __init__(self, action: ActionSpec = ARM, chunk: int = 4) -> None:
        self.spec = PolicySpec("inner", action, chunk)
        self.asked: list[int] = []
        self.extra = "seen through the wrapper"

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self.asked += [query.index for query in queries]
        actions = np.full((self.spec.chunk, self.spec.action.dim), 0.9, np.float32)
        return [PolicyOutput(actions, text="go") for _ in queries]


def query(index: int, init_state: int = 0) -> Query:
    return Query(LOOK, Episode("s", "t", init_state, 0), index)


# Columns.


def test_the_state_is_what_the_environment_calls_so_and_the_rest_has_its_own_columns() -> None:
    states = {"pos": StateSpec(3, ""), "quat": StateSpec(4, ""), "grip": StateSpec(1, ""), "joint": StateSpec(2, "")}
    env = EnvSpec("arm", {"top": (32, 48)}, "upright", states, ARM, proprioception=("pos", "grip"))
    layout = Layout.of(env)
    assert layout.vectors() == {
        "observation.state": 4, "observation.quat": 4, "observation.joint": 2, "action": 7, "intended_action": 7
    }  # fmt: skip
    features = layout.features(with_subtasks=True)
    assert features["observation.state"] == {
        "dtype": "float32",
        "shape": [4],
        "names": ["pos_0", "pos_1", "pos_2", "grip"],
    }
    assert features["observation.images.top"]["shape"] == [32, 48, 3]
    assert features["subtask_index"] == {"dtype": "int64", "shape": [1], "names": None}
    assert "subtask_index" not in layout.features(with_subtasks=False)
    vectors = layout.state_vectors({key: np.arange(spec.dim, dtype=np.float64) + 0.5 for key, spec in states.items()})
    np.testing.assert_array_equal(vectors["observation.state"], [0.5, 1.5, 2.5, 0.5])


def test_videos_of_odd_size_are_refused() -> None:
    env = EnvSpec("arm", {"top": (31, 48)}, "upright", {}, ARM)
    with pytest.raises(UsageError, match="even numbers"):
        Layout.of(env, "video")
    assert Layout.of(env, "png").images == "png"


def test_actions_without_a_fixed_duration_cannot_be_recorded() -> None:
    with pytest.raises(UsageError, match="no fixed duration"):
        Layout.of(EnvSpec("robotwin", {}, "upright", {}, ActionSpec(14, "joint_position", hz=0.0)))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_a_subgoal_is_where_the_subtask_is_over(texts: list[str]) -> None:
    ends = subgoals(texts)
    for frame, end in enumerate(ends):
        assert len(set(texts[frame:end] or texts[frame])) == 1
        assert end == len(texts) - 1 or texts[end] != texts[frame]


@given(stn.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=st.floats(-5, 5, width=32)))
def test_statistics_of_vectors(rows: np.ndarray[Any, Any]) -> None:
    stats = statistics.of_vectors(rows)
    np.testing.assert_allclose(stats["mean"], rows.astype(float).mean(0))
    np.testing.assert_array_equal(stats["max"], rows.max(0))
    assert stats["count"] == [len(rows)]
    assert len(stats["q01"]) == rows.shape[1]


@given(stn.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.just(3))))
def test_statistics_of_images(frames: np.ndarray[Any, Any]) -> None:
    stats = statistics.of_images(images.histograms(list(frames)), len(frames))
    pixels = frames.reshape(-1, 3) / 255
    for name in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(np.array(stats[name]).reshape(3), getattr(pixels, name)(0), atol=1e-12)
    expected = np.quantile(pixels, 0.5, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(np.array(stats["q50"]).reshape(3), expected)
    assert np.array(stats["mean"]).shape == (3, 1, 1)


# Noise.


def test_noise_shakes_all_but_the_gripper_and_keeps_what_was_meant() -> None:
    policy = Perturbed(Recorded(), PROTOCOL, noise=0.5)
    output = policy.act([query(0)])[0]
    assert output.text == "go"
    np.testing.assert_array_equal(output.extras[CLEAN_ACTIONS], np.full((4, 7), 0.9, np.float32))
    np.testing.assert_array_equal(output.actions[:, -1], np.float32(0.9))
    assert (output.actions[:, :-1] != np.float32(0.9)).all()
    assert output.actions.max() <= 1.0
    assert output.actions.dtype == np.float32


def test_noise_depends_on_episode_and_query_alone() -> None:
    policy = Perturbed(Recorded(), PROTOCOL, noise=0.1, random_start=6)
    queries = [query(index, init_state) for init_state in (0, 1) for index in range(4)]
    together = policy.act(queries)
    alone = [Perturbed(Recorded(), PROTOCOL, noise=0.1, random_start=6).act([one])[0] for one in queries]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)
    assert len({output.actions.tobytes() for output in together}) == len(queries)


def test_a_random_start_comes_first_and_the_policy_does_not_notice() -> None:
    inner = Recorded(chunk=4)
    outputs = [Perturbed(inner, PROTOCOL, random_start=6).act([query(index)])[0] for index in range(4)]
    assert [len(output.actions) for output in outputs] == [4, 2, 4, 4]
    assert [bool(output.extras.get(BEFORE)) for output in outputs] == [True, True, False, False]
    assert inner.asked == [0, 1]
    np.testing.assert_array_equal(np.concatenate([o.actions for o in outputs[:2]])[:, -1], np.float32(-1))


def test_the_start_follows_the_replan_interval_of_the_protocol() -> None:
    policy = Perturbed(Recorded(chunk=8), Protocol(max_steps=50, replan=3), random_start=7)
    lengths = [len(policy.act([query(index)])[0].actions) for index in range(4)]
    assert lengths == [3, 3, 1, 8]


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_random_motion_is_smooth_and_within_the_limits(steps: int, seed: int) -> None:
    motion = smooth_motion(ARM, steps, seed)
    assert motion.shape == (steps, 7)
    assert np.abs(motion).max() <= 1.0
    assert np.abs(np.diff(motion[:, :3], axis=0)).max(initial=0.0) < 1.0


def test_a_lead_in_acts_first_for_as_long_as_the_episode_says_and_the_policy_does_not_notice() -> None:
    lengths = []
    for init_state in range(40):
        inner, leader = Recorded(chunk=4), Recorded(chunk=8)
        policy = LedIn(inner, leader, PROTOCOL, steps=12)
        outputs = [policy.act([query(index, init_state)])[0] for index in range(5)]
        led = [bool(output.extras.get(BEFORE)) for output in outputs]
        assert led == sorted(led, reverse=True)
        assert {len(output.actions) for output in outputs} == {4}
        assert inner.asked == list(range(5 - sum(led)))
        assert leader.asked == list(range(sum(led)))
        lengths.append(sum(led))
    assert set(lengths) == {0, 1, 2, 3}


def test_a_lead_in_that_does_not_fit_is_refused() -> None:
    other = replace(ARM, gripper="0 open, +1 close")
    for leader, steps, message in (
        (Recorded(other), 8, "other conventions"),
        (Recorded(chunk=2), 8, "chunks of 2"),
        (Recorded(), 50, "leave steps"),
    ):
        with pytest.raises(UsageError, match=message):
            LedIn(Recorded(), leader, PROTOCOL, steps)


def test_settings_are_in_the_name_and_the_config_and_the_rest_is_the_inner_policys() -> None:
    policy = Perturbed(Recorded(), PROTOCOL, noise=0.1, random_start=5)
    assert policy.spec.name == "inner (noise 0.1, random start 5)"
    assert policy.spec.config["perturbed"] == {"noise": 0.1, "random_start": 5}
    assert policy.extra == "seen through the wrapper"


@pytest.mark.parametrize(
    ("action", "settings", "message"),
    [
        (ARM, {"noise": -0.1}, "number ≥ 0"),
        (ARM, {"noise": float("nan")}, "number ≥ 0"),
        (ARM, {"random_start": 50}, "leave steps"),
        (replace(ARM, control="joint_position"), {"random_start": 5}, "deltas"),
        (replace(ARM, dim=8, rotation="quat_wxyz"), {"noise": 0.1}, "cannot be added"),
        (replace(ARM, dim=14), {"noise": 0.1}, "one arm"),
    ],
)
def test_noise_that_makes_no_sense_is_refused(action: ActionSpec, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Perturbed(Recorded(action), PROTOCOL, **settings)


# Frames.


@pytest.mark.parametrize("perturbed", [{}, {"noise": 0.2, "random_start": 3}])
def test_a_frame_holds_what_was_seen_before_its_action(tmp_path: Path, perturbed: dict[str, Any]) -> None:
    suite = load_suite("toy")
    task = plugin.tasks(suite)[1]
    env = plugin.make(suite, task, Needs(("top", "side"), True))
    layout = Layout.of(env.interface, "png")
    episode = Episode(suite.name, task.name, 2, 0)
    policy = Perturbed(ToyPolicy(chunk=4), suite.protocol, **perturbed) if perturbed else ToyPolicy(chunk=4)
    result = run_episode(
        env, policy, episode, suite.protocol, [DemonstrationRecorder(FolderArtifacts(tmp_path), "staged", layout)]
    )
    assert result.outcome == "success"
    staged = staging.read(tmp_path / result.artifacts["demonstration"])
    rows = staged.rows().to_pydict()
    assert staged.episode == episode
    assert staged.final_hash == result.final_hash
    assert len(staged.start_actions) == perturbed.get("random_start", 0)
    assert staged.frames + len(staged.start_actions) == result.steps

    seen = env.begin(episode)
    for action in staged.start_actions:
        seen, *_ = env.step_chunk(np.array([action], np.float32))
    for frame in range(staged.frames):
        expected = np.concatenate([seen.state["position"], seen.state["target"]]).astype(np.float32)
        np.testing.assert_array_equal(np.float32(rows["observation.state"][frame]), expected)
        assert rows["observation.images.top"][frame]["bytes"] == images.png(seen.images["top"])
        seen, *_ = env.step_chunk(np.array([rows["action"][frame]], np.float32))
    assert env.state_hash() == staged.final_hash
    assert (rows["action"] != rows["intended_action"]) == bool(perturbed)


def test_only_every_kth_frame_is_drawn_and_the_others_repeat_it(tmp_path: Path) -> None:
    suite = load_suite("toy")
    task = plugin.tasks(suite)[1]
    env = plugin.make(suite, task, Needs(("top", "side"), True))
    episode, drawn = Episode(suite.name, task.name, 2, 0), []

    class Watched:
        """The environment, with images that tell when they are looked at."""

        interface = env.interface

        def __getattr__(self, name: str) -> Any:
            return getattr(env, name)

        def begin(self, episode: Episode) -> Observation:
            return self._watched(env.begin(episode))

        def step_chunk(self, actions: np.ndarray[Any, Any]) -> Any:
            seen, *rest = env.step_chunk(actions)
            return self._watched(seen), *rest

        def _watched(self, seen: Observation) -> Observation:
            def draw(camera: str) -> np.ndarray[Any, Any]:
                drawn.append(camera)
                return np.array(seen.images[camera])

            return replace(seen, images=LazyImages(tuple(seen.images), draw))

    rows = {}
    for every in (1, 3):
        drawn.clear()
        root = tmp_path / str(every)
        layout = Layout.of(env.interface, "png", every)
        watcher = DemonstrationRecorder(FolderArtifacts(root), "staged", layout)
        result = run_episode(Watched(), ToyPolicy(chunk=4), episode, suite.protocol, [watcher])
        rows[every] = staging.read(root / result.artifacts["demonstration"]).rows().to_pydict()
        assert len(drawn) == 2 * -(-result.steps // every)
    pictures = {every: [row["bytes"] for row in rows[every]["observation.images.top"]] for every in rows}
    assert rows[3]["image_age"] == [t % 3 for t in range(len(pictures[3]))]
    assert pictures[3] == [pictures[1][t // 3 * 3] for t in range(len(pictures[1]))]
    assert len(set(pictures[1])) > len(set(pictures[3])) > 1
    assert layout.features(with_subtasks=False)["image_age"] == {"dtype": "int64", "shape": [1], "names": None}
    for column in ("action", "intended_action", "observation.state"):
        assert rows[3][column] == rows[1][column]
    assert "image_age" not in rows[1]


def test_failures_leave_nothing(tmp_path: Path) -> None:
    suite = load_suite("toy", ["protocol.max_steps=2"])
    task = plugin.tasks(suite)[1]
    env = plugin.make(suite, task, Needs(("top", "side"), True))
    recorder = DemonstrationRecorder(FolderArtifacts(tmp_path), "staged", Layout.of(env.interface))
    result = run_episode(env, ToyPolicy(), Episode(suite.name, task.name, 0, 0), suite.protocol, [recorder])
    assert result.outcome == "failure"
    assert not list(tmp_path.iterdir())


def test_videos_show_the_frames_at_their_times(tmp_path: Path) -> None:
    import imageio.v3 as iio

    frames = [np.full((16, 32, 3), 10 * k, np.uint8) for k in range(25)]
    images.write_video(tmp_path / "v.mp4", frames, 20.0)
    shown = iio.imread(tmp_path / "v.mp4")
    assert shown.shape == (25, 16, 32, 3)
    assert np.abs(shown.mean((1, 2, 3)) - 10 * np.arange(25)).max() < 3
    assert iio.immeta(tmp_path / "v.mp4")["fps"] == 20.0


# Data sets that cannot be replayed.


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "no such folder"),
        ({}, "no LeRobot data set"),
        ({"info.json": "{"}, "cannot read"),
        ({"info.json": '{"codebase_version": "v2.1"}'}, r"version v2\.1"),
        ({"info.json": '{"codebase_version": "v3.0"}'}, "not recorded by"),
        ({"info.json": '{"codebase_version": "v3.0"}', "mmact_eval.json": '{"fingerprint": {}}'}, "damaged"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, files: dict[str, str] | None, message: str) -> None:
    folder = tmp_path / "data"
    if files is not None:
        (folder / "meta").mkdir(parents=True)
        for name, text in files.items():
            (folder / "meta" / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        dataset.read(folder)
    with pytest.raises(UsageError, match=message):
        registry.make_policy("replay", {"data": str(folder)}, plugin.spec(load_suite("toy")))
