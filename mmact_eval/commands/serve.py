"""`mmact-eval serve`: let others ask a policy of ours."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmact_eval.commands.common.options import parse_assignments, stop_on_signals
from mmact_eval.errors import RunAborted, Stopped, UsageError

if TYPE_CHECKING:
    from mmact_eval.identity.made_policy import MadePolicy


@click.command(
    "serve",
    epilog="""\b
Examples:
  mmact-eval serve --policy my_policy.py:make --suite libero-object
  mmact-eval serve --policy mmact --policy-args checkpoint=ckpt/ --suite libero-long --host 0.0.0.0 --port 8000
  mmact-eval run --suite libero-object --policy ws://localhost:8000      (somewhere else)
GET /health returns the server's status. The environment variable MMACT_EVAL_API_KEY, or --api-key-file, sets a key
that clients must present.""",
)
@click.option("--policy", required=True, help="A registered name, module:attr or file.py:attr.")
@click.option("--policy-args", multiple=True, metavar="K=V", help="Argument of the policy; may be repeated.")
@click.option("--suite", "suite_name", required=True,
              help="Suite whose environments the policy is made for: cameras, state, actions.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite.")
@click.option("--protocol", default="openpi", show_default=True,
              help="Protocol to speak: openpi, vla-eval, xpolicylab or mmada-server.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option("--max-batch", type=click.IntRange(min=1), default=32, show_default=True,
              help="Largest number of queries the policy gets at once.")  # fmt: skip
@click.option("--max-clients", type=click.IntRange(min=1), default=64, show_default=True,
              help="Maximum number of connections.")  # fmt: skip
@click.option("--max-message", type=click.IntRange(min=1), default=16, show_default=True, metavar="MIB",
              help="Largest request in MiB.")  # fmt: skip
@click.option("--policy-timeout", type=click.FloatRange(0, 604800, min_open=True), default=600.0, show_default=True,
              help="Seconds the policy may take for an answer.")  # fmt: skip
@click.option("--api-key-file", type=click.Path(path_type=Path), help="File with the key that clients must present.")
def command(
    policy: str,
    policy_args: tuple[str, ...],
    suite_name: str,
    overrides: tuple[str, ...],
    protocol: str,
    host: str,
    port: int,
    max_batch: int,
    max_clients: int,
    max_message: int,
    policy_timeout: float,
    api_key_file: Path | None,
) -> int:
    """Serve a policy to other harnesses, or to this one on another machine."""
    from mmact_eval import compat, registry
    from mmact_eval.config.suite_file import load_suite

    suite = load_suite(suite_name, overrides)
    env_spec = registry.env_plugin(suite.env).spec(suite)
    serving = registry.server(protocol)
    made = registry.make_policy(policy, parse_assignments(policy_args, "--policy-args"), env_spec)
    served = made.policy
    try:
        compat.check(env_spec, served.spec)
        if served.spec.privileged:
            raise UsageError(f'policy "{served.spec.name}" needs simulator ground truth, which clients do not send.')
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        stop_on_signals()
        server = serving(
            served,
            env_spec,
            made_of=_made_of(made),
            host=host,
            port=port,
            max_batch=max_batch,
            max_clients=max_clients,
            max_message=max_message * 2**20,
            policy_timeout=policy_timeout,
            api_key=_api_key(api_key_file),
        )
        place = f"{server.scheme}://{host}"
        server.run(lambda found: click.echo(f"Serving {served.spec.name} on {place}:{found} ({protocol})."))
    except (KeyboardInterrupt, Stopped):
        click.echo("Stopped.")
    except RunAborted as error:
        raise RunAborted(f"{error} The server has stopped.") from error
    finally:
        registry.close_policy(served)
    return 0


def _made_of(made: MadePolicy) -> dict[str, dict[str, str]]:
    """What clients may know of the policy to tell it from another one with the same spec: hashes, nothing in the clear.

    An argument that names a file or folder counts by its content: on another machine it may lie elsewhere.
    """
    from mmact_eval.policy_output import json_data
    from mmact_eval.runs import fingerprint as provenance

    by_content = {key.partition(".")[0].partition("[")[0] for key in made.paths} | made.pinned
    args = {key: json_data(value) for key, value in made.args.items() if key not in by_content}
    hashed = {key: provenance.digest({key: value}) for key, value in args.items()}
    return {"code": dict(made.code), "paths": dict(made.paths), "args": hashed}


def _api_key(file: Path | None) -> str:
    if file is None:
        return os.environ.get("MMACT_EVAL_API_KEY", "")
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the API key: {error}") from error
    if not key:
        raise UsageError(f"{file} holds no API key.")
    return key
