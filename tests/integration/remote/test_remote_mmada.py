"""MMaDA-VLA's server for CALVIN: what it is sent, how it may fail, and servers of ours that speak as it does."""

from __future__ import annotations

import email
import email.policy
import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

import calvin_ready
from remote_servers import HASH_POLICY, Answerer, HttpInThread, Served

from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import PolicyFailure, RunAborted, SomeQueriesFailed, UsageError
from mmact_eval.policies.remote.mmada.client import MmadaServerPolicy, make_policy
from mmact_eval.policies.remote.wire.calvin import CALVIN_ACTION
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.specs import EnvSpec, StateSpec
from mmact_eval.types import Episode, EpisodeResult, Observation, Query

DIMS = {"tcp_pos": 3, "tcp_euler": 3, "gripper_width": 1, "joint_pos": 7, "gripper_action": 1}
CALVIN = EnvSpec(
    "calvin",
    {"static": (200, 200), "gripper": (84, 84)},
    "upright",
    {key: StateSpec(dim, "") for key, dim in DIMS.items()},
    CALVIN_ACTION,
)
NUMBERS = np.array([0.1, -1 / 3, 6.1e-05, *np.arange(11) / 7, -1.0])

Fields = dict[str, bytes]
Answering = Callable[[Fields], Any]
"""The parts of a form → a document, or (status, text)."""


def fields_of(body: bytes, content_type: str) -> Fields:
    """The files of a form, by Python's own parser of mail."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    found = {}
    for part in message.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = data
    return found


def batch_server(fields: Fields) -> Any:
    """As the released one reads a request: raw bytes of fixed shape. The first number says which picture it saw."""
    texts = json.loads(fields["json"])["batch_task_insts"]
    static = np.frombuffer(fields["batch_images"], np.uint8).reshape(len(texts), 200, 200, 3)
    gripper = np.frombuffer(fields["batch_gripper_images"], np.uint8).reshape(len(texts), 84, 84, 3)
    if any("broken" in text for text in texts):
        return 500, "CUDA error: device-side assert"
    return [chunk(10, view[0, 0, 0], hand[0, 0, 0]).tolist() for view, hand in zip(static, gripper, strict=True)]


def single_server(fields: Fields) -> Any:
    """As that of 2025-11."""
    assert isinstance(json.loads(fields["json"])["instruction"], str)
    static = np.frombuffer(fields["img_static"], np.uint8).reshape(200, 200, 3)
    gripper = np.frombuffer(fields["img_gripper"], np.uint8).reshape(84, 84, 3)
    return chunk(10, static[0, 0, 0], gripper[0, 0, 0]).tolist()


def chunk(length: int, first: float = 0, second: float = 0) -> np.ndarray[Any, Any]:
    actions = np.zeros((length, 7))
    actions[:, 0], actions[:, 1], actions[:, 6] = first / 255, second / 255, 1.0
    return actions


class FormServer(HttpInThread):
    """Answers POST /predict with what `answering` makes of a form.

    Attributes:
        asked: the forms.
    """

    def __init__(self, answering: Answering) -> None:
        self.asked: list[Fields] = []
        asked = self.asked

        class Handler(Answerer):
            def answer(self, body: bytes) -> None:
                if self.path != "/predict":
                    return self.reply(404, b"not found")
                asked.append(fields_of(body, self.headers["Content-Type"]))
                answer = answering(asked[-1])
                status, text = answer if isinstance(answer, tuple) else (200, json.dumps(answer))
                return self.reply(status, text.encode())

        super().__init__(Handler)

    @property
    def url(self) -> str:
        return f"http://{self.place}"


def observation(colour: int, instruction: str = "push the button") -> Observation:
    colours = {"static": colour, "gripper": colour // 2}
    images = {camera: np.full((*size, 3), colours[camera], np.uint8) for camera, size in CALVIN.cameras.items()}
    ends = np.cumsum(list(DIMS.values()))
    return Observation(images, dict(zip(DIMS, np.split(NUMBERS, ends[:-1]), strict=True)), instruction)


def queries(*seen: Observation) -> list[Query]:
    return [Query(one, Episode("calvin-abc-d", "chain", place, 0), 0) for place, one in enumerate(seen)]


@pytest.fixture
def asking() -> Iterator[Callable[..., MmadaServerPolicy]]:
    made: list[MmadaServerPolicy] = []

    def make(url: str, **args: Any) -> MmadaServerPolicy:
        made.append(make_policy(CALVIN, url, patience=2, **args))
        return made[-1]

    yield make
    for policy in made:
        policy.close()


Asking = Callable[..., MmadaServerPolicy]

# What is sent.


def test_a_batch_is_one_request_of_texts_and_raw_pictures(asking: Asking) -> None:
    with FormServer(batch_server) as server:
        outputs = asking(server.url).act(queries(observation(10), observation(20, "öffne"), observation(30)))
    assert [round(float(output.actions[0, 0]) * 255) for output in outputs] == [10, 20, 30]
    assert [output.actions.shape for output in outputs] == [(10, 7)] * 3
    (form,) = server.asked
    state = " ".join(str(number) for number in NUMBERS)
    assert "6.1e-05" in state
    texts = json.loads(form["json"])["batch_task_insts"]
    assert texts == [f"{words}\n{state}" for words in ("push the button", "öffne", "push the button")]
    assert form["batch_images"] == bytes([10, 20, 30][i // 120000] for i in range(3 * 120000))
    assert len(form["batch_gripper_images"]) == 3 * 84 * 84 * 3


def test_an_older_server_gets_a_request_for_each_query(asking: Asking) -> None:
    with FormServer(single_server) as server:
        outputs = asking(server.url, api="single", state=False).act(queries(observation(10), observation(20)))
    assert sorted(round(float(output.actions[0, 0]) * 255) for output in outputs) == [10, 20]
    assert [json.loads(form["json"]) for form in server.asked] == [{"instruction": "push the button"}] * 2


def test_several_servers_share_a_batch(asking: Asking) -> None:
    with FormServer(batch_server) as one, FormServer(batch_server) as other:
        outputs = asking(f"{one.url},{other.url}").act(queries(*map(observation, (10, 20, 30))))
    assert [round(float(output.actions[0, 0]) * 255) for output in outputs] == [10, 20, 30]
    assert len(one.asked) == len(other.asked) == 1


# How it may fail.


def test_one_question_that_breaks_a_request_costs_the_others_nothing(asking: Asking) -> None:
    with FormServer(batch_server) as server, pytest.raises(SomeQueriesFailed) as told:
        asking(server.url).act(queries(observation(10), observation(20, "broken"), observation(30)))
    first, second, third = told.value.answers
    assert "device-side assert" in str(second)
    assert isinstance(second, PolicyFailure)
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([chunk(10).tolist()] * 3, "3 chunks to 1 questions"),
        ("error", "no actions but"),
        ([[1.0] * 7], r"shape \(7,\)"),
        ((500, "<title>500 Internal Server Error</title>"), "500 Internal"),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_episode(asking: Asking, answer: Any, says: str) -> None:
    with FormServer(lambda fields: answer) as server, pytest.raises(PolicyFailure, match=says):
        asking(server.url).act(queries(observation(10)))


@pytest.mark.parametrize(
    ("args", "answer", "says"),
    [
        ({}, [chunk(5).tolist()], "answers 5 actions where mmada-server expects 10; .*--policy-args replan=5"),
        ({"replan": 8}, [chunk(5).tolist()], "answers 5 actions, and 8 are to be executed"),
        ({}, (400, "Bad Request"), "400.*else --policy-args api=single"),
    ],
)
def test_what_no_retry_would_mend_ends_the_run(asking: Asking, args: Mapping[str, Any], answer: Any, says: str) -> None:
    with FormServer(lambda fields: answer) as server, pytest.raises(RunAborted, match=says):
        asking(server.url, **args).act(queries(observation(10)))


def test_what_does_not_fit_is_said_before_anything_runs(asking: Asking) -> None:
    with pytest.raises(UsageError, match=r"no MMaDA-VLA server can be reached: http://127\.0\.0\.1:9: "):
        asking("http://127.0.0.1:9")
    with pytest.raises(UsageError, match="api must be batch or single"):
        asking("http://127.0.0.1:9", api="2025-11")
    with pytest.raises(UsageError, match="made for CALVIN, not for libero"):
        make_policy(replace(CALVIN, name="libero"))
    with pytest.raises(UsageError, match=r"200×200, the suite draws 64×64; use --set protocol\.resolution=200"):
        make_policy(replace(CALVIN, cameras={"static": (64, 64), "gripper": (84, 84)}))


# Rollouts, and servers of ours.


def short_run(out: Path, policy: str, *overrides: str, **args: Any) -> Sequence[EpisodeResult]:
    suite = calvin_ready.suite("calvin-smoke", "protocol.stage_steps=12", *overrides)
    options = EngineOptions(workers=2, retries=0)
    return execute(
        RunRequest(suite=suite, policy=policy, policy_args=args, episodes=2, out=out, options=options)
    ).results


@calvin_ready.needs_pybullet
def test_a_rollout_on_calvin_and_a_nan_on_the_way(tmp_path: Path) -> None:
    seen: list[Fields] = []

    def nan_at_the_last(fields: Fields) -> Any:
        seen.append(fields)
        answer = np.array(batch_server(fields))
        if len(seen) > 2:
            answer[:, 3, 3] = np.nan
        return answer.tolist()

    with FormServer(batch_server) as server:
        results = short_run(tmp_path / "good", "mmada-server", url=server.url)
    assert [(result.outcome, result.steps) for result in results] == [("failure", 12)] * 2
    assert all(np.any(np.frombuffer(form["batch_images"], np.uint8)) for form in server.asked)
    with FormServer(nan_at_the_last) as server:
        results = short_run(tmp_path / "nan", "mmada-server", url=server.url)
    assert "error" in {result.outcome for result in results}
    assert any("nan at position 3" in (result.error or "") for result in results)


@calvin_ready.needs_pybullet
@pytest.mark.parametrize("api", ["batch", "single"])
def test_a_policy_behind_our_server_acts_as_in_this_process(tmp_path: Path, api: str) -> None:
    args = ("--policy-args", "chunk=10", "--policy-args", "replan=null")
    with Served(*args, protocol="mmada-server", suite="calvin-smoke") as served:
        url = served.url.replace("ws:", "http:")
        there = short_run(tmp_path / "there", "mmada-server", "protocol.replan=5", url=url, api=api)
    here = short_run(tmp_path / "here", HASH_POLICY, "protocol.replan=5", chunk=10, replan=None)
    assert {result.episode.key: result.reproducible() for result in there} == {
        result.episode.key: result.reproducible() for result in here
    }


def test_clients_of_others_are_answered_by_our_server() -> None:
    boundary, texts = "x" * 32, ["go\n" + " ".join(map(str, NUMBERS)), "stop"]
    parts = {
        "json": json.dumps({"batch_task_insts": texts}).encode(),
        "batch_images": bytes(2 * 200 * 200 * 3),
        "batch_gripper_images": bytes(2 * 84 * 84 * 3),
    }
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
        for name, data in parts.items()
    ) + f"--{boundary}--\r\n".encode()  # fmt: skip

    def post(body: bytes, path: str = "/predict") -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        link.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        response = link.getresponse()
        return response.status, response.read()

    with Served("--max-message", "1", protocol="mmada-server", policy="random", suite="calvin-smoke") as served:
        status, answer = post(body)
        assert (status, np.array(json.loads(answer)).shape[::2]) == (200, (2, 7))
        assert post(body, "/")[0] == 404
        assert post(body[:-20]) == (400, b"a form that is cut off, or none\n")
        assert post(body.replace(b"batch_images", b"pictures")) == (
            400,
            b'the form has no part "batch_images"; it has json, pictures, batch_gripper_images\n',
        )
        assert post(bytes(2**23))[0] == 413
        code, said = served.terminate()
    assert code == 0, said
