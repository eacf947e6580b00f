"""How good what a policy said was: its texts against a reference's, its pictures against the frames reached."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmact_eval.observers.transcript import ARTIFACT, read_transcript
from mmact_eval.runs.reading import Run
from mmact_eval.statistics.rates import mean


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
    """The scores of a run from what its episodes left behind; None if there is nothing to score.

    Files that are gone or cannot be read are left out.
    """
    texts: list[bool] = []
    psnr: list[float] = []
    ssim: list[float] = []
    for result in run.results:
        path = result.artifacts.get(ARTIFACT)
        for said in read_transcript(run.folder_of(result.episode) / path) if path else ():
            if isinstance(said.get("reference"), str):
                texts.append(said.get("text") == said["reference"])
            if _is_number(said.get("ssim")):
                ssim.append(said["ssim"])
            if _is_number(said.get("psnr")):
                psnr.append(said["psnr"])
    if not texts and not ssim:
        return None
    return PlanScores(len(texts), sum(texts), len(ssim), mean(psnr), mean(ssim))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
