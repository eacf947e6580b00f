"""What `mmact-eval serve --protocol vla-eval` says on a connection.

vla-eval's harness wants one action for each observation: the rest of a chunk is kept for the next ones, as its own
model servers do it. Clients of ours say which query they ask, and get whole chunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection

from mmact_eval.policies.remote.openpi.server import foreign_layout, response
from mmact_eval.policies.remote.server import Ask, PolicyServer, ServeOptions
from mmact_eval.policies.remote.vla_eval.wire import RESTART, Message, check_version, decode, encode, hello
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.policies.remote.wire.layouts import Layout, NativeLayout
from mmact_eval.policies.remote.wire.specs import KEY, describe, read_identity, read_index, read_new_stage
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, Query


@dataclass
class _Session:
    """What is remembered of a connection.

    Attributes:
        native: whether the client is one of ours.
        episode: the current one.
        queries: how often the policy was asked in it.
        left: actions of the last chunk that have not been sent yet.
    """

    number: int
    suite: str
    episode: Episode
    native: bool = False
    episodes: int = 0
    queries: int = 0
    left: deque[NDArray[np.float32]] = field(default_factory=deque)


class VlaEvalConversation:
    """vla-eval's protocol, with our extension.

    Attributes:
        greeting: what it says of itself in its hello.
    """

    def __init__(self, spec: PolicySpec, env_spec: EnvSpec, made_of: Mapping[str, Any]) -> None:
        self._spec, self._env = spec, env_spec.name
        self._native: Layout = NativeLayout(spec.cameras, spec.state, spec.action)
        foreign = foreign_layout(env_spec, "vla-eval")
        self._foreign = foreign or self._native
        told = {"model_server": spec.name, "capabilities": {}, "made_of": made_of, KEY: describe(spec)}
        self.greeting = hello(**told, **_announcement(spec, foreign))

    async def talk(self, socket: ServerConnection, number: int, ask: Ask) -> None:
        """See `server.Conversation`."""
        session = _Session(number, self._env, Episode(self._env, "", number, 0))
        async for frame in socket:
            message = decode(frame)
            if message.kind == "hello":
                check_version(message.payload)
                await socket.send(encode("hello", self.greeting, message.seq))
            elif message.kind == "episode_start":
                self._begin(session, message.payload)
            elif message.kind == "observation":
                await socket.send(await self._answer(session, message, ask))
            elif message.kind == "episode_end":
                session.left.clear()

    def _begin(self, session: _Session, payload: Mapping[str, Any]) -> None:
        session.native = KEY in payload
        session.episodes += 1
        session.queries = 0
        session.left.clear()
        if session.native:
            session.episode = read_identity(payload[KEY])
            return
        # A number of its own, also for the same task once more: init_state tells sessions, seed their episodes apart.
        task = payload.get("task")
        name = str(task.get("name", "")) if isinstance(task, Mapping) else ""
        session.episode = Episode(session.suite, name, session.number, session.episodes)

    async def _answer(self, session: _Session, message: Message, ask: Ask) -> bytes:
        if message.payload.get(RESTART) is True:
            session.left.clear()
        if session.left:
            return encode("action", {"actions": session.left.popleft()}, message.seq)
        try:
            query = self._query(session, message.payload)
        except WireError as error:
            return encode("error", {"error": f"observation_failed: {error}"}, message.seq)
        answer = await ask(query)
        if answer.output is None:
            return encode("error", {"error": f"observation_failed: {answer.error}"}, message.seq)
        session.queries += 1
        if session.native:
            return encode("action", response(answer.output), message.seq)
        executed = self._spec.replan or len(answer.output.actions)
        unit = self._foreign.unit
        actions = answer.output.actions[:executed]
        session.left.extend(actions if unit is None else (actions / unit).astype(np.float32))
        return encode("action", {"actions": session.left.popleft()}, message.seq)

    def _query(self, session: _Session, payload: Mapping[str, Any]) -> Query:
        if not session.native:
            new_stage = payload.get(RESTART) is True and session.queries > 0
            return Query(self._foreign.observation(payload), session.episode, session.queries, new_stage)
        extension = payload.get(KEY)
        named = extension if isinstance(extension, Mapping) else {}
        index, new_stage = read_index(named.get("index")), read_new_stage(named)
        return Query(self._native.observation(payload), session.episode, index, new_stage)


def _announcement(spec: PolicySpec, layout: Layout | None) -> dict[str, Any]:
    """What vla-eval's harness wants to know: what to send, and the conventions, which it compares with its own."""
    if layout is None or layout.name not in _SAID:
        return {}
    pictures, said, more = _SAID[layout.name]
    image = {"name": "image", "dims": 0, "format": "rgb_hwc_uint8"}
    return {
        "observation_params": {
            "send_wrist_image": layout.cameras[1] in spec.cameras,
            "send_state": bool(spec.state),
            **more,
        },
        "action_spec": {
            "position": {"name": "position", "dims": 3, "format": "delta_xyz", "range": [-1, 1]},
            "rotation": {"name": "rotation", "dims": 3, "format": said[0], "range": [-3.15, 3.15]},
            "gripper": {"name": "gripper", "dims": 1, "format": said[1], "range": [-1, 1]},
        },
        "observation_spec": {pictures.get(camera, camera): image for camera in spec.cameras},
    }


_SAID: Mapping[str, tuple[Mapping[str, str], tuple[str, str], Mapping[str, Any]]] = {
    # Angles from 0 to 2π, as LIBERO's own.
    "libero": (
        {"agentview": "agentview", "wrist": "wrist"},
        ("axis_angle", "binary_close_positive"),
        {"quat_no_antipodal": True},
    ),
    "calvin": (
        {"static": "rgb_static", "gripper": "rgb_gripper"},
        ("euler_xyz", "binary_close_negative"),
        {"absolute_action": False},
    ),
}
"""Per layout: its harness's names of cameras, formats of rotation and gripper, further parameters of observations."""


def make_server(
    policy: Policy, env_spec: EnvSpec, made_of: Mapping[str, Any] | None = None, **options: Any
) -> PolicyServer:
    """Entry point ``vla-eval`` of the group ``mmact_eval.servers``; arguments as for ``openpi``."""
    conversation = VlaEvalConversation(policy.spec, env_spec, made_of or {})
    return PolicyServer(policy, env_spec, conversation, ServeOptions(**options))
