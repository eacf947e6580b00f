"""The expert for CALVIN's chains."""

from mmact_eval.policies.expert.calvin.policy import CalvinExpert

__all__ = ["CalvinExpert"]
