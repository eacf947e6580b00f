"""openpi's public client against a server: milliseconds of each query, without what the server's policy took.

Usage: python -m peers.time_openpi PORT ROUNDS
"""

from __future__ import annotations

import sys
import time

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy

rng = np.random.default_rng(0)
request = {
    "observation/image": rng.integers(0, 256, (224, 224, 3), dtype=np.uint8),
    "observation/wrist_image": rng.integers(0, 256, (224, 224, 3), dtype=np.uint8),
    "observation/state": rng.random(8),
    "prompt": "put it there",
}
client = WebsocketClientPolicy("127.0.0.1", int(sys.argv[1]))
for turn in range(int(sys.argv[2]) + 20):
    start = time.perf_counter()
    answer = client.infer(request)
    spent = 1e3 * (time.perf_counter() - start) - answer["server_timing"]["infer_ms"]
    if turn >= 20:  # the first ones warm up
        print(f"{spent:.4f}")
