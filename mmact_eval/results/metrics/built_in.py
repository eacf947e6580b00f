"""The package's own metrics. An entry here is all that a new one costs: every table and report shows it."""

from __future__ import annotations

from mmact_eval.observers import transcript
from mmact_eval.results.metrics.kinds import Mean, Percentile, Rate, Share, Sum
from mmact_eval.results.metrics.metric import Metric, Value
from mmact_eval.transforms.disturbance import DISPLACED, METRES
from mmact_eval.types import EpisodeResult


def solved(result: EpisodeResult) -> float | None:
    """1 for a success, 0 for a failure; an error is neither."""
    return None if result.outcome == "error" else float(result.outcome == "success")


def figure(result: EpisodeResult, name: str) -> float | None:
    """A figure of an episode that came to an end."""
    return None if result.outcome == "error" else result.figures.get(name)


def _solved_displaced(result: EpisodeResult) -> float | None:
    return solved(result) if figure(result, DISPLACED) else None


def _texts_right(result: EpisodeResult) -> Value | None:
    share = result.figures.get(transcript.EXACT)
    return None if share is None else (share, result.figures.get(transcript.TEXTS, 1.0))


def _ssim(result: EpisodeResult) -> Value | None:
    ssim = result.figures.get(transcript.SSIM)
    return None if ssim is None else (ssim, result.figures.get(transcript.PICTURES, 1.0))


def _psnr(result: EpisodeResult) -> Value | None:
    psnr, of = result.figures.get(transcript.PSNR), result.figures
    return None if psnr is None else (psnr, of.get(transcript.PICTURES, 1.0) - of.get(transcript.EQUAL, 0.0))


def _milliseconds(result: EpisodeResult) -> Value:
    return tuple(1000.0 * seconds for seconds in result.latencies)


_FROM_ZERO = Mean(least=0.0)

STANDARD = (
    Metric("rate", "success rate", Rate(), solved, better="higher", headline=True, standard=True),
    Metric("rate_all", "success rate, errors not solved", Rate(), lambda r: float(r.outcome == "success"),
           better="higher", standard=True),
    Metric("steps_mean", "steps", _FROM_ZERO, lambda r: None if r.outcome == "error" else r.steps, standard=True),
    Metric("steps_success_mean", "steps to success", _FROM_ZERO, lambda r: r.steps if r.outcome == "success" else None,
           better="lower", standard=True),
    Metric("queries", "queries", Sum(), lambda r: r.queries, standard=True),
    Metric("latency_p50_ms", "latency, median", Percentile(50.0), _milliseconds, "ms", "lower", standard=True),
    Metric("latency_p95_ms", "latency, 95th percentile", Percentile(95.0), _milliseconds, "ms", "lower", standard=True),
    Metric("seconds_mean", "seconds", _FROM_ZERO, lambda r: None if r.outcome == "error" else r.seconds, "s",
           standard=True),
)  # fmt: skip
"""What every report has had, at fixed places."""

FURTHER = (
    Metric("plan/exact", "texts as the reference says", Share(), _texts_right, better="higher",
           figures=(transcript.EXACT, transcript.TEXTS)),
    Metric("picture/psnr", "PSNR of pictures", Mean(), _psnr, "dB", "higher", 1,
           figures=(transcript.PSNR, transcript.PICTURES, transcript.EQUAL)),
    Metric("picture/ssim", "SSIM of pictures", Mean(), _ssim, "", "higher", 3,
           figures=(transcript.SSIM, transcript.PICTURES, transcript.EQUAL)),
    Metric(DISPLACED, "displaced", Rate(), lambda r: figure(r, DISPLACED), figures=(DISPLACED,), compared=False),
    Metric(METRES, "by how far", _FROM_ZERO, lambda r: figure(r, METRES), "m", digits=3, figures=(METRES,),
           compared=False),
    Metric("disturbance/success", "success where displaced", Rate(), _solved_displaced, better="higher",
           figures=(DISPLACED,)),
)  # fmt: skip
"""What there is only if episodes have such figures."""
