"""OpenVLA's REST servers: how long answers are, paths and passwords, errors that stay and those that pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from numpy.typing import NDArray
from remote_servers import RestServer, ramp

from mmact_eval.errors import PolicyFailure, RunAborted
from mmact_eval.policies.remote.openvla import client as openvla
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec, StateSpec
from mmact_eval.types import Episode, Observation, Query

LIBERO = EnvSpec(
    "libero",
    {"agentview": (16, 16), "wrist": (16, 16)},
    "rotated 180°",
    {"eef_pos": StateSpec(3, "m"), "eef_axis_angle": StateSpec(3, "rad"), "gripper_qpos": StateSpec(2, "m")},
    LIBERO_ACTION,
)


def rest(place: str, kind: str, **args: Any) -> openvla.OpenvlaPolicy:
    make: Any = openvla.make_openvla_oft if kind == "oft" else openvla.make_openvla
    policy: openvla.OpenvlaPolicy = make(LIBERO, f"http://{place}", patience=2, **args)
    return policy


def ask_libero(policy: Policy) -> NDArray[np.float32]:
    pictures = {camera: np.zeros((16, 16, 3), np.uint8) for camera in LIBERO.cameras}
    seen = Observation(pictures, {key: np.zeros(spec.dim) for key, spec in LIBERO.state.items()}, "go")
    return policy.act([Query(seen, Episode("libero-goal", "easy", 0, 0), 0)])[0].actions


def rest_answers(length: int) -> Callable[[str], tuple[int, Any]]:
    actions = ramp(length, 7).tolist()
    return lambda path: (200, actions if length > 1 else actions[0])


@pytest.mark.parametrize(
    ("kind", "replan", "answered", "says"),
    [
        ("openvla", None, 8, "answers 8 actions where openvla expects 1; .*at most 8: --policy-args replan=8"),
        ("openvla", 8, 1, "answers 1 action, and 8 are .*--policy-args replan=1"),
        ("oft", None, 1, "answers 1 action where openvla-oft expects 8; .*--policy-args replan=1"),
        ("oft", None, 16, "answers 16 actions where openvla-oft expects 8"),
        ("oft", 8, 5, "answers 5 actions, and 8 are"),
    ],
)
def test_answers_of_another_length_than_expected_end_the_run(
    kind: str, replan: int | None, answered: int, says: str
) -> None:
    with RestServer(rest_answers(answered)) as server:
        policy = rest(server.place, kind, replan=replan)
        with pytest.raises(RunAborted, match=says):
            ask_libero(policy)
        policy.close()


@pytest.mark.parametrize(
    ("kind", "replan", "answered"),
    [("openvla", None, 1), ("openvla", 8, 8), ("oft", None, 8), ("oft", 4, 8), ("oft", 1, 1)],
)
def test_answers_that_are_long_enough_are_executed(kind: str, replan: int | None, answered: int) -> None:
    with RestServer(rest_answers(answered)) as server:
        policy = rest(server.place, kind, replan=replan)
        np.testing.assert_array_equal(ask_libero(policy)[:, 0], ramp(answered)[:, 0])
        assert (policy.spec.replan or policy.spec.chunk) == (replan or answered)
        policy.close()


@pytest.mark.parametrize(
    ("typed", "path"),
    [("/user/me/proxy/8000", "/user/me/proxy/8000/act"), ("/a/", "/a/act"), ("/a?key=5", "/a/act?key=5")],
)
def test_a_server_behind_a_path_is_asked_there_with_password_and_headers(typed: str, path: str) -> None:
    with RestServer(rest_answers(1)) as server:
        policy = rest(f"me:secret@{server.place}{typed}", "openvla", headers={"X-Tenant": "5"})
        ask_libero(policy)
        policy.close()
    assert server.requests[0].path == path
    assert server.requests[0].headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert server.requests[0].headers["X-Tenant"] == "5"


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (404, "does not answer at /x/act: it answered 404"),
        (401, "user:password@"),
        (422, "422"),
        (301, "somewhere else"),
    ],
)
def test_an_error_that_stays_ends_the_run_at_the_first_question(status: int, says: str) -> None:
    with RestServer(lambda path: (status, {"detail": "no"})) as server:
        policy = rest(f"me:secret@{server.place}/x", "openvla")
        with pytest.raises(RunAborted, match=says) as told:
            ask_libero(policy)
        policy.close()
    assert len(server.requests) == 1
    assert "secret" not in str(told.value)


def test_an_error_of_one_question_is_an_error_of_its_episode() -> None:
    with RestServer(lambda path: (500, {"detail": "out of memory"})) as server:
        policy = rest(server.place, "openvla")
        with pytest.raises(PolicyFailure, match="out of memory"):
            ask_libero(policy)
        policy.close()


def test_a_server_that_is_being_started_behind_a_proxy_is_waited_for() -> None:
    answers: Iterator[tuple[int, Any]] = iter([(503, {}), (502, {})])
    with RestServer(lambda path: next(answers, rest_answers(1)(path))) as server:
        policy = rest(server.place, "openvla")
        assert ask_libero(policy).shape == (1, 7)
        policy.close()
    with RestServer(lambda path: (503, {})) as server:
        policy = rest(server.place, "openvla")
        with pytest.raises(PolicyFailure, match="503"):
            ask_libero(policy)
        policy.close()
