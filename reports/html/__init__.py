"""``report.html``: one page with everything in it."""

from mmact_eval.reports.html.page import write

__all__ = ["write"]
