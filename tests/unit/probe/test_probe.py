"""The probe: each planted error is found and named, a right set-up passes, and ignorance is not taken for an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import probe_world as world
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from probe_world import ENV, SPEC, After, Before, Learned

from mmact_eval.errors import UsageError
from mmact_eval.probe.agreement import correlations, jackknife
from mmact_eval.probe.alterations import alterations
from mmact_eval.probe.dimensions import dimensions
from mmact_eval.probe.probe import ProbeReport, probe
from mmact_eval.probe.readings import readings
from mmact_eval.probe.reference import Reference, choose, load, phases, save
from mmact_eval.probe.sheet import write_sheet
from mmact_eval.probe.table import lines
from mmact_eval.specs import ActionSpec
from mmact_eval.types import Observation, PolicyOutput, Query

Chunk = NDArray[np.float32]


@pytest.fixture(scope="module")
def weights() -> NDArray[np.float64]:
    return world.learn(world.reference(1000, 40, 0).frames[::3])


@pytest.fixture(scope="module")
def shown() -> Reference:
    return world.reference(0, 16)


def as_is(thing: Any) -> Any:
    return thing


def pictures(turn: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], *cameras: str) -> Before:
    def change(seen: Observation) -> Observation:
        return replace(seen, images={c: turn(p) if c in cameras else p for c, p in seen.images.items()})

    return change


def state(key: str, turn: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Before:
    return lambda seen: replace(seen, state={**seen.state, key: turn(seen.state[key])})


def columns(places: Sequence[int], turn: Callable[[Any], Any]) -> After:
    def change(chunk: Chunk) -> Chunk:
        changed = chunk.copy()
        changed[:, list(places)] = turn(chunk[:, list(places)])
        return changed

    return change


def exchanged(seen: Observation) -> Observation:
    return replace(seen, images={"front": seen.images["wrist"], "wrist": seen.images["front"]})


BOTH = ("front", "wrist")
OF_INPUTS: dict[str, tuple[Before, str]] = {
    "all images turned by 180°": (pictures(lambda p: p[::-1, ::-1], *BOTH), "orientation of images"),
    "all images mirrored left to right": (pictures(lambda p: p[:, ::-1], *BOTH), "orientation of images"),
    "all images upside down (mirrored)": (pictures(lambda p: p[::-1], *BOTH), "orientation of images"),
    "all images turned by 270°": (pictures(lambda p: np.rot90(p), *BOTH), "orientation of images"),
    "image of wrist turned by 180°": (pictures(lambda p: p[::-1, ::-1], "wrist"), "orientation of images"),
    "all images with red and blue exchanged": (pictures(lambda p: p[..., ::-1], *BOTH), "colours of images"),
    "cameras front and wrist exchanged": (exchanged, "order of cameras"),
}  # each is planted so that the alteration of this name undoes it
OF_STATE: dict[str, tuple[Before, str]] = {
    "eef_quat with the other sign": (state("eef_quat", lambda q: -q), "convention of eef_quat"),
    "eef_quat as wxyz": (state("eef_quat", lambda q: q[[1, 2, 3, 0]]), "convention of eef_quat"),
}
OF_ACTIONS: dict[str, tuple[After, str]] = {
    "gripper inverted": (columns([6], lambda g: -g), "direction of the gripper"),
    "x negated": (columns([0], lambda v: -v), "signs of the translation"),
    "translation negated": (columns([0, 1, 2], lambda v: -v), "signs of the translation"),
    "x and y exchanged": (lambda c: c[:, [1, 0, 2, 3, 4, 5, 6]], "order of the numbers"),
    "rotation before translation": (lambda c: c[:, [3, 4, 5, 0, 1, 2, 6]], "order of the numbers"),
    "gripper first": (lambda c: c[:, [6, 0, 1, 2, 3, 4, 5]], "order of the numbers"),
}
OF_NUMBERS: dict[str, tuple[After, str]] = {
    "0 to 1 instead of -1 to 1": (columns([6], lambda g: (g + 1) / 2), "level of the gripper"),
    "not un-normalized": (columns(range(6), lambda v: 20 * v), "size of motions"),
    "un-normalized twice": (columns(range(6), lambda v: v / 20), "size of motions"),
    "backwards": (lambda c: c[::-1], "order within a chunk"),
}


def ask(policy: Any, shown: Reference) -> ProbeReport:
    return probe(policy, ENV, "small", 0, shown)


def faults(report: ProbeReport) -> list[str]:
    return [finding.name for finding in report.faults]


def test_a_right_setup_passes(weights: NDArray[np.float64], shown: Reference) -> None:
    report = ask(Learned(weights, as_is, as_is), shown)
    assert not report.faults
    verdicts = {finding.name: finding.verdict for finding in report.findings}
    for name in ("agrees with the expert", "orientation of images", "order of cameras", "direction of the gripper"):
        assert verdicts[name] == "ok"


@pytest.mark.parametrize("hypothesis", OF_INPUTS)
def test_a_wrong_input_is_named(hypothesis: str, weights: NDArray[np.float64], shown: Reference) -> None:
    before, family = OF_INPUTS[hypothesis]
    report = ask(Learned(weights, before, as_is), shown)
    assert faults(report) == [family]
    assert report.faults[0].detail.startswith(f"with {hypothesis}:")
    assert report.faults[0].todo


@pytest.mark.parametrize("hypothesis", OF_STATE)
def test_a_wrong_state_is_named(hypothesis: str, shown: Reference) -> None:
    before, family = OF_STATE[hypothesis]
    policy = Learned(world.learn(world.reference(1000, 40, 0).frames[::3], strength=10.0), before, as_is)
    policy.strength = 10.0
    report = ask(policy, shown)
    assert faults(report) == [family]
    assert report.faults[0].detail.startswith(f"with {hypothesis}:")


@pytest.mark.parametrize("hypothesis", OF_ACTIONS)
def test_a_wrong_action_is_named(hypothesis: str, weights: NDArray[np.float64], shown: Reference) -> None:
    after, family = OF_ACTIONS[hypothesis]
    report = ask(Learned(weights, as_is, after), shown)
    assert faults(report) == [family]
    assert report.faults[0].detail.startswith(f"with {hypothesis}:")


@pytest.mark.parametrize("planted", OF_NUMBERS)
def test_wrong_numbers_are_named(planted: str, weights: NDArray[np.float64], shown: Reference) -> None:
    after, name = OF_NUMBERS[planted]
    assert faults(ask(Learned(weights, as_is, after), shown)) == [name]


def test_two_errors_at_once_are_both_found(weights: NDArray[np.float64], shown: Reference) -> None:
    before, after = OF_INPUTS["all images turned by 180°"][0], OF_ACTIONS["gripper inverted"][0]
    report = ask(Learned(weights, before, after), shown)
    assert sorted(faults(report)) == ["direction of the gripper", "orientation of images"]


@pytest.mark.parametrize("seed", range(5))
def test_random_weights_give_no_false_alarm(seed: int, weights: NDArray[np.float64], shown: Reference) -> None:
    drawn = np.random.default_rng(seed).normal(size=weights.shape) * np.abs(weights).mean()
    report = ask(Learned(drawn, as_is, as_is), shown)
    assert not report.faults
    assert "cannot tell" in {f.verdict for f in report.findings if f.name == "agrees with the expert"}


class Answering(Learned):
    """Answers with what a function makes of the query and the learned chunk."""

    def __init__(self, weights: NDArray[np.float64], answer: Callable[[Query, Chunk], Chunk], **spec: Any) -> None:
        super().__init__(weights, as_is, as_is, replace(SPEC, **spec))
        self._answer = answer

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(self._answer(query, self._chunk(query.observation))) for query in queries]


def test_constant_answers_are_a_fault(weights: NDArray[np.float64], shown: Reference) -> None:
    report = ask(Answering(weights, lambda query, chunk: np.full((8, 7), 0.5, np.float32)), shown)
    assert faults(report) == ["answers that differ"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda query, chunk: np.full_like(chunk, np.nan), "finite numbers"),
        (lambda query, chunk: chunk[:, :6], "shape"),
    ],
)
def test_unusable_answers_end_the_probe(
    answer: Callable[[Query, Chunk], Chunk], name: str, weights: NDArray[np.float64], shown: Reference
) -> None:
    report = ask(Answering(weights, answer), shown)
    assert faults(report) == [name]
    assert lines(report)


def test_saturated_answers_are_suspicious(weights: NDArray[np.float64], shown: Reference) -> None:
    report = ask(Answering(weights, lambda query, chunk: np.where(chunk > 0, 1, -1).astype(np.float32)), shown)
    assert "saturation" in [finding.name for finding in report.findings if finding.verdict == "suspicious"]


def test_randomness_outside_the_query_is_told(weights: NDArray[np.float64], shown: Reference) -> None:
    free = np.random.default_rng()

    def verdict(answer: Callable[[Query, Chunk], Chunk], **spec: Any) -> str:
        found = ask(Answering(weights, answer, **spec), shown).findings
        return next(finding.verdict for finding in found if finding.name == "the same question twice")

    def bound(query: Query, chunk: Chunk) -> Chunk:
        return (chunk + 0.1 * query.rng().normal(size=chunk.shape)).astype(np.float32)

    def loose(query: Query, chunk: Chunk) -> Chunk:
        return (chunk + 0.1 * free.normal(size=chunk.shape)).astype(np.float32)

    assert verdict(bound) == "ok"
    assert verdict(loose) == "suspicious"
    assert verdict(loose, deterministic=False) == "note"


def test_an_input_that_is_not_looked_at_is_told(weights: NDArray[np.float64], shown: Reference) -> None:
    report = ask(Learned(weights, pictures(np.zeros_like, "wrist"), as_is), shown)
    told = {finding.name: finding for finding in report.findings if finding.group == "inputs"}
    assert told["camera wrist"].verdict == "note"
    assert "does not look" in told["camera wrist"].detail
    assert told["camera front"].verdict == "ok"


def test_too_few_episodes_and_ground_truth_are_refused(weights: NDArray[np.float64], shown: Reference) -> None:
    policy = Learned(weights, as_is, as_is)
    with pytest.raises(UsageError, match="too few"):
        ask(policy, Reference(shown.frames[:6], "one"))
    policy.spec = replace(SPEC, privileged=True)
    with pytest.raises(UsageError, match="ground truth"):
        ask(policy, shown)


def test_frames_survive_the_file(shown: Reference, tmp_path: Path) -> None:
    frames = [frame for frame in shown.frames if frame.episode == shown.episodes[0]]
    save(tmp_path / "deep" / "frames.npz", frames)
    for before, after in zip(frames, load(tmp_path / "deep" / "frames.npz"), strict=True):
        assert (before.episode, before.step, before.phase) == (after.episode, after.step, after.phase)
        np.testing.assert_array_equal(before.actions, after.actions)
        for camera, picture in before.observation.images.items():
            np.testing.assert_array_equal(picture, after.observation.images[camera])
        for key, vector in before.observation.state.items():
            np.testing.assert_array_equal(vector, after.observation.state[key])


def test_the_sheet_shows_what_is_handed_over_and_what_is_sent(shown: Reference, tmp_path: Path) -> None:
    from PIL import Image

    class Remote(Learned):
        def pictures(self, observation: Observation) -> dict[str, NDArray[np.uint8]]:
            return {"observation/image": np.full((16, 16, 3), 77, np.uint8)}

    write_sheet(tmp_path / "sheet.png", Remote(np.zeros((1, 7)), as_is, as_is), shown.frames)
    with Image.open(tmp_path / "sheet.png") as sheet:
        found = np.asarray(sheet)
    assert (found == 77).all(axis=2).sum() >= 192 * 192


def test_phases_follow_the_gripper() -> None:
    actions = np.zeros((30, 7), np.float32)
    actions[:, 6] = -1
    actions[10:20, 6] = 1
    labels = phases(actions, world.ACTION)
    assert (labels[0], labels[10], labels[15], labels[20], labels[29]) == (
        "approach", "closing", "carry", "opening", "approach",
    )  # fmt: skip
    chosen = choose(range(30), labels, 8)
    assert {labels[step] for step in chosen} == {"approach", "closing", "carry", "opening"}


@settings(deadline=None)
@given(st.lists(st.sampled_from(["approach", "carry", "moving"]), min_size=1, max_size=40), st.integers(1, 50))
def test_as_many_steps_are_chosen_as_there_are(labels: list[str], wanted: int) -> None:
    chosen = choose(range(len(labels)), labels, wanted)
    assert len(chosen) == min(wanted, len(labels))
    assert chosen == sorted(set(chosen))


def test_dimensions_of_one_and_two_arms() -> None:
    assert [d.name for d in dimensions(world.ACTION)] == ["x", "y", "z", "rx", "ry", "rz", "gripper"]
    joints = ActionSpec(14, "joint_position", gripper="0 shut, 1 open, at 6 and 13", hz=0.0)
    assert [d.column for d in dimensions(joints) if d.kind == "gripper"] == [6, 13]
    assert "left and right arm exchanged" in [way.name for way in readings(joints, dimensions(joints))]
    poses = ActionSpec(16, "ee_pose", rotation="quat_wxyz", gripper="0 shut, 1 open, at 7 and 15", hz=0.0)
    named = [d.name for d in dimensions(poses)]
    assert named[:8] == ["left x", "left y", "left z", "left rw", "left rx", "left ry", "left rz", "left gripper"]
    assert [d.name for d in dimensions(ActionSpec(2, "position_delta"))] == ["x", "y"]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_alterations_and_readings_only_rearrange(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = world.reference(seed % 50, 1, 2).frames[0].observation
    before = {camera: picture.copy() for camera, picture in seen.images.items()}
    for alteration in alterations(SPEC, ENV, 180):
        changed = alteration.change(seen)
        assert {c: p.shape for c, p in changed.images.items()} == {c: p.shape for c, p in seen.images.items()}
        assert {k: v.shape for k, v in changed.state.items()} == {k: v.shape for k, v in seen.state.items()}
    for camera, picture in before.items():
        np.testing.assert_array_equal(picture, seen.images[camera])
    answers = rng.normal(size=(4, 7))
    for way in readings(world.ACTION, dimensions(world.ACTION)):
        np.testing.assert_allclose(np.sort(np.abs(way.of(answers)), 1), np.sort(np.abs(answers), 1))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_correlations_are_numpys_and_blind_to_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    expected = [np.corrcoef(one[:, k], two[:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(correlations(7 * one + 3, two), expected, atol=1e-9)
    assert correlations(np.ones((20, 3)), two).tolist() == [0.0, 0.0, 0.0]


def test_the_jackknifed_error_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(size=30)
    found = jackknife(lambda which: float(values[which].mean()), np.arange(30))
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert found.lower(0.05) < found.value < found.upper(0.05)
    assert not np.isfinite(jackknife(lambda which: 1.0, np.zeros(30, np.intp)).lower(0.05))
