"""`mmact-eval list envs`: a policy's author sees what an environment offers before writing a line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mmact_eval.commands.list import command


def listed(*args: str) -> list[str]:
    """The lines of the output, their spaces single."""
    result = CliRunner().invoke(command, ["envs", *args], catch_exceptions=False)
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_what_a_suites_environment_offers_is_shown() -> None:
    lines = listed("--suite", "libero-goal", "--set", "protocol.resolution=128")
    for line in (
        "camera wrist 128 × 128 pixels",
        "images orientation rotated 180°",
        "state eef_quat 4 numbers: orientation of the hand in the world frame, quaternion xyzw",
        "action size 7 numbers, -1 to 1",
        "action control ee_delta_pose",
        "action gripper -1 open, +1 close",
        "action rate 20 Hz",
        "simulator ground truth can be had (privileged)",
    ):
        assert line in lines
    assert "not real toy world, not a benchmark" in listed("--suite", "toy")


@pytest.mark.parametrize(
    ("suite", "meaning"),
    [("libero-goal", "x, y, z: 1 is 0.05 m; rotation axis times angle: 1 is 0.5 rad"), ("toy", "x, y: 1 is 0.05 m"),
     ("robotwin-smoke", "targets of the joints, rad")],
)  # fmt: skip
def test_every_environment_says_what_a_number_of_an_action_is(suite: str, meaning: str) -> None:
    (line,) = [line for line in listed("--suite", suite) if line.startswith("action meaning")]
    assert meaning in line


def test_without_a_suite_the_registered_ones_are_listed() -> None:
    assert "toy ready mmact_eval.envs.toy:plugin mmact-eval" in listed()
