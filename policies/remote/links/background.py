"""An event loop in a thread of its own, for policies that the engine calls synchronously.

It runs on between two calls, so that a server's pings are answered while the simulator computes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mmact_eval.engine.limits.running_clock import running_seconds

T = TypeVar("T")

_THREADS = 64
"""For requests that block (HTTP)."""


class RunningLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while the process does: an answer is not late for it, nor a server away."""

    def time(self) -> float:
        """See `running_seconds`."""
        return running_seconds()


class BackgroundLoop:
    """Runs coroutines for threads that wait for them."""

    def __init__(self) -> None:
        self._loop = RunningLoop()
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="remote request"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote policy", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end and return what it returns; interrupted (by a signal), it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run it without waiting for it, after what was started before. It must deal with its errors by itself."""
        if self._loop.is_closed():
            coroutine.close()
        else:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Stop the thread; what still runs is cancelled."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    def _stop(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)
