"""A scripted expert for LIBERO and one for CALVIN that act on simulator ground truth.

LIBERO: goal predicates become skills (`plan`), skills become commands (`pick_place`), commands become actions
(`motion`). CALVIN: each task has a script (`calvin`).
"""

from mmact_eval.policies.expert.factory import make_policy
from mmact_eval.policies.expert.policy import ExpertPolicy

__all__ = ["ExpertPolicy", "make_policy"]
