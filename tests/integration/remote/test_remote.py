"""Policies behind servers: the same results as in this process, and nothing lost or miscounted when things break."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

import websockets.sync.client
from remote_policies import HashPolicy
from remote_servers import HASH_POLICY, ChaosServer, Misbehave, Served, free_port, wait_for_lines
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import PolicyFailure, RunAborted, RunFolderError, UsageError
from mmact_eval.policies.remote.openpi import client as openpi
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.wire.codec import pack, unpack
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION, LiberoLayout
from mmact_eval.policies.remote.wire.specs import KEY, describe
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.specs import EnvSpec, StateSpec
from mmact_eval.types import Episode, EpisodeResult, Observation, Query

EPISODES = 4


def request(out: Path, policy: str, **changes: Any) -> RunRequest:
    base = RunRequest(suite=load_suite("toy"), policy=policy, episodes=EPISODES, out=out)
    return replace(base, **changes)


def signature(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    """What the policy does in this process."""
    outcome = execute(request(tmp_path_factory.mktemp("here"), HASH_POLICY))
    assert len(outcome.results) == 2 * EPISODES
    return signature(outcome.results)


@pytest.fixture(scope="module")
def openpi_server() -> Iterator[Served]:
    with Served() as served:
        yield served


@pytest.fixture(scope="module")
def vla_eval_server() -> Iterator[Served]:
    with Served(protocol="vla-eval") as served:
        yield served


def env_spec() -> Any:
    return registry.env_plugin("toy").spec(load_suite("toy"))


def a_query(index: int = 0, init_state: int = 0) -> Query:
    rng = np.random.default_rng(index)
    images = {camera: rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for camera in ("top", "side")}
    state = {"position": rng.random(2), "target": rng.random(2)}
    return Query(Observation(images, state, "go"), Episode("toy", "easy", init_state, 0), index)


@pytest.mark.parametrize("workers", [1, 3])
def test_openpis_protocol_changes_no_result(
    tmp_path: Path, openpi_server: Served, expected: dict[str, tuple[object, ...]], workers: int
) -> None:
    outcome = execute(request(tmp_path, openpi_server.url, options=EngineOptions(workers=workers)))
    assert signature(outcome.results) == expected
    assert {result.attempts for result in outcome.results} == {1}


@pytest.mark.parametrize("workers", [1, 3])
def test_vla_evals_protocol_changes_no_result(
    tmp_path: Path, vla_eval_server: Served, expected: dict[str, tuple[object, ...]], workers: int
) -> None:
    asked = request(tmp_path, "vla-eval", policy_args={"url": vla_eval_server.url})
    outcome = execute(replace(asked, options=EngineOptions(workers=workers)))
    assert signature(outcome.results) == expected
    assert {result.attempts for result in outcome.results} == {1}


def test_several_servers_share_the_load_and_change_no_result(
    tmp_path: Path, openpi_server: Served, expected: dict[str, tuple[object, ...]]
) -> None:
    with Served() as second:
        urls = f"{openpi_server.url},{second.url}"
        asked = request(tmp_path, "openpi", policy_args={"url": urls}, options=EngineOptions(workers=2))
        assert signature(execute(asked).results) == expected
        assert health(second)["queries"] > 0


def test_a_run_goes_on_with_a_server_at_another_address(
    tmp_path: Path, openpi_server: Served, expected: dict[str, tuple[object, ...]]
) -> None:
    execute(request(tmp_path, openpi_server.url, limit=2))
    with Served() as other:
        outcome = execute(request(tmp_path, other.url, policy_args={"timeout": 60}))
    assert signature(outcome.results) == expected


def test_text_that_the_policy_generates_comes_along(openpi_server: Served, vla_eval_server: Served) -> None:
    for policy in (
        openpi.make_policy(env_spec(), openpi_server.url),
        vla_eval.make_policy(env_spec(), vla_eval_server.url),
    ):
        here = HashPolicy(env_spec())
        here.reset([a_query().episode])
        assert policy.spec.name == "hash"
        assert policy.act([a_query()])[0].text == here.act([a_query()])[0].text
        policy.close()


@pytest.mark.parametrize("protocol", ["openpi", "vla-eval"])
def test_a_server_killed_and_started_again_costs_retries_and_no_result(
    tmp_path: Path, expected: dict[str, tuple[object, ...]], protocol: str
) -> None:
    policy = f"{HASH_POLICY}"
    with Served("--policy-args", "seconds=0.01", protocol=protocol, policy=policy) as served:

        def disaster() -> None:
            for lines in (1, 4):
                wait_for_lines(tmp_path / "episodes.jsonl", lines)
                served.kill()
                served.start()

        thread = threading.Thread(target=disaster)
        thread.start()
        asked = request(tmp_path, protocol, policy_args={"url": served.url, "patience": 60}, episodes=4)
        outcome = execute(replace(asked, options=EngineOptions(workers=2, retries=3)))
        thread.join()
    assert signature(outcome.results) == expected
    assert len((tmp_path / "episodes.jsonl").read_text().splitlines()) == 2 * EPISODES


def kill_after(served: Served, folder: Path, lines: int) -> None:
    wait_for_lines(folder / "episodes.jsonl", lines)
    served.kill()


def test_of_two_servers_one_dies_for_good(tmp_path: Path, expected: dict[str, tuple[object, ...]]) -> None:
    with Served() as first, Served() as second:
        thread = threading.Thread(target=kill_after, args=(second, tmp_path, 2))
        thread.start()
        asked = request(tmp_path, "openpi", policy_args={"url": [first.url, second.url]})
        outcome = execute(replace(asked, options=EngineOptions(workers=2, retries=3)))
        thread.join()
    assert signature(outcome.results) == expected


def test_a_server_that_stays_away_makes_errors_and_the_same_command_ends_well(
    tmp_path: Path, expected: dict[str, tuple[object, ...]]
) -> None:
    served = Served()
    asked = request(tmp_path, "openpi", policy_args={"url": served.url, "patience": 0.3})
    with served:
        thread = threading.Thread(target=kill_after, args=(served, tmp_path, 1))
        thread.start()
        first = execute(replace(asked, options=EngineOptions(max_errors_in_a_row=2)))
        thread.join()
    outcomes = [result.outcome for result in first.results]
    assert "error" in outcomes
    for key, rollout in signature(first.results).items():
        assert rollout == expected[key] or rollout[1] == "error"  # never a failure that was none
    with served:
        assert signature(execute(asked).results) == expected


def chaos(bad: Misbehave, every: int = 7) -> Misbehave:
    return lambda number, right: bad(number, right) if number % every == 0 else right


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (lambda number, right: b"\xc1garbage", "no message"),
        (lambda number, right: b"", "no message"),
        (lambda number, right: right[:-5], "no message"),
        (lambda number, right: "Traceback: CUDA out of memory", "out of memory"),
        (lambda number, right: pack({"action": [0.0, 0.0]}, "openpi"), 'no "actions"'),
        (lambda number, right: pack({"actions": [[float("nan"), 0.0]]}, "openpi"), "nan"),
        (lambda number, right: bytes(64 * 2**20), "larger than max_message"),
        (lambda number, right: 5.0, "has not answered for"),
    ],
    ids=["garbage", "empty", "cut off", "error", "another protocol", "nan", "64 MB", "slow"],
)
def test_bad_answers_are_errors_that_are_tried_again(
    tmp_path: Path, expected: dict[str, tuple[object, ...]], bad: Misbehave, says: str
) -> None:
    with ChaosServer(HashPolicy(env_spec()), chaos(bad)) as server:
        args = {"url": server.url, "timeout": 0.5 if says.startswith("has not") else 20, "max_message": 2**20}
        asked = request(tmp_path, "openpi", policy_args=args, episodes=2, options=EngineOptions(retries=0))
        outcome = execute(asked)
        errors = [result for result in outcome.results if result.outcome == "error"]
        assert errors
        assert all(result.error_kind == "policy" and says in result.error for result in errors)
        for key, rollout in signature(outcome.results).items():
            assert rollout == expected[key] or rollout[1] == "error"
    with ChaosServer(HashPolicy(env_spec()), lambda number, right: right) as server:
        again = execute(replace(asked, policy_args={"url": server.url}))
        assert signature(again.results).items() <= expected.items()
        assert len(again.results) == 4


def test_a_connection_that_breaks_at_the_first_query_is_not_even_an_error(
    tmp_path: Path, expected: dict[str, tuple[object, ...]]
) -> None:
    with ChaosServer(HashPolicy(env_spec()), lambda number, right: None if number == 1 else right) as server:
        outcome = execute(request(tmp_path, server.url, episodes=1, tasks="easy"))
    assert [result.attempts for result in outcome.results] == [1]
    assert signature(outcome.results).items() <= expected.items()


def test_a_server_without_memory_is_asked_again_in_the_middle_of_an_episode() -> None:
    state = {key: StateSpec(dim, "") for key, dim in (("eef_pos", 3), ("eef_axis_angle", 3), ("gripper_qpos", 2))}
    libero = EnvSpec("libero", {"agentview": (64, 64), "wrist": (64, 64)}, "rotated 180°", state, LIBERO_ACTION)
    here = HashPolicy(libero, chunk=5)
    rng = np.random.default_rng(0)
    pictures = {camera: rng.integers(0, 256, (224, 224, 3), dtype=np.uint8) for camera in ("agentview", "wrist")}
    seen = Observation(pictures, {key: rng.random(spec.dim) for key, spec in state.items()}, "go")
    layout = LiberoLayout(libero, "openpi")
    with ChaosServer(here, lambda number, right: None if number % 2 else right, layout) as server:
        policy = openpi.make_policy(libero, server.url)
        for index in range(4):
            assert policy.act([Query(seen, Episode("libero", "milk", 0, 0), index)])[0].actions.shape == (5, 7)
        policy.close()
    assert server.answers == 8


def test_a_chunk_of_the_wrong_width_stops_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    wrong = pack({"actions": np.zeros((4, 3), np.float32)}, "openpi")
    server = ChaosServer(HashPolicy(env_spec()), lambda number, right: right if number < 30 else wrong)
    with server, pytest.raises(RunAborted, match=r"shape \(4, 3\)"):
        execute(request(tmp_path, server.url))
    outcomes = [result.outcome for result in read_episodes(tmp_path)[0].values()]
    assert outcomes.count("error") == 1
    assert len(outcomes) > 1


def test_a_server_with_another_policy_is_refused_at_the_start(openpi_server: Served) -> None:
    other = ChaosServer(HashPolicy(env_spec(), replan=1), lambda number, right: right)
    with other, pytest.raises(UsageError, match=r"serves another policy .*spec\.replan"):
        openpi.make_policy(env_spec(), [openpi_server.url, other.url], patience=5)
    assert other.answers == 0


def test_of_two_servers_one_that_comes_back_with_another_policy_is_not_asked_again() -> None:
    def die(number: int, right: bytes) -> None:
        other.replace_policy(HashPolicy(env_spec(), replan=1))

    with (
        ChaosServer(HashPolicy(env_spec()), lambda number, right: right) as same,
        ChaosServer(HashPolicy(env_spec()), die) as other,
    ):
        policy = openpi.make_policy(env_spec(), [same.url, other.url], patience=5)
        for number in range(6):
            assert len(policy.act([a_query(init_state=number)])) == 1
        policy.close()
    assert (same.answers, other.answers) == (6, 1)


def test_a_server_that_comes_back_with_another_policy_ends_the_run() -> None:
    with ChaosServer(HashPolicy(env_spec(), replan=1), lambda number, right: right) as other:
        policy = openpi.make_policy(env_spec(), other.url, patience=5)
        other.replace_policy(HashPolicy(env_spec(), replan=2))
        with pytest.raises(RunAborted, match="another policy") as told:
            policy.act([a_query()] * 2)  # the second needs a connection of its own
        assert "ignore_metadata" not in str(told.value)  # a spec is not to be left out
        policy.close()


@pytest.mark.parametrize("protocol", ["openpi", "vla-eval"])
def test_two_policies_that_only_differ_in_a_file_beside_them_are_not_one(tmp_path: Path, protocol: str) -> None:
    source = Path(HASH_POLICY.partition(".py:")[0] + ".py").read_text()
    tests = f"import sys; sys.path.append({str(Path(HASH_POLICY).parent)!r})\n"
    files = []
    for name in ("baseline", "ours"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(f"NAME = {name!r}\n")
        files.append(tmp_path / name / "policy.py")
        files[-1].write_text(source.replace("import hashlib", f"{tests}import hashlib, model", 1))
    with (
        Served(protocol=protocol, policy=f"{files[0]}:HashPolicy") as baseline,
        Served(protocol=protocol, policy=f"{files[1]}:HashPolicy") as ours,
    ):
        with pytest.raises(UsageError, match=r"serves another policy than .*made_of\.code\..*model\.py"):
            execute(request(tmp_path / "both", protocol, policy_args={"url": [baseline.url, ours.url]}))
        execute(request(tmp_path / "run", protocol, policy_args={"url": baseline.url}, limit=1))
        with pytest.raises(RunFolderError, match=r"made_of\.code\..*model\.py"):
            execute(request(tmp_path / "run", protocol, policy_args={"url": ours.url}))


@pytest.mark.parametrize("protocol", ["openpi", "vla-eval"])
def test_arguments_that_would_change_nothing_for_a_server_of_ours_are_refused(
    openpi_server: Served, vla_eval_server: Served, protocol: str
) -> None:
    url = (openpi_server if protocol == "openpi" else vla_eval_server).url
    for argument in ({"size": 64}, {"rename": {"prompt": "task"}} if protocol == "openpi" else {"chunk": 2}):
        with pytest.raises(UsageError, match="change nothing here"):
            registry.make_policy(protocol, {"url": url, **argument}, env_spec())


def test_a_server_of_ours_is_asked_again_after_as_many_actions_as_typed(openpi_server: Served) -> None:
    policy = openpi.make_policy(env_spec(), openpi_server.url, replan=2)
    assert (policy.spec.chunk, policy.spec.replan) == (4, 2)
    policy.close()


def test_more_episodes_than_sessions_is_said(vla_eval_server: Served) -> None:
    policy = vla_eval.make_policy(env_spec(), vla_eval_server.url, sessions=2)
    for number in range(4):  # one after the other they need only one
        assert len(policy.act([a_query(init_state=number)])) == 1
    with pytest.raises(PolicyFailure, match="sessions=2"):
        policy.act([a_query(init_state=number) for number in range(4)])
    policy.close()


def test_nobody_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    with pytest.raises(UsageError, match="no server with openpi's protocol can be reached"):
        execute(request(tmp_path, "openpi", policy_args={"url": url, "patience": 0.2}))


def test_another_protocol_is_recognized(openpi_server: Served, vla_eval_server: Served) -> None:
    with pytest.raises(UsageError, match="does not speak vla-eval's protocol"):
        vla_eval.make_policy(env_spec(), openpi_server.url)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"url": "localhost:8000"}, "ws://host:port"),
        ({"url": "http://localhost:8000"}, "ws://host:port"),
        ({"url": ""}, "say where the server is"),
        ({"timeout": 0}, "timeout must be"),
        ({"connections": 1.5}, "connections must be a whole number"),
    ],
)
def test_wrong_arguments_are_named(args: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        openpi.make_policy(env_spec(), **args)


# The server's side.


def health(served: Served) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/health", timeout=10) as answer:
        status: dict[str, Any] = json.load(answer)
        return status


def ask_directly(socket: Any, query: Query) -> Any:
    request = {"images": dict(query.observation.images), "state": dict(query.observation.state), "prompt": "go"}
    episode = vars(query.episode)
    socket.send(pack({**request, KEY: {"episode": episode, "index": query.index}}, "openpi"))
    frame = socket.recv(timeout=20)
    return frame if isinstance(frame, str) else unpack(frame, "openpi")


def connect(served: Served, **options: Any) -> Any:
    socket = websockets.sync.client.connect(served.url, compression=None, max_size=None, **options).__enter__()
    assert KEY in unpack(socket.recv(timeout=20), "openpi")
    return socket


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\xc1", 1002), ("words", 1002), (pack([1, 2], "openpi"), 1002), (bytes(64 * 2**20), 1009)],
    ids=["garbage", "text", "a list", "64 MB"],
)
def test_a_client_that_sends_nonsense_is_hung_up_on_and_no_other(
    openpi_server: Served, frame: bytes | str, code: int
) -> None:
    with connect(openpi_server) as good, connect(openpi_server) as bad:
        assert "actions" in ask_directly(good, a_query())
        with contextlib.suppress(ConnectionClosed):  # it may hang up before it has heard everything
            bad.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            bad.recv(timeout=20)
        assert closed.value.rcvd is None or closed.value.rcvd.code == code
        assert "actions" in ask_directly(good, a_query(1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": {"top": np.zeros((64, 64, 3), np.uint8)}}, 'camera "side"'),
        ({"images": {"top": np.zeros((64, 64), np.uint8), "side": 1}}, "must be (H, W, 3) uint8"),
        ({"state": {"position": np.zeros(2), "target": np.zeros(3)}}, "has 3 numbers, not 2"),
        ({"state": {"position": np.zeros(2), "target": np.array([0.0, np.nan])}}, "holds what is no number"),
        (
            {"prompt": None, "task": "go"},
            'no instruction: "prompt" must be text; received: "images", "state", ',
        ),
        ({"prompt": np.array(5)}, "must be text, not int64 ()"),
        ({KEY: {"episode": {"suite": "toy"}, "index": 0}}, "an episode needs"),
        ({KEY: {"episode": vars(a_query(0, 77).episode), "index": 5}}, "has not seen the episode up to here"),
    ],
)
def test_a_request_that_does_not_fit_is_told_why(openpi_server: Served, change: dict[str, Any], says: str) -> None:
    query = a_query()
    request = {"images": dict(query.observation.images), "state": dict(query.observation.state), "prompt": "go"}
    request[KEY] = {"episode": vars(query.episode), "index": 0}
    with connect(openpi_server) as socket:
        socket.send(pack({**request, **change}, "openpi"))
        assert says in socket.recv(timeout=20)


def test_a_query_asked_again_gets_the_same_answer_and_the_policy_hears_it_once(openpi_server: Served) -> None:
    here = HashPolicy(env_spec())
    queries = [a_query(index, init_state=91) for index in range(3)]
    here.reset([queries[0].episode])
    right = [here.act([query])[0].actions for query in queries]
    for asked in (0, 1, 1, 2):  # each on a connection of its own, as after a break
        with connect(openpi_server) as socket:
            np.testing.assert_array_equal(ask_directly(socket, queries[asked])["actions"], right[asked])


def test_fifty_clients_at_once_each_get_their_own_answers(openpi_server: Served) -> None:
    def client(number: int) -> bool:
        here = HashPolicy(env_spec())
        queries = [a_query(index, init_state=number) for index in range(5)]
        here.reset([queries[0].episode])
        with connect(openpi_server, open_timeout=30) as socket:
            return all(
                np.array_equal(ask_directly(socket, query)["actions"], here.act([query])[0].actions)
                for query in queries
            )

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(client, range(50)))
    wait_until_gone(openpi_server)


def wait_until_gone(served: Served) -> None:
    deadline = time.monotonic() + 10
    while health(served)["clients"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_server_batches_across_connections_and_stays_reachable_meanwhile() -> None:
    with Served("--policy-args", "seconds=0.3") as served, ThreadPoolExecutor(8) as threads:
        sockets = [connect(served) for _ in range(8)]
        answers = list(threads.map(lambda pair: ask_directly(pair[1], a_query(0, pair[0])), list(enumerate(sockets))))
        assert all("actions" in answer for answer in answers)
        assert health(served)["batches"] <= 4
        for socket in sockets:
            socket.close()


def test_a_key_and_a_limit_of_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text("sesame\n")
    with Served("--api-key-file", str(key), "--max-clients", "1") as served:
        with pytest.raises(InvalidStatus, match="401"):
            connect(served)
        with pytest.raises(UsageError, match="MMACT_EVAL_API_KEY"):
            openpi.make_policy(env_spec(), served.url)
        assert health(served)["status"] == "ok"
        headers = {"Authorization": "Api-Key sesame"}
        with connect(served, additional_headers=headers), pytest.raises(InvalidStatus, match="503"):
            connect(served, additional_headers=headers)
        wait_until_gone(served)
        monkeypatch.setenv("MMACT_EVAL_API_KEY", "sesame")
        policy = openpi.make_policy(env_spec(), served.url)
        assert len(policy.act([a_query()])) == 1
        policy.close()


def test_stopping_the_server_is_no_error() -> None:
    with Served() as served:
        code, said = served.terminate()
    assert code == 0
    assert "Stopped" in said


def test_a_policy_that_needs_ground_truth_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ground truth"):
        Served(policy="toy").start()


def test_a_spec_survives_the_wire() -> None:
    from mmact_eval.policies.remote.wire.specs import read_spec

    spec = replace(HashPolicy(env_spec()).spec, image_size=(64, 64), checkpoint="somewhere", not_real="random weights")
    assert read_spec(unpack(pack(describe(spec), "openpi"), "openpi")) == spec
