"""What goes over the wire to and from other people: codecs that read nothing but data, layouts, image preparation."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

import msgpack

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.openvla.data import libero_actions
from mmact_eval.policies.remote.vla_eval.wire import decode, encode
from mmact_eval.policies.remote.wire import images, json_numpy
from mmact_eval.policies.remote.wire.answers import actions_of
from mmact_eval.policies.remote.wire.codec import Dialect, Unreadable, WireError, pack, unpack
from mmact_eval.policies.remote.wire.layouts import (
    LIBERO_ACTION,
    Layout,
    LiberoLayout,
    NativeLayout,
    RobotwinLayout,
    preset,
)
from mmact_eval.policies.remote.wire.reading import instruction_of, picture_of, vector_of
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec
from mmact_eval.types import Observation

LIBERO = EnvSpec("libero", {"agentview": (8, 8), "wrist": (8, 8)}, "rotated 180°", {}, LIBERO_ACTION)
ROBOTWIN = EnvSpec(
    "robotwin",
    {"head_camera": (24, 32), "left_camera": (24, 32), "right_camera": (24, 32)},
    "upright",
    {"joint_targets": StateSpec(14, "rad"), "endpose": StateSpec(16, "m")},
    ActionSpec(14, "joint_position"),
)
DIALECTS: tuple[Dialect, ...] = ("openpi", "vla-eval", "xpolicylab")


def same(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray):
        nan = one.dtype.kind == "f"
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and np.array_equal(one, two, equal_nan=nan)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(one == two)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    dtype=st.sampled_from(["u1", "<i4", ">i8", "<f2", "<f4", "<f8", "?", "<U5", "S3"]),
    shape=st.lists(st.integers(0, 4), max_size=4),
    text=st.text(),
)
def test_messages_survive_the_wire_bit_for_bit(dialect: Dialect, dtype: str, shape: list[int], text: str) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    message = {"a": array, "nested": {"text": text, "n": [1, 2.5, None, True]}}
    assert same(unpack(pack(message, dialect), dialect), message)


def test_the_bytes_are_openpis() -> None:
    packed = msgpack.unpackb(pack({"x": np.arange(3, dtype=np.int32), "y": np.float32(2.5)}, "openpi"))
    x = {b"__ndarray__": True, b"data": np.arange(3, dtype=np.int32).tobytes(), b"dtype": "<i4", b"shape": [3]}
    assert packed == {"x": x, "y": {b"__npgeneric__": True, b"data": 2.5, b"dtype": "<f4"}}


def test_vla_evals_images_are_read() -> None:
    import io

    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    sent = {"__image__": True, "format": "png", "data": buffer.getvalue(), "shape": [5, 7, 3]}
    np.testing.assert_array_equal(unpack(msgpack.packb(sent), "vla-eval"), picture)


def claim(**changes: Any) -> dict[Any, Any]:
    return {"__ndarray__": True, "data": bytes(8), "dtype": "<f8", "shape": [1], **changes}


@pytest.mark.parametrize(
    "claimed",
    [
        claim(dtype="O"),
        claim(dtype="V8"),
        claim(dtype="<c8"),
        claim(dtype="f4,f4"),
        claim(dtype="<M8[s]"),
        claim(dtype="__import__('os').system('true')"),
        claim(dtype=5),
        claim(dtype="<U0", shape=[2**40], data=b""),
        claim(dtype="<U1", shape=[2**17], data=bytes(2**19)),
        claim(dtype="<U1", data=b"\xff\xff\xff\xff", shape=[]),
        claim(shape=[2]),
        claim(shape=[-1]),
        claim(shape=[2**40, 2**40]),
        claim(shape=[1] * 40),
        claim(shape=[True]),
        claim(shape="1"),
        claim(data="text"),
        {"__image__": True, "format": "png", "data": b"no picture"},
        {"__image__": True, "format": "raw", "data": b"abc", "dtype": "O", "shape": [1]},
    ],
    ids=str,
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_array_that_is_none_spoils_nothing_but_itself(claimed: dict[Any, Any], dialect: Dialect) -> None:
    if dialect != "vla-eval":
        if "__image__" in claimed:
            pytest.skip(f"{dialect} has no compressed images")
        names = {"__ndarray__": "nd", "dtype": "type"} if dialect == "xpolicylab" else {}
        claimed = {names.get(key, key).encode(): value for key, value in claimed.items()}
    read = unpack(msgpack.packb({"x": claimed, "actions": [[0.5]]}), dialect)
    assert isinstance(read["x"], Unreadable)
    assert read["actions"] == [[0.5]]
    for use in (
        lambda: actions_of({"actions": read["x"]}, "there"),
        lambda: picture_of(read["x"], "top"),
        lambda: vector_of(read["x"], "the state"),
        lambda: instruction_of({"prompt": read["x"]}, "prompt"),
    ):
        with pytest.raises(WireError, match=re.escape(read["x"].why)):
            use()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        msgpack.packb({"a": 1})[:-1],
        msgpack.packb({"a": 1}) + b"\x00",
        b"\xdd" + struct.pack(">I", 2**32 - 1),
        b"\xdf" + struct.pack(">I", 2**32 - 1),
        b"\x91" * 100_000,
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",  # a pickle
    ],
    ids=["empty", "invalid", "cut", "trailing", "huge list", "huge map", "deep", "pickle"],
)
def test_frames_that_are_no_message_are_refused(frame: bytes) -> None:
    for dialect in DIALECTS:
        with pytest.raises(WireError):
            unpack(frame, dialect)


@pytest.mark.parametrize("thing", [msgpack.ExtType(5, b"x"), msgpack.Timestamp(1)])
def test_extension_types_are_not_read_and_spoil_nothing(thing: Any) -> None:
    for dialect in DIALECTS:
        read = unpack(msgpack.packb({"when": thing, "actions": [1.0]}), dialect)
        assert read["actions"] == [1.0]


@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_refused(frame: bytes) -> None:
    for dialect in DIALECTS:
        try:
            unpack(frame, dialect)
        except WireError:
            continue


@pytest.mark.parametrize("thing", [object(), np.array([object()]), np.zeros(2, complex), {1, 2}])
def test_only_data_is_sent(thing: Any) -> None:
    for dialect in DIALECTS:
        with pytest.raises(WireError):
            pack({"x": thing}, dialect)


@pytest.mark.parametrize(
    "message",
    [[1], {"type": "shutdown", "payload": {}, "seq": 0}, {"type": "hello", "payload": 3, "seq": 0}, {"type": "hello"}],
)
def test_other_messages_than_vla_evals_are_refused(message: Any) -> None:
    with pytest.raises(WireError):
        decode(pack(message, "vla-eval"))
    with pytest.raises(WireError):
        decode("words")


def test_vla_evals_messages_survive() -> None:
    message = decode(encode("action", {"actions": np.ones(7)}, 5))
    assert (message.kind, message.seq) == ("action", 5)
    np.testing.assert_array_equal(message.payload["actions"], np.ones(7))


def test_json_with_arrays() -> None:
    message = {"image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3), "text": "x", "n": [np.float64(2.0)]}
    read = json_numpy.loads(json_numpy.dumps(message))
    assert same(read["image"], message["image"])
    assert json.loads(json_numpy.dumps(message))["image"]["dtype"] == "|u1"
    for wrong in (
        "{",
        '{"__numpy__": "x!", "dtype": "<f4", "shape": [1]}',
        '{"__numpy__": "", "dtype": "O", "shape": []}',
    ):
        with pytest.raises(WireError):
            json_numpy.loads(wrong)


# Layouts.


def libero_observation() -> Observation:
    rng = np.random.default_rng(1)
    pictures = {camera: rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for camera in ("agentview", "wrist")}
    state = {"eef_pos": rng.random(3), "eef_axis_angle": np.array([3.0, -1.0, 0.5]), "gripper_qpos": rng.random(2)}
    return Observation(pictures, state, "put it there")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_libero_requests_become_the_observation_again(dialect: Dialect) -> None:
    layout, seen = LiberoLayout(LIBERO, dialect, size=8), libero_observation()
    again = layout.observation(layout.request(seen))
    assert same(dict(again.images), dict(seen.images))
    assert same({key: again.state[key] for key in layout.state}, dict(seen.state))
    assert again.instruction == seen.instruction
    angle = 2 * np.arccos(again.state["eef_quat"][3])
    np.testing.assert_allclose(again.state["eef_quat"][:3] / np.sin(angle / 2) * angle, seen.state["eef_axis_angle"])


def test_libero_images_are_turned_if_the_suite_does_not() -> None:
    seen = libero_observation()
    raw = replace(seen, images={name: picture[::-1, ::-1] for name, picture in seen.images.items()})
    as_rendered = LiberoLayout(replace(LIBERO, image_convention="as rendered, upside down"), "openpi", size=8)
    expected = LiberoLayout(LIBERO, "openpi", size=8).request(seen)
    assert same(as_rendered.request(raw), expected)
    assert same(dict(as_rendered.observation(expected).images), dict(raw.images))
    with pytest.raises(UsageError, match=r"protocol\.rotation=180"):
        LiberoLayout(replace(LIBERO, image_convention="rotated 90°"), "openpi")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_robotwin_requests_become_the_observation_again(dialect: Dialect) -> None:
    rng = np.random.default_rng(1)
    pictures = {camera: rng.integers(0, 256, (24, 32, 3), dtype=np.uint8) for camera in ROBOTWIN.cameras}
    seen = Observation(pictures, {"joint_targets": rng.random(14), "endpose": rng.random(16)}, "lift it")
    layout = RobotwinLayout(ROBOTWIN, dialect)
    sent = layout.request(seen)
    if dialect == "openpi":
        assert {name: picture.shape for name, picture in sent["images"].items()} == {
            "cam_high": (3, 224, 224),
            "cam_left_wrist": (3, 224, 224),
            "cam_right_wrist": (3, 224, 224),
        }
        assert list(sent) == ["images", "state", "prompt"]
    else:
        assert same(dict(layout.observation(sent).images), pictures)
    np.testing.assert_array_equal(layout.observation(sent).state["joint_targets"], seen.state["joint_targets"])
    with pytest.raises(UsageError, match='camera with "left"'):
        RobotwinLayout(replace(ROBOTWIN, cameras={"head_camera": (24, 32)}), dialect)


@pytest.mark.parametrize(
    "request_",
    [
        {"images": 3},
        {"images": {"top": [[1]]}},
        {"images": {"top": np.zeros((4, 4, 3))}},
        {"state": {"x": "words"}},
        {"state": {"x": np.zeros((2, 2))}},
        {"prompt": 5},
        {"prompt": np.array(["one", "two"])},
        {"prompt": np.array(3.0)},
    ],
)
def test_requests_of_the_wrong_kind_are_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        NativeLayout((), (), LIBERO_ACTION).observation({"prompt": "go", **request_})
    with pytest.raises(WireError):
        LiberoLayout(LIBERO, "openpi").observation({"observation/state": np.zeros(7), "prompt": "go"})


@pytest.mark.parametrize("request_", [{}, {"prompt": None}, {"task": "go"}, {"instruction": "go", "language": "go"}])
@pytest.mark.parametrize(
    "layout",
    [
        NativeLayout((), (), LIBERO_ACTION),
        LiberoLayout(LIBERO, "openpi"),
        LiberoLayout(LIBERO, "vla-eval"),
        RobotwinLayout(ROBOTWIN, "openpi"),
        RobotwinLayout(ROBOTWIN, "vla-eval"),
    ],
)
def test_a_request_without_an_instruction_is_refused_and_its_keys_are_named(
    request_: dict[str, Any], layout: Layout
) -> None:
    with pytest.raises(WireError, match="no instruction") as refused:
        layout.observation(request_)
    assert all(f'"{key}"' in str(refused.value) for key in request_)


@pytest.mark.parametrize("prompt", ["lift it", np.array("lift it"), np.array(["lift it"]), np.array(b"lift it")])
def test_an_instruction_may_be_an_array_of_one_text(prompt: Any) -> None:
    request = unpack(pack({"prompt": prompt}, "openpi"), "openpi")
    assert LiberoLayout(LIBERO, "openpi").observation(request).instruction == "lift it"


def test_an_empty_instruction_is_one() -> None:
    assert LiberoLayout(LIBERO, "openpi").observation({"prompt": ""}).instruction == ""


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UsageError, match='Did you mean "libero"'):
        preset("librero", LIBERO, "openpi")
    for wrong in (5, None, ["libero"]):
        with pytest.raises(UsageError, match="there is no preset"):
            preset(wrong, LIBERO, "openpi")  # type: ignore[arg-type]


# Images.


def test_padding_keeps_the_shape_and_centres() -> None:
    padded = images.resize_with_pad(np.full((120, 240, 3), 200, np.uint8), 224, 224)
    assert padded.shape == (224, 224, 3)
    assert not padded[:56].any()
    assert not padded[168:].any()
    assert (padded[56:168] == 200).all()


def test_lanczos_keeps_a_plain_image_and_reduces_noise() -> None:
    assert (images.lanczos3(np.full((256, 256, 3), 93, np.uint8), 224, 224) == 93).all()
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[:, 128:] = 255
    edge = images.lanczos3(picture, 224, 224)[100, :, 0].astype(int)
    assert edge[105] < 10 < 245 < edge[118]


def test_the_centre_crop_enlarges_the_middle() -> None:
    row = np.linspace(0, 255, 224).astype(np.uint8)
    cropped = images.centre_crop(np.broadcast_to(row[np.newaxis, :, np.newaxis], (224, 224, 3)).copy(), 0.9)
    border = (1 - np.sqrt(0.9)) / 2 * 255
    np.testing.assert_allclose(cropped[100, [0, 223], 0], [border, 255 - border], atol=2)


# OpenVLA.


@pytest.mark.parametrize(("said", "gripper"), [(0.0, 1.0), (0.2, 1.0), (0.9, -1.0), (1.0, -1.0)])
def test_openvlas_gripper_becomes_liberos(said: float, gripper: float) -> None:
    single = json_numpy.dumps(np.array([0.1] * 6 + [said])).encode()
    twice = json.dumps(single.decode()).encode()
    chunk = json.dumps([[0.1] * 6 + [said]] * 8).encode()
    for answer, length in ((single, 1), (twice, 1), (chunk, 8)):
        actions = libero_actions(answer, "there")
        assert actions.shape == (length, 7)
        assert (actions[:, 6] == gripper).all()
        np.testing.assert_allclose(actions[:, :6], 0.1)


def test_the_robotwin_preset_sends_what_openpis_aloha_inputs_take() -> None:
    """Names, layout and order as in openpi's AlohaInputs: (3, H, W) images by three of its names, 14 joints."""
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.robotwin.spec import env_spec

    env = env_spec(load_suite("robotwin-smoke"))
    rng = np.random.default_rng(0)
    taken = {camera: rng.integers(1, 256, (*size, 3), dtype=np.uint8) for camera, size in env.cameras.items()}
    joints = np.arange(14.0)
    seen = Observation(taken, {"joint_action": joints, "endpose": np.zeros(16)}, "put it there")
    layout = preset("auto", env, "openpi")
    request = layout.request(seen)
    assert set(request) == {"images", "state", "prompt"}
    assert list(request["images"]) == ["cam_high", "cam_left_wrist", "cam_right_wrist"]
    np.testing.assert_array_equal(request["state"], joints)
    for name, camera in zip(request["images"], ("head_camera", "left_camera", "right_camera"), strict=True):
        picture = request["images"][name]
        assert (picture.shape, picture.dtype) == ((3, 224, 224), np.uint8)
        expected = images.resize_with_pad(taken[camera], 224, 224)
        np.testing.assert_array_equal(picture.transpose(1, 2, 0), expected)
        assert not picture[:, :28].any()  # 320 × 240: black above and below
        assert picture[:, 28:196].all()
    assert layout.replan == 50
    with pytest.raises(UsageError, match="action=qpos"):
        preset("auto", replace(env, action=replace(env.action, control="ee_pose", dim=16)), "openpi")
