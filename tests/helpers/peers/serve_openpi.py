"""A server on openpi's own codec, one question after the other in the event loop as its reference server has it.

Usage: python -m peers.serve_openpi SECONDS [zeros]; prints its port.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback

import numpy as np
from openpi_client import msgpack_numpy
from websockets.asyncio.server import ServerConnection, serve

from peers.hashing import actions_for

KEYS = ("observation/image", "observation/wrist_image", "observation/state", "prompt")


async def talk(socket: ServerConnection) -> None:
    packer = msgpack_numpy.Packer()
    await socket.send(packer.pack({"reset_pose": [0.0, 0.5]}))
    async for frame in socket:
        try:
            request = msgpack_numpy.unpackb(frame)
            start = time.monotonic()
            time.sleep(float(sys.argv[1]))  # a model blocks the loop of openpi's server too
            parts = [request[key] for key in KEYS]
            actions = np.zeros((10, 7)) if "zeros" in sys.argv else actions_for(parts)
            timing = {"infer_ms": 1e3 * (time.monotonic() - start)}
            await socket.send(packer.pack({"actions": actions, "state": request[KEYS[2]], "server_timing": timing}))
        except Exception:
            await socket.send(traceback.format_exc())
            await socket.close(1011, "Internal server error. Traceback included in previous frame.")
            return


async def main() -> None:
    async with serve(talk, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
