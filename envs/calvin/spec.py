"""What CALVIN environments offer under a suite's protocol, as data."""

from __future__ import annotations

from mmact_eval.envs.calvin.args import CalvinArgs
from mmact_eval.envs.calvin.chains import LENGTH
from mmact_eval.envs.calvin.world.cameras import SIZES
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec
from mmact_eval.suite import Suite

ACTION = ActionSpec(
    dim=7,
    control="ee_delta_pose",
    frame="world",
    rotation="euler_xyz",
    gripper="-1 close, +1 open",
    low=-1.0,
    high=1.0,
    hz=30.0,
)

STATE = {
    "tcp_pos": StateSpec(3, "position of the tool centre point in the world frame, m"),
    "tcp_euler": StateSpec(3, "its orientation in the world frame, Euler angles roll, pitch, yaw, rad"),
    "gripper_width": StateSpec(1, "opening width, the sum of both finger joints, m"),
    "joint_pos": StateSpec(7, "arm joint angles, rad"),
    "gripper_action": StateSpec(1, "the last gripper command, -1 close, +1 open"),
}
"""In the order of CALVIN's ``robot_obs``."""

STATE_LIMITS = {"tcp_pos": 10.0, "tcp_euler": 3.2, "gripper_width": 0.2, "joint_pos": 10.0, "gripper_action": 1.0}
"""Absolute values that no number of a state vector exceeds, for Gymnasium's observation space."""


def env_spec(suite: Suite) -> EnvSpec:
    """The spec of a suite's environments.

    Raises:
        UsageError: something in the suite makes no sense; names the field.
    """
    args = CalvinArgs.parse(suite.env_args)
    protocol = suite.protocol
    for camera in protocol.cameras:
        if camera not in SIZES:
            raise UsageError(
                f'suite {suite.name}, protocol.cameras: CALVIN has no camera "{camera}", only {", ".join(SIZES)}.'
                + did_you_mean(camera, SIZES)
            )
    if protocol.rotation:
        raise UsageError(f"suite {suite.name}, protocol.rotation: CALVIN's pictures are upright; write 0")
    if protocol.settle_steps:
        raise UsageError(f"suite {suite.name}, protocol.settle_steps: CALVIN's scenes are at rest; write 0")
    if protocol.seed_mode != "episode":
        raise UsageError(
            f"suite {suite.name}, protocol.seed_mode: CALVIN has no chance that a seed decides; write `episode`"
        )
    sizes = {**SIZES, "static": (protocol.resolution, protocol.resolution)}
    return EnvSpec(
        name="calvin",
        cameras={camera: sizes[camera] for camera in protocol.cameras},
        image_convention="upright",
        state=STATE,
        action=ACTION,
        privileged=True,
        not_real=_not_real(args),
        pictures_differ=_pictures_differ(args, protocol.resolution),
        proprioception=tuple(STATE),
        disturbable=True,
        stages=LENGTH,
    )


def _not_real(args: CalvinArgs) -> str:
    found = []
    if args.world == "stand-in":
        found.append("boxes in place of CALVIN's table and robot hand, not comparable")
    if args.blocks == "resampled":
        found.append("blocks in other places than in the published chains")
    return "; ".join(found)


def _pictures_differ(args: CalvinArgs, resolution: int) -> str:
    found = []
    if args.renderer == "tiny":
        found.append("drawn by TinyRenderer; published numbers were made with OpenGL")
    if resolution != SIZES["static"][0]:
        found.append(f"static camera at {resolution} pixels, published at {SIZES['static'][0]}")
    return "; ".join(found)
