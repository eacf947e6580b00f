"""`mmact-eval view`: runs in a browser, while they go on."""

from __future__ import annotations

from pathlib import Path

import click

from mmact_eval.errors import UsageError


@click.command(
    "view",
    epilog="""\b
Examples:
  mmact-eval view
  mmact-eval view runs /scratch/me/runs --port 9000
  mmact-eval view runs --host 0.0.0.0                (others, with the token in the address)
  mmact-eval view runs --bundle site                 (files to send or to publish)
From another machine: ssh -L 8900:localhost:8900 HOST, then open the address that was printed.""",
)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUNS]...")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; one that others reach needs the token in the address.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="0 for a free one.  [default: 8900 or the next free one]")
@click.option(
    "--token", "with_token", is_flag=True, help="Ask for the token on this machine, too: others may work here."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@click.option("--bundle", type=click.Path(path_type=Path), metavar="DIR",
              help="Write the page into a folder instead, with all reports; it opens without a server.")  # fmt: skip
@click.option("--no-videos", is_flag=True, help="Leave videos and pictures out of the bundle.")
def command(
    runs: tuple[Path, ...],
    host: str,
    port: int | None,
    with_token: bool,
    open_browser: bool,
    bundle: Path | None,
    no_videos: bool,
) -> int:
    """Show all runs and studies under some folders in a browser, while they go on.

    Progress, success with interval, time left, errors, pace, workers; each run's report with its videos, two runs
    ticked side by side, studies. Without RUNS: the folder runs, or else this one. Nothing is changed.
    """
    roots = _folders(runs)
    if bundle is not None:
        from mmact_eval.view.bundle import write_bundle

        told = write_bundle(roots, bundle, videos=not no_videos, tell=lambda text: click.echo(text, err=True))
        click.echo(told)
        return 0
    if no_videos:
        raise UsageError("--no-videos is for --bundle DIR.")
    try:
        from mmact_eval.view import serving
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError(f"the page needs the package {error.name}", "pip install 'mmact-eval[view]'") from error
    serving.serve(roots, host, port, with_token, click.echo, _open if open_browser else None)
    return 0


def _folders(named: tuple[Path, ...]) -> list[Path]:
    """The folders to look under.

    Raises:
        UsageError: one is not there.
    """
    if not named:
        return [Path("runs") if Path("runs").is_dir() else Path()]
    missing = [folder for folder in named if not folder.is_dir()]
    if missing:
        raise UsageError(f"there is no folder {missing[0]}.")
    return list(named)


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        click.echo("No browser could be opened; open the address yourself.", err=True)
