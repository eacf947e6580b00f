"""A replica of a policy on a node: an actor whose main thread the policy has for itself."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmact_eval.engine.ray.messages import PolicyReport
from mmact_eval.engine.ray.node.printed import Printed
from mmact_eval.engine.replicas.link import ReplicaPlan
from mmact_eval.engine.replicas.messages import Ready, Said, Told
from mmact_eval.engine.replicas.replica import Replica, unfit


class NodePolicy:
    """The node's end of a replica."""

    def __init__(self) -> None:
        self._printed = Printed()
        self._replica: Replica | None = None
        self._plan: ReplicaPlan | None = None

    def begin(self, sent: bytes) -> bytes:
        """A pickled `ReplicaPlan`; makes the policy."""
        self._catch_output()
        self._plan = pickle.loads(sent)
        assert self._plan is not None
        try:
            self._replica = Replica(self._plan)
        except (Exception, SystemExit) as error:
            logging.getLogger(__name__).exception("the policy cannot be made")
            return self._report([unfit(error, self._plan)])
        return self._report([Ready(self._replica.where)])

    def exchange(self, sent: bytes) -> bytes:
        """Pickled messages, as many as have come; the policy is called once."""
        told: Sequence[Told] = pickle.loads(sent)
        assert self._replica is not None
        try:
            said: list[Said] = [*self._replica.turn(told)]
        except (Exception, SystemExit) as error:
            logging.getLogger(__name__).exception("the policy cannot go on")
            said = [unfit(error, self._plan)]
        return self._report(said)

    def stop(self) -> None:
        """Close the policy."""
        if self._replica is not None:
            self._replica.close()

    def _catch_output(self) -> None:
        """What the process prints from here on, C libraries included, goes to the engine's logs."""
        with contextlib.suppress(OSError):
            file = Path(tempfile.mkdtemp(prefix="mmact-eval-"), "replica.log")
            with self._printed.of(file), open(file, "ab") as output:
                sys.stdout.flush()
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
        )

    def _report(self, said: Sequence[Said]) -> bytes:
        more = self._replica is not None and self._replica.waiting
        sys.stdout.flush()
        return pickle.dumps(PolicyReport(said, more, self._printed.new()), protocol=pickle.HIGHEST_PROTOCOL)


def make() -> NodePolicy:
    """What `engine.ray.node.shell` asks for."""
    return NodePolicy()
