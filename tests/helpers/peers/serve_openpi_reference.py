"""openpi's own server, from a checkout of its repository, with a policy that waits and answers zeros.

Usage: python -m peers.serve_openpi_reference CHECKOUT SECONDS; prints its port. Two things are used of it: the
file of the server and the package openpi_client, which need numpy, msgpack and websockets.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

checkout, seconds = Path(sys.argv[1]), float(sys.argv[2])
sys.path.insert(0, str(checkout / "packages" / "openpi-client" / "src"))


class Waiting:
    """What the server calls a policy."""

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        if seconds:
            time.sleep(seconds)
        return {"actions": np.zeros((10, 7))}


def load() -> Any:
    """The server's module; its package would import JAX."""
    file = checkout / "src" / "openpi" / "serving" / "websocket_policy_server.py"
    spec = importlib.util.spec_from_file_location("websocket_policy_server", file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    server = load().WebsocketPolicyServer
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving = threading.Thread(target=server(Waiting(), "127.0.0.1", port, {}).serve_forever, daemon=True)
    serving.start()
    while serving.is_alive():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    print(port, flush=True)
    serving.join()


main()
