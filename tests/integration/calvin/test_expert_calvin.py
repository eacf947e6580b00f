"""The expert on CALVIN's real world: it solves chains, however they are cut into chunks and shared among workers."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

import numpy as np
import pytest
from calvin_ready import assets
from numpy.typing import NDArray

import mmact_eval
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import chains, sentences
from mmact_eval.policies.expert import make_policy
from mmact_eval.protocols import Env, Needs
from mmact_eval.recording.perturbed import Perturbed
from mmact_eval.rollout import run_episode
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult

FOLDER = assets()

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="needs the calvin extra"),
    pytest.mark.skipif(FOLDER is None, reason="CALVIN's assets are not here: `mmact-eval setup calvin` brings them"),
]

EVERY_KIND = (0, 1, 8, 10, 15, 23)
"""Chains that hold every kind of task between them."""


@pytest.fixture(autouse=True)
def _assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALVIN_ASSETS", str(FOLDER))


@pytest.fixture
def suite() -> Suite:
    return load_suite("calvin-abc-d")


@pytest.fixture
def env(suite: Suite) -> Iterator[Env]:
    env = plugin.make(suite, plugin.tasks(suite)[0], Needs(privileged=True))
    yield env
    env.close()


def solve(env: Env, suite: Suite, chain: int, chunk: int = 8) -> EpisodeResult:
    policy = make_policy(plugin.spec(suite), chunk=chunk)
    return run_episode(env, policy, Episode(suite.name, "chain", chain, 0), suite.protocol)


def kind(task: str) -> str:
    return re.sub("red|blue|pink", "any", task)


@pytest.mark.parametrize("chain", EVERY_KIND)
def test_solves_whole_chains(env: Env, suite: Suite, chain: int) -> None:
    result = solve(env, suite, chain)
    assert result.outcome == "success", [*result.stages, result.error]
    assert [stage.task for stage in result.stages] == list(chains()[chain].tasks)


def test_the_chains_hold_every_kind_of_task() -> None:
    solved = {kind(task) for chain in EVERY_KIND for task in chains()[chain].tasks}
    assert solved == {kind(task) for task in sentences()}


def test_it_may_be_asked_at_every_step_or_at_every_eighth(env: Env, suite: Suite) -> None:
    one, eight = solve(env, suite, 8, chunk=1), solve(env, suite, 8, chunk=8)
    assert one.outcome == eight.outcome == "success"
    assert one.queries == one.steps > 4 * eight.queries


def test_what_a_recording_adds_to_its_actions_it_corrects(env: Env, suite: Suite) -> None:
    policy = Perturbed(make_policy(plugin.spec(suite)), suite.protocol, noise=0.06, random_start=12)
    result = run_episode(env, policy, Episode(suite.name, "chain", 8, 0), suite.protocol)
    assert result.outcome == "success", [*result.stages, result.error]


def test_two_workers_give_what_one_gives(suite: Suite) -> None:
    def results(workers: int) -> list[EpisodeResult]:
        run = mmact_eval.evaluate("expert", suite, episodes=2, workers=workers, progress=False)
        return sorted(run.episodes, key=lambda result: result.episode)

    one, two = results(1), results(2)
    assert [result.reproducible() for result in one] == [result.reproducible() for result in two]
    assert all(result.outcome == "success" for result in one)


def test_actions_keep_to_the_convention_and_texts_say_what_is_done(env: Env, suite: Suite) -> None:
    policy = make_policy(plugin.spec(suite))
    given: list[NDArray[np.float32]] = []
    texts: list[str | None] = []

    class Listening:
        spec = policy.spec
        reset = staticmethod(policy.reset)

        def act(self, queries):  # type: ignore[no-untyped-def]
            answers = policy.act(queries)
            given.extend(answer.actions for answer in answers)
            texts.extend(answer.text for answer in answers)
            return answers

    run_episode(env, Listening(), Episode(suite.name, "chain", 15, 0), suite.protocol)
    actions = np.concatenate(given)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1
    assert set(actions[:, 6]) == {-1.0, 1.0}
    assert all(texts)


@pytest.mark.slow
def test_solves_the_first_two_hundred_chains(suite: Suite) -> None:
    run = mmact_eval.evaluate("expert", suite, episodes=200, workers=2, progress=False)
    lengths = [sum(stage.success for stage in result.stages) for result in run.episodes]
    assert len(lengths) == 200
    assert np.mean(lengths) > 4.85
