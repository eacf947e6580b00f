"""Boxes, links and joints of a robot description, and its XML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

Vector = tuple[float, float, float]
Color = tuple[float, float, float]

ZERO: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Box:
    """A box that is seen and touched.

    Attributes:
        low, high: two opposite corners in the box's own frame, m.
        color: red, green, blue in [0, 1].
        at: the frame's origin in the link, m.
        roll: the frame's rotation about the link's x axis, rad.
        yaw: the same about z.
    """

    low: Vector
    high: Vector
    color: Color
    at: Vector = ZERO
    roll: float = 0.0
    yaw: float = 0.0


@dataclass(frozen=True)
class Joint:
    """What a link hangs on.

    Attributes:
        name: of the joint.
        at: its origin in the parent, m.
        roll, yaw: its rotation about the parent's x or z axis, rad.
        axis: the direction in which it slides, in its own frame; None for a fixed one.
        upper: how far it slides, m.
        parent: the link that it hangs on.
    """

    name: str
    at: Vector
    roll: float = 0.0
    axis: Vector | None = None
    upper: float = 0.0
    parent: str = "base_link"
    yaw: float = 0.0


def link(name: str, mass: float, boxes: tuple[Box, ...], friction: float | None = None) -> ElementTree.Element:
    """The XML of a link; pybullet computes its inertia from the boxes."""
    element = ElementTree.Element("link", name=name)
    if friction is not None:
        contact = ElementTree.SubElement(element, "contact")
        ElementTree.SubElement(contact, "lateral_friction", value=repr(friction))
        ElementTree.SubElement(contact, "spinning_friction", value="0.001")
    inertial = ElementTree.SubElement(element, "inertial")
    ElementTree.SubElement(inertial, "mass", value=repr(mass))
    ElementTree.SubElement(inertial, "inertia", ixx="1", ixy="0", ixz="0", iyy="1", iyz="0", izz="1")
    for number, box in enumerate(boxes):
        visual = _shape(element, "visual", box)
        material = ElementTree.SubElement(visual, "material", name=f"{name}_{number}")
        ElementTree.SubElement(material, "color", rgba=_text((*box.color, 1.0)))
        _shape(element, "collision", box)
    return element


def joint(child: str, joint: Joint) -> ElementTree.Element:
    """The XML of the joint that a link hangs on."""
    element = ElementTree.Element("joint", name=joint.name, type="fixed" if joint.axis is None else "prismatic")
    ElementTree.SubElement(element, "origin", xyz=_text(joint.at), rpy=_text((joint.roll, 0.0, joint.yaw)))
    ElementTree.SubElement(element, "parent", link=joint.parent)
    ElementTree.SubElement(element, "child", link=child)
    if joint.axis is not None:
        ElementTree.SubElement(element, "axis", xyz=_text(joint.axis))
        ElementTree.SubElement(element, "limit", lower="0", upper=repr(joint.upper), effort="0", velocity="0")
    return element


def text(root: ElementTree.Element) -> str:
    """A robot description as it stands in a file."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _shape(parent: ElementTree.Element, kind: str, box: Box) -> ElementTree.Element:
    """A box below `parent`; its centre is turned with it."""
    low, high = np.array(box.low), np.array(box.high)
    turn = Rotation.from_euler("xyz", (box.roll, 0.0, box.yaw))
    centre = np.array(box.at) + turn.apply((low + high) / 2)
    element = ElementTree.SubElement(parent, kind)
    ElementTree.SubElement(element, "origin", xyz=_text(centre), rpy=_text((box.roll, 0.0, box.yaw)))
    geometry = ElementTree.SubElement(element, "geometry")
    ElementTree.SubElement(geometry, "box", size=_text(high - low))
    return element


def _text(numbers: Iterable[float]) -> str:
    return " ".join(f"{float(number) + 0.0:.6g}" for number in numbers)
