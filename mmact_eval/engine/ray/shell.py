"""What is sent to a node to become an actor. It travels as code, so that it can tell where mmact-eval is missing.

Nothing in these functions may refer to this module or to anything else of mmact-eval before `begin` is called.
"""

from __future__ import annotations

from typing import Any


def worker_class() -> type[Any]:
    """The class of a worker's actor. Ray sends a class that no module has under its name by its content."""

    class MmactEvalWorker:
        """Says what it finds; then starts a worker's process (`engine.ray.node_worker`) and speaks for it."""

        def __init__(self) -> None:
            self._worker: Any = None

        def hello(self, hidden: list[str]) -> dict[str, str]:
            """See `engine.ray.messages.Hello`; `hidden` are folders of the engine's that Ray has put on the path."""
            import os
            import platform
            import sys

            import ray

            kept = os.environ.get("PYTHONPATH", "").split(os.pathsep)
            sys.path[:] = [entry for entry in sys.path if entry and (entry not in hidden or entry in kept)]
            version = problem = ""
            try:
                import mmact_eval

                version = mmact_eval.__version__
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            return {
                "node": ray.get_runtime_context().get_node_id(),
                "host": platform.node(),
                "python": platform.python_version(),
                "version": version,
                "problem": problem,
            }

        def begin(self, sent: bytes) -> bytes:
            """A pickled `Begin`; a pickled `Report` once the worker's process is ready, or cannot be."""
            from mmact_eval.engine.ray.node_worker import NodeWorker

            self._worker = NodeWorker()
            return self._worker.begin(sent)  # type: ignore[no-any-return]

        def exchange(self, sent: bytes) -> bytes:
            """A pickled `Told`; a pickled `Report` of what comes of it."""
            return self._worker.exchange(sent)  # type: ignore[no-any-return]

        def stop(self) -> None:
            """End the worker's process and leave nothing behind; may be called while `exchange` waits."""
            if self._worker is not None:
                self._worker.stop()

    return MmactEvalWorker
