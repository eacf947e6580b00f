"""Other people's code on the other end, installed from the registry: openpi-client, vla-eval, json-numpy.

openpi-client pins numpy below 2, so they live in an environment of their own: MMACT_EVAL_PEERS names its interpreter,
else one is made (once) in pytest's cache, which takes a minute and the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from peers.hashing import actions_for
from remote_policies import HashPolicy
from remote_servers import Served

from mmact_eval.errors import PolicyFailure, RunAborted
from mmact_eval.policies.remote.openpi import client as openpi
from mmact_eval.policies.remote.openvla import client as openvla
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.wire import images
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec, StateSpec
from mmact_eval.types import Episode, Observation, Query

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2] / "helpers"
PACKAGES = ["openpi-client==0.1.2", "vla-eval==0.8.0", "json-numpy", "fastapi", "uvicorn", "pytest"]


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter that has the peers' packages."""
    given = os.environ.get("MMACT_EVAL_PEERS")
    if given:
        return given
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("mmact-eval-peers")
    interpreter = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet", *PACKAGES]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the peers' packages cannot be installed here: {done.stderr[-300:]}")
        (folder / "complete").touch()
    return str(interpreter)


@contextmanager
def peer(python: str, script: str, *args: str) -> Iterator[int]:
    """A peer's server; gives its port."""
    process = subprocess.Popen([python, "-m", f"peers.{script}", *args], stdout=subprocess.PIPE, text=True, cwd=HERE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def run_peer(python: str, script: str, *args: object) -> Any:
    command = [python, "-m", f"peers.{script}", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


STATE = {
    "eef_pos": StateSpec(3, "m"),
    "eef_quat": StateSpec(4, "xyzw"),
    "eef_axis_angle": StateSpec(3, "rad"),
    "gripper_qpos": StateSpec(2, "m"),
}
LIBERO = EnvSpec("libero", {"agentview": (256, 320), "wrist": (256, 256)}, "rotated 180°", STATE, LIBERO_ACTION)


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    """What a renderer gives (upside down) and a state; smooth images, so that filters do not hide differences."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (2, 16, 20, 3), dtype=np.uint8)
    front, wrist = (np.kron(image, np.ones((16, 16, 1), np.uint8)) for image in small)
    return {"front": front, "wrist": np.ascontiguousarray(wrist[:, :256]), "state": rng.random(8)}


@pytest.fixture(scope="module")
def raw_file(raw: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("raw") / "raw.npz"
    np.savez(file, **raw)
    return file


def observation(raw: dict[str, Any], instruction: str = "put it there") -> Observation:
    """As LIBERO's environment gives it under a protocol with `rotation: 180`."""
    state = {"eef_pos": raw["state"][:3], "eef_axis_angle": raw["state"][3:6], "gripper_qpos": raw["state"][6:]}
    pictures = {"agentview": raw["front"][::-1, ::-1].copy(), "wrist": raw["wrist"][::-1, ::-1].copy()}
    return Observation(pictures, state, instruction)


def ask(policy: Policy, seen: Observation, index: int = 0) -> Any:
    return policy.act([Query(seen, Episode("libero-object", "milk", 0, 0), index)])[0].actions


def test_our_client_asks_openpis_server_what_openpis_client_asks(
    python: str, raw: dict[str, Any], raw_file: Path
) -> None:
    with peer(python, "serve_openpi", "0") as port:
        theirs = run_peer(python, "ask_openpi", port, raw_file)
        policy = openpi.make_policy(LIBERO, f"ws://127.0.0.1:{port}")
        np.testing.assert_array_equal(ask(policy, observation(raw)), theirs["actions"][0])
        policy.close()


def test_a_traceback_of_openpis_server_is_an_error_of_one_query(python: str, raw: dict[str, Any]) -> None:
    with peer(python, "serve_openpi", "0") as port:
        policy = openpi.make_policy(LIBERO, f"ws://127.0.0.1:{port}", rename={"observation/state": None})
        with pytest.raises(PolicyFailure, match="KeyError: 'observation/state'"):
            ask(policy, observation(raw))
        policy.close()


@pytest.mark.libero
def test_openpis_client_asks_our_server(python: str, raw: dict[str, Any], raw_file: Path) -> None:
    with Served(policy=f"{HERE / 'remote_policies.py'}:LiberoHash", suite="libero-object") as served:
        theirs = run_peer(python, "ask_openpi", served.port, raw_file)
    pictures = observation(raw).images
    front, wrist = (images.resize_with_pad(pictures[camera], 224, 224) for camera in ("agentview", "wrist"))
    expected = actions_for([front, wrist, raw["state"], "put it there"]).astype(np.float32)
    for actions in theirs["actions"]:
        np.testing.assert_array_equal(np.asarray(actions, np.float32), expected)
    assert "eef_pos" in theirs["error"]


@pytest.mark.parametrize("chunk", [1, 5])
def test_our_client_asks_vla_evals_server(python: str, raw: dict[str, Any], chunk: int) -> None:
    seen = observation(raw)
    expected = actions_for([seen.images["agentview"], seen.images["wrist"], raw["state"], "put it there"])
    with peer(python, "serve_vla_eval", "5") as port:
        policy = vla_eval.make_policy(LIBERO, f"ws://127.0.0.1:{port}", chunk=chunk, patience=30)
        actions = [ask(policy, seen, index) for index in range(5 // chunk)]
        np.testing.assert_array_equal(np.concatenate(actions), expected[:5].astype(np.float32))
        policy.reset([Episode("libero-object", "milk", 0, 0)])  # the server's buffer must not outlive an episode
        np.testing.assert_array_equal(ask(policy, seen)[0], expected[0].astype(np.float32))
        with pytest.raises(PolicyFailure, match="no such skill"):
            policy.act([Query(observation(raw, "fail"), Episode("libero-object", "soup", 0, 0), 0)])
        policy.close()


def test_a_vla_eval_server_without_chunking_answers_whole_chunks(python: str, raw: dict[str, Any]) -> None:
    seen = observation(raw)
    expected = actions_for([seen.images["agentview"], seen.images["wrist"], raw["state"], "put it there"])
    with peer(python, "serve_vla_eval", "0") as port:
        policy = vla_eval.make_policy(LIBERO, f"ws://127.0.0.1:{port}", chunk=10, patience=30)
        np.testing.assert_array_equal(ask(policy, seen), expected.astype(np.float32))
        policy.close()
        policy = vla_eval.make_policy(LIBERO, f"ws://127.0.0.1:{port}", patience=30)
        with pytest.raises(RunAborted, match="answers 10 actions at once"):
            ask(policy, seen)
        policy.close()


@pytest.mark.libero
def test_vla_evals_connection_asks_our_server(python: str, raw: dict[str, Any], raw_file: Path) -> None:
    policy = f"{HERE / 'remote_policies.py'}:LiberoHash"
    with Served(policy=policy, protocol="vla-eval", suite="libero-object") as served:
        theirs = run_peer(python, "ask_vla_eval", served.port, raw_file)
    seen = observation(raw).images
    expected = []
    for step in (0, 4):  # `replan` is 4: the policy is asked for every fourth observation
        parts = [seen["agentview"], seen["wrist"], raw["state"] + step, "put it there"]
        expected += list(actions_for(parts)[:4].astype(np.float32))
    np.testing.assert_array_equal(np.asarray(theirs["actions"], np.float32), np.stack(expected[:7] * 2))
    assert "eef_pos" in theirs["error"]
    assert theirs["server"]["action_spec"]["gripper"]["format"] == "binary_close_positive"


@pytest.mark.parametrize("kind", ["openvla", "oft"])
def test_our_clients_ask_openvlas_servers(python: str, raw: dict[str, Any], kind: str) -> None:
    seen = observation(raw)
    with peer(python, "serve_openvla", kind) as port:
        url = f"http://127.0.0.1:{port}"
        make = openvla.make_openvla_oft if kind == "oft" else openvla.make_openvla
        policy = make(LIBERO, url, patience=30)
        actions = ask(policy, seen)
        prepared = images.centre_crop(images.lanczos3(images.jpeg_round_trip(seen.images["agentview"]), 224, 224), 0.9)
        parts = [seen.images["agentview"], seen.images["wrist"], raw["state"]] if kind == "oft" else [prepared]
        expected = actions_for([*parts, "put it there"], (8, 7))[: 8 if kind == "oft" else 1]
        np.testing.assert_array_equal(actions[:, :6], expected[:, :6].astype(np.float32))
        np.testing.assert_array_equal(actions[:, 6], np.where(expected[:, 6] > 0, -1, 1))  # 1 means open there
        with pytest.raises(PolicyFailure, match="its log says why"):
            ask(policy, observation(raw, "fail"))
        policy.close()


def test_vla_evals_harness_finds_no_mismatch_with_our_conventions(python: str) -> None:
    code = (
        "import json, sys; from vla_eval.specs import *; from vla_eval.specs import check_specs\n"
        "ours = {k: DimSpec.from_dict(v) for k, v in json.loads(sys.argv[1]).items()}\n"
        "theirs = {'position': POSITION_DELTA, 'rotation': ROTATION_AA, 'gripper': GRIPPER_CLOSE_POS}\n"
        "print(json.dumps(check_specs(ours, theirs, {}, {})))"
    )
    from mmact_eval.policies.remote.vla_eval.server import VlaEvalConversation

    conversation = VlaEvalConversation(HashPolicy(LIBERO).spec, LIBERO, {})
    ours = json.dumps(conversation.greeting["action_spec"])
    done = subprocess.run([python, "-c", code, ours], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
