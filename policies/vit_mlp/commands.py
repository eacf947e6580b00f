"""`mmact-eval vit-mlp …`: what only ViT + MLP has."""

from __future__ import annotations

from pathlib import Path

import click

from mmact_eval.errors import UsageError


@click.group("vit-mlp")
def command() -> None:
    """Write ViT + MLP checkpoints with random weights, for smoke runs and measurements."""


@command.command(
    "new-checkpoint",
    epilog="""\b
Example:
  mmact-eval vit-mlp new-checkpoint --out tiny/
  mmact-eval run --suite libero-object --policy vit-mlp --limit 1 --policy-args checkpoint=tiny/""",
)
@click.option("--robot", type=click.Choice(["libero", "calvin"]), default="libero", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
              help="Equal seeds give equal weights, others give others.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
def new_checkpoint(robot: str, seed: int, out: Path) -> int:
    """Write random weights to OUT, in the size that `mmact-eval train vit-mlp` trains (8 MB).

    They act at random: for smoke runs and measurements of speed and memory.
    """
    from mmact_eval.policies.vit_mlp import require_packages

    require_packages()
    from mmact_eval.policies.vit_mlp.new_checkpoint import random_config, write_checkpoint

    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there already and not an empty folder; nothing was written.")
        write_checkpoint(out, random_config(robot), seed)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error}") from None
    click.echo(f"Wrote {out}: random weights.")
    return 0
