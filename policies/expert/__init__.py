"""A scripted expert for LIBERO that acts on simulator ground truth.

Goal predicates become skills (`plan`), skills become commands (`pick_place`), commands become actions (`motion`).
"""

from mmact_eval.policies.expert.policy import ExpertPolicy, make_policy

__all__ = ["ExpertPolicy", "make_policy"]
