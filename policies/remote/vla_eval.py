"""Policies behind vla-eval's model servers: OpenVLA-OFT, CogACT, GR00T, X-VLA and the others of that harness.

A connection is a session: the server buffers actions and keeps state for it, and hears where episodes begin and end.
So each episode has a connection of its own, and one that breaks is an error of its episode, which then begins again.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.codec import WireError
from mmact_eval.policies.remote.layouts import Layout, NativeLayout, pictures_in, preset
from mmact_eval.policies.remote.openpi import ServerFailed, output_of
from mmact_eval.policies.remote.policy import (
    MAX_MESSAGE,
    RemotePolicy,
    actions_of,
    first_contact,
    last_words,
    positive,
    urls,
)
from mmact_eval.policies.remote.pool import Lost, Pool, Refused, RemoteFailure, Unreachable
from mmact_eval.policies.remote.spec_wire import KEY, describe, identity, read_spec
from mmact_eval.policies.remote.vla_eval_wire import Message, check_version, decode, encode, hello
from mmact_eval.policies.remote.websocket_link import OPEN_SECONDS, TooSlow, WebsocketLink
from mmact_eval.policy_output import plain_data
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

_SESSIONS = 64


class TooManyEpisodes(RemoteFailure):
    """Each needs a session of its own."""


class _Session:
    """A connection that has said hello.

    Attributes:
        server: what the server said of itself.
        url: where it is.
        busy: whether an answer is awaited.
    """

    def __init__(self, link: WebsocketLink, server: Mapping[str, Any]) -> None:
        self._link = link
        self._numbers = itertools.count(1)
        self.server = server
        self.url = link.url
        self.busy = False

    @property
    def alive(self) -> bool:
        return self._link.alive

    async def tell(self, kind: Any, payload: Mapping[str, Any]) -> int:
        """Send something that is not answered."""
        seq = next(self._numbers)
        await self._link.send(encode(kind, payload, seq))
        return seq

    async def ask(self, observation: Mapping[str, Any], seconds: float) -> Message:
        """The answer to an observation.

        Raises:
            Lost, TooSlow, ServerFailed, WireError: there is none.
        """
        seq = await self.tell("observation", observation)
        while True:
            message = decode(await self._link.receive(seconds))
            if message.kind == "error":
                raise ServerFailed(f"{self.url} failed: {last_words(str(message.payload.get('error')))}")
            if message.kind == "action" and message.seq == seq:
                return message
            if message.kind != "action":
                raise WireError(f"{self.url} answered an observation with {message.kind}")

    async def close(self) -> None:
        await self._link.close()


class VlaEvalPolicy(RemotePolicy):
    """Asks vla-eval's model servers."""

    def __init__(
        self,
        env_spec: EnvSpec,
        addresses: list[str],
        preset_name: str,
        chunk: int,
        size: int | None,
        spec_fields: Mapping[str, Any],
        timeout: float,
        patience: float,
        sessions: int,
        max_message: int,
    ) -> None:
        super().__init__()
        self._timeout, self._max_message, self._limit = timeout, max_message, sessions
        self._announced: PolicySpec | None = None
        self._pool: Pool[_Session] = Pool(addresses, self._connect, patience, sessions)
        self._episodes: OrderedDict[Episode, _Session] = OrderedDict()
        server = first_contact(self.loop, self._greet(), "server with vla-eval's protocol")
        try:
            self.native = KEY in server and preset_name in ("auto", "native")
            if self.native:
                self.spec = self._announced = read_spec(server[KEY])
                self._layout: Layout = NativeLayout(self.spec.cameras, self.spec.state, self.spec.action)
                self._drain = 1
            else:
                self._layout = preset(preset_name, env_spec, "vla-eval", size)
                self._drain = chunk
                self.spec = _foreign_spec(self._layout, server, chunk, size, spec_fields)
        except (WireError, UsageError) as error:
            self.loop.close()
            raise UsageError(str(error)) from error

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Their sessions end."""
        self.loop.run(self._end(episodes))

    def pictures(self, observation: Observation) -> dict[str, NDArray[np.uint8]]:
        """The images as they are sent; see `mmact_eval.protocols.Policy`."""
        return pictures_in(self._layout.request(observation))

    async def answer(self, query: Query) -> PolicyOutput:
        try:
            session = await self._session(query)
            session.busy = True
            observation = self._observation(query)
            chunks = []
            for _ in range(self._drain):
                message = await session.ask(observation, self._timeout)
                chunks.append(actions_of(message.payload, session.url))
            session.busy = False
            actions = chunks[0] if len(chunks) == 1 else np.concatenate([chunk[:1] for chunk in chunks])
            return output_of(message.payload, actions)
        except BaseException:
            self._break_off(query.episode)
            raise

    async def hang_up(self) -> None:
        await self._end(list(self._episodes))
        await self._pool.close()

    async def _session(self, query: Query) -> _Session:
        """The episode's session; its first query opens one."""
        session = self._episodes.get(query.episode)
        if session is not None and query.index > 0:
            self._episodes.move_to_end(query.episode)
            return session
        if query.index > 0:
            raise Lost("the session of the episode is gone; it has to begin again")
        await self._end([query.episode])  # it may have been asked for before
        while len(self._episodes) >= self._limit:  # nobody says when an episode is over: the oldest one is
            idle = [episode for episode, other in self._episodes.items() if not other.busy]
            if not idle:
                raise TooManyEpisodes(f"more episodes at once than sessions={self._limit}; raise it")
            await self._end(idle[:1])
        _, session = await self._pool.take()
        self._episodes[query.episode] = session
        await session.tell("episode_start", self._beginning(query))
        return session

    def _beginning(self, query: Query) -> dict[str, Any]:
        episode = query.episode
        task = {"name": query.observation.instruction, "suite": episode.suite, "episode_idx": episode.init_state}
        return {"task": task, KEY: identity(episode)} if self.native else {"task": task}

    def _observation(self, query: Query) -> dict[str, Any]:
        request = self._layout.request(query.observation)
        return {**request, KEY: {"index": query.index}} if self.native else request

    async def _end(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            session = self._episodes.pop(episode, None)
            if session is None:
                continue
            try:
                await session.tell("episode_end", {})
            except Lost:
                self._pool.drop(session.url, session)
            else:
                self._pool.give_back(session.url, session)

    def _break_off(self, episode: Episode) -> None:
        """What the server makes of the episode is unknown: hang up."""
        session = self._episodes.pop(episode, None)
        if session is not None:
            self._pool.drop(session.url, session)

    async def _greet(self) -> Mapping[str, Any]:
        async with self._pool.lease() as (_, session):
            return session.server

    async def _connect(self, url: str) -> _Session:
        link = await WebsocketLink.open(url, self._max_message)
        try:
            session = _Session(link, await _say_hello(link))
            if self._announced is not None:
                announced = session.server.get(KEY)
                if announced is None or describe(read_spec(announced)) != describe(self.spec):
                    raise Refused(f"{url} serves another policy than the run began with")
        except BaseException:
            await link.close()
            raise
        return session


async def _say_hello(link: WebsocketLink) -> Mapping[str, Any]:
    await link.send(encode("hello", hello(), 0))
    try:
        message = decode(await link.receive(OPEN_SECONDS))
    except (TooSlow, Lost) as error:
        raise Unreachable("it did not answer the hello; it is busy, or does not speak vla-eval's protocol") from error
    except WireError as error:
        raise Refused(
            f"{link.url} does not speak vla-eval's protocol: {error} (an openpi server? --policy {link.url})"
        ) from error
    if message.kind != "hello":
        raise Refused(f"{link.url} answered a hello with {message.kind}: {str(dict(message.payload))[:200]}")
    check_version(message.payload)
    return message.payload


def _foreign_spec(
    layout: Layout, server: Mapping[str, Any], chunk: int, size: int | None, fields: Mapping[str, Any]
) -> PolicySpec:
    """The spec of a policy that we know only by its preset and what it says in its hello."""
    known = {key: server.get(key) for key in ("model_server", "action_spec", "observation_spec", "observation_params")}
    return PolicySpec(
        action=layout.action,
        chunk=chunk,
        replan=chunk,
        cameras=layout.cameras,
        state=layout.state,
        image_convention=layout.image_convention,
        deterministic=False,
        config={
            "protocol": "vla-eval",
            "preset": layout.name,
            "chunk": chunk,
            "size": size,
            "server": plain_data({key: value for key, value in known.items() if value}),
        },
        **fields,
    )


def make_policy(
    env_spec: EnvSpec,
    url: str | Sequence[str] = "ws://127.0.0.1:8000",
    preset: str = "auto",
    chunk: int = 1,
    size: int | None = None,
    name: str = "vla-eval",
    checkpoint: str = "",
    timeout: float = 120.0,
    patience: float = 60.0,
    sessions: int = _SESSIONS,
    max_message: int = MAX_MESSAGE,
) -> VlaEvalPolicy:
    """Entry point ``vla-eval``.

    Args:
        env_spec: the environment.
        url: ``ws://host:port``; several with commas share the load.
        preset: how observations are sent: ``libero``, ``robotwin``, ``native`` (servers of ours);
            ``auto`` for what the server announces, else the environment's.
        chunk: the server's ``chunk_size``. Such a server answers one action at a time out of its buffer without looking
            at the observation; given here, they are asked for at once and images are only rendered once a chunk. It
            must not be larger than the server's: the rest would be predicted from an old image.
        size: side of the images in pixels; None as they are rendered.
        name, checkpoint: what tables and manifests call it.
        timeout: seconds a query may take.
        patience: seconds all servers may be away before a query is given up.
        sessions: most connections; must not be less than the number of workers.
        max_message: most bytes of an answer.

    Raises:
        UsageError: no server, another protocol, or a value that makes no sense.
    """
    positive("vla-eval", "chunk", chunk, whole=True)
    if size is not None:
        positive("vla-eval", "size", size, whole=True)
    return VlaEvalPolicy(
        env_spec,
        urls("vla-eval", url, ("ws", "wss")),
        preset,
        chunk,
        size,
        {"name": name, "checkpoint": checkpoint},
        positive("vla-eval", "timeout", timeout),
        positive("vla-eval", "patience", patience),
        positive("vla-eval", "sessions", sessions, whole=True),
        positive("vla-eval", "max_message", max_message, whole=True),
    )
