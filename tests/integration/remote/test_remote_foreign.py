"""Servers that are not ours: one model a run, and answers of any length."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from numpy.typing import NDArray
from remote_servers import ForeignServer, ask_toy, chunks_of, ramp, toy_layout, toy_spec, wait_for_lines

from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import RunAborted, RunFolderError, UsageError
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.wire import layouts
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.request import default_folder
from mmact_eval.runs.runner import RunRequest, execute

PROTOCOLS = ("openpi", "vla-eval")


@pytest.fixture(autouse=True)
def a_preset_for_the_toy_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layouts._PRESETS, "toy", toy_layout)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def request(out: Path, protocol: str, url: str, *overrides: str, **args: Any) -> RunRequest:
    suite = load_suite("toy", overrides)
    return RunRequest(suite=suite, policy=protocol, policy_args={"url": url, **args}, tasks="easy", episodes=2, out=out)


# One model.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_servers_of_different_models_are_refused_before_anything_runs(tmp_path: Path, protocol: str) -> None:
    a = ForeignServer(chunks_of(1), {"checkpoint": "libero_A", "pid": 1}, protocol)
    b = ForeignServer(chunks_of(1), {"checkpoint": "droid_B", "pid": 1}, protocol)
    with a, b, pytest.raises(UsageError, match="checkpoint: libero_A → droid_B") as told:
        execute(request(tmp_path, protocol, f"{a.url},{b.url}"))
    assert a.url in str(told.value)
    assert b.url in str(told.value)
    assert not a.requests
    assert not b.requests


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_model_on_the_port_of_a_server_that_died_ends_the_run(tmp_path: Path, protocol: str) -> None:
    other: list[ForeignServer] = []

    def exchange() -> None:
        wait_for_lines(tmp_path / "episodes.jsonl", 1)
        first.stop()
        other.append(ForeignServer(chunks_of(1), {"checkpoint": "B"}, protocol, first.port).__enter__())

    with ForeignServer(chunks_of(1), {"checkpoint": "A"}, protocol) as first:
        thread = threading.Thread(target=exchange)
        thread.start()
        asked = replace(request(tmp_path, protocol, first.url), episodes=200)
        with pytest.raises(RunAborted, match="another policy than the run began with: checkpoint: A → B"):
            execute(asked)
        thread.join()
        other[0].stop()
    assert not other[0].requests
    outcomes = [result.outcome for result in read_episodes(tmp_path)[0].values()]
    assert set(outcomes) <= {"success", "failure", "error"}
    assert outcomes.count("error") <= 1  # the one that was under way when the first server died


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_goes_on_after_a_restart_that_changed_what_is_to_be_left_out(tmp_path: Path, protocol: str) -> None:
    with ForeignServer(chunks_of(1), {"checkpoint": "A", "pid": 1}, protocol) as server:
        asked = request(tmp_path, protocol, server.url)
        execute(replace(asked, limit=1))
        server.metadata["pid"] = 2
        with pytest.raises(RunFolderError, match=r"metadata\.pid: 1 → 2\n(.|\n)*--policy-args ignore_metadata=pid$"):
            execute(asked)
        leaving_out = replace(asked, policy_args={**asked.policy_args, "ignore_metadata": "pid"})
        assert len(execute(leaving_out).results) == 2
        server.metadata = {"checkpoint": "B", "pid": 3}
        with pytest.raises(RunFolderError, match=r"metadata\.checkpoint: A → B"):
            execute(leaving_out)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_in_what_a_server_says_of_itself_are_lists_in_the_manifest(tmp_path: Path, protocol: str) -> None:
    metadata = {"action_mean": np.zeros(2, np.float32), "suites": np.array(["goal", "long"])}
    with ForeignServer(chunks_of(1), metadata, protocol) as server:
        execute(request(tmp_path, protocol, server.url))
    recorded = json.loads((tmp_path / "manifest.json").read_text())["fingerprint"]["policy"]["config"]["metadata"]
    assert recorded == {"action_mean": [0.0, 0.0], "suites": ["goal", "long"]}


def test_a_password_in_an_address_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ForeignServer(chunks_of(1)) as server:
        url = server.url.replace("//", "//me:secret@")
        monkeypatch.setattr("sys.argv", ["mmact-eval", "run", "--policy", url])
        asked = replace(request(tmp_path, url, ""), policy_args={})
        execute(asked)
        assert "secret" not in str(default_folder(asked))
    written = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > 2
    assert "secret" not in "".join(written)


# How long answers are.


@pytest.mark.parametrize(
    ("overrides", "args", "says"),
    [
        ((), {"replan": 4}, "answers 1 action, and 4 are .*--policy-args replan=1"),
        (("protocol.replan=30",), {}, "answers 1 action, and 30 are .*--set protocol.replan=1"),
    ],
)
def test_answers_shorter_than_what_is_to_be_executed_end_the_run(
    tmp_path: Path, overrides: tuple[str, ...], args: dict[str, Any], says: str
) -> None:
    with ForeignServer(chunks_of(1)) as server, pytest.raises(RunAborted, match=says):
        execute(request(tmp_path, "openpi", server.url, *overrides, **args))
    assert len(server.requests) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wrong", [np.zeros(20), np.zeros((10, 3)), np.zeros((1, 10, 2))])
def test_answers_of_another_shape_end_the_run_and_the_shape_is_said(
    tmp_path: Path, protocol: str, wrong: NDArray[np.float64]
) -> None:
    with ForeignServer(lambda asked: {"actions": wrong}, protocol=protocol) as server:
        chunk: dict[str, Any] = {"replan": 10} if protocol == "openpi" else {"chunk": 10}
        with pytest.raises(RunAborted, match=r"of shape .*expected \(T, 2\)"):
            execute(request(tmp_path, protocol, server.url, **chunk))


def test_a_suite_s_replan_of_what_openpi_answers_is_executed(tmp_path: Path) -> None:
    with ForeignServer(chunks_of(10)) as server:
        outcome = execute(request(tmp_path, "openpi", server.url, "protocol.replan=10", "protocol.max_steps=30"))
    assert [result.queries for result in outcome.results] == [-(-result.steps // 10) for result in outcome.results]
    assert max(result.queries for result in outcome.results) == 3


def vla_eval_policy(server: ForeignServer, **args: Any) -> vla_eval.VlaEvalPolicy:
    return vla_eval.make_policy(toy_spec(), server.url, **args)


def test_a_vla_eval_server_s_whole_chunks_are_executed_as_they_are() -> None:
    with ForeignServer(chunks_of(10), protocol="vla-eval") as server:
        policy = vla_eval_policy(server, chunk=10)
        np.testing.assert_array_equal(ask_toy(policy), ramp(10))
        assert len(server.requests) == 1
        policy.close()


@pytest.mark.parametrize(("chunk", "answered"), [(None, 10), (1, 10), (4, 10), (20, 10), (3, 2)])
def test_whole_chunks_of_another_length_end_the_run_and_the_length_is_said(
    tmp_path: Path, chunk: int | None, answered: int
) -> None:
    args = {} if chunk is None else {"chunk": chunk}
    with ForeignServer(chunks_of(answered), protocol="vla-eval") as server:
        with pytest.raises(RunAborted, match=f"answers {answered} actions at once.*--policy-args chunk={answered} "):
            execute(request(tmp_path, "vla-eval", server.url, **args))
        assert len(server.requests) == 1


@pytest.mark.parametrize("key", ["actions", "action"])
@pytest.mark.parametrize("chunk", [1, 3])
def test_a_vla_eval_server_s_buffer_is_emptied_action_by_action(key: str, chunk: int) -> None:
    left: list[NDArray[np.float32]] = []

    def one_at_a_time(asked: Any) -> Any:
        if not left:
            left.extend(ramp(3))
        return {key: left.pop(0), "instruction": np.array("pick up")}

    with ForeignServer(one_at_a_time, protocol="vla-eval") as server:
        policy = vla_eval_policy(server, chunk=chunk)
        answers = [ask_toy(policy, index) for index in range(3 // chunk)]
        np.testing.assert_array_equal(np.concatenate(answers), ramp(3))
        assert {len(answer) for answer in answers} == {chunk}
        policy.close()


def test_a_suite_that_wants_more_executed_than_a_chunk_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with ForeignServer(chunks_of(1), protocol="vla-eval") as server:
        with pytest.raises(UsageError, match=r"30 actions .*protocol\.replan.*chunk=30"):
            execute(request(tmp_path, "vla-eval", server.url, "protocol.replan=30"))
        assert not server.requests


def test_what_an_answer_holds_beside_the_actions_spoils_nothing(tmp_path: Path) -> None:
    answer = {
        "actions": ramp(1),
        "prompt": np.array("pick up"),
        "image": np.zeros(3),
        "text": 5,
        "server_timing": {"when": {b"__ndarray__": True, b"data": b"1", b"dtype": "<M8[s]", b"shape": [1]}},
    }
    with ForeignServer(lambda asked: answer) as server:
        outcome = execute(request(tmp_path, "openpi", server.url))
    assert [result.outcome for result in outcome.results] == ["failure"] * 2
