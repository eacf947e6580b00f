"""LIBERO and LIBERO-PRO, simulated exactly as upstream does and several times faster.

Nothing of the simulator is imported before `plugin.make`.
"""

from mmact_eval.envs.libero.plugin import LiberoPlugin

plugin = LiberoPlugin()

__all__ = ["LiberoPlugin", "plugin"]
