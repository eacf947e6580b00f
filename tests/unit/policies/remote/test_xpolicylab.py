"""XPolicyLab's messages, observations and chunks, held against bytes that its own client and server have sent.

``xpolicylab_messages.json`` says how these were made.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

import msgpack
from peers.hashing import actions_for

from mmact_eval.engine.batcher import Answer
from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.pool import Refused
from mmact_eval.policies.remote.wire.codec import Unreadable, WireError, pack, unpack
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION
from mmact_eval.policies.remote.xpolicylab.libero import LiberoLayout
from mmact_eval.policies.remote.xpolicylab.presets import preset
from mmact_eval.policies.remote.xpolicylab.robotwin import RobotwinLayout
from mmact_eval.policies.remote.xpolicylab.server import XPolicyLabConversation
from mmact_eval.policies.remote.xpolicylab.wire import ANSWERS, Message, Trial, decode, encode
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

RECORDED = json.loads((Path(__file__).parent / "xpolicylab_messages.json").read_text())
CLIENT = {kind: base64.b64decode(text) for kind, text in RECORDED["client"].items()}
SERVER = {kind: base64.b64decode(text) for kind, text in RECORDED["server"].items()}

CAMERAS = dict.fromkeys(("head_camera", "left_camera", "right_camera"), (2, 3))
VECTORS = {"joint_action": StateSpec(14, "rad"), "endpose": StateSpec(16, "m")}
JOINTS = EnvSpec("robotwin", CAMERAS, "upright", VECTORS, ActionSpec(14, "joint_position"))
POSES = replace(JOINTS, action=ActionSpec(16, "ee_pose"))

LIBERO = EnvSpec(
    "libero",
    {"agentview": (4, 4), "wrist": (4, 4)},
    "rotated 180°",
    {
        "eef_pos": StateSpec(3, "m"),
        "eef_quat": StateSpec(4, "xyzw"),
        "eef_axis_angle": StateSpec(3, "rad"),
        "gripper_qpos": StateSpec(2, "m"),
        "joint_pos": StateSpec(7, "rad"),
    },
    LIBERO_ACTION,
)
WHERE = "ws://there"


def seen(spec: EnvSpec, instruction: str = "put it there") -> Observation:
    rng = np.random.default_rng(3)
    pictures = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in spec.cameras.items()}
    return Observation(pictures, {key: rng.random(found.dim) for key, found in spec.state.items()}, instruction)


def shapes(thing: Any) -> Any:
    """What a message is made of, without its numbers."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape
    if isinstance(thing, dict):
        return {key: shapes(value) for key, value in thing.items()}
    return type(thing).__name__


# Bytes.


def test_every_message_that_their_ends_have_sent_is_understood() -> None:
    for kind, frame in {**CLIENT, **SERVER}.items():
        assert decode(frame).kind == kind.partition(" ")[0]
    assert set(CLIENT) == set(ANSWERS) - {"heartbeat"}
    assert set(ANSWERS.values()) <= set(SERVER)
    asked, answered = decode(CLIENT["infer"]), decode(SERVER["infer_result"])
    assert (asked.number, asked.trial) == (answered.number, answered.trial)


def test_our_messages_are_made_as_theirs() -> None:
    """Key by key; their own code reads no others and misses none of these."""
    theirs = msgpack.unpackb(CLIENT["reset"])
    ours = msgpack.unpackb(encode(replace(decode(CLIENT["reset"]), step=0)))
    assert list(ours) == list(theirs)
    assert {**ours, "sent_at": ""} == {**theirs, "sent_at": ""}


def test_arrays_are_msgpack_numpys() -> None:
    packed = msgpack.unpackb(pack({"x": np.arange(3, dtype=np.int32), "y": np.float32(2.5)}, "xpolicylab"))
    x = {b"nd": True, b"type": "<i4", b"kind": b"", b"shape": [3], b"data": np.arange(3, dtype=np.int32).tobytes()}
    assert packed == {"x": x, "y": {b"nd": False, b"type": "<f4", b"data": np.float32(2.5).tobytes()}}
    assert unpack(msgpack.packb(packed), "xpolicylab")["y"] == 2.5


@pytest.mark.parametrize(
    "thing",
    [
        {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"cos\nsystem\n."},
        {b"nd": True, b"type": "|O", b"kind": b"", b"shape": [1], b"data": b"cos\nsystem\n."},
        {b"nd": True, b"type": [["a", "<f4"]], b"kind": b"V", b"shape": [1], b"data": bytes(4)},
        {b"nd": False, b"type": "<f8", b"data": b"1"},
        {b"complex": True, b"data": "1j"},
    ],
)
def test_what_is_no_array_of_numbers_spoils_itself_and_is_never_unpickled(thing: Any) -> None:
    found = unpack(msgpack.packb({"good": 1, "bad": thing}), "xpolicylab")
    assert found["good"] == 1
    assert isinstance(found["bad"], Unreadable)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("hello", "binary"),
        (b"\xc1", "is no message"),
        (msgpack.packb([1]), "a list"),
        (msgpack.packb({"type": "hello", "payload": {}, "seq": 1}), "message_type 'None'"),
        (msgpack.packb({"message_type": "infer", "evaluation_id": "x"}), "message_id"),
        (msgpack.packb({"message_type": "infer", "message_id": "1", "evaluation_id": "x", "payload": [1]}), "payload"),
    ],
)
def test_what_is_no_message_is_told_why(frame: Any, says: str) -> None:
    with pytest.raises(WireError, match=says):
        decode(frame)


# RoboTwin.


def test_robotwins_own_observation_is_understood() -> None:
    request = decode(CLIENT["infer"]).payload["observation"]
    found = RobotwinLayout(JOINTS).observation(request)
    assert found.instruction == "put it there"
    np.testing.assert_array_equal(found.images["left_camera"], request["vision"]["cam_left_wrist"]["color"])
    assert {key: len(vector) for key, vector in found.state.items()} == {"joint_action": 14, "endpose": 16}
    np.testing.assert_allclose(found.state["joint_action"][[0, 6, 7, 13]], [0.54, 0.73, 0.18, 0.12], atol=1e-6)
    np.testing.assert_allclose(found.state["endpose"][[0, 7, 8, 15]], [0.67, 0.73, 0.69, 0.12], atol=1e-6)


def test_our_observation_is_robotwins_but_for_the_matrices_of_the_cameras() -> None:
    theirs = dict(decode(CLIENT["infer"]).payload["observation"])
    theirs["vision"] = {
        name: {key: value for key, value in view.items() if "matrix" not in key}
        for name, view in theirs["vision"].items()
    }
    layout = RobotwinLayout(JOINTS)
    again = unpack(pack(layout.request(layout.observation(theirs)), "xpolicylab"), "xpolicylab")
    assert shapes(again) == shapes(theirs)
    assert same(again, theirs)


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(np.array_equal(one, two))


@pytest.mark.parametrize(("spec", "kind"), [(JOINTS, "infer_result"), (POSES, "infer_result ee")])
def test_the_chunk_of_their_server_is_what_its_model_answered(spec: EnvSpec, kind: str) -> None:
    request = decode(CLIENT["infer"]).payload["observation"]
    vision, state = request["vision"], request["state"]
    parts = [vision[name]["color"] for name in sorted(vision)] + [state[name] for name in sorted(state)]
    expected = actions_for([*parts, *sorted([*vision, *state]), "put it there", 1], (5, spec.action.dim))
    chunk = RobotwinLayout(spec).chunk(decode(SERVER[kind]).payload["actions"], seen(spec), WHERE)
    np.testing.assert_array_equal(chunk.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("spec", [JOINTS, POSES])
def test_what_our_server_answers_is_what_our_client_reads(spec: EnvSpec) -> None:
    layout = RobotwinLayout(spec)
    actions = np.random.default_rng(0).random((3, spec.action.dim)).astype(np.float32)
    answered = unpack(pack({"actions": layout.answer(actions)}, "xpolicylab"), "xpolicylab")["actions"]
    np.testing.assert_array_equal(layout.chunk(answered, seen(spec), WHERE), actions.astype(np.float64))
    names = {"left_ee_joint_state", "right_ee_joint_state"} | (
        {"left_arm_joint_state", "right_arm_joint_state"} if spec is JOINTS else {"left_ee_pose", "right_ee_pose"}
    )
    assert {frozenset(action) for action in answered} == {frozenset(names)}


def test_a_part_that_is_left_out_stays_where_it_was_commanded_or_seen() -> None:
    held = seen(JOINTS).state["joint_action"]
    rows = [{"left_arm_joint_state": np.ones(6)}, {"right_arm_joint": np.full(6, 2.0), "left_gripper": 0.5}]
    first, second = RobotwinLayout(JOINTS).chunk(rows, seen(JOINTS), WHERE)
    np.testing.assert_array_equal(first, np.concatenate([np.ones(6), held[6:]]))
    np.testing.assert_array_equal(second, np.concatenate([np.ones(6), [0.5], np.full(6, 2.0), held[13:]]))


@pytest.mark.parametrize(
    "answered",
    [np.arange(28.0).reshape(2, 14), np.arange(28.0).reshape(2, 14).tolist(), list(np.arange(28.0).reshape(2, 14))],
)
def test_actions_may_be_vectors(answered: Any) -> None:
    chunk = RobotwinLayout(JOINTS).chunk(answered, seen(JOINTS), WHERE)
    np.testing.assert_array_equal(chunk, np.arange(28.0).reshape(2, 14))
    alone = RobotwinLayout(JOINTS).chunk(answered[0], seen(JOINTS), WHERE)
    np.testing.assert_array_equal(alone, chunk[:1])


@pytest.mark.parametrize(
    ("spec", "answered", "says"),
    [
        (JOINTS, [{"left_ee_pose": np.zeros(7), "left_ee_joint_state": [0]}], "did you mean --set env_args.action=ee"),
        (POSES, [{"left_arm_joint_state": np.zeros(6)}], "did you mean --set env_args.action=qpos"),
        (POSES, [{"left_ee_pose": np.zeros(7), "action_type": "qpos"}], "did you mean --set env_args.action=qpos"),
        (JOINTS, [{"wheels": np.zeros(2)}], "does not answer joint actions but: wheels"),
        (JOINTS, np.zeros((2, 7)), "actions of 7 numbers; here they have 14"),
        (JOINTS, [{"left_arm_joint_state": np.zeros(7)}], "has 7 numbers, not 6"),
        (JOINTS, [], "answered no actions but an empty list"),
        (JOINTS, "nothing", "answered no actions but str"),
        (JOINTS, [["a", "b"]], "vector of numbers"),
        (JOINTS, Unreadable("it is pickled"), "it is pickled"),
    ],
)
def test_actions_of_another_kind_are_refused_in_a_sentence(spec: EnvSpec, answered: Any, says: str) -> None:
    with pytest.raises((Refused, WireError), match=says):
        RobotwinLayout(spec).chunk(answered, seen(spec), WHERE)


def test_environments_without_a_form_are_named() -> None:
    with pytest.raises(UsageError, match='no preset "calvin"'):
        preset("auto", replace(JOINTS, name="calvin"))
    with pytest.raises(UsageError, match="no state joint_action, endpose"):
        preset("robotwin", LIBERO)
    with pytest.raises(UsageError, match='one camera with "right" in its name'):
        preset("auto", replace(JOINTS, cameras={"head_camera": (2, 3), "left_camera": (2, 3)}))


# LIBERO.


@pytest.mark.parametrize("convention", ["rotated 180°", "as rendered, upside down"])
def test_libero_survives_the_wire(convention: str) -> None:
    layout, before = LiberoLayout(replace(LIBERO, image_convention=convention)), seen(LIBERO)
    quaternion = np.array([0.1, -0.2, 0.3, 0.9]) / np.linalg.norm([0.1, -0.2, 0.3, 0.9])
    before = replace(before, state={**before.state, "eef_quat": quaternion})
    request = unpack(pack(layout.request(before), "xpolicylab"), "xpolicylab")
    turned = convention != "rotated 180°"
    sent = request["vision"]["cam_wrist"]["color"]
    np.testing.assert_array_equal(sent[::-1, ::-1] if turned else sent, before.images["wrist"])
    np.testing.assert_allclose(request["state"]["ee_pose"][3:], quaternion[[3, 0, 1, 2]], rtol=1e-6)
    after = layout.observation(request)
    for camera in LIBERO.cameras:
        np.testing.assert_array_equal(after.images[camera], before.images[camera])
    for key in ("eef_pos", "eef_quat", "gripper_qpos", "joint_pos"):
        np.testing.assert_allclose(after.state[key], before.state[key], rtol=1e-6)
    axis = quaternion[:3] / np.linalg.norm(quaternion[:3])
    np.testing.assert_allclose(after.state["eef_axis_angle"], axis * 2 * np.arccos(quaternion[3]), rtol=1e-5)


@pytest.mark.parametrize(("quaternion", "length"), [([0.0] * 4, "0"), ([5.0, 0.0, 0.0, 0.0], "5")])
def test_a_quaternion_that_is_no_rotation_is_refused_and_not_taken_for_standing_still(
    quaternion: list[float], length: str
) -> None:
    layout = LiberoLayout(LIBERO)
    row = {"delta_ee_pose": np.array([0.01, 0.0, 0.0, *quaternion]), "ee_joint_state": [1.0]}
    with pytest.raises(WireError, match=f"action of ws://box holds a quaternion of length {length}, not 1"):
        layout.chunk([row], seen(LIBERO), "ws://box")


def test_libero_takes_vectors_and_displacements_in_metres() -> None:
    layout = LiberoLayout(LIBERO)
    vectors = np.random.default_rng(0).uniform(-1, 1, (2, 7)).astype(np.float32)
    np.testing.assert_array_equal(layout.chunk(layout.answer(vectors), seen(LIBERO), WHERE), vectors.astype(float))
    half = np.array([np.cos(0.05), 0.0, 0.0, np.sin(0.05)])  # 0.1 rad about z
    for sign in (1, -1):
        row = {"delta_ee_pose": np.concatenate([[0.05, 0.0, -0.025], sign * half]), "ee_joint_state": [1.0]}
        found = layout.chunk([row], seen(LIBERO), WHERE)
        np.testing.assert_allclose(found, [[1.0, 0.0, -0.5, 0.0, 0.0, 0.2, 1.0]], atol=1e-9)
    with pytest.raises(Refused, match="does not answer"):
        layout.chunk([{"ee_pose": np.zeros(7)}], seen(LIBERO), WHERE)
    with pytest.raises(WireError, match='"ee_pose" has 3 numbers, not 7'):
        layout.observation({"state": {"ee_pose": np.zeros(3)}, "instruction": "go"})


# What our server says to somebody else's client.


class Socket:
    """A connection on which `messages` arrive; what is sent is kept."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = messages
        self.sent: list[Message] = []

    async def send(self, frame: bytes) -> None:
        self.sent.append(decode(frame))

    async def __aiter__(self) -> Any:
        for message in self._messages:
            yield message
            await asyncio.sleep(0)


Asked = list[tuple[Episode, int, bool]]


def conversation(messages: list[Message | bytes], spec: EnvSpec = JOINTS) -> tuple[list[Message], Asked]:
    """The answers, and what the policy was asked."""
    asked: Asked = []

    async def answer(query: Query) -> Answer:
        asked.append((query.episode, query.index, query.new_stage))
        await asyncio.sleep(0.01)
        if query.observation.instruction == "fail":
            return Answer(None, error="no such skill")
        return Answer(PolicyOutput(np.full((4, spec.action.dim), len(asked), np.float32)), 0.5)

    socket = Socket([message if isinstance(message, bytes) else encode(message) for message in messages])
    policy = PolicySpec("four", spec.action, chunk=4, replan=3)
    asyncio.run(XPolicyLabConversation(policy, spec, {}).talk(socket, 7, answer))  # type: ignore[arg-type]
    return socket.sent, asked


def infer(instruction: str = "go", env_idx: object = 0) -> Message:
    observation = {**RobotwinLayout(JOINTS).request(seen(JOINTS, instruction)), "env_idx": env_idx}
    return Message("infer", Trial("eval"), {"observation": observation})


def reset(**told: Any) -> Message:
    return Message("reset", Trial("eval"), told)


def test_robotwins_client_is_answered_message_by_message() -> None:
    kinds = ["hello", "prepare_case", "reset", "infer", "trial_end"]
    answers, asked = conversation([CLIENT[kind] for kind in kinds])
    assert [answer.kind for answer in answers] == [ANSWERS[kind] for kind in kinds]
    assert [answer.number for answer in answers] == [decode(CLIENT[kind]).number for kind in kinds]
    (episode, index, new_stage) = asked[0]
    assert (episode.task, index, new_stage) == ("stack_blocks_two", 0, False)
    actions = answers[3].payload["actions"]
    assert len(actions) == 3, "as many as the policy wants executed"
    assert answers[3].payload["latency_ms"] == 500.0


def test_trials_environments_and_stages_are_kept_apart() -> None:
    messages = [infer(), infer(), infer(env_idx=1), reset(), infer(), infer("then this"), infer("then this")]
    _, asked = conversation([reset(), *messages])
    episodes = [episode for episode, _, _ in asked]
    assert [(index, new_stage) for _, index, new_stage in asked] == [
        (0, False), (1, False), (0, False), (0, False), (1, True), (2, False)
    ]  # fmt: skip
    assert episodes[0] == episodes[1]
    assert len({episodes[0], episodes[2], episodes[3]}) == 3
    assert episodes[3] == episodes[4] == episodes[5]


def test_a_heartbeat_is_answered_while_the_policy_computes() -> None:
    answers, _ = conversation([infer(), Message("heartbeat", Trial("eval"))])
    assert [answer.kind for answer in answers] == ["heartbeat_ack", "infer_result"]


def test_after_a_close_nothing_is_heard() -> None:
    answers, asked = conversation([infer(), Message("close", Trial("eval")), infer()])
    assert [answer.kind for answer in answers] == ["infer_result"]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        (infer("fail"), "infer_failed", "no such skill"),
        (infer(env_idx="a"), "invalid_frame", "env_idx must be"),
        (Message("infer", Trial("eval"), {}), "invalid_frame", 'no instruction: "instruction"'),
        (reset(action_type="ee"), "reset_failed", "answers joint actions: give the client action_type=joint"),
        (Message("infer_result", Trial("eval"), {}), "unknown_message_type", "nothing that a client asks"),
    ],
)
def test_what_cannot_be_answered_is_told_why_and_the_connection_goes_on(message: Message, code: str, says: str) -> None:
    answers, _ = conversation([message, infer()])
    assert [answer.kind for answer in answers] == ["error", "infer_result"]
    assert answers[0].payload["code"] == code
    assert says in answers[0].payload["message"]
    assert answers[0].number == message.number


def test_joint_and_qpos_are_one_action_type() -> None:
    answers, _ = conversation([reset(action_type="qpos"), reset(action_type="joint"), reset()])
    assert [answer.kind for answer in answers] == ["reset_result"] * 3


def test_an_environment_that_xpolicylab_has_no_form_for_is_said() -> None:
    answers, _ = conversation([infer()], replace(JOINTS, name="toy"))
    assert "no form of observations of toy" in answers[0].payload["message"]


def test_a_recorded_error_says_what_is_missing() -> None:
    payload = decode(SERVER["error"]).payload
    assert payload["code"] == "invalid_frame"
    assert "observation" in payload["message"]
