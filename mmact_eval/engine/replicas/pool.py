"""Which replica is asked what, and what becomes of an episode whose replica is lost."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.options import ReplicaReport
from mmact_eval.engine.replicas.link import ReplicaLink, ReplicaPlan, Replicas
from mmact_eval.engine.replicas.messages import Answered, Ask, Begin, End, Ready, Refuse, Said, Unfit, Withdraw
from mmact_eval.engine.replicas.place import ArmsEpisode, Place
from mmact_eval.errors import MmactEvalError, RunAborted
from mmact_eval.types import Episode, EpisodeResult, Query

log = logging.getLogger(__name__)

_FAILURES = 3
"""How many replicas in a row may end in a place, without having answered anything, before it is given up."""

_SLACK = 10.0
"""Seconds more than a policy may take, for one that hangs so that it cannot say so itself."""

_START_TOGETHER = 20.0
"""Seconds for which the first replica that is ready leaves the others their share of what waits."""

Files = Callable[[Mapping[str, str], Mapping[str, Sequence[str]]], None]
"""Told which files a policy has read and written since it was made."""


@dataclass
class _Pending:
    """A query without its answer."""

    ask: Ask
    reply: Callable[[Answer], None]

    @property
    def episode(self) -> ArmsEpisode:
        return self.ask.arm, self.ask.query.episode


class ReplicaPool:
    """Replicas of one model, for all arms that share it. An episode stays with the replica that has its first query.

    A replica that is lost takes what its policy remembers with it: the episodes that it had are answered with an error
    (so that they are tried again, with any replica), and a fresh one takes its place.
    """

    def __init__(
        self,
        plan: ReplicaPlan,
        replicas: Replicas,
        end: Callable[[int, MmactEvalError], None],
        files: Mapping[int, Files] | None = None,
    ) -> None:
        """
        Args:
            plan: what the replicas have to know.
            replicas: how they are started, and how many.
            end: called with an arm's number and why it cannot go on.
            files: by arm.
        """
        self.arms = {number: PooledArm(self, number) for number in plan.arms}
        self._plan = plan
        self._replicas = replicas
        self._end = end
        self._files = files or {}
        self._places = [Place(number) for number in range(replicas.count)]
        self._numbers = itertools.count()
        self._pending: dict[int, _Pending] = {}
        self._begins: set[ArmsEpisode] = set()
        self._homes: dict[ArmsEpisode, Place] = {}
        self._lost: dict[ArmsEpisode, str] = {}
        self._asked_still: dict[ArmsEpisode, Place] = {}
        self._homes_given = False
        self._first_ready = math.inf

    @property
    def reports(self) -> dict[int, ReplicaReport]:
        """What can be said of each replica, by its number."""
        return {place.number: place.report for place in self._places}

    def start(self) -> None:
        """Start all replicas."""
        for place in self._places:
            self._start(place)

    def stop(self, seconds: float) -> None:
        """Let the policies close, if they have nothing else to do, and end all replicas; so long at most."""
        links = [(place.link, place.ready and not place.asked) for place in self._places if place.link is not None]
        deadline = time.monotonic() + seconds
        for link, idle in links:
            if idle:
                link.ask_to_stop()
        for link, idle in links:
            link.join(deadline - time.monotonic() if idle else 0.0)
        for place in self._places:
            place.ended()

    def hear(self, link: ReplicaLink, said: Said) -> None:
        """A replica has said something; one that was ended is not listened to."""
        place = self._place(link)
        if place is None:
            return
        if isinstance(said, Ready):
            place.became_ready()
            self._first_ready = min(self._first_ready, running_seconds())
            self._send_homeless()
        elif isinstance(said, Answered):
            self._answered(place, said)
        elif isinstance(said, Unfit):
            self._unfit(place, said)

    def gone(self, link: ReplicaLink) -> None:
        """A replica has ended by itself."""
        place = self._place(link)
        if place is not None:
            self._lose(place, link.kill())

    def look_at_the_clock(self) -> None:
        """End replicas that hang, and wait no longer for those that start."""
        self._send_homeless()
        for place in self._places:
            if place.link is None:
                continue
            timeout = self._plan.timeout
            if not place.ready and place.silent_for() > self._replicas.start_seconds:
                place.link.kill()
                self._lose(place, f"was not ready after {self._replicas.start_seconds:g} s")
            elif place.ready and place.silent_for() > place.allowed(timeout) + _SLACK:
                place.link.kill()
                self._lose(place, f"has not answered for {timeout:g} s (--policy-timeout)")

    # What arms want of it.

    def begin(self, episode: ArmsEpisode) -> None:
        """An episode, or a stage of it, begins: its replica is told so before the next query."""
        self._begins.add(episode)

    def ask(self, arm: int, query: Query, reply: Callable[[Answer], None]) -> None:
        """Have a query answered."""
        why = self._lost.get((arm, query.episode))
        if why is not None:
            reply(Answer(None, error=why))
            return
        number = next(self._numbers)
        self._pending[number] = _Pending(Ask(number, arm, query), reply)
        self._send(self._pending[number])

    def withdraw(self, episode: ArmsEpisode) -> None:
        """Nobody waits for the answers to an episode's queries any more."""
        place = self._homes.get(episode)
        if place is not None:
            self._asked_still[episode] = place
        for number in [number for number, pending in self._pending.items() if pending.episode == episode]:
            del self._pending[number]
            if place is not None:
                place.asked.discard(number)
        if place is not None:
            place.tell(Withdraw(*episode))

    def over(self, arm: int, result: EpisodeResult) -> None:
        """An attempt at an episode is over."""
        episode = arm, result.episode
        self._begins.discard(episode)
        self._lost.pop(episode, None)
        place = self._homes.pop(episode, None)
        if place is not None:
            place.episodes.discard(episode)
            place.tell(End(arm, result))

    def refuse(self, arm: int, why: str) -> None:
        """An arm has ended: its queries are answered with this error."""
        refused = {number: pending for number, pending in self._pending.items() if pending.ask.arm == arm}
        for place in self._places:
            place.asked -= refused.keys()
            if place.ready:
                place.tell(Refuse(arm))
        for number, pending in refused.items():
            del self._pending[number]
            pending.reply(Answer(None, error=why))

    # What replicas are asked, and what becomes of them.

    def _send(self, pending: _Pending) -> None:
        """Ask the replica that has the episode, or the one with the fewest; if none is ready, the first that is.

        An episode that begins again because its worker is gone stays where it was: that replica may still be at its
        last query, and nobody behind two of them is to be asked for one episode twice at once.
        """
        episode = pending.episode
        place = self._homes.get(episode)
        if place is None:
            ready = [place for place in self._places if place.ready]
            if not ready or len(self._homes) >= self._room:
                return
            place = min(ready, key=lambda place: (len(place.episodes), len(place.asked), place.number))
            still = self._asked_still.pop(episode, None)
            if still is not None and still.ready:
                place = still
            self._homes[episode] = place
            self._homes_given = True
            place.episodes.add(episode)
        if episode in self._begins:
            self._begins.discard(episode)
            place.tell(Begin(*episode))
        place.ask(pending.ask.number, pending.ask)

    def _send_homeless(self) -> None:
        """Ask the queries that wait for a replica to be ready."""
        for pending in self._homeless:
            self._send(pending)

    @property
    def _homeless(self) -> list[_Pending]:
        return [pending for pending in self._pending.values() if pending.episode not in self._homes]

    @property
    def _room(self) -> float:
        """How many episodes those that are ready take: any number, but not those that others can have in a moment.

        Where the number cannot be divided, what is left over is theirs, but never two while another can have one.
        """
        waited = running_seconds() - self._first_ready
        if waited > _START_TOGETHER or not any(place.is_new for place in self._places):
            return math.inf
        there = sum(place.link is not None for place in self._places)
        late = sum(place.is_new for place in self._places)
        episodes = len(self._homes) + len(self._homeless)
        return episodes - late * (episodes // there) if episodes >= there else there - late

    def _answered(self, place: Place, said: Answered) -> None:
        place.hear(said)
        arm = self.arms[said.arm]
        arm.batches += said.asked > 0
        arm.answered += said.asked
        if said.read is not None:
            self._note_files(said.read, said.wrote or {})
        for number, answer in said.answers:
            pending = self._pending.pop(number, None)
            if pending is not None:
                pending.reply(answer)
        if said.problem is not None:
            self._end(said.arm, said.problem.as_error())

    def _note_files(self, read: Mapping[str, str], wrote: Mapping[str, Sequence[str]]) -> None:
        outputs = self._plan.outputs.union(*wrote.values())
        self._plan = replace(self._plan, outputs=outputs)
        for files in self._files.values():
            files(read, wrote)

    def _unfit(self, place: Place, said: Unfit) -> None:
        """A replica cannot go on, and says why; if it never could, another one in its place could not either.

        One that finds another policy may have looked at a file that a replica which acts already was writing.
        """
        assert place.link is not None
        place.link.kill()
        other = said.other_policy
        if other is not None and not self._homes_given:
            place.ended()
            self._end_all(other.as_error())
        else:
            if other is None and not place.ready and not place.report.batches:
                place.failures = _FAILURES
            self._lose(place, said.how)

    def _lose(self, place: Place, how: str) -> None:
        """A replica is gone: what it was to do is an error, and another one takes its place."""
        log.warning("replica %d of the policy %s", place.number, how)
        episodes = set(place.episodes)
        place.ended()
        for episode in episodes:
            self._lost[episode] = f"the policy's replica {place.number} {how}"
            del self._homes[episode]
            for number in [number for number, pending in self._pending.items() if pending.episode == episode]:
                self._pending.pop(number).reply(Answer(None, error=self._lost[episode]))
        place.failures += 1
        if place.failures <= _FAILURES:
            self._start(place)
        else:
            self._give_up(place, how)

    def _start(self, place: Place) -> None:
        try:
            place.started(self._replicas.start(self._plan, place.number))
        except OSError as error:
            self._give_up(place, f"cannot be started: {error.strerror or error}")

    def _give_up(self, place: Place, why: str) -> None:
        place.given_up = why
        if all(place.given_up for place in self._places):
            where = f"; see the logs in {self._plan.log_folder}" if self._plan.log_folder else ""
            self._end_all(
                RunAborted(
                    f"no replica of the policy works; the last one {why}{where}. Finished episodes are safe; give the "
                    "same command again to resume."
                )
            )

    def _end_all(self, error: MmactEvalError) -> None:
        for arm in self.arms:
            self._end(arm, error)

    def _place(self, link: ReplicaLink) -> Place | None:
        return next((place for place in self._places if place.link is link), None)


class PooledArm:
    """An arm's side of a pool: what `engine.batcher.PolicySide` asks for.

    Nothing is answered within a call: answers come with what replicas say.
    """

    def __init__(self, pool: ReplicaPool, number: int) -> None:
        self._pool = pool
        self._number = number
        self._refusal = ""
        self.batches = 0
        self.answered = 0
        self.waits_since = 0.0

    def __bool__(self) -> bool:
        return False

    def reset(self, episode: Episode) -> None:
        """See `PolicySide`; what the policy raises becomes the answer to the episode's first query."""
        self._pool.begin((self._number, episode))

    def ended(self, result: EpisodeResult) -> None:
        """See `PolicySide`; nobody waits for it."""
        self._pool.over(self._number, result)

    def submit(self, query: Query, reply: Callable[[Answer], None]) -> None:
        """See `PolicySide`."""
        if self._refusal:
            reply(Answer(None, error=self._refusal))
        else:
            self._pool.ask(self._number, query, reply)

    def refuse(self, why: str) -> None:
        """See `PolicySide`."""
        self._refusal = why
        self._pool.refuse(self._number, why)

    def withdraw(self, episode: Episode) -> None:
        """See `PolicySide`."""
        self._pool.withdraw((self._number, episode))

    def answer_batch(self) -> None:
        """Nothing is to be done here."""
