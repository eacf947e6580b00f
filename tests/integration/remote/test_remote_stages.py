"""Stages behind servers: the policy there forgets where one begins, and results are those of this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from counted_policies import FORGETFUL
from remote_servers import ForeignServer, Served, chunks_of, toy_layout, toy_spec

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.options import EngineOptions
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.vla_eval.server import VlaEvalConversation
from mmact_eval.policies.remote.vla_eval.wire import decode, encode
from mmact_eval.policies.remote.wire import layouts
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

PROTOCOLS = ("openpi", "vla-eval")


def request(out: Path, policy: str = FORGETFUL, **changes: Any) -> RunRequest:
    return replace(RunRequest(suite=load_suite("toy-stages"), policy=policy, episodes=3, out=out), **changes)


def signature(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    results = execute(request(tmp_path_factory.mktemp("here"))).results
    assert {result.stages_solved for result in results} > {4}
    return signature(results)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("workers", [1, 3])
def test_results_are_those_of_this_process(
    tmp_path: Path, expected: dict[str, tuple[object, ...]], protocol: str, workers: int
) -> None:
    with Served(protocol=protocol, policy=FORGETFUL, suite="toy-stages") as served:
        asked = request(tmp_path, protocol, policy_args={"url": served.url}, options=EngineOptions(workers=workers))
        results = execute(asked).results
    assert signature(results) == expected
    assert {result.attempts for result in results} == {1}


def test_an_episode_stays_with_its_server_where_a_stage_begins(
    tmp_path: Path, expected: dict[str, tuple[object, ...]]
) -> None:
    with Served(policy=FORGETFUL, suite="toy-stages") as one, Served(policy=FORGETFUL, suite="toy-stages") as other:
        args = {"url": f"{one.url},{other.url}"}
        results = execute(request(tmp_path, "openpi", policy_args=args, options=EngineOptions(workers=3))).results
    assert signature(results) == expected
    assert {result.attempts for result in results} == {1}


def test_a_query_of_a_new_stage_that_is_asked_again_gets_the_same_answer() -> None:
    """Its answer was lost on the way; the policy hears of it once."""
    with Served(policy=FORGETFUL, suite="toy-stages") as served:
        policy = registry.make_policy("openpi", {"url": served.url}, toy_spec()).policy
        try:
            ask(policy, 0)
            once, again = ask(policy, 1, new_stage=True), ask(policy, 1, new_stage=True)
            assert np.array_equal(once, again)
            ask(policy, 2)
        finally:
            registry.close_policy(policy)


def ask(policy: Any, index: int, new_stage: bool = False) -> Any:
    seen = Observation({}, {"position": np.zeros(2), "target": np.ones(2)}, "go")
    return policy.act([Query(seen, Episode("toy", "easy", 0, 0), index, new_stage)])[0].actions


# Servers and clients that are not ours.


@pytest.fixture
def a_preset_for_the_toy_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layouts._PRESETS, "toy", toy_layout)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("a_preset_for_the_toy_and_no_proxies")
@pytest.mark.parametrize("chunk", [1, 2])
def test_vla_evals_servers_hear_of_a_new_stage_once_and_in_the_same_session(chunk: int) -> None:
    with ForeignServer(chunks_of(1), {}, "vla-eval") as server:
        policy = vla_eval.make_policy(toy_spec(), url=server.url, chunk=chunk)
        for index, new_stage in enumerate([False, False, True, False]):
            if new_stage:
                policy.reset([Episode("toy", "easy", 0, 0)])
            ask(policy, index, new_stage)
        policy.close()
    told = [asked.message.get("episode_restart") for asked in server.requests]
    assert told == [None] * (2 * chunk) + [True] + [None] * (2 * chunk - 1)


@pytest.mark.usefixtures("a_preset_for_the_toy_and_no_proxies")
def test_vla_evals_clients_tell_where_a_task_begins_by_episode_restart() -> None:
    """What is left of the chunk before is not sent any more, and the policy is told."""
    asked: list[tuple[int, bool, str]] = []

    async def answer(query: Query) -> Answer:
        asked.append((query.index, query.new_stage, query.observation.instruction))
        return Answer(PolicyOutput(np.full((3, 2), len(asked), np.float32)))

    class Socket:
        sent: list[Any] = []  # noqa: RUF012

        async def send(self, frame: bytes) -> None:
            self.sent.append(decode(frame).payload)

        async def __aiter__(self) -> Any:
            look = {"position": np.zeros(2)}
            yield encode("episode_start", {"task": {"name": "chain"}}, 0)
            for number, (text, restart) in enumerate([("a", True), ("a", False), ("b", True), ("b", False)], 1):
                yield encode("observation", {"state": look, "prompt": text, "episode_restart": restart}, number)

    spec = ToyPolicy(3, detour=False).spec
    socket = Socket()
    asyncio.run(VlaEvalConversation(spec, toy_spec(), {}).talk(socket, 1, answer))  # type: ignore[arg-type]
    assert asked == [(0, False, "a"), (1, True, "b")]
    assert [float(payload["actions"][0]) for payload in socket.sent] == [1, 1, 2, 2]
