"""openpi's public client: asks a server what its LIBERO example would ask.

Usage: python -m peers.ask_openpi PORT FILE.npz; FILE holds raw images and the state; prints the answers as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from openpi_client import image_tools
from openpi_client.websocket_client_policy import WebsocketClientPolicy

raw = np.load(sys.argv[2])


def prepared(image: Any) -> Any:
    turned = np.ascontiguousarray(image[::-1, ::-1])
    return image_tools.convert_to_uint8(image_tools.resize_with_pad(turned, 224, 224))


request = {
    "observation/image": prepared(raw["front"]),
    "observation/wrist_image": prepared(raw["wrist"]),
    "observation/state": raw["state"],
    "prompt": "put it there",
}
client = WebsocketClientPolicy("127.0.0.1", int(sys.argv[1]))
answers = [client.infer(request) for _ in range(3)]
del request["observation/state"]
try:
    client.infer(request)
    error = ""
except RuntimeError as raised:
    error = str(raised)
print(json.dumps({"actions": [answer["actions"].tolist() for answer in answers], "error": error}))
