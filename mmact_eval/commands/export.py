"""`mmact-eval export`: a run small enough to publish."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "export",
    epilog="""\b
Example:
  mmact-eval export runs/libero-object/expert-seed0 --out docs/examples/libero-object-expert
  mmact-eval report runs/libero-object/expert-seed0 --out docs/examples/libero-object-expert --format markdown
Others then give `mmact-eval recheck`, `compare` and `report` the folder as they would the run.""",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder that holds no run yet.")
def command(run: Path, out: Path) -> int:
    """Write RUN without times, videos and logs: how it was made, and each episode's outcome, steps and hashes.

    It remains a run folder, under 0.4 KB an episode. Times, latencies and videos are in reports of the run itself.
    """
    from mmact_eval.derived.export import export

    files = export(run, out)
    click.echo(
        f"Wrote {', '.join(str(file) for file in files)} ({sum(f.stat().st_size for f in files) / 1024:.0f} KiB)"
    )
    return 0
