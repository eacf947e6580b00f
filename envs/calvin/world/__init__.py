"""CALVIN's simulation, without a word of suites and episodes.

    world = World(scene="D")
    world.reset(robot_obs, scene_obs)
    start = world.facts()
    world.step(action)
    solved(start, world.facts())

`scenes` is data, `robot` and `table` act, `cameras` draws, `oracle` judges by `facts`, `world` puts them together.
"""

from mmact_eval.envs.calvin.world.facts import Facts
from mmact_eval.envs.calvin.world.oracle import holds, solved
from mmact_eval.envs.calvin.world.world import World

__all__ = ["Facts", "World", "holds", "solved"]
