"""vla-eval's own connection: two episodes against a server, images as PNG.

Usage: python -m peers.ask_vla_eval PORT FILE.npz; prints the actions and what the server said of itself as JSON.
"""

from __future__ import annotations

import json
import sys

import anyio
import numpy as np
from vla_eval.connection import Connection

raw = np.load(sys.argv[2])
turned = {
    name: np.ascontiguousarray(raw[key][::-1, ::-1]) for name, key in (("agentview", "front"), ("wrist", "wrist"))
}


async def main() -> None:
    actions = []
    async with Connection(f"ws://127.0.0.1:{sys.argv[1]}") as connection:
        for _ in range(2):
            await connection.start_episode({"task": {"name": "put it there"}})
            for step in range(7):
                observation = {"images": turned, "task_description": "put it there", "states": raw["state"] + step}
                actions.append(np.asarray((await connection.act(observation))["actions"]).tolist())
            await connection.end_episode({"metrics": {"success": True}})
        error = ""
        await connection.start_episode({"task": {"name": "put it there"}})
        try:
            await connection.act({"images": turned, "task_description": "put it there"})
        except RuntimeError as raised:
            error = str(raised)
        server = {key: connection.server_info[key] for key in ("action_spec", "observation_params")}
    print(json.dumps({"actions": actions, "server": server, "error": error}))


anyio.run(main)
