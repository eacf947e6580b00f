"""The stand-in's robot: pybullet's own Panda, with long fingers of boxes, a camera and a tool centre point."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from mmact_eval.envs.calvin.stand_in.parts import Box, Joint, joint, link, text

_WHITE, _GRAY = (1.0, 1.0, 1.0), (0.3, 0.3, 0.3)
_FINGER = (Box((-0.01, 0.004, 0.0), (0.01, 0.026, 0.0585), _WHITE), Box((-0.01, 0.005, 0.0585), (0.01, 0.02, 0.096), _WHITE))  # fmt: skip  # noqa: E501
"""The left one; z to its tip, y away from the other finger, m."""

_TIP = (Box((0.016, -0.0092, 0.0047), (0.0201, 0.0092, 0.0297), _GRAY),)
_CAMERA = (Box((-0.04, -0.0125, -0.005), (0.04, 0.0125, 0.005), _WHITE),)


def panda(original: Path) -> str:
    """The robot description. Links have the numbers that CALVIN's robot gives them.

    Args:
        original: ``panda.urdf`` of pybullet's data, whose meshes the result names in the same way.
    """
    root = ElementTree.parse(original).getroot()
    for name, turn in (("panda_leftfinger", 0.0), ("panda_rightfinger", math.pi)):
        finger = root.find(f"link[@name='{name}']")
        assert finger is not None, f"{original} has no {name}"
        for shape in (*finger.findall("visual"), *finger.findall("collision")):
            finger.remove(shape)
        boxes = tuple(Box(box.low, box.high, box.color, yaw=turn) for box in _FINGER)
        drawn = link(name, 0.1, boxes)
        finger.extend([*drawn.findall("visual"), *drawn.findall("collision")])
    camera = link("gripper_cam", 0.2, _CAMERA)
    camera.remove(camera.findall("collision")[0])
    hung = (
        (camera, Joint("camera_joint", (-0.1, 0.0, 0.0), roll=1.3, yaw=-1.57, parent="panda_hand")),
        (link("tcp", 0.00001, ()), Joint("tcp_joint", (0.0, 0.0, 0.14), parent="panda_hand")),
        (
            link("finger_left_tip", 0.0001, _TIP, friction=1.0),
            Joint("joint_finger_tip_left", (0.0009, 0.021, 0.066), yaw=-1.57, parent="panda_leftfinger"),
        ),
        (
            link("finger_right_tip", 0.0001, _TIP, friction=1.0),
            Joint("joint_finger_tip_right", (-0.0009, -0.021, 0.066), yaw=1.57, parent="panda_rightfinger"),
        ),
    )
    for element, hangs in hung:
        root.extend([element, joint(element.attrib["name"], hangs)])
    return text(root)
