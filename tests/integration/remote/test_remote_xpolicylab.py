"""XPolicyLab's protocol in whole runs: our server changes no result; theirs has one episode at a time, to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from counted_policies import FORGETFUL
from remote_servers import HASH_POLICY, Served, free_port, ramp, toy_spec
from xpolicylab_servers import ToyLayout, XPolicyLabServer

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import PolicyFailure, RunAborted, UsageError
from mmact_eval.policies.remote.xpolicylab import client, presets, session
from mmact_eval.policies.remote.xpolicylab.wire import Message
from mmact_eval.protocols import Policy
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import Episode, EpisodeResult, Observation, Query

EPISODES = 3


def request(out: Path, policy: str = "xpolicylab", suite: str = "toy", workers: int = 1, **args: Any) -> RunRequest:
    options = EngineOptions(workers=workers)
    return RunRequest(load_suite(suite), policy, policy_args=args, episodes=EPISODES, out=out, options=options)


def signature(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


# Two ends of ours.


@pytest.fixture(scope="module", params=[("toy", HASH_POLICY), ("toy-stages", FORGETFUL)], ids=["toy", "stages"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Any]]:
    """A server, and what its policy does in this process."""
    suite, policy = request.param
    asked = RunRequest(load_suite(suite), policy, episodes=EPISODES, out=tmp_path_factory.mktemp("here"))
    with Served(protocol="xpolicylab", policy=policy, suite=suite) as server:
        yield server, (suite, signature(execute(asked).results))


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_those_of_this_process(tmp_path: Path, served: tuple[Served, Any], workers: int) -> None:
    server, (suite, expected) = served
    results = execute(request(tmp_path, suite=suite, workers=workers, url=server.url)).results
    assert signature(results) == expected
    assert {result.attempts for result in results} == {1}


def test_what_would_change_nothing_for_a_server_of_ours_is_refused(served: tuple[Served, Any]) -> None:
    with pytest.raises(UsageError, match="stateless changes nothing here"):
        client.make_policy(toy_spec(), served[0].url, stateless=True)


def test_other_protocols_are_recognized(served: tuple[Served, Any], tmp_path: Path) -> None:
    with Served() as openpi, pytest.raises(UsageError, match=r"does not speak XPolicyLab's.*--policy ws://"):
        client.make_policy(toy_spec(), openpi.url)
    with pytest.raises(UsageError, match="no server with XPolicyLab's protocol can be reached"):
        client.make_policy(toy_spec(), f"ws://127.0.0.1:{free_port()}", patience=0.2)
    with pytest.raises(UsageError, match="stateless must be true or false"):
        client.make_policy(toy_spec(), served[0].url, stateless="maybe")  # type: ignore[arg-type]


# Servers of theirs.


@pytest.fixture(autouse=True)
def a_form_for_the_toy_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, "toy": ToyLayout})
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def answers(length: int = 3) -> Callable[[Message], Any]:
    return lambda asked: {"actions": list(ramp(length)), "latency_ms": 1.5}


def ask(policy: Policy, index: int = 0, episode: int = 0, new_stage: bool = False, prompt: str = "go") -> Any:
    seen = Observation({}, {"position": np.zeros(2)}, prompt)
    return policy.act([Query(seen, Episode("toy", "easy", episode, 0), index, new_stage)])[0]


def told(server: XPolicyLabServer) -> list[tuple[str, str | None]]:
    return [(message.kind, message.trial.trial) for message in server.heard]


def test_two_workers_with_two_servers_never_mix_two_episodes(tmp_path: Path) -> None:
    """And each server hears how each of its episodes ended; all actions of an answer are executed."""
    with XPolicyLabServer(answers()) as one, XPolicyLabServer(answers()) as other:
        asked = request(tmp_path, workers=2, url=f"{one.url},{other.url}")
        results = execute(asked).results
    assert {steps for result in results for steps in result.executed[:-1]} == {3}
    assert {result.attempts for result in results} == {1}
    outcomes: dict[str | None, bool] = {}
    for server in (one, other):
        assert server.heard, "both are asked"
        heard = told(server)
        while heard:
            trial = heard[0][1]
            queries = next(k for k, (kind, _) in enumerate(heard) if kind == "trial_end") - 2
            assert heard[: queries + 3] == [
                (kind, trial) for kind in ("prepare_case", "reset", *["infer"] * queries, "trial_end")
            ]
            heard = heard[queries + 3 :]
        outcomes |= {m.trial.trial: m.payload["success"] for m in server.heard if m.kind == "trial_end"}
    assert outcomes == {result.episode.key: result.outcome == "success" for result in results}


def test_more_workers_than_servers_end_the_run_with_what_to_do(tmp_path: Path) -> None:
    def late(asked: Message) -> Any:
        time.sleep(0.2)  # so that the second worker is there before the first is done
        return answers()(asked)

    too_many = r"more episodes at once than servers.*--workers 1, or .*stateless=true"
    with XPolicyLabServer(late) as server, pytest.raises(RunAborted, match=too_many):
        execute(request(tmp_path / "a", workers=2, url=server.url))
    with XPolicyLabServer(answers()) as server:
        results = execute(request(tmp_path / "b", workers=2, url=server.url, stateless=True)).results
    assert {result.attempts for result in results} == {1}
    assert {result.outcome for result in results} <= {"success", "failure"}


def test_an_episode_that_was_not_ended_gives_way_and_is_not_asked_for_again() -> None:
    with XPolicyLabServer(answers()) as server:
        policy = client.make_policy(toy_spec(), server.url)
        ask(policy, 0, episode=0)
        ask(policy, 0, episode=1)
        ask(policy, 1, episode=1)
        with pytest.raises(RunAborted, match="more episodes at once"):
            ask(policy, 1, episode=0)
        ask(policy, 0, episode=0)
        policy.close()


def test_queries_of_several_episodes_at_once_are_asked_one_after_the_other() -> None:
    """As `mmact-eval probe` asks them, each after a reset; the number of the query only draws other random numbers."""
    with XPolicyLabServer(answers()) as server:
        policy = client.make_policy(toy_spec(), server.url)
        for index in (0, 1):
            policy.reset([Episode("toy", "easy", number, 0) for number in range(3)])
            seen = Observation({}, {"position": np.zeros(2)}, "go")
            asked = [Query(seen, Episode("toy", "easy", number, 0), index) for number in range(3)]
            assert [len(output.actions) for output in policy.act(asked)] == [3, 3, 3]
        policy.close()
    assert [message.kind for message in server.heard] == ["prepare_case", "reset", "infer"] * 6


def test_a_stage_resets_the_model_within_its_trial() -> None:
    with XPolicyLabServer(answers()) as server:
        policy = client.make_policy(toy_spec(), server.url)
        ask(policy, 0)
        policy.reset([Episode("toy", "easy", 0, 0)])
        ask(policy, 1, new_stage=True, prompt="now this")
        policy.episode_ended(EpisodeResult(Episode("toy", "easy", 0, 0), "failure", steps=6))
        policy.close()
    assert [message.kind for message in server.heard] == [
        "prepare_case", "reset", "infer", "reset", "infer", "trial_end"
    ]  # fmt: skip
    case, first, asked, second, _, end = (message.payload for message in server.heard)
    assert (case["task_name"], case["action_type"], first["instruction"]) == ("easy", "ee", "go")
    assert second["instruction"] == "now this"
    assert asked["observation"]["instruction"] == "go"
    assert (end["success"], end["outcome"], end["steps"]) == (False, "failure", 6)


def test_an_error_is_one_querys_and_the_episode_begins_again_with_a_reset() -> None:
    def fails(asked: Message) -> Any:
        if asked.payload["observation"]["instruction"] == "fail":
            raise RuntimeError("no such skill")
        return {"actions": list(ramp(3))}

    with XPolicyLabServer(fails) as server:
        policy = client.make_policy(toy_spec(), server.url)
        ask(policy, 0)
        with pytest.raises(PolicyFailure, match=r"failed: infer_failed: no such skill"):
            ask(policy, 1, prompt="fail")
        with pytest.raises(PolicyFailure, match="has to begin again"):
            ask(policy, 1)
        assert len(ask(policy, 0).actions) == 3
        policy.close()
    assert [message.kind for message in server.heard].count("reset") == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"moves": []}, 'holds no "actions"'),
        ({"actions": []}, "answered no actions but an empty list"),
        ({"actions": "up"}, "answered no actions but str"),
        (None, "the connection was closed"),
    ],
)
def test_bad_answers_are_errors_of_one_query(answer: Any, says: str) -> None:
    with XPolicyLabServer(lambda asked: answer) as server:
        policy = client.make_policy(toy_spec(), server.url, patience=1)
        with pytest.raises(PolicyFailure, match=says):
            ask(policy)
        policy.close()


def test_a_slow_answer_is_waited_for_with_heartbeats_and_one_that_is_too_slow_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_HEARTBEAT_SECONDS", 0.1)
    with XPolicyLabServer(answers(), heartbeats=3) as server:
        policy = client.make_policy(toy_spec(), server.url)
        assert len(ask(policy).actions) == 3
        policy.close()
    assert server.heartbeats == 3
    with XPolicyLabServer(lambda asked: 2.0) as server:
        policy = client.make_policy(toy_spec(), server.url, timeout=0.5)
        with pytest.raises(PolicyFailure, match=r"has not answered infer for 0\.5 s \(timeout\)"):
            ask(policy)
        policy.close()


def test_a_server_that_comes_back_is_asked_again_and_the_episode_begins_again(tmp_path: Path) -> None:
    with XPolicyLabServer(answers()) as server:
        policy = client.make_policy(toy_spec(), server.url, patience=20)
        ask(policy, 0, episode=0)
    with pytest.raises(PolicyFailure, match="closed"):
        ask(policy, 1, episode=0)
    with XPolicyLabServer(answers(), port=int(server.url.rpartition(":")[2])) as again:
        ask(policy, 0, episode=0)
        ask(policy, 1, episode=0)
        policy.close()
    assert [message.kind for message in again.heard] == ["prepare_case", "reset", "infer", "infer"]


def test_a_connection_that_breaks_at_the_first_query_is_not_even_an_error() -> None:
    broken: list[int] = []

    def once(asked: Message) -> Any:
        broken.append(1)
        return None if len(broken) == 1 else {"actions": list(ramp(3))}

    with XPolicyLabServer(once) as server:
        policy = client.make_policy(toy_spec(), server.url)
        assert len(ask(policy).actions) == 3
        policy.close()
    assert [message.kind for message in server.heard].count("reset") == 2


def test_servers_that_say_that_they_are_different_are_refused() -> None:
    with XPolicyLabServer(answers(), checkpoint="a") as one, XPolicyLabServer(answers(), checkpoint="b") as other:
        with pytest.raises(UsageError, match="serves another policy"):
            client.make_policy(toy_spec(), f"{one.url},{other.url}")
        client.make_policy(toy_spec(), f"{one.url},{other.url}", ignore_metadata="checkpoint").close()


def test_answers_shorter_than_what_is_to_be_executed_end_the_run(tmp_path: Path) -> None:
    with XPolicyLabServer(answers(3)) as server:
        with pytest.raises(RunAborted, match=r"answers 3 actions, and 5 are to be executed"):
            execute(request(tmp_path / "a", url=server.url, replan=5))
        results = execute(request(tmp_path / "b", url=server.url, replan=2)).results
    assert {steps for result in results for steps in result.executed[:-1]} == {2}
