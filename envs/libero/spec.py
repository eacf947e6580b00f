"""What LIBERO environments offer under a suite's protocol, as data."""

from __future__ import annotations

from mmact_eval.envs.libero import physics
from mmact_eval.envs.libero.catalog import LiberoArgs
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec
from mmact_eval.suite import Suite

CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}
"""Our camera names → robosuite's."""

SETTLE_ACTION = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
"""Stand still with an open gripper: what openpi, OpenVLA-OFT and MM-ACT send while objects come to rest."""

ACTION = ActionSpec(
    dim=7,
    control="ee_delta_pose",
    frame="base",
    rotation="axis_angle",
    gripper="-1 open, +1 close",
    low=-1.0,
    high=1.0,
    hz=20.0,
    description="x, y, z: 1 is 0.05 m; rotation axis times angle: 1 is 0.5 rad; gripper: its sign alone",
)

STATE = {
    "eef_pos": StateSpec(3, "position of the grip site in the world frame, m"),
    "eef_quat": StateSpec(4, "orientation of the hand in the world frame, quaternion xyzw"),
    "eef_axis_angle": StateSpec(3, "eef_quat as rotation axis times angle, rad, angle from 0 to 2π"),
    "gripper_qpos": StateSpec(2, "positions of the two finger joints, m"),
    "joint_pos": StateSpec(7, "arm joint angles, rad"),
}

PROPRIOCEPTION = ("eef_pos", "eef_axis_angle", "gripper_qpos")
"""The 8 numbers that openpi, OpenVLA-OFT and the LIBERO data sets on the Hub call the state."""

STATE_LIMITS = {
    "eef_pos": 10.0,
    "eef_quat": 1.01,
    "eef_axis_angle": 6.3,
    "gripper_qpos": 0.1,
    "joint_pos": 10.0,
}
"""Absolute values that no number of a state vector exceeds, for Gymnasium's observation space."""


def env_spec(suite: Suite) -> EnvSpec:
    """The spec of a suite's environments.

    Raises:
        UsageError: the protocol names a camera that LIBERO has not, or the installed physics is not the one asked for.
    """
    args = LiberoArgs.of(suite)
    installed = physics.check(suite.name, args.physics)
    for camera in suite.protocol.cameras:
        if camera not in CAMERAS:
            raise UsageError(
                f'suite {suite.name}: LIBERO has no camera "{camera}"; it has {", ".join(CAMERAS)}.'
                + did_you_mean(camera, CAMERAS)
            )
    size = suite.protocol.resolution
    rotation = suite.protocol.rotation
    return EnvSpec(
        name="libero",
        cameras=dict.fromkeys(suite.protocol.cameras, (size, size)),
        image_convention=f"rotated {rotation}°" if rotation else "as rendered, upside down",
        state=STATE,
        action=ACTION,
        privileged=True,
        proprioception=PROPRIOCEPTION,
        disturbable=True,
        physics=installed,
        not_real=physics.not_comparable(installed),
        pictures_differ=physics.other_pictures(installed, args.benchmark),
    )
