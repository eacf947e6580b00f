"""What a policy says beside its actions: sub-tasks, plans, generated images, kept with the episode."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.observers.picture_scores import fitted, psnr, ssim
from mmact_eval.protocols import Env
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

ARTIFACT = "plan"

TEXTS, EXACT = "plan/texts", "plan/exact"
"""Figures: texts that a reference was asked about; share of those that say exactly what the reference says."""

PICTURES, EQUAL, PSNR, SSIM = "picture/pictures", "picture/equal", "picture/psnr", "picture/ssim"
"""Figures: pictures held against the frame they predict, those of them that are equal to it, if any; mean PSNR of the
others in dB, and mean SSIM of all."""


class TranscriptRecorder:
    """Writes ``plans/<task>/init00-seed0.jsonl``: a line for each answer whose text is new or that has an image.

    A line is ``{"query": 3, "step": 24, "text": "grasp the mug", "image": path relative to the run folder}``; `step`
    counts the environment steps executed before the answer. An episode in which nothing was said has no file.

    With a reference, each text has a line, with what the reference says there as ``reference``. Where the episode has
    stages, each line has the ``instruction``, and a text that is repeated in the next stage has one again.

    An image that says which frame it predicts (`PolicyOutput.extras`, ``image_of``) gets ``psnr`` (dB; absent if equal)
    and ``ssim``, and the frame itself as ``reached``. It stays unscored if the episode, or the stage, ends before that
    frame or nobody looked at it: looks are where chunks end, so the interval of queries should divide the steps
    predicted.

    Attributes:
        artifact: what it makes.
        stride: None: it does not look at steps.
    """

    artifact = ARTIFACT

    def __init__(self, artifacts: Artifacts, reference: Callable[[Query], str | None] | None = None) -> None:
        """
        Args:
            artifacts: transcripts and images go to ``plans/<task>/``.
            reference: says what a text should have been, None where it does not know.
        """
        self._reference = reference
        self.stride: int | None = None
        self._artifacts = artifacts
        self._said: list[dict[str, Any]] = []
        self._instructions: list[str] = []
        self._images: dict[int, NDArray[np.uint8]] = {}
        self._due: dict[int, tuple[int, str]] = {}
        self._reached: dict[int, NDArray[np.uint8]] = {}
        self._steps = 0

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """Nothing was said yet."""

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """Keep what is new."""
        if query.new_stage:
            self._due.clear()  # what was predicted for later was meant for the stage before
        before = self._said[-1]["text"] if self._said and not query.new_stage else None
        expected = self._reference(query) if self._reference and output.text is not None else None
        if output.image is None and expected is None and (output.text is None or output.text == before):
            return
        self._said.append({"query": query.index, "step": self._steps, "text": output.text})
        self._instructions.append(query.observation.instruction)
        if expected is not None:
            self._said[-1]["reference"] = expected
        if output.image is not None:
            number = len(self._said) - 1
            self._images[number] = np.array(output.image)
            predicts = output.extras.get("image_of")
            if isinstance(predicts, Mapping) and isinstance(predicts.get("steps"), int):
                self._due[number] = (self._steps + predicts["steps"], str(predicts.get("camera")))

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """Count them, and keep a frame that was predicted."""
        self._steps += len(actions)
        for number, (step, camera) in self._due.items():
            if step == self._steps and camera in observation.images:
                self._reached[number] = np.array(observation.images[camera])

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Write what was said.

        Returns:
            ``{"plan": path relative to the run folder}``, or nothing.

        Raises:
            OSError: it could not be written.
        """
        if not self._said:
            return {}
        stem = Path("plans") / result.episode.file_stem
        for number, image in self._images.items():
            name = str(stem.with_name(f"{stem.name}-query{self._said[number]['query']}.png"))
            self._write_image(name, image)
            self._said[number]["image"] = name
            if number in self._reached:
                self._said[number] |= self._scored(number, f"{name.removesuffix('.png')}-reached.png")
        if result.stages:
            for said, instruction in zip(self._said, self._instructions, strict=True):
                said["instruction"] = instruction
        lines = "".join(f"{json.dumps(said, ensure_ascii=False)}\n" for said in self._said)
        transcript = str(stem.with_name(f"{stem.name}.jsonl"))
        with self._artifacts.place(transcript) as file:
            file.write_text(lines, encoding="utf-8", errors="backslashreplace")
        return {ARTIFACT: transcript}

    def figures(self, result: EpisodeResult) -> Mapping[str, float]:
        """The scores of the lines written; see `plan_figures`."""
        return plan_figures(self._said)

    def _scored(self, number: int, name: str) -> dict[str, Any]:
        picture = self._images[number]
        reached = fitted(self._reached[number], picture.shape[0], picture.shape[1])
        self._write_image(name, reached)
        noise = psnr(picture, reached)
        close = {"psnr": round(noise, 3)} if math.isfinite(noise) else {}
        return {"reached": name, **close, "ssim": round(ssim(picture, reached), 4)}

    def _write_image(self, name: str, image: NDArray[np.uint8]) -> None:
        import imageio.v2 as imageio

        with self._artifacts.place(name) as file:
            imageio.imwrite(file, image)


def plan_figures(lines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """How good what was said in an episode is, as its figures; empty if nothing can be scored.

    Args:
        lines: of its transcript; scores that are no numbers are left out.
    """
    right: list[bool] = []
    psnr_of: list[float] = []
    ssim_of: list[float] = []
    for said in lines:
        if isinstance(said.get("reference"), str):
            right.append(said.get("text") == said["reference"])
        if _is_number(said.get("ssim")):
            ssim_of.append(said["ssim"])
        if _is_number(said.get("psnr")):
            psnr_of.append(said["psnr"])
    found: dict[str, float] = {}
    if right:
        found |= {TEXTS: float(len(right)), EXACT: sum(right) / len(right)}
    if ssim_of:
        found |= {PICTURES: float(len(ssim_of)), SSIM: math.fsum(ssim_of) / len(ssim_of)}
        if len(psnr_of) < len(ssim_of):
            found[EQUAL] = float(len(ssim_of) - len(psnr_of))
    if psnr_of:
        found[PSNR] = math.fsum(psnr_of) / len(psnr_of)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_transcript(file: Path, most: int | None = None) -> Iterator[Mapping[str, Any]]:
    """The lines of a transcript; those that are none are left out, and there are none in a file that is gone.

    Args:
        file: see `TranscriptRecorder`.
        most: lines of the file that are looked at; None for all.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines[:most]:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said
