"""What is told of a policy's answers is what happened: how many actions were executed, and whether they made sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import summarize

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.batcher import Answer, PolicyBatcher
from mmact_eval.envs.toy import plugin
from mmact_eval.errors import PolicyContractError
from mmact_eval.protocols import Needs, Policy
from mmact_eval.results.facts import EXECUTED
from mmact_eval.results.reporting import summarize_folder
from mmact_eval.results.summary import Summary
from mmact_eval.rollout import policy_calls, run_episode
from mmact_eval.rollout.action_tally import far_beyond
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.suite import Protocol, Suite
from mmact_eval.transforms import Transform, transformed
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

SUITE = load_suite("toy")
ENV = plugin.spec(SUITE)


class Fixed:
    """Answers with chunks of these lengths in turn, all numbers the same."""

    def __init__(self, *lengths: int, value: Any = 0.0, **spec: Any) -> None:
        self.spec = PolicySpec("fixed", ENV.action, **{"chunk": 16, **spec})
        self._lengths, self._value = lengths, value

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        lengths = [self._lengths[query.index % len(self._lengths)] for query in queries]
        return [PolicyOutput(np.full((length, 2), self._value)) for length in lengths]


def rollout(policy: Policy, **protocol: Any) -> EpisodeResult:
    """An episode in which nothing is solved."""
    suite = Suite(name="toy", env="toy", protocol=Protocol(**{**SUITE.protocol.model_dump(), **protocol}))
    env = plugin.make(suite, plugin.tasks(suite)[1], Needs())
    return run_episode(env, policy, Episode("toy", "hard", 0, 0), suite.protocol)


def summary(*results: EpisodeResult, replan: int = 16, **action: Any) -> Summary:
    described = {"dim": 2, "low": -1.0, "high": 1.0, **action}
    return summarize(results, {"protocol": {"replan": replan}, "env": {"action": described}})


def test_an_episode_tells_what_was_executed_after_each_query() -> None:
    result = rollout(Fixed(4), max_steps=10)
    assert (result.executed, result.short_answers) == ((4, 4, 2), 2)
    again = EpisodeResult.from_json(result.to_json())
    assert (again.executed, again.short_answers, again.farthest) == ((4, 4, 2), 2, 0.0)
    assert rollout(Fixed(16), max_steps=20).executed == (16, 4)
    assert rollout(Fixed(16), max_steps=20).short_answers == 0
    assert rollout(Fixed(16, replan=5), max_steps=12).executed == (5, 5, 2)


@pytest.mark.parametrize(
    ("lengths", "told"),
    [((16,), "16"), ((4,), "4 (asked for: 16)"), ((16, 8), "12.8 on average, 8 to 16 (asked for: 16)")],
)
def test_a_summary_tells_what_was_executed_and_warns_of_answers_that_were_too_short(
    lengths: tuple[int, ...], told: str
) -> None:
    found = summary(rollout(Fixed(*lengths), max_steps=70))
    assert found.provenance[EXECUTED] == told
    assert bool(found.warnings) == (told != "16")
    assert all("fewer actions than were to be executed (16)" in warning for warning in found.warnings)


def test_the_suites_interval_is_as_little_what_happened() -> None:
    found = summary(rollout(Fixed(10, chunk=10), replan=30, max_steps=60), replan=30)
    assert found.provenance[EXECUTED] == "10 (asked for: 30)"
    assert "5 of 6 answers" in found.warnings[0]  # the sixth held all that were left


def test_a_policy_whose_chunks_vary_may_answer_with_fewer() -> None:
    found = summary(rollout(Fixed(3, 5, chunk=5, chunk_varies=True), max_steps=20), replan=5)
    assert found.provenance[EXECUTED] == "3.8 on average, 3 to 5 (asked for: 5)"
    assert not found.warnings


def test_records_from_before_say_what_was_asked_for() -> None:
    before = replace(rollout(Fixed(16), max_steps=20), executed=())
    assert summary(before).provenance[EXECUTED] == "16"


@pytest.mark.parametrize(
    ("value", "says"),
    [(255, "100 % of the numbers"), (-3.0, "(the farthest: -3)"), (1.2, None), (1.0, None), (-1.0, None)],
)
def test_numbers_far_beyond_the_range_are_counted_and_named(value: float, says: str | None) -> None:
    result = rollout(Fixed(16, value=np.uint8(value) if value > 2 else value), max_steps=20)
    assert result.beyond_range == (40 if says else 0)
    warnings = summary(result).warnings
    assert len(warnings) == (says is not None)
    assert says is None or says in warnings[0]
    assert says is None or "-1.0 to 1.0" in warnings[0]


def test_only_what_was_executed_is_counted() -> None:
    class Late(Fixed):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            return [PolicyOutput(np.concatenate([np.zeros((4, 2)), np.full((12, 2), 9.0)])) for _ in queries]

    assert rollout(Late(16, replan=4), max_steps=20).beyond_range == 0
    result = rollout(Late(16, replan=5), max_steps=20)
    assert (result.beyond_range, result.farthest) == (8, 9.0)
    assert "20 % of the numbers" in summary(result).warnings[0]


def test_a_range_without_ends_has_nothing_beyond_it() -> None:
    open_ended = ActionSpec(2, "joint_position", low=-np.inf, high=np.inf)
    assert not far_beyond(np.array([[1e30, -1e30]]), open_ended).any()


def test_a_manifest_that_lacks_things_costs_no_report() -> None:
    assert summary(rollout(Fixed(16, value=9.0), max_steps=20), dim=None).warnings == ()
    assert summarize([rollout(Fixed(4), max_steps=20)], {}).provenance[EXECUTED] == "4"


def seen(index: int = 0) -> Query:
    return Query(Observation({}, {}, ""), Episode("toy", "hard", 0, 0), index)


def wished(steps: int, policy: Policy) -> Policy:
    return transformed(policy, [Transform.model_validate({"replan": {"steps": steps}})], Protocol(max_steps=60))


def test_two_wishes_for_an_interval_are_never_the_same_thing() -> None:
    assert len(policy_calls.act(wished(4, Fixed(4)), [seen()])) == 1
    with pytest.raises(PolicyContractError, match=r"16 actions are to be executed .* holds only 4"):
        policy_calls.act(wished(16, Fixed(4)), [seen()])
    assert len(policy_calls.act(wished(16, Fixed(4, chunk_varies=True)), [seen()])) == 1
    answers: list[Answer] = []
    batcher = PolicyBatcher(wished(16, Fixed(4)), 8, 60)
    batcher.submit(seen(), answers.append)
    batcher.answer_batch()
    assert answers[0].contract


def test_a_run_says_it_in_its_table(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom mmact_eval import PolicyOutput, PolicySpec\n\n\nclass Mine:\n"
        "    def __init__(self, env_spec):\n        self.spec = PolicySpec('mine', env_spec.action, chunk=8)\n"
        "    def reset(self, episodes): ...\n"
        "    def act(self, queries): return [PolicyOutput(np.full((2, 2), 128, np.uint8)) for _ in queries]\n"
    )
    execute(RunRequest(SUITE, f"{tmp_path / 'mine.py'}:Mine", tasks="easy", episodes=2, out=tmp_path / "run"))
    found = summarize_folder(tmp_path / "run")
    assert found.provenance[EXECUTED] == "2 (asked for: 8)"
    assert [text[:9] for text in found.warnings] == ["58 of 60 ", "100 % of "]
