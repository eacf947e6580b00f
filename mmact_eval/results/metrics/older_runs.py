"""Figures of runs that were made before there were any: from what their episodes left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmact_eval.observers import transcript
from mmact_eval.runs.reading import Run
from mmact_eval.transforms import disturbance
from mmact_eval.types import EpisodeResult


def with_figures(run: Run) -> Run:
    """The run, its results with the figures that observers would have recorded today.

    Transcripts that are gone or cannot be read are left out.
    """
    asked = _disturbance(run)
    results = tuple(_result(run, result, asked) for result in run.results)
    changed = any(now is not before for now, before in zip(results, run.results, strict=True))
    return replace(run, results=results) if changed else run


def _result(run: Run, result: EpisodeResult, asked: Mapping[str, Any]) -> EpisodeResult:
    found: dict[str, float] = {}
    said = result.artifacts.get(transcript.ARTIFACT)
    if said and not any(name.startswith(("plan/", "picture/")) for name in result.figures):
        file = run.folder_of(result.episode) / said
        found |= transcript.plan_figures(transcript.read_transcript(file))
    if asked and disturbance.DISPLACED not in result.figures:
        happened = disturbance.ARTIFACT in result.artifacts
        found[disturbance.DISPLACED] = float(happened)
        if happened and isinstance(metres := asked.get("metres"), int | float):
            found[disturbance.METRES] = float(metres)
    return replace(result, figures={**result.figures, **found}) if found else result


def _disturbance(run: Run) -> Mapping[str, Any]:
    """The protocol's, empty if it has none."""
    asked = run.manifest.made_with.protocol.get("disturbance")
    return asked if isinstance(asked, Mapping) else {}
