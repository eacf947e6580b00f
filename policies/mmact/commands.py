"""`mmact-eval mmact …`: what only MM-ACT has."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("mmact")
def command() -> None:
    """Write MM-ACT checkpoints with random weights, for smoke runs and measurements."""


@command.command(
    "new-checkpoint",
    epilog="""\b
Examples:
  mmact-eval mmact new-checkpoint --out tiny/
  mmact-eval run --suite libero-long --policy mmact --limit 1 \\
      --policy-args checkpoint=tiny/model --policy-args quantizer=tiny/quantizer""",
)
@click.option("--size", type=click.Choice(["tiny", "small", "published"]), default="tiny", show_default=True,
              help="tiny: 60 MB. small: 0.4 GB. published: 8.1 billion numbers, 16 GB in bfloat16.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True,
              help="Of the transformer; the published one is in bfloat16.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True,
              help="Equal seeds give equal weights, others give others.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
def new_checkpoint(size: str, dtype: str, seed: int, out: Path) -> int:
    """Write random weights in the published layout, to OUT/model and OUT/quantizer.

    They act at random: for smoke runs and measurements of speed and memory.
    """
    from mmact_eval.errors import UsageError
    from mmact_eval.policies.mmact import require_packages

    require_packages()
    from mmact_eval.policies.mmact.random_weights.new_checkpoint import write_checkpoint

    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed must be a number from 0 to {2**32 - 1}, got {seed}.")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there already and not an empty folder; nothing was written.")
        write_checkpoint(out, size, dtype, seed)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error}") from None
    click.echo(f"Wrote {out / 'model'} and {out / 'quantizer'}: random weights, size {size}.")
    return 0
