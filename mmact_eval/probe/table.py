"""A probe's report for the terminal."""

from __future__ import annotations

import textwrap

from mmact_eval.probe.finding import Finding
from mmact_eval.probe.probe import LIMITS, ProbeReport
from mmact_eval.wording import counted

MARKS = {"ok": "ok", "note": "note", "cannot tell": "cannot tell", "suspicious": "SUSPICIOUS", "fault": "FAULT"}
COLOURS = {"ok": "green", "note": "blue", "cannot tell": "yellow", "suspicious": "yellow", "fault": "red"}

_TITLES = {
    "answers": "Answers by themselves",
    "task": "Answers beside the expert's actions",
    "inputs": "Inputs: what changes when one is taken away",
    "images": "Images",
    "state": "State",
    "actions": "Actions",
}
_WIDTH = 110


def lines(report: ProbeReport) -> list[tuple[str, str]]:
    """Lines to print, each with the verdict that it is coloured by ("" for none, "title" for a title)."""
    shown: list[tuple[str, str]] = [("", f"{report.suite}: {report.policy}")]
    shown += [("", f"Not the real thing: {text}") for text in report.not_real]
    shown.append(
        (
            "",
            f"{counted(report.frames, 'frame')} of {counted(report.episodes, 'episode')} ({report.source}), "
            f"{counted(report.queries, 'query', 'queries')}",
        )
    )
    width = max(len(finding.name) for finding in report.findings)
    for group, title in _TITLES.items():
        findings = [finding for finding in report.findings if finding.group == group]
        if findings:
            shown.append(("title", f"\n{title}"))
        for finding in findings:
            shown += _rows(finding, width)
    shown.append(("title", "\nVerdict"))
    shown.append(_verdict(report))
    limits = textwrap.wrap(f"A probe cannot see: {'; '.join(LIMITS)}.", _WIDTH - 2)
    shown += [("", f"  {line}") for line in limits]
    return shown


def _rows(finding: Finding, width: int) -> list[tuple[str, str]]:
    mark = max(map(len, MARKS.values()))
    indent = " " * (4 + mark + 2 + min(width, 34))
    name = finding.name if len(finding.name) <= 34 else finding.name[:33] + "…"
    head = f"  {MARKS[finding.verdict].ljust(mark)}  {name.ljust(min(width, 34))}  "
    found = textwrap.wrap(finding.detail, _WIDTH - len(indent)) or [""]
    rows: list[tuple[str, str]] = [
        (finding.verdict, head + found[0]),
        *((finding.verdict, indent + line) for line in found[1:]),
    ]
    if finding.todo and finding.verdict != "ok":
        wrapped = textwrap.wrap(finding.todo, _WIDTH - len(indent) - 3)
        rows += [(finding.verdict, indent + ("-> " if not n else "   ") + line) for n, line in enumerate(wrapped)]
    return rows


def _verdict(report: ProbeReport) -> tuple[str, str]:
    if report.faults:
        return (
            "fault",
            f"  Found: {', '.join(finding.name for finding in report.faults)}. Put that right and probe again.",
        )
    task = [finding for finding in report.findings if finding.group == "task"]
    if task and task[0].verdict == "cannot tell":
        return (
            "cannot tell",
            "  No fault found, but the policy agrees too little with the expert for the checks that matter.",
        )
    doubts = sum(finding.verdict == "suspicious" for finding in report.findings)
    if doubts:
        return "suspicious", f"  No fault found; {doubts} suspicious: look at them before a long run."
    return "ok", "  Nothing found."
