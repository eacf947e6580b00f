"""MMaDA-VLA as a policy: seeds, batches, goals, what identifies its weights, what is said where some are missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from mmact_eval import registry
from mmact_eval.cli import cli
from mmact_eval.conformance import check_policy
from mmact_eval.errors import UsageError
from mmact_eval.identity.content_hash import content_hash
from mmact_eval.policies.llada.images import to_uint8
from mmact_eval.policies.mmada_vla import attention, load
from mmact_eval.policies.mmada_vla.images import third_person
from mmact_eval.policies.mmada_vla.model import MMaDAVLA
from mmact_eval.policies.mmada_vla.policy import make as make_module
from mmact_eval.policies.mmada_vla.policy import options
from mmact_eval.policies.mmada_vla.policy.acting import MmadaVlaPolicy
from mmact_eval.policies.mmada_vla.policy.make import make_policy
from mmact_eval.policies.mmada_vla.policy.tiny import TINY, tiny_checkpoint
from mmact_eval.policy_output import plain_output
from mmact_eval.types import Episode, Observation, Query

from .test_adapters import CALVIN_ENV, LIBERO_ENV

Views = list[NDArray[np.uint8]]
TASKS = ("KITCHEN_SCENE3_turn_on_the_stove", "push_the_plate", "open_the_drawer")


@pytest.fixture
def make(model: MMaDAVLA, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`make_policy` on the model that is loaded already, with few steps."""
    monkeypatch.setattr(make_module, "load", lambda *_: model)

    def made(env: Any = LIBERO_ENV, **args: Any) -> MmadaVlaPolicy:
        return make_policy(env, **{"checkpoint": str(checkpoint), "steps": 2, **args})

    return made


def query(views: Views, episode: int = 0, index: int = 0, seed: int = 0) -> Query:
    images = {"agentview": views[episode % 2], "wrist": views[1]}
    state = {
        "eef_pos": np.array([0.1, 0.2, 0.3]) * (episode + 1),
        "eef_axis_angle": np.array([3.1, 0.0, -0.1]),
        "gripper_qpos": np.array([0.04, -0.04]),
    }
    task = TASKS[episode % len(TASKS)]
    seen = Observation(images, state, task.rpartition("SCENE3_")[2].replace("_", " "))
    return Query(seen, Episode("libero-long", task, episode, seed), index)


def actions(policy: MmadaVlaPolicy, queries: Sequence[Query]) -> list[NDArray[np.float32]]:
    return [output.actions for output in policy.act(queries)]


def test_a_checkpoint_that_reads_another_robots_state_is_refused_before_the_run(
    make: Any, model: MMaDAVLA, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkpoint, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    file = tmp_path / "copy" / "model" / "config.json"
    written = json.loads(file.read_text())
    file.write_text(json.dumps(written | {"state": "bins", "state_ranges": [[-1, 1]] * 15}))
    with pytest.raises(UsageError, match=r"reads states of 15 numbers \(state_ranges\), and libero's have 8"):
        make(checkpoint=str(tmp_path / "copy"))
    assert make(CALVIN_ENV, checkpoint=str(tmp_path / "copy")).spec.chunk == 5


def test_it_keeps_what_the_protocols_promise(make: Any) -> None:
    report = check_policy(make(steps=1, goal=2), LIBERO_ENV, episodes=2, queries=2)
    assert {finding.name for finding in report.findings if finding.status == "skipped"} <= {"close"}


@pytest.mark.parametrize("words", ["as_released", "as_trained"])
def test_a_query_gets_the_models_answer_for_its_seed(make: Any, model: MMaDAVLA, views: Views, words: str) -> None:
    asked = query(views)
    (output,) = make(temperature=0.7, refresh=1, instruction=words).act([asked])
    instruction = "turn on the stove" if words == "as_released" else "KITCHEN SCENE3 turn on the stove"
    state = np.array([0.1, 0.2, 0.3, 3.1, 0.0, -0.1, 0.04, -0.04])
    state[:3] = asked.observation.state["eef_pos"]
    expected, goal = model.generate(
        views[:2], instruction, state, steps=2, refresh=1, temperature=0.7,
        seed=asked.episode.derived_seed("mmada-vla", "answer", 0),
    )  # fmt: skip
    np.testing.assert_array_equal(output.actions, expected.astype(np.float32))
    np.testing.assert_array_equal(output.extras["goal_codes"], goal)
    assert plain_output(output, 7).actions.shape == (5, 7)
    assert set(output.actions[:, 6]) <= {-1.0, 1.0}
    assert output.text is None


def test_a_variant_that_the_checkpoint_is_not_is_refused(make: Any) -> None:
    assert make(variant="goal").spec == make().spec
    with pytest.raises(UsageError, match=r"no variant no-goal in .*, which is goal$"):
        make(variant="no-goal")


def test_run_seed_episode_and_query_decide_what_is_drawn(make: Any, views: Views) -> None:
    same, again, other_seed, other_query = actions(
        make(), [query(views), query(views), query(views, seed=1), query(views, index=1)]
    )
    np.testing.assert_array_equal(same, again)
    assert (same != other_seed).mean() > 0.5
    assert (same != other_query).mean() > 0.5


def test_the_batch_does_not_change_an_answer(make: Any, views: Views) -> None:
    policy = make(goal=1)
    queries = [query(views, episode) for episode in range(3)]
    together = policy.act(queries)
    alone = [policy.act([asked])[0] for asked in reversed(queries)][::-1]
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)
        np.testing.assert_array_equal(ours.extras["goal_codes"], theirs.extras["goal_codes"])
        assert ours.image is not None
        assert theirs.image is not None
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_a_goal_is_shown_at_its_queries_as_the_scene_camera_would_and_leaves_the_actions_alone(
    make: Any, model: MMaDAVLA, views: Views
) -> None:
    queries = [query(views, index=index) for index in range(4)]
    outputs = make(goal=3).act(queries)
    assert [output.image is not None for output in outputs] == [True, False, False, True]
    assert outputs[0].extras["image_of"] == {"camera": "agentview", "steps": 5}
    assert set(outputs[1].extras) == {"goal_codes"}
    both = to_uint8(model.decode_image(outputs[0].extras["goal_codes"]))
    assert outputs[0].image is not None
    np.testing.assert_array_equal(outputs[0].image, third_person(both))
    for ours, silent in zip(outputs, make(goal=0).act(queries), strict=True):
        assert silent.image is None
        np.testing.assert_array_equal(ours.actions, silent.actions)


def test_the_upper_view_stretched_back_is_what_was_squeezed(model: MMaDAVLA) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, axis=1)
    scene = np.stack([ramp, ramp.T, 255 - ramp], axis=-1)
    back = third_person(model.stack([scene, np.zeros_like(scene)])).astype(int)
    assert np.abs(back - scene)[8:-8].max() <= 2


def test_a_stage_begins_afresh(make: Any, views: Views) -> None:
    policy = make(goal=2)

    def shown(first_of_stage: int | None) -> list[bool]:
        told = []
        for index in range(5):
            asked = replace(query(views, index=index), new_stage=index == first_of_stage)
            if index in (0, first_of_stage):
                policy.reset([asked.episode])
            told.append(policy.act([asked])[0].image is not None)
        return told

    assert shown(None) == [True, False, True, False, True]
    assert shown(1) == [True, True, False, True, False]
    assert shown(None) == [True, False, True, False, True]


def test_calvins_arm_answers_with_chunks_of_ten_and_opens_at_plus_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, views: Views
) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path))
    policy = make_policy(CALVIN_ENV, checkpoint=TINY, steps=1, goal=1, replan=7)
    state = {key: np.linspace(-1, 1, spec.dim) for key, spec in CALVIN_ENV.state.items()}
    seen = Observation(dict(zip(("static", "gripper"), views, strict=True)), state, "push the red block")
    (output,) = policy.act([Query(seen, Episode("calvin-abc-d", "chain", 0, 0), 0)])
    assert output.actions.shape == (10, 7)
    assert set(output.actions[:, 6]) <= {-1.0, 1.0}
    assert output.extras["image_of"] == {"camera": "static", "steps": 10}
    spec = policy.spec
    assert (spec.name, spec.checkpoint, spec.not_real) == (
        "mmada-vla-tiny-random",
        "mmada-vla-tiny-random",
        "random weights",
    )
    assert (spec.chunk, spec.replan, spec.config["quantizer"]) == (10, 7, "")
    (made,) = tmp_path.iterdir()  # nothing half-written is left
    assert tiny_checkpoint(10) == made
    assert load(made / "model", made / "quantizer", robot="calvin", device="cpu").config.chunk == 10


def test_the_spec_tells_what_runs(make: Any, checkpoint: Path, tmp_path: Path) -> None:
    statistics = tmp_path / "stats.json"
    statistics.write_text((checkpoint / "model" / "action_stats_5chunk.json").read_text())
    spec = make(replan=4, action_stats=str(statistics), quantizer=str(checkpoint / "quantizer"),
                tokenizer=str(checkpoint / "model")).spec  # fmt: skip
    assert (spec.name, spec.chunk, spec.replan, spec.not_real) == ("mmada-vla", 5, 4, "random weights")
    assert spec.checkpoint == f"{checkpoint}@{content_hash(checkpoint / 'model')}"
    assert (spec.config["steps"], spec.config["attention"], spec.config["dtype"]) == (2, "full", "float32")
    assert spec.config["quantizer"] == f"{checkpoint / 'quantizer'}@{content_hash(checkpoint / 'quantizer')}"
    assert spec.config["action_stats"] == f"{statistics}@{content_hash(statistics)}"
    assert spec.config["tokenizer"] == ""  # it is the checkpoint's own
    before = make(action_stats=str(statistics)).spec
    statistics.write_text(statistics.read_text().replace("1.0", "0.5"))
    assert make(action_stats=str(statistics)).spec != before


def test_what_the_spec_pins_is_not_hashed_again(checkpoint: Path) -> None:
    made = registry.make_policy("mmada-vla", {"checkpoint": str(checkpoint), "steps": 2}, LIBERO_ENV)
    assert not made.code
    assert not made.paths
    assert {"checkpoint", "quantizer", "tokenizer", "action_stats"} <= made.pinned


def test_a_checkpoint_that_was_trained_here_has_defaults_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "own")
    config = tmp_path / "own" / "model" / "config.json"
    said = {"name": "mine", "attention": "hybrid", "refresh": 1, "trained_on": {"libero-object": "0-19"}}
    config.write_text(json.dumps({**json.loads(config.read_text()), "mmact_eval": said}))
    spec = make_policy(LIBERO_ENV, checkpoint=str(tmp_path / "own"), refresh=3).spec
    assert (spec.name, spec.config["attention"], spec.config["refresh"]) == ("mine", "hybrid", 3)
    assert spec.config["trained_on"] == {"libero-object": "0-19"}
    config.write_text(json.dumps({**json.loads(config.read_text()), "mmact_eval": {"colour": "red"}}))
    says = r"config\.json: mmact_eval: .*colour.* model_type is 'mmadavla'; is it for another policy\?"
    with pytest.raises(UsageError, match=says):
        make_policy(LIBERO_ENV, checkpoint=str(tmp_path / "own"))


def test_without_a_checkpoint_one_line_says_how_to_get_one() -> None:
    with pytest.raises(
        UsageError, match=r"yliu-cs/mmada-vla .*mmada-vla-tiny-random.* new-checkpoint --size tiny"
    ) as told:
        make_policy(CALVIN_ENV)
    assert "\n" not in str(told.value)
    with pytest.raises(UsageError, match="has learned LIBERO"):
        make_policy(CALVIN_ENV, checkpoint="mmada-nano")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"checkpoint": "/nowhere"}, "no checkpoint at /nowhere"),
        ({"quantizer": "/nowhere"}, r"no image tokenizer \(option quantizer\) at /nowhere"),
        ({"checkpoint": 7}, "checkpoint must be text"),
        ({"device": "cuda:99"}, 'no device "cuda:99"'),
        ({"dtype": "int4"}, 'no dtype "int4"'),
        ({"replan": 6}, "replan must be a whole number from 1 to 5, got 6"),
        ({"action_stats": "/nowhere.json"}, r"there is no /nowhere\.json.*name it as action_stats"),
        ({"tokenizer": "/nowhere"}, r"no checkpoint at /nowhere.*name a folder with its tokenizer\.json as tokenizer"),
    ],
)
def test_what_cannot_be_had_is_named(args: dict[str, Any], says: str, checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=says) as told:
        make_policy(LIBERO_ENV, **{"checkpoint": str(checkpoint), **args})
    assert "\n" not in str(told.value)


def test_another_tokenizer_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = json.loads((checkpoint / "model" / "tokenizer.json").read_text())
    data["added_tokens"].pop()
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(UsageError, match="has 126348 tokens, and MMaDA-VLA's has 126349; take the tokenizer that"):
        make_policy(LIBERO_ENV, checkpoint=str(checkpoint), tokenizer=str(tmp_path))


def test_an_observation_that_is_no_picture_is_refused(make: Any, views: Views) -> None:
    with pytest.raises(UsageError, match="uint8"):
        make().act([query([view.astype(np.float32) for view in views])])


def test_the_policy_knows_the_models_attentions() -> None:
    assert options.ATTENTIONS == attention.ATTENTIONS


def test_the_command_line_writes_a_checkpoint_that_runs_and_overwrites_nothing(tmp_path: Path) -> None:
    out = tmp_path / "new"
    command = ["mmada-vla", "new-checkpoint", "--out", str(out), "--dtype", "bfloat16", "--chunk", "10"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    spec = make_policy(CALVIN_ENV, checkpoint=str(out)).spec
    assert (spec.chunk, spec.not_real) == (10, "random weights")
    again = CliRunner().invoke(cli, command)
    assert isinstance(again.exception, UsageError)
    assert "nothing was written" in str(again.exception)
