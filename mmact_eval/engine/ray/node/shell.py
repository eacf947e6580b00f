"""What is sent to a node to become an actor. It travels as code, so that it can tell where mmact-eval is missing.

Nothing in these functions may refer to this module or to anything else of mmact-eval before `begin` is called.
"""

from __future__ import annotations

from typing import Any


def actor_class() -> type[Any]:
    """The class of an actor. Ray sends a class that no module has under its name by its content."""

    class MmactEvalActor:
        """Says what it finds on its node; then becomes what a module there makes of it."""

        def __init__(self) -> None:
            self._inner: Any = None

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
                "version": version,
                "problem": problem,
            }

        def begin(self, module: str, sent: bytes) -> bytes:
            """Hand a pickled message to what the module makes; its pickled `Report`."""
            import importlib

            self._inner = importlib.import_module(module).make()
            return self._inner.begin(sent)  # type: ignore[no-any-return]

        def exchange(self, sent: bytes) -> bytes:
            """Tell it something; its pickled `Report` of what comes of that."""
            return self._inner.exchange(sent)  # type: ignore[no-any-return]

        def stop(self) -> None:
            """End it, and leave nothing behind."""
            if self._inner is not None:
                self._inner.stop()

    return MmactEvalActor
