"""A model server on vla-eval's own code.

Usage: python -m peers.serve_vla_eval CHUNK_SIZE; prints its port.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import numpy as np
from vla_eval.model_servers.predict import PredictModelServer
from vla_eval.model_servers.serve import serve
from vla_eval.specs import GRIPPER_CLOSE_POS, IMAGE_RGB, LANGUAGE, POSITION_DELTA, ROTATION_AA

from peers.hashing import actions_for


class HashServer(PredictModelServer):  # type: ignore[misc]
    def get_action_spec(self) -> dict[str, Any]:
        return {"position": POSITION_DELTA, "rotation": ROTATION_AA, "gripper": GRIPPER_CLOSE_POS}

    def get_observation_spec(self) -> dict[str, Any]:
        return {"image": IMAGE_RGB, "language": LANGUAGE}

    def get_observation_params(self) -> dict[str, Any]:
        return {"send_wrist_image": True, "send_state": True}

    def predict(self, obs: Any, ctx: Any) -> Any:
        images = obs["images"]
        if obs["task_description"] == "fail":
            raise RuntimeError("no such skill")
        parts = [images["agentview"], images["wrist"], np.asarray(obs["states"]), obs["task_description"]]
        return {"actions": actions_for(parts)}


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
print(port, flush=True)
serve(HashServer(chunk_size=int(sys.argv[1]) or None), "127.0.0.1", port)
