"""Observations of CALVIN as other people's evaluations send them, and actions in their units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from mmact_eval.envs.calvin.spec import ACTION, STATE
from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.vla_eval.server import VlaEvalConversation
from mmact_eval.policies.remote.wire.codec import Dialect, WireError
from mmact_eval.policies.remote.wire.layouts import preset
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Observation

CALVIN = EnvSpec("calvin", {"static": (200, 200), "gripper": (84, 84)}, "upright", STATE, ACTION)
DIALECTS: tuple[Dialect, ...] = ("openpi", "vla-eval")


def observed() -> Observation:
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*size, 3), np.uint8) for name, size in CALVIN.cameras.items()}
    vector = rng.normal(size=15)
    state = {"tcp_pos": vector[:3], "tcp_euler": vector[3:6], "gripper_width": vector[6:7], "joint_pos": vector[7:14]}
    return Observation(images, {**state, "gripper_action": vector[14:]}, "open the drawer")


def test_an_openpi_server_gets_what_its_own_client_sends() -> None:
    looked = observed()
    request = preset("auto", CALVIN, "openpi").request(looked)
    hand = np.concatenate([looked.state[key] for key in ("tcp_pos", "tcp_euler", "gripper_width")])
    assert request["observation/state"].tolist() == hand.tolist()
    assert request["observation/state_ee_rot"].tolist() == hand[3:6].tolist()
    assert request["observation/image"] is looked.images["static"]  # neither turned nor resized
    assert request["observation/wrist_image"].shape == (84, 84, 3)
    assert request["prompt"] == "open the drawer"


def test_a_vla_eval_server_gets_what_its_harness_sends() -> None:
    looked = observed()
    request = preset("auto", CALVIN, "vla-eval").request(looked)
    assert set(request["images"]) == {"rgb_static", "rgb_gripper"}
    assert request["states"].dtype == np.float32
    assert request["states"][-1] == np.float32(looked.state["gripper_action"][0])
    assert len(request["states"]) == 8


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_server_reads_what_a_client_sends(dialect: Dialect) -> None:
    layout, looked = preset("calvin", CALVIN, dialect), observed()
    found = layout.observation(layout.request(looked))
    assert found.instruction == looked.instruction
    assert all((found.images[camera] == looked.images[camera]).all() for camera in looked.images)
    for key in layout.state:
        np.testing.assert_allclose(found.state[key], looked.state[key], rtol=1e-6)


def test_the_state_may_come_in_three_parts_alone() -> None:
    layout = preset("calvin", CALVIN, "openpi")
    request = layout.request(observed())
    whole = layout.observation(request).state
    del request["observation/state"]
    parts = layout.observation(request).state
    assert {key: vector.tolist() for key, vector in parts.items()} == {key: v.tolist() for key, v in whole.items()}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_state_of_another_length_is_refused_by_its_parts(dialect: Dialect) -> None:
    layout = preset("calvin", CALVIN, dialect)
    request: dict[str, Any] = layout.request(observed())
    request["observation/state" if dialect == "openpi" else "states"] = np.zeros(15)
    with pytest.raises(WireError, match=r"the state has 15 numbers; expected \d: tcp_pos 3, tcp_euler 3"):
        layout.observation(request)


def test_vla_evals_actions_are_metres_and_radians() -> None:
    assert preset("calvin", CALVIN, "openpi").unit is None
    unit = preset("calvin", CALVIN, "vla-eval").unit
    assert unit is not None
    np.testing.assert_allclose(np.array([0.02, 0, 0, 0.05, 0, 0, -1]) * unit, [1, 0, 0, 1, 0, 0, -1])


def test_the_announcement_names_conventions_and_cameras_as_the_harness_does() -> None:
    spec = PolicySpec("p", ACTION, chunk=10, cameras=("static",), state=("tcp_pos",))
    greeting = VlaEvalConversation(spec, CALVIN, {}).greeting
    assert greeting["observation_params"] == {"send_wrist_image": False, "send_state": True, "absolute_action": False}
    assert greeting["action_spec"]["rotation"]["format"] == "euler_xyz"
    assert greeting["action_spec"]["gripper"]["format"] == "binary_close_negative"
    assert list(greeting["observation_spec"]) == ["rgb_static"]


def test_other_environments_have_no_such_state() -> None:
    libero = EnvSpec("libero", {"agentview": (8, 8)}, "rotated 180°", {}, ACTION)
    with pytest.raises(UsageError, match="preset calvin: libero has no state tcp_pos"):
        preset("calvin", libero, "openpi")
