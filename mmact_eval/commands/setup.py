"""`mmact-eval setup`: bring what an environment needs and pip cannot install."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "setup",
    epilog="""\b
Examples:
  mmact-eval setup robotwin
  mmact-eval setup calvin --from ~/calvin_env
  mmact-eval doctor""",
)
@click.argument("environment")
@click.option(
    "--from", "source", type=click.Path(exists=True, path_type=Path), metavar="PATH",
    help="Take it from this checkout or folder instead of the network, where the environment knows how.",
)  # fmt: skip
def command(environment: str, source: Path | None) -> int:
    """Bring what ENVIRONMENT needs and pip cannot install.

    Nothing is installed into the system; what is there already is left alone.
    """
    from mmact_eval import registry

    registry.setup(environment, source)(click.echo)
    click.echo(f"{environment} is set up.")
    return 0
