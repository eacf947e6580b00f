"""What was tried and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "failed", "skipped"]
"""``note``: kept, and something is worth knowing. ``skipped``: could not be tried, or does not apply."""


@dataclass(frozen=True)
class Finding:
    """One promise, tried.

    Attributes:
        name: what was tried, in a few words.
        status: what came of it.
        promised: the promise in words.
        happened: what happened instead, what is worth knowing or why it was skipped; "" where it was kept.
        mend: what to do, where it was broken.
    """

    name: str
    status: Status
    promised: str
    happened: str = ""
    mend: str = ""

    def text(self) -> str:
        """Some lines for people."""
        lines = [self.name, f"  promised: {self.promised}", f"  happened: {self.happened}", f"  mend:     {self.mend}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All promises of a plug-in, tried.

    Attributes:
        subject: what was checked, in words.
        findings: one per promise, in the order in which they were tried.
    """

    subject: str
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The promises that were not kept."""
        return tuple(finding for finding in self.findings if finding.status == "failed")

    @property
    def ok(self) -> bool:
        """Whether none was broken."""
        return not self.broken

    def finding(self, name: str) -> Finding:
        """The finding of this name.

        Raises:
            KeyError: nothing of this name was tried.
        """
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def require(self) -> Report:
        """This report, if no promise was broken.

        Raises:
            ConformanceError: some were; lists them.
        """
        if self.broken:
            raise ConformanceError(self)
        return self


class ConformanceError(AssertionError):
    """A plug-in breaks promises; the message lists all of them.

    Attributes:
        report: everything that was tried.
    """

    def __init__(self, report: Report) -> None:
        count = len(report.broken)
        told = f"{report.subject} breaks {count} of {len(report.findings)} promises (see mmact_eval.protocols):"
        super().__init__("\n\n".join([told, *(finding.text() for finding in report.broken)]))
        self.report = report
