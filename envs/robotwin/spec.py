"""What RoboTwin environments offer under a suite's protocol, as data."""

from __future__ import annotations

import math
from pathlib import Path

import yaml

from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.install import installation
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec
from mmact_eval.suite import Suite

CAMERAS = ("head_camera", "left_camera", "right_camera")
SIZES = {("D435", 320): (240, 320), ("D435", 640): (480, 640), ("L515", 320): (180, 320), ("L515", 640): (360, 640)}
"""(camera type, ``protocol.resolution``) → (height, width) in pixels; 640 is upstream's ``Large_…``."""

NOT_COMPARABLE = "not comparable with published RoboTwin numbers"

_ARM_DOFS = (6, 6)


def camera_type(suite: Suite, args: RobotwinArgs) -> str:
    """Upstream's name of the camera type.

    Raises:
        UsageError: the protocol asks for a size that RoboTwin has not, or for turned images.
    """
    protocol = suite.protocol
    if (args.camera, protocol.resolution) not in SIZES:
        raise UsageError(
            f"suite {suite.name}, protocol.resolution: RoboTwin's images are 320 or 640 pixels wide, not "
            f"{protocol.resolution}; their height follows from env_args.camera."
        )
    if protocol.rotation:
        raise UsageError(f"suite {suite.name}, protocol.rotation: RoboTwin's images are upright; write 0.")
    return args.camera if protocol.resolution == 320 else f"Large_{args.camera}"


def env_spec(suite: Suite) -> EnvSpec:
    """The spec of a suite's environments.

    Raises:
        UsageError: something in the suite makes no sense.
    """
    args = RobotwinArgs.parse(suite.env_args)
    camera_type(suite, args)
    for camera in suite.protocol.cameras:
        if camera not in CAMERAS:
            raise UsageError(
                f'suite {suite.name}: RoboTwin has no camera "{camera}"; it has {", ".join(CAMERAS)}.'
                + did_you_mean(camera, CAMERAS)
            )
    if suite.protocol.seed_mode != "episode":
        raise UsageError(
            f"suite {suite.name}, protocol.seed_mode: RoboTwin's seeds come from a manifest; write `episode`."
        )
    if suite.protocol.settle_steps:
        raise UsageError(f"suite {suite.name}, protocol.settle_steps: RoboTwin settles scenes by itself; write 0.")
    left, right = arm_dofs(args)
    joints = f"left arm ({left}) rad, left gripper, right arm ({right}) rad, right gripper; grippers 0 shut to 1 open"
    poses = "left hand: position m, quaternion wxyz, world frame; left gripper; right hand and gripper likewise"
    missing = installation.substitutions(args)
    return EnvSpec(
        name="robotwin",
        cameras=dict.fromkeys(suite.protocol.cameras, SIZES[args.camera, suite.protocol.resolution]),
        image_convention="upright",
        state={
            "joint_action": StateSpec(left + right + 2, f"drive targets (not measured): {joints}"),
            "endpose": StateSpec(16, poses),
        },
        action=action_spec(args.action, left, right),
        privileged=True,
        not_real=f"{'; '.join(missing)}: {NOT_COMPARABLE}" if missing else "",
    )


def action_spec(kind: str, left: int = 6, right: int = 6) -> ActionSpec:
    """The convention of ``qpos`` or ``ee`` actions. They have no fixed duration, which ``hz=0`` says."""
    if kind == "qpos":
        limit = 2 * math.pi
        return ActionSpec(
            left + right + 2, "joint_position", frame="joint", rotation="", low=-limit, high=limit, hz=0.0,
            gripper=f"0 shut, 1 open, at {left} and {left + right + 1}", description="targets of the joints, rad",
        )  # fmt: skip
    return ActionSpec(
        16, "ee_pose", frame="world", rotation="quat_wxyz", gripper="0 shut, 1 open, at 7 and 15", low=-2.0, high=2.0,
        hz=0.0, description="left hand, then right: position, m, and quaternion wxyz, then its gripper",
    )  # fmt: skip


def arm_dofs(args: RobotwinArgs) -> tuple[int, int]:
    """Joints of the left and the right arm, read from the embodiment's configuration where there is one."""
    if args.synthetic or not args.root:
        return _ARM_DOFS
    root = installation.checkout(args)
    chosen = installation.settings(args)
    folder = installation.config_folder(root)
    try:
        known = yaml.safe_load((folder / "_embodiment_config.yml").read_text(encoding="utf-8"))
        names = (chosen.embodiment[0], chosen.embodiment[1] if len(chosen.embodiment) == 3 else chosen.embodiment[0])
        joints = [_joints(root / known[name]["file_path"], side) for side, name in enumerate(names)]
    except (OSError, KeyError, TypeError, IndexError, yaml.YAMLError):
        return _ARM_DOFS  # its assets are not there: `doctor` and the first reset say so
    return joints[0], joints[1]


def _joints(robot: Path, side: int) -> int:
    described = yaml.safe_load((robot / "config.yml").read_text(encoding="utf-8"))
    return len(described["arm_joints_name"][side])
