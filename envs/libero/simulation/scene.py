"""Simulator ground truth of a LIBERO scene as plain data: what `Observation.privileged` holds.

Reading never changes the simulation: no `forward`, no `step`, no writes (a second `mj_forward` would already change
the solver's warm start and with it the rollout). Positions are therefore as fresh as LIBERO's own observations: one
physics substep (2 ms) behind `qpos`.

Units are metres and radians, all poses are in the world frame, rotations are matrices whose columns are the axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# MuJoCo's enumerations (mjtGeom, mjtJoint), stable since 2.0; not imported, so that this module stays light.
_PLANE = 0
_FREE_JOINT, _BALL_JOINT, _SLIDE_JOINT = 0, 1, 2
_PLANE_REACH, _PLANE_DEPTH = 3.0, 0.05

ROBOT_PREFIXES = ("robot0", "gripper0", "mount0")


class SceneReader:
    """Reads the scene of one compiled LIBERO environment; cheap enough (about a millisecond) for every query.

    Names, sizes and indices are taken once, poses at every `read`, so that soft resets, which keep the compiled model
    but move fixtures, are seen. Build a new reader after a hard reset.

    Args:
        env: the inner robosuite environment, ``OffScreenRenderEnv(...).env``.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        sim = env.sim
        model = sim.model
        self._goal = [[str(word) for word in predicate] for predicate in env.parsed_problem["goal_state"]]
        self._bodies = {name: int(index) for name, index in env.obj_body_id.items()}
        self._kinds = {name: "fixture" if name in env.fixtures_dict else "object" for name in self._bodies}
        self._categories = {
            name: str(getattr(env.get_object(name), "category_name", "") or "") for name in self._bodies
        }
        self._owner_names = ["", *self._bodies]  # "" owns what belongs to the room: floor, table, walls
        owner_of_body = self._owners(model)

        names = [str(model.body_id2name(index) or "") for index in range(model.nbody)]
        is_robot = np.array([name.startswith(ROBOT_PREFIXES) for name in names])
        geom_body = np.asarray(model.geom_bodyid)
        collides = (np.asarray(model.geom_contype) != 0) | (np.asarray(model.geom_conaffinity) != 0)
        keep = np.flatnonzero(collides & ~is_robot[geom_body])
        self._geoms = keep
        self._geom_owner = owner_of_body[geom_body]
        self._box_owners = self._geom_owner[keep].astype(np.int32)
        links = sorted({int(index) for index in geom_body[keep]})
        self._link_names = [names[index] for index in links]
        self._box_links = np.searchsorted(links, geom_body[keep]).astype(np.int32)
        self._box_offsets, self._box_half_sizes = self._local_boxes(model, keep)

        self._sites = [
            (name, int(model.site_name2id(name)), site.parent_name, list(site.joints or []))
            for name, site in env.object_sites_dict.items()
        ]
        self._site_sizes = {name: np.array(site.size, dtype=float) for name, site in env.object_sites_dict.items()}
        self._joints = self._articulated_joints(model)

        robot = env.robots[0]
        self._robot = robot
        self._grip_site = int(robot.eef_site_id)
        self._grip_site_name = str(model.site_id2name(self._grip_site))
        self._gripper_qpos = [int(model.get_joint_qpos_addr(name)) for name in robot.gripper.joints]
        self._fingers = {
            side: np.array([model.geom_name2id(name) for name in robot.gripper.important_geoms[f"{side}_finger"]])
            for side in ("left", "right")
        }

    def read(self) -> dict[str, Any]:
        """The scene now.

        Returns:
            A picklable dictionary of strings, numbers and fresh numpy arrays:

            - ``time``: simulated seconds, from an arbitrary origin.
            - ``goal``: the task's predicates, each a list such as ``["in", "milk_1", "basket_1_contain_region"]``;
              all of them have to hold.
            - ``goal_holds``: for each predicate, whether the benchmark's own check says that it holds now.
            - ``bodies``: object or fixture name → ``kind`` (``object`` or ``fixture``), ``category``, ``position``
              (3,) and ``rotation`` (3, 3) of its root body, whose position is what the predicates look at.
            - ``boxes``: the collision geometry of all but the robot as N oriented boxes (the bounding box of each
              geom): ``centers`` (N, 3), ``rotations`` (N, 3, 3), ``half_sizes`` (N, 3), ``owners`` (N,) into
              ``owner_names`` ("" is the room: floor, table, walls) and ``links`` (N,) into ``link_names``, the
              simulator body that carries it (drawers are links of a cabinet).
            - ``regions``: site name → ``position`` (3,), ``rotation`` (3, 3), ``half_size`` (3,), ``parent`` (name
              of the object or fixture, "" for a zone of the room) and ``joints`` (names, for drawers and doors).
            - ``joints``: name of a hinge or slide → ``owner``, ``link`` (the simulator body that it moves), ``type``
              (``hinge`` or ``slide``), ``position``, ``range`` (2,), ``anchor`` (3,) and ``axis`` (3,).
            - ``robot``: ``eef_position`` (3,), ``eef_rotation`` (3, 3) of the grip site (x: closing direction,
              z: pointing direction), ``eef_velocity`` (6,) linear then angular, ``joint_positions`` (7,),
              ``gripper_qpos`` (2,), ``base_position`` (3,) and ``finger_contacts``: ``left`` and ``right`` → sorted
              names of the objects and fixtures touched.
        """
        env = self._env
        model, data = env.sim.model, env.sim.data
        rotations = np.array(data.geom_xmat)[self._geoms].reshape(-1, 3, 3)
        centers = np.array(data.geom_xpos)[self._geoms] + np.einsum("nij,nj->ni", rotations, self._box_offsets)
        return {
            "time": float(data.time),
            "goal": [list(predicate) for predicate in self._goal],
            "goal_holds": [bool(env._eval_predicate(predicate)) for predicate in self._goal],
            "bodies": {
                name: {
                    "kind": self._kinds[name],
                    "category": self._categories[name],
                    "position": np.array(data.body_xpos[index]),
                    "rotation": np.array(data.body_xmat[index]).reshape(3, 3),
                }
                for name, index in self._bodies.items()
            },
            "boxes": {
                "centers": centers,
                "rotations": rotations,
                "half_sizes": self._box_half_sizes.copy(),
                "owners": self._box_owners.copy(),
                "owner_names": list(self._owner_names),
                "links": self._box_links.copy(),
                "link_names": list(self._link_names),
            },
            "regions": {
                name: {
                    "position": np.array(data.site_xpos[index]),
                    "rotation": np.array(data.site_xmat[index]).reshape(3, 3),
                    "half_size": self._site_sizes[name].copy(),
                    "parent": str(parent or ""),
                    "joints": list(joints),
                }
                for name, index, parent, joints in self._sites
            },
            "joints": {
                name: {
                    **static,
                    "range": np.array(model.jnt_range[index]),
                    "position": float(data.qpos[address]),
                    "anchor": np.array(data.xanchor[index]),
                    "axis": np.array(data.xaxis[index]),
                }
                for name, index, address, static in self._joints
            },
            "robot": self._read_robot(data),
        }

    def _read_robot(self, data: Any) -> dict[str, Any]:
        robot = self._robot
        velocity = np.concatenate(
            [data.get_site_xvelp(self._grip_site_name), data.get_site_xvelr(self._grip_site_name)]
        )
        return {
            "eef_position": np.array(data.site_xpos[self._grip_site]),
            "eef_rotation": np.array(data.site_xmat[self._grip_site]).reshape(3, 3),
            "eef_velocity": np.array(velocity, dtype=float),
            "joint_positions": np.array(data.qpos[robot._ref_joint_pos_indexes]),
            "gripper_qpos": np.array(data.qpos[self._gripper_qpos]),
            "base_position": np.array(robot.base_pos, dtype=float),
            "finger_contacts": self._finger_contacts(data),
        }

    def _finger_contacts(self, data: Any) -> dict[str, list[str]]:
        count = int(data.ncon)
        touched: dict[str, list[str]] = {"left": [], "right": []}
        if count == 0:
            return touched
        first, second = np.array(data.contact.geom1)[:count], np.array(data.contact.geom2)[:count]
        for side, geoms in self._fingers.items():
            others = np.concatenate([second[np.isin(first, geoms)], first[np.isin(second, geoms)]])
            owners = {self._owner_names[index] for index in self._geom_owner[others]}
            touched[side] = sorted(owners - {""})
        return touched

    def _owners(self, model: Any) -> NDArray[np.int64]:
        """For each simulator body, the index of the object or fixture that it is part of; 0 for none."""
        owner = np.zeros(model.nbody, dtype=np.int64)
        roots = {index: number for number, index in enumerate(self._bodies.values(), start=1)}
        for index in range(model.nbody):  # parents come before their children
            owner[index] = roots.get(index, owner[model.body_parentid[index]])
        return owner

    @staticmethod
    def _local_boxes(model: Any, geoms: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounding box of each geom in its own frame: centres (N, 3) and half sizes (N, 3)."""
        bounds = np.array(model.geom_aabb, dtype=float).reshape(-1, 6)[geoms]
        offsets, half_sizes = bounds[:, :3].copy(), bounds[:, 3:].copy()
        planes = np.asarray(model.geom_type)[geoms] == _PLANE
        # A plane is unbounded below; a slab under its surface says the same to a robot.
        offsets[planes] = (0.0, 0.0, -_PLANE_DEPTH)
        half_sizes[planes] = (_PLANE_REACH, _PLANE_REACH, _PLANE_DEPTH)
        return offsets, half_sizes

    def _articulated_joints(self, model: Any) -> list[tuple[str, int, int, dict[str, Any]]]:
        found = []
        for owner in self._bodies:
            for name in self._env.get_object(owner).joints:
                index = int(model.joint_name2id(name))
                kind = int(model.jnt_type[index])
                if kind in (_FREE_JOINT, _BALL_JOINT):
                    continue
                static = {
                    "owner": owner,
                    "link": str(model.body_id2name(int(model.jnt_bodyid[index]))),
                    "type": "slide" if kind == _SLIDE_JOINT else "hinge",
                }
                found.append((str(name), index, int(model.jnt_qposadr[index]), static))
        return found


def describe_scene(env: Any) -> dict[str, Any]:
    """The scene of a robosuite LIBERO environment now, as `SceneReader.read` describes it.

    Slower than keeping a `SceneReader`: names and sizes are looked up again at every call.
    """
    return SceneReader(env).read()
