"""Whether RoboTwin's embedded mode works here, and a suite of it for which no seed has to be searched."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import plugin
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.envs.robotwin.seeds.manifest import Column, Manifest, Verdict
from mmact_eval.errors import UsageError
from mmact_eval.suite import Suite

TASK = "stack_blocks_two"
WORDS: Mapping[str, str] = {"unseen": "stack them", "seen": "build a stack"}


@functools.cache
def what_is_missing() -> str:
    """The reason to skip RoboTwin's tests, "" if there is none."""
    if registry.missing_packages(plugin):
        return "needs the robotwin extra"
    if installation.runtime_root() is None:
        return "needs `mmact-eval setup robotwin`: the task code is not here"
    try:
        driver = vulkan.choose()
    except UsageError as error:
        return str(error)
    problem = vulkan.probe(driver, draw=False)
    return f"Vulkan by {driver.name} does not work: {problem}" if problem else ""


def suite_with_seeds(path: Path, *overrides: str, seeds: int = 2) -> Suite:
    """The smoke suite with a manifest of its own, written to `path`, that accepts the first seeds of the first task."""
    suite = load_suite("robotwin-smoke", (f"env_args.seeds={path}", *overrides))
    verdicts = [Verdict(100_000 + index, "", WORDS) for index in range(seeds)]
    args = RobotwinArgs.parse(suite.env_args)
    Manifest(installation.identity(args), [Column(TASK, 0, verdicts)]).write(path)
    return suite
