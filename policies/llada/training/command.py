"""`mmact-eval train`: a model of the family on recorded demonstrations."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import click

from mmact_eval.commands.common.options import stopped_safely
from mmact_eval.errors import UsageError

PACKAGES = ("torch", "safetensors", "tokenizers", "huggingface_hub", "pyarrow")


@click.command(
    "train",
    epilog="""\b
Examples:
  mmact-eval record --suite libero-object --policy expert --init-states 0-19 --episodes 30 --noise 0.06 \\
      --random-start 24 --every 8 --workers 2 --out data/object
  mmact-eval train nano --set data=[data/object] --out nano
  mmact-eval train nano --set data=[data/object] --set variant=text --out nano
  mmact-eval train mmada-nano --set data=[data/object] --out mmada
  mmact-eval train vit-mlp --set data=[data/object] --out vit
  mmact-eval run --suite libero-object --init-states 20-49 --policy mmact \\
      --policy-args checkpoint=nano/vanilla/checkpoint
The same command resumes where it stopped.""",
)
@click.argument("config")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for all that is made.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the configuration.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads on a CPU.  [default: PyTorch's]")
@click.option("--only-quantizer", is_flag=True, help="Stop when the image tokenizer is trained.")
def command(
    config: str, out: Path, overrides: tuple[str, ...], device: str, threads: int | None, only_quantizer: bool
) -> int:
    """Train a small MM-ACT or MMaDA-VLA, or the baseline ViT + MLP, on recorded demonstrations.

    CONFIG says what and how: a name (nano for MM-ACT, mmada-nano for MMaDA-VLA, vit-mlp) or a YAML file, whose field
    `family` is mmact, mmada-vla or vit-mlp; docs/training.md explains the fields.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f'training needs {", ".join(missing)}: pip install "mmact-eval[train]"')
    import torch

    from mmact_eval.policies.llada.training.families import configured

    family, settings = configured(config, overrides)

    if threads:
        torch.set_num_threads(threads)
    start = time.perf_counter()

    def say(line: str) -> None:
        click.echo(f"[{time.perf_counter() - start:7.0f} s] {line}")

    try:
        with stopped_safely("Give the same command again to resume from the last saved state."):
            trained = family.train(settings, out, device, only_quantizer, say)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error}") from None
    if trained.checkpoint is None:
        click.echo(f"Wrote the image tokenizer {trained.quantizer}.")
    else:
        click.echo(f"Wrote {trained.checkpoint}. Try it:")
        for suite in trained.suites:
            click.echo(
                f"  mmact-eval run --suite {suite} --policy {family.policy} --policy-args "
                f"checkpoint={trained.checkpoint}"
            )
    return 0
