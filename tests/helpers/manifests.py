"""Manifests and sessions as tests write them down: plain data with as little in it as the test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmact_eval.results import summary
from mmact_eval.results.summary import Summary
from mmact_eval.runs.files.session import Session, parse_sessions
from mmact_eval.runs.manifest import Manifest
from mmact_eval.types import EpisodeResult


def manifest_of(data: Mapping[str, Any]) -> Manifest:
    """As if it had been read from a file; without a fingerprint it has an empty one."""
    return Manifest.parse({"fingerprint": {}, **data})


def sessions_of(records: Iterable[Mapping[str, Any]]) -> list[Session]:
    """As if they had been read from a file."""
    return parse_sessions(json.dumps(record) for record in records)


def summarize(
    results: Iterable[EpisodeResult], manifest: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]] = ()
) -> Summary:
    """The summary of results whose run folder holds this."""
    return summary.summarize(results, manifest_of(manifest), sessions_of(sessions))
