"""One of a pool's replicas, as the pool sees it: what it was asked, how long it has been silent, what it has done."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.options import ReplicaReport
from mmact_eval.engine.replicas.link import ReplicaLink
from mmact_eval.engine.replicas.messages import Answered, Told
from mmact_eval.types import Episode

ArmsEpisode = tuple[int, Episode]
"""An episode of an arm, by the arm's number."""


@dataclass
class Place:
    """The replica of this number: at first one process, later perhaps those that replace it.

    Attributes:
        number: which of the pool.
        link: the one that is there now; None if there is none.
        ready: whether that has made its policy.
        episodes: those that it has been told of and that are under way.
        asked: numbers of the queries that it has not answered.
        failures: how many in a row have ended before they had answered anything.
        given_up: why nobody takes this place any more, "" if somebody does.
    """

    number: int
    link: ReplicaLink | None = None
    ready: bool = False
    episodes: set[ArmsEpisode] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    failures: int = 0
    given_up: str = ""

    def __post_init__(self) -> None:
        self._silent_since = self._ready_since = 0.0
        self._calls = self._starts = self._batches = self._queries = 0
        self._busy = self._busy_before = self._ready_before = 0.0
        self._peak = self._gpu_peak = 0.0

    def started(self, link: ReplicaLink) -> None:
        """A fresh one is here."""
        self.link = link
        self._silent_since = running_seconds()
        self._calls = 0
        self._starts += 1

    @property
    def is_new(self) -> bool:
        """Whether its first replica is being started."""
        return self.link is not None and not self.ready and self._starts == 1

    def became_ready(self) -> None:
        """It has made its policy."""
        self.ready = True
        self._silent_since = self._ready_since = running_seconds()

    def tell(self, message: Told) -> None:
        """Send it a message that is no query."""
        self._send(message)
        self._calls += 1

    def ask(self, number: int, message: Told) -> None:
        """Send it a query, which has this number."""
        self._send(message)
        self.asked.add(number)

    def _send(self, message: Told) -> None:
        assert self.link is not None
        if not self.asked:  # it had nothing to say until now
            self._silent_since = running_seconds()
        self.link.tell(message)

    def hear(self, answered: Answered) -> None:
        """It has said something."""
        self._silent_since = running_seconds()
        self._calls = 0
        self.asked.difference_update(number for number, _ in answered.answers)
        if answered.asked:
            self.failures = 0
            self._batches += 1
            self._queries += answered.asked
        self._busy = answered.used.busy_seconds
        self._peak = max(self._peak, answered.used.peak_memory_mib)
        self._gpu_peak = max(self._gpu_peak, answered.used.peak_gpu_memory_mib)

    def silent_for(self) -> float:
        """Seconds for which it has not said what it should."""
        return running_seconds() - self._silent_since if self.asked or not self.ready else 0.0

    def allowed(self, timeout: float) -> float:
        """How long it may be silent if a call of the policy may take so long; each message may have been one."""
        return (1 + self._calls) * timeout

    def ended(self) -> None:
        """It is gone."""
        self._busy_before, self._busy = self._busy_before + self._busy, 0.0
        self._ready_before = self._ready_seconds
        self.link, self.ready = None, False
        self.episodes.clear()
        self.asked.clear()

    @property
    def _ready_seconds(self) -> float:
        return self._ready_before + (running_seconds() - self._ready_since if self.ready else 0.0)

    @property
    def report(self) -> ReplicaReport:
        """What can be said of it so far."""
        busy, ready = self._busy_before + self._busy, self._ready_seconds
        return ReplicaReport(
            batches=self._batches,
            queries=self._queries,
            busy_seconds=round(busy, 3),
            busy_share=round(min(1.0, busy / ready), 3) if ready else 0.0,
            peak_memory_mib=self._peak,
            peak_gpu_memory_mib=self._gpu_peak,
            restarts=max(0, self._starts - 1),
            given_up=self.given_up,
        )
