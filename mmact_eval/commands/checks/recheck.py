"""`mmact-eval recheck`: do a run's episodes come out again as they did?"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from mmact_eval.commands.common.options import engine_options, parse_assignments, pick_options, stopped_safely


@click.command(
    "recheck",
    epilog="""\b
Examples:
  mmact-eval recheck runs/libero-object/expert-seed0
  mmact-eval recheck docs/examples/libero-object-expert --sample 40 --workers 4
  mmact-eval recheck their-run --policy-args checkpoint=/data/ckpt --out runs/again
\b
Exit code:
  0  all episodes are equal to the bit, or equal in outcome with the same policy
  1  some are different or ended in errors here, the policy is another one, or the recheck stopped early
  2  it cannot be done: no run, no episodes, or its environment or policy cannot be had here""",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(min=1), default=20, show_default=True,
              help="How many completed episodes to run again, spread over the tasks; at most all.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Which: the same seed draws the same episodes.")
@click.option("--policy", help="The policy on this machine, if it has another name or place here.")
@pick_options("policy_args", "engine", "ray_address", "worker_cpus", "workers", "max_batch", "policy_replicas",
              "policy_gpus", "retries", "policy_timeout", "cached_envs", "allow_renderer")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path),
              help="A run folder in which to keep the repetition.  [default: it is thrown away]")  # fmt: skip
def command(run: Path, sample: int, seed: int, policy: str | None, out: Path | None, **given: Any) -> int:
    """Run some episodes of RUN again, here, and compare them one by one.

    RUN is a run folder, of this machine or another, or what `mmact-eval export` wrote of one. It is not changed.
    """
    from mmact_eval.recheck.recheck import Elsewhere, recheck
    from mmact_eval.recheck.text import told

    elsewhere = Elsewhere(policy, parse_assignments(given["policy_args"], "--policy-args"))
    options = engine_options(given)
    kept = "The same command resumes." if out else "Nothing is kept without --out."
    place = nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="mmact-eval-recheck-")
    with stopped_safely(kept), place as folder:
        found = recheck(run, Path(folder), sample, seed, options, elsewhere, _say)
    click.echo(told(found))
    for warning in found.warnings:
        click.echo(f"Warning: {warning}.", err=True)
    return found.exit_code


def _say(text: str) -> None:
    click.echo(text, err=True)
