"""CALVIN: chains of five tasks on a table with a drawer, a sliding door, a button and a switch.

`world` is the simulation, the same bits as upstream's; `chains` is what is evaluated; `env` and `plugin` put both into
the engine's words. Source: Mees et al., CALVIN, RA-L 2022; mees/calvin at fa03f01 with mees/calvin_env at 797142c.
"""

from mmact_eval.envs.calvin.plugin import CalvinPlugin

plugin = CalvinPlugin()

__all__ = ["plugin"]
