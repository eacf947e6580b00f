"""The skill behind `open` and `close`: a drawer's or a door's, as the joint says."""

from __future__ import annotations

from mmact_eval.policies.expert.moving.motion import Command
from mmact_eval.policies.expert.skills.articulation import joint_of
from mmact_eval.policies.expert.skills.door import Door
from mmact_eval.policies.expert.skills.drawer import Drawer
from mmact_eval.policies.expert.world import Predicate, World


class OpenClose:
    """Opens or closes what a region or fixture is opened with.

    Args:
        predicate: ``("open" or "close", region or fixture)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        slides = joint_of(predicate, world).slides
        self._skill: Drawer | Door = Drawer(predicate, world) if slides else Door(predicate, world)

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Refuse what is not in the scene.

        Raises:
            UsageError: see `joint_of`.
        """
        joint_of(predicate, world)

    def next(self, world: World) -> Command | None:
        """The command until the next query, or None once it has done what it can."""
        return self._skill.next(world)
