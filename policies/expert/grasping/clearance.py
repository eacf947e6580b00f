"""How far a hand and what it holds are from everything else: signed distances between points and boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmact_eval.policies.expert.geometry import Array, Boxes
from mmact_eval.policies.expert.moving.hand import (
    FINGER_HALF_WIDTH,
    FINGER_OUTER,
    PALM_ABOVE_SITE,
    PALM_HALF_LENGTH,
    PALM_HALF_WIDTH,
    TIP_BELOW_SITE,
)

_HELD_SPACING, _HAND_SPACING = 0.011, 0.012  # thin boards do not slip through
_CORNERS = 32
_PALM_BACK, _WRIST_BACK, _WRIST_HALF_WIDTH = 0.097, 0.2, 0.045
"""Where the hand ends and where the wrist's round part behind it ends (m behind the grip site), and its radius."""


@dataclass(frozen=True)
class Held:
    """A hand with an object between its fingers.

    Attributes:
        points: on both their surfaces, (N, 3), in the frame of the grip site.
        object_points: those of the object alone, (M, 3).
        corners: a few telling ones of `points`, for a first look, (K, 3).
        root: the object's root body in that frame, (3,).
    """

    points: Array
    object_points: Array
    corners: Array
    root: Array


def hold(boxes: Boxes, root: Array, position: Array, rotation: Array, width: float) -> Held:
    """What an object looks like from a hand at `position` (3,) and `rotation` (3, 3) that holds it.

    Args:
        boxes: the object's, in the world frame, as `root` (3,), its root body's position.
        width: distance between the finger pads, m.
    """
    local = _thinned((boxes.surface_points(_HELD_SPACING) - position) @ rotation, _HELD_SPACING)
    hand = _hand_boxes(width)
    corners = (boxes.corners().reshape(-1, 3) - position) @ rotation
    corners = corners[np.linspace(0, len(corners) - 1, min(len(corners), _CORNERS)).astype(int)]
    return Held(
        points=np.concatenate([local, hand.surface_points(_HAND_SPACING)]),
        object_points=local,
        corners=np.concatenate([corners, hand.corners().reshape(-1, 3)]),
        root=(root - position) @ rotation,
    )


def distance(points: Array, boxes: Boxes) -> float:
    """Smallest signed distance in metres from points (N, 3) to any of the boxes, negative inside; 1 if there are none.

    Inside a box it is the depth below the nearest face.
    """
    return float(distances(points[None], boxes, far=1.0)[0])


def distances(clouds: Array, boxes: Boxes, far: float = 0.03) -> Array:
    """As `distance`, for each of K clouds (K, N, 3): (K,). Boxes more than `far` m from all of them are ignored."""
    nearest = np.ones(len(clouds))
    corners = boxes.corners()
    low, high = clouds.min(axis=(0, 1)) - far, clouds.max(axis=(0, 1)) + far
    boxes = boxes.pick(np.all((corners.max(axis=1) > low) & (corners.min(axis=1) < high), axis=1))
    for center, rotation, half in zip(boxes.centers, boxes.rotations, boxes.half_sizes, strict=True):
        beyond = np.abs((clouds - center) @ rotation) - half
        inside = np.minimum(beyond.max(axis=2), 0.0)
        outside = np.sqrt((np.maximum(beyond, 0.0) ** 2).sum(axis=2))
        nearest = np.minimum(nearest, (outside + inside).min(axis=1))
    return nearest


def _hand_boxes(width: float) -> Boxes:
    """Fingers, palm and wrist in the frame of the grip site; the fingers are `width` apart."""
    finger = (FINGER_OUTER - width / 2.0) / 2.0  # the fingers' outer faces are taken where they are when open
    finger_height = (TIP_BELOW_SITE + PALM_ABOVE_SITE) / 2.0
    palm_height, wrist_height = (_PALM_BACK - PALM_ABOVE_SITE) / 2.0, (_WRIST_BACK - _PALM_BACK) / 2.0
    finger_middle = TIP_BELOW_SITE - finger_height
    centers = [(side * (width / 2.0 + finger), 0.0, finger_middle) for side in (-1.0, 1.0)]
    centers += [(0.0, 0.0, -PALM_ABOVE_SITE - palm_height), (0.0, 0.0, -_PALM_BACK - wrist_height)]
    halves = [(finger, FINGER_HALF_WIDTH, finger_height)] * 2
    halves += [(PALM_HALF_LENGTH, PALM_HALF_WIDTH, palm_height), (_WRIST_HALF_WIDTH, _WRIST_HALF_WIDTH, wrist_height)]
    return Boxes(np.array(centers), np.array([np.eye(3)] * len(centers)), np.array(halves))


def _thinned(points: Array, spacing: float) -> Array:
    """One of the points (N, 3) for each cell of a grid, but always the outermost ones."""
    _, first = np.unique(np.round(points / spacing).astype(int), axis=0, return_index=True)
    outermost = np.concatenate([points.argmin(axis=0), points.argmax(axis=0)])
    kept: Array = points[np.unique(np.concatenate([first, outermost]))]
    return kept
