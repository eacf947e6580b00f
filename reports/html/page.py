"""``report.html``: one page with everything in it, that opens offline, in light and dark, on a phone.

Videos lie in the page while they fit (`EMBED_TOTAL`, `EMBED_FILE`) and are linked beside it when they do not.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from mmact_eval import __version__
from mmact_eval.reports import _measures as measures
from mmact_eval.reports import _stages as stages
from mmact_eval.reports import _text as text
from mmact_eval.reports._files import write_text
from mmact_eval.reports.html.charts import charts
from mmact_eval.reports.html.data import Media, colour_of, page_data
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.published.rows import KINDS
from mmact_eval.results.report_data import ArmRun, Report, SuiteReport
from mmact_eval.results.summary import Row
from mmact_eval.statistics import level

EMBED_TOTAL = 24 * 2**20
"""Bytes of videos and images in the page, all together; a third more as base64."""

EMBED_FILE = 2 * 2**20
"""Bytes of the largest file in the page."""


class _Writer:
    """The report writer; see `mmact_eval.results.report_data.LinksMedia` for what it offers besides."""

    def __call__(self, report: Report, out: Path) -> list[Path]:
        """Write ``report.html`` into the folder `out`.

        Raises:
            UsageError: it cannot be written.
        """
        return [write_text(out, "report.html", render(report, out))]

    def linked_page(self, report: Report, link: Callable[[Path], str | None]) -> str:
        """The page with everything but text outside of it."""
        return _rendered(report, Media(Path(), 0, 0, link))


write = _Writer()


def render(report: Report, out: Path, embed_total: int = EMBED_TOTAL, embed_file: int = EMBED_FILE) -> str:
    """The page.

    Args:
        report: what it shows.
        out: the folder it will lie in; links to videos are relative to it.
        embed_total, embed_file: bytes of media in the page, all together and of one file.
    """
    return _rendered(report, Media(out, embed_total, embed_file))


def _rendered(report: Report, media: Media) -> str:
    import jinja2

    data = page_data(report, media)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "percent": text.percent, "number": text.number, "points": text.points, "p_equals": text.p_equals,
        "latency": text.latency, "row_interval": text.row_interval,
    }  # fmt: skip
    template = environment.from_string(_file("report.html.jinja"))
    return template.render(
        report=report,
        sections=[_section(suite, number, report) for number, suite in enumerate(report.suites)],
        css=_file("report.css"),
        js=_file("report.js"),
        # A closing tag within the data must not end the script element.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        media=[(kind, base64.b64encode(content).decode()) for kind, content in media.embedded],
        linked=media.linked,
        text=text,
        level=level,
        kinds=KINDS,
        colour=functools.partial(colour_of, report),
        rate_of=_rate_of,
        made=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _section(suite: SuiteReport, number: int, report: Report) -> dict[str, Any]:
    return {
        "number": number,
        "suite": suite,
        "rows": [_arm_row(suite, arm) for arm in suite.arms],
        "tasks": _tasks(suite),
        "charts": charts(suite),
        "stages": _stages(suite),
        "measures": _measures(suite),
        "best": text.best_sentence(suite),
        "detectable": text.detectable_sentence(suite.pairings[0]) if suite.pairings else "",
        "facts": _facts({arm.arm: arm.summary.provenance for arm in suite.arms}),
        "versions": _facts({arm.arm: arm.summary.versions for arm in suite.arms}),
        "errors": [(arm.arm, result) for arm in suite.arms for result in arm.summary.errors],
    }


def _arm_row(suite: SuiteReport, arm: ArmRun) -> dict[str, Any]:
    pairing = next((pairing for pairing in suite.pairings if pairing.second == arm.arm), None)
    return {
        "arm": arm.arm,
        "summary": arm.summary,
        "total": arm.summary.total,
        "headlines": list(measures.headlines(arm.summary)),
        "best": arm.arm in suite.best and len(suite.best) < len(suite.arms),
        "pairing": pairing,
        "change": _change(pairing),
    }


def _change(pairing: Pairing | None) -> str:
    """``better``, ``worse`` or ``same``, by the adjusted p-value; "" without a comparison."""
    if pairing is None or pairing.blocked:
        return ""
    if pairing.p_holm > level.ALPHA:
        return "same"
    return "better" if pairing.counts.difference > 0.0 else "worse"


def _tasks(suite: SuiteReport) -> list[dict[str, Any]]:
    by_arm = [{row.task: row for row in arm.summary.rows} for arm in suite.arms]
    return [{"name": task, "rows": [rows.get(task) for rows in by_arm]} for task in suite.tasks]


def _measures(suite: SuiteReport) -> dict[str, Any] | None:
    """Tables of what else was measured; None if nothing was."""
    if not measures.shown(suite):
        return None
    return {
        "totals": measures.totals(suite),
        "tasks": measures.by_task(suite) if len(suite.tasks) > 1 else None,
        "differences": measures.differences(suite),
        "method": measures.method(suite),
    }


def _stages(suite: SuiteReport) -> dict[str, Any] | None:
    """Bars and tables of how many in a row and of sub-tasks; None where episodes have one instruction."""
    found = stages.shown(suite)
    if not found:
        return None
    totals = [arm.summary.total.measures for arm in suite.arms]
    sub_tasks = [{of.name: of for of in arm.summary.sub_tasks} for arm in suite.arms]
    return {
        "bars": [(m.label, [of.get(m.key) for of in totals]) for m in found if not m.headline],
        "table": stages.by_measure(suite),
        "compared": stages.compared(suite),
        "sub_tasks": [
            (name.replace("_", " "), [of.get(name) for of in sub_tasks])
            for name in sorted({name for of in sub_tasks for name in of})
        ],
        "method": stages.method(suite),
    }


def _facts(of: Mapping[str, Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """(label, values): one value if all arms agree, else one for each arm; what differs comes first."""
    labels = dict.fromkeys(label for facts in of.values() for label in facts)
    lines = []
    for label in labels:
        values = [facts.get(label, "") for facts in of.values()]
        lines.append((label, values[:1] if len(set(values)) == 1 else values))
    return sorted(lines, key=lambda line: len(line[1]) == 1)


def _rate_of(report: Report, arm: str, suite: str) -> Row | None:
    return next((run.summary.total for run in report.runs if run.arm == arm and run.run.suite == suite), None)
