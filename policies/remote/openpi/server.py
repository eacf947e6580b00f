"""What `mmact-eval serve --protocol openpi` says on a connection.

Clients of ours name the episode and the query, and get what the policy says. Clients of openpi name neither: an episode
is then what a connection asks with the same prompt, also where that is a stage of theirs. For a policy that keeps no
state and draws no random numbers, it makes no difference.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.server import ServerConnection

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.server import Ask, PolicyServer, ServeOptions
from mmact_eval.policies.remote.wire.codec import WireError, pack, unpack
from mmact_eval.policies.remote.wire.layouts import Layout, NativeLayout, preset
from mmact_eval.policies.remote.wire.specs import KEY, describe, read_identity, read_index, read_new_stage
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


class OpenpiConversation:
    """openpi's protocol, with our extension."""

    def __init__(self, spec: PolicySpec, env_spec: EnvSpec, made_of: Mapping[str, Any]) -> None:
        told = {"policy": spec.name, "action_dim": spec.action.dim, "made_of": made_of}
        self._metadata = pack({KEY: describe(spec), **told}, "openpi")
        self._native: Layout = NativeLayout(spec.cameras, spec.state, spec.action)
        self._foreign = foreign_layout(env_spec, "openpi") or self._native
        self._env = env_spec.name

    async def talk(self, socket: ServerConnection, number: int, ask: Ask) -> None:
        """See `server.Conversation`."""
        await socket.send(self._metadata)
        counter = _Counter(self._env, number)
        previous: float | None = None
        async for frame in socket:
            start = time.perf_counter()
            if isinstance(frame, str):
                raise WireError("requests are binary msgpack; this was a text frame")
            request = unpack(frame, "openpi")
            if not isinstance(request, Mapping):
                raise WireError("a request must be a map")
            try:
                query = self._query(request, counter)
            except WireError as error:
                await self._fail(socket, str(error))
                return
            answer = await ask(query)
            if answer.output is None:
                await self._fail(socket, answer.error)
                return
            timing = {"infer_ms": 1e3 * answer.act_seconds}
            if previous is not None:
                timing["prev_total_ms"] = 1e3 * previous
            await socket.send(pack({**response(answer.output), "server_timing": timing}, "openpi"))
            previous = time.perf_counter() - start

    def _query(self, request: Mapping[str, Any], counter: _Counter) -> Query:
        if KEY not in request:
            observation = self._foreign.observation(request)
            return Query(observation, *counter.next(observation.instruction))
        named = request[KEY]
        if not isinstance(named, Mapping):
            raise WireError(f'"{KEY}" must be a map')
        episode, index = read_identity(named.get("episode")), read_index(named.get("index"))
        return Query(self._native.observation(request), episode, index, read_new_stage(named))

    @staticmethod
    async def _fail(socket: ServerConnection, why: str) -> None:
        """An error is a text frame, then the end: openpi's protocol."""
        await socket.send(f"Error: {why}")
        await socket.close(1011, "see the previous frame")


class _Counter:
    """Which episode of a connection this is, and which query of it."""

    def __init__(self, suite: str, connection: int) -> None:
        self._suite, self._connection = suite, connection
        self._prompt: str | None = None
        self._index = 0

    def next(self, prompt: str) -> tuple[Episode, int]:
        self._index = 0 if prompt != self._prompt else self._index + 1
        self._prompt = prompt
        return Episode(self._suite, prompt, self._connection, 0), self._index


def response(output: PolicyOutput) -> dict[str, Any]:
    """A policy's answer as plain data; what it has generated beside the actions comes with it."""
    answer: dict[str, Any] = {"actions": output.actions}
    if output.text is not None:
        answer["text"] = output.text
    if output.image is not None:
        answer["image"] = output.image
    if "figures" in output.extras:
        answer["figures"] = output.extras["figures"]
    return answer


def foreign_layout(env_spec: EnvSpec, dialect: Any) -> Layout | None:
    """How other people's clients send observations of this environment; None if nobody has a convention for it."""
    try:
        return preset("auto", env_spec, dialect)
    except UsageError:
        return None


def make_server(
    policy: Policy, env_spec: EnvSpec, made_of: Mapping[str, Any] | None = None, **options: Any
) -> PolicyServer:
    """Entry point ``openpi`` of the group ``mmact_eval.servers``.

    Args:
        policy: what is served.
        env_spec: the environment it is made for.
        made_of: hashes that tell it from another policy with the same spec.
        options: as `ServeOptions`.
    """
    conversation = OpenpiConversation(policy.spec, env_spec, made_of or {})
    return PolicyServer(policy, env_spec, conversation, ServeOptions(**options))
