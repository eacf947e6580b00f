"""A replica process: makes the policy and does with it what comes over a pipe.

A thread reads, so that what is asked is here when the policy is free again; the policy is called in the main thread.
"""

from __future__ import annotations

import logging
import queue
from multiprocessing.connection import Connection

from mmact_eval.engine.limits.watching_thread import start_watching
from mmact_eval.engine.local.messages import Stop
from mmact_eval.engine.local.process import connected
from mmact_eval.engine.replicas.link import ReplicaPlan
from mmact_eval.engine.replicas.messages import Ready, Told
from mmact_eval.engine.replicas.replica import Replica, unfit

log = logging.getLogger(__name__)

_Inbox = queue.SimpleQueue[Told | Stop]


def main(pipe: Connection) -> None:
    """The process's main function; the first message is its plan."""
    plan: ReplicaPlan | None = None
    try:
        plan = pipe.recv()
        replica = Replica(plan)
        pipe.send(Ready(replica.where))
        inbox: _Inbox = queue.SimpleQueue()
        start_watching(lambda: _read(pipe, inbox), "from the engine")
        while (told := _new(inbox, wait=not replica.waiting)) is not None:
            for said in replica.turn(told):
                pipe.send(said)
        replica.close()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.info("the engine is gone")
    except BaseException as error:
        log.exception("the replica cannot go on")
        pipe.send(unfit(error, plan))


def _read(pipe: Connection, inbox: _Inbox) -> None:
    try:
        while True:
            inbox.put(pipe.recv())
    except (EOFError, OSError):
        inbox.put(Stop())


def _new(inbox: _Inbox, wait: bool) -> list[Told] | None:
    """What has come since the last look, or, if it may wait, what comes next and all with it; None: it is to stop."""
    told: list[Told] = []
    while (wait and not told) or not inbox.empty():
        message = inbox.get()
        if not isinstance(message, Stop):
            told.append(message)
        elif told:
            inbox.put(message)  # after what came before it; nothing comes later
            break
        else:
            return None
    return told


def start() -> None:
    """What a fresh interpreter is told to do."""
    main(connected())
