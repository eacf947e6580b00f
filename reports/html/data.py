"""What the page's script draws: outcomes, steps, plans and videos of every episode, as compact plain data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmact_eval.observers.transcript import read_transcript
from mmact_eval.results.report_data import ArmRun, Report, SuiteReport
from mmact_eval.types import EpisodeResult

LETTERS = {"success": "S", "failure": "F", "error": "E"}
MISSING = "."

ARM_COLOURS = 8
"""Colours for arms in the style sheet; more arms than that begin again."""

_VIDEO_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}
_IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_MAX_PLAN_LINES = 60


@dataclass
class Media:
    """Files inside the page while they fit, links to files beside it when they do not.

    Attributes:
        out: the folder of the page.
        budget: bytes that may still be embedded.
        largest: bytes of the largest file to embed.
        link: what the page calls a file, None to leave it out; if it is given, nothing is embedded.
        embedded: (MIME type, bytes) by number: the page's script finds them by it.
    """

    out: Path
    budget: int
    largest: int
    link: Callable[[Path], str | None] | None = None
    embedded: list[tuple[str, bytes]] = field(default_factory=list)
    linked: int = 0

    def add(self, file: Path) -> dict[str, Any] | None:
        """``{"id": number, "type": …}`` or ``{"src": link, "type": …}``; None if there is no such file or type."""
        kind = {**_VIDEO_TYPES, **_IMAGE_TYPES}.get(file.suffix.lower())
        try:
            size = file.stat().st_size
        except OSError:
            return None
        if kind is None or not size:
            return None
        if self.link is not None:
            address = self.link(file)
            return None if address is None else {"src": address, "type": kind}
        if size <= min(self.budget, self.largest):
            try:
                self.embedded.append((kind, file.read_bytes()))
            except OSError:
                return None
            self.budget -= size
            return {"id": len(self.embedded) - 1, "type": kind}
        self.linked += 1
        return {"src": quote(os.fsencode(os.path.relpath(file.resolve(), self.out.resolve()))), "type": kind}


def page_data(report: Report, media: Media) -> list[dict[str, Any]]:
    """For each suite: arms, tasks with episodes and outcomes, and what is known of single episodes."""
    return [
        {**_suite(suite, media), "colours": [colour_of(report, arm.arm) for arm in suite.arms]}
        for suite in report.suites
    ]


def colour_of(report: Report, arm: str) -> int:
    """The number of an arm's colour in the style sheet, the same in all suites."""
    return list(report.arms).index(arm) % ARM_COLOURS


def _suite(suite: SuiteReport, media: Media) -> dict[str, Any]:
    results = [{result.episode: result for result in arm.run.results} for arm in suite.arms]
    episodes = sorted({episode for of in results for episode in of})
    by_task: dict[str, list[Any]] = {task: [] for task in suite.tasks}
    for episode in episodes:
        by_task.setdefault(episode.task, []).append(episode)
    blocked = any(pairing.blocked for pairing in suite.pairings)  # then nothing is gained or lost
    tasks: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    wanted: list[tuple[int, str, ArmRun, EpisodeResult]] = []
    staged: list[tuple[str, EpisodeResult]] = []
    for number, (task, of_task) in enumerate(by_task.items()):
        found = [[of.get(episode) for episode in of_task] for of in results]
        outcomes = ["".join(MISSING if r is None else LETTERS[r.outcome] for r in row) for row in found]
        tasks.append(
            {
                "name": task,
                "episodes": [[episode.init_state, episode.seed] for episode in of_task],
                "outcomes": outcomes,
                "steps": [[None if r is None else r.steps for r in row] for row in found],
            }
        )
        for index, row in enumerate(found):
            for column, result in enumerate(row):
                if result is None:
                    continue
                key = f"{index}.{number}.{column}"
                if result.error:
                    details[key] = {"error": f"{result.error_kind}: {result.error}"[:500]}
                if result.stages:
                    staged.append((key, result))
                if result.artifacts:
                    flipped = (
                        not blocked
                        and len({LETTERS[r.outcome] for r in (of[column] for of in found) if r is not None}) > 1
                    )
                    wanted.append((_priority(result, flipped), key, suite.arms[index], result))
    # Flips and failures come first: they are what one wants to see, and the room in the page may not do for all.
    for _, key, arm, result in sorted(wanted, key=lambda entry: entry[0]):
        details.setdefault(key, {}).update(_artifacts(arm, result, media))
    for key, result in staged:
        of = details.setdefault(key, {})
        of["plan"] = sorted([*_stages(result), *of.get("plan", ())], key=lambda said: said["step"] or 0)
    return {
        "suite": suite.suite,
        "title": suite.title,
        "arms": [arm.arm for arm in suite.arms],
        "hz": _hz(suite.arms[0]),
        "blocked": [0, *(int(bool(pairing.blocked)) for pairing in suite.pairings)],
        "tasks": tasks,
        "details": {key: value for key, value in details.items() if value},
    }


def _priority(result: EpisodeResult, flipped: bool) -> int:
    if result.outcome == "success":
        return 2 if flipped else 3
    return 0 if flipped else 1


def _hz(arm: ArmRun) -> float | None:
    hz = arm.run.manifest.env.action.hz
    return hz if hz is not None and hz > 0 else None


def _artifacts(arm: ArmRun, result: EpisodeResult, media: Media) -> dict[str, Any]:
    found: dict[str, Any] = {}
    images = []
    folder = arm.run.folder_of(result.episode)
    for kind, path in result.artifacts.items():
        file = _inside(folder, path)
        if file is None:
            continue
        if kind == "video":
            video = media.add(file)
            found |= {"video": video} if video else {}
        elif kind == "plan":
            plan = list(_plan(file, folder, media))
            found |= {"plan": plan} if plan else {}
        elif file.suffix.lower() in _IMAGE_TYPES:
            image = media.add(file)
            images += [{**image, "label": kind}] if image else []
    return {**found, "images": images} if images else found


def _inside(folder: Path, path: str) -> Path | None:
    """The file, if it lies in the run folder: a record is no reason to embed any file of the machine."""
    file = (folder / path).resolve()
    return file if file.is_relative_to(folder.resolve()) else None


def _plan(file: Path, folder: Path, media: Media) -> Iterator[dict[str, Any]]:
    """What the policy said, each text when it first came: lines of ``{"step": 24, "text": …, "image": path}``."""
    before = None
    for entry in read_transcript(file, 50 * _MAX_PLAN_LINES):
        if entry.get("text") == before and not entry.get("image"):
            continue
        before = entry.get("text")
        said: dict[str, Any] = {"step": entry.get("step"), "text": str(before or "")[:400] + _score(entry)}
        image = _inside(folder, str(entry["image"])) if entry.get("image") else None
        added = media.add(image) if image else None
        yield {**said, "image": added} if added else said


def _stages(result: EpisodeResult) -> Iterator[dict[str, Any]]:
    """Lines as of a plan, for each stage where it began: what was asked and what became of it."""
    begun = 0
    for number, stage in enumerate(result.stages):
        became = "solved after" if stage.success else "not solved in"
        yield {"step": begun, "text": f"{number + 1}. {stage.task.replace('_', ' ')}: {became} {stage.steps} steps"}
        begun += stage.steps


def _score(entry: Mapping[str, Any]) -> str:
    """How close a generated image came to what was then seen, and what a text should have been, if somebody knows."""
    reference, psnr, ssim = entry.get("reference"), entry.get("psnr"), entry.get("ssim")
    found = f" [reference: {reference}]" if isinstance(reference, str) and reference != entry.get("text") else ""
    if isinstance(psnr, int | float) and isinstance(ssim, int | float):
        found += f" [image: PSNR {psnr:.1f} dB, SSIM {ssim:.2f}]"
    return found
