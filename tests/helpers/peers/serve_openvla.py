"""A REST server as OpenVLA's and OpenVLA-OFT's `deploy.py` build theirs: FastAPI with the json-numpy package.

Usage: python -m peers.serve_openvla oft|openvla; prints its port.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import json_numpy

json_numpy.patch()

import uvicorn  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from fastapi.responses import JSONResponse  # noqa: E402

from peers.hashing import actions_for  # noqa: E402

KEYS = ("full_image", "wrist_image", "state", "instruction") if sys.argv[1] == "oft" else ("image", "instruction")
app = FastAPI()


@app.post("/act")  # type: ignore[untyped-decorator]
def act(payload: dict[str, Any]) -> Any:
    try:
        if payload.get("instruction") == "fail":
            raise RuntimeError("no such skill")
        actions = actions_for([payload[key] for key in KEYS], (8, 7))
        actions[:, -1] = actions[:, -1] > 0
        return JSONResponse(list(actions) if sys.argv[1] == "oft" else actions[0])
    except Exception:
        return "error"


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
print(port, flush=True)
assert json.dumps is json_numpy.dumps
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
