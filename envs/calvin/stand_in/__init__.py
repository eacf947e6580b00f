"""CALVIN's world without CALVIN's files: boxes at the places of its table, and pybullet's own Panda with long fingers.

For tests and first steps where nothing can be downloaded. All tasks can be done in it; nothing in it is comparable.
"""

from mmact_eval.envs.calvin.stand_in.folder import stand_in_assets, stand_in_digest

__all__ = ["stand_in_assets", "stand_in_digest"]
