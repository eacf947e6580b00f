"""Which arms of an engine can use the same environments, and what a bar over several runs tells."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.running import worlds_of
from mmact_eval.runs.progress import Progress
from mmact_eval.runs.runner import RunRequest, same_policy
from mmact_eval.types import Episode, EpisodeResult


def arm(*overrides: str, policy: str = "toy", watched: tuple[str, ...] = (), **args: Any) -> EngineArm:
    suite = load_suite("toy", overrides)
    made = registry.make_policy(policy, args, registry.env_plugin("toy").spec(suite)).policy
    return EngineArm(suite, made, [], lambda result: None, watched=watched)


def test_arms_share_environments_unless_something_differs_that_these_see_to() -> None:
    plain = arm()
    shorter, longer = arm("protocol.max_steps=9"), arm("protocol.max_steps=99")
    disturbed = arm("protocol.disturbance={metres: 0.1, first_step: 1, last_step: 2}", "protocol.replan=2")
    numbers, worlds = worlds_of([plain, shorter, longer, disturbed, arm(chunk=2)])
    assert numbers == [0, 0, 0, 0, 0]
    assert worlds[0].suite.protocol.max_steps == 99  # no arm is cut short

    others = [
        arm("protocol.settle_steps=3"),
        arm("protocol.resolution=32"),
        arm("env_args.step_seconds=0.001"),
        arm(detour=False),  # does without ground truth
        arm(watched=("top",)),
        arm("protocol.stages=2"),
        arm("protocol.stages=2", "protocol.stage_steps=9"),
    ]
    assert worlds_of([plain, *others])[0] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_one_policy_serves_runs_that_differ_in_what_it_does_not_hear_of() -> None:
    def asked(*overrides: str, **changes: Any) -> str:
        return same_policy(RunRequest(load_suite("toy", overrides), **{"policy": "toy", **changes}))

    same = asked("protocol.max_steps=9", "protocol.disturbance={metres: 0.1, first_step: 1, last_step: 2}", seed=3)
    assert asked() == same
    assert asked(policy_args={"chunk": 2}) != asked()
    assert asked(policy="noop") != asked()
    assert asked("protocol.replan=2") != asked()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("names", "shown"), [([""], "success 50.0 % (1/2)"), (["plain", "late"], "plain 50.0 %, late 100.0 %")]
)
def test_a_bar_shows_each_runs_success_rate(names: list[str], shown: str) -> None:
    screen = Terminal()
    episodes = [EpisodeResult(Episode("toy", "easy", k, 0), "failure" if k else "success") for k in range(2)]
    with Progress({name: (2, []) for name in names}, screen) as progress:
        for name, count in zip(names, (2, 1), strict=False):
            for result in episodes[:count]:
                progress.of(name).update(result)
        progress.of(names[0]).say("careful")
    assert shown in screen.getvalue()
    assert ("plain: careful" if names[0] else "careful") in screen.getvalue()
