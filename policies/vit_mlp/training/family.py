"""ViT + MLP, as `mmact-eval train` finds it."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.training.pipeline import Say, Trained
from mmact_eval.policies.vit_mlp.config import MODEL_TYPE
from mmact_eval.policies.vit_mlp.training.pipeline import train
from mmact_eval.policies.vit_mlp.training.settings import Training


class VitMlpFamily:
    """As `Trainable` has it."""

    name = MODEL_TYPE
    policy = MODEL_TYPE

    def settings_type(self) -> type[Training]:
        return Training

    def train(self, settings: Training, out: Path, device_name: str, only_quantizer: bool, say: Say) -> Trained:
        if only_quantizer:
            raise UsageError(f"--only-quantizer: {MODEL_TYPE} has no image tokenizer; leave it out")
        return train(settings, out, device_name, say)


FAMILY = VitMlpFamily()
