"""How good what a policy said was: its texts against a reference's, its pictures against the frames reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmact_eval.observers.transcript import EQUAL, EXACT, PICTURES, PSNR, SSIM, TEXTS
from mmact_eval.results.metrics.older_runs import with_figures
from mmact_eval.runs.reading import Run
from mmact_eval.types import EpisodeResult


@dataclass(frozen=True)
class PlanScores:
    """Over all episodes of a run.

    Attributes:
        texts: texts that a reference was asked about.
        same: those of them that say exactly what the reference says.
        pictures: pictures that were compared with the frame they predict.
        psnr: their mean peak signal-to-noise ratio in dB, equal ones left out; NaN without any.
        ssim: their mean structural similarity; NaN without any.
    """

    texts: int
    same: int
    pictures: int
    psnr: float
    ssim: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people."""
        found = []
        if self.texts:
            share = 100 * self.same / self.texts
            found.append(f"Plans: {self.same} of {self.texts} ({share:.1f} %) say what the reference says there.")
        if self.pictures:
            scores = f"PSNR {self.psnr:.1f} dB, SSIM {self.ssim:.2f}"
            found.append(f"Pictures of sub-goals against the frames reached: {scores} (mean of {self.pictures}).")
        return tuple(found)


def read_plan_scores(run: Run) -> PlanScores | None:
    """The scores of a run from its episodes' figures, or what they left behind; None if there is nothing to score."""
    return plan_scores(with_figures(run).results)


def plan_scores(results: Sequence[EpisodeResult]) -> PlanScores | None:
    """The scores of all episodes from their figures; None if there is nothing to score."""
    figures = [result.figures for result in results]
    texts = [(of[EXACT], of[TEXTS]) for of in figures if EXACT in of and TEXTS in of]
    ssim = [(of[SSIM], of[PICTURES]) for of in figures if SSIM in of and PICTURES in of]
    psnr = [(of[PSNR], of[PICTURES] - of.get(EQUAL, 0.0)) for of in figures if PSNR in of and PICTURES in of]
    if not texts and not ssim:
        return None
    number, pictures = math.fsum(n for _, n in texts), math.fsum(n for _, n in ssim)
    return PlanScores(
        texts=round(number),
        same=round(math.fsum(share * n for share, n in texts)),
        pictures=round(pictures),
        psnr=_mean(psnr),
        ssim=_mean(ssim),
    )


def _mean(of: Sequence[tuple[float, float]]) -> float:
    total = math.fsum(n for _, n in of)
    return math.fsum(mean * n for mean, n in of) / total if total else math.nan
