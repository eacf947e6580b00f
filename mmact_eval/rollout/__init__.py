"""The inner loop: one episode, the same function in tests, workers and anything that schedules workers.

`loop` is the loop. Beside it is what it goes through with every query: what a policy gets to see (`seen`), its two
calls (`policy_calls`), what an environment says about a chunk (`chunk_info`), what became of the answers
(`action_tally`).
"""

from mmact_eval.rollout.loop import effective_replan, run_episode

__all__ = ["effective_replan", "run_episode"]
