"""Does a plug-in keep what `mmact_eval.protocols` promises? One line in its author's tests:

    from mmact_eval.conformance import check_env_plugin, check_policy

    def test_my_environment() -> None:
        check_env_plugin(plugin, load_suite("my-suite.yaml"))

    def test_my_policy() -> None:
        check_policy(MyPolicy(), env_spec)

Everything is tried, nothing is read: the checks make environments, execute actions, ask the policy. Both functions
return a `Report` and raise a `ConformanceError` that lists every broken promise: what was promised, what happened and
how to mend it. On the command line: ``mmact-eval check env SUITE``, ``mmact-eval check policy POLICY --suite SUITE``.
"""

from mmact_eval.conformance.env import check_env_plugin
from mmact_eval.conformance.policy import check_policy
from mmact_eval.conformance.report import ConformanceError, Finding, Report

__all__ = ["ConformanceError", "Finding", "Report", "check_env_plugin", "check_policy"]
