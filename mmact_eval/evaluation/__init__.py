"""Evaluation from Python: in a training loop, a notebook, a test.

`evaluate` is what ``mmact-eval run`` does with what was typed; both come to the same run folder and the same `Results`.
"""

from mmact_eval.evaluation.call import evaluate, load_results
from mmact_eval.evaluation.results import Comparison, Results

__all__ = ["Comparison", "Results", "evaluate", "load_results"]
