"""What a policy behind a server costs over one in this process, and what our server does beside openpi's own.

    python benchmarks/remote_latency.py --openpi CHECKOUT
    python benchmarks/remote_latency.py --peers PYTHON

CHECKOUT is a clone of github.com/Physical-Intelligence/openpi: its server's file and its client package are loaded
from there and run by this interpreter (or by PYTHON). PYTHON is an interpreter with the package openpi-client
(tests/integration/remote/test_remote_peers.py makes one); with it alone, openpi's side is our server on its codec.
Without either only our own ends are measured. All servers run on this machine, and a request is LIBERO's: two 224×224
images, eight numbers, a prompt. The rows take turns, so that a noisy machine is noisy for all.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import websockets.sync.client

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.policies.remote.openpi import client as openpi
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.wire.codec import pack, unpack
from mmact_eval.policies.remote.xpolicylab import client as xpolicylab
from mmact_eval.protocols import Policy
from mmact_eval.types import Episode, Observation, Query

PEERS = Path(__file__).parents[1] / "tests" / "helpers"
SUITE = "libero-object"


@contextlib.contextmanager
def ours(protocol: str, milliseconds: float) -> Iterator[int]:
    """`mmact-eval serve` with a policy that computes for so long, whatever the batch."""
    policy = f"{Path(__file__).absolute()}:Waiting"
    command = [sys.executable, "-m", "mmact_eval", "serve", "--suite", SUITE, "--policy", policy, "--port", "0"]
    command += ["--policy-args", f"milliseconds={milliseconds}", "--protocol", protocol]
    with _process(command) as output:
        found = re.search(r":(\d+) \(", output)
        assert found, output
        yield int(found[1])


@dataclass(frozen=True)
class Peers:
    """openpi's side.

    Attributes:
        python: an interpreter that can run it.
        checkout: a clone of its repository; None for a server of ours on its codec.
    """

    python: str
    checkout: Path | None

    @contextlib.contextmanager
    def server(self, milliseconds: float) -> Iterator[int]:
        """openpi's server, with the same model as ours."""
        script = ["peers.serve_openpi", str(milliseconds / 1e3), "zeros"]
        if self.checkout is not None:
            script = ["peers.serve_openpi_reference", str(self.checkout), str(milliseconds / 1e3)]
        with _process([self.python, "-m", *script], cwd=PEERS) as output:
            yield int(output)

    def client(self, url: str, rounds: int) -> list[float]:
        """Milliseconds of queries that openpi's client asks."""
        command = [self.python, "-m", "peers.time_openpi", url.rsplit(":", 1)[1], str(rounds)]
        package = self.checkout and self.checkout / "packages" / "openpi-client" / "src"
        environment = {**os.environ, **({"PYTHONPATH": str(package)} if package else {})}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PEERS, env=environment)
        return [float(word) for word in done.stdout.split()]


@contextlib.contextmanager
def _process(command: list[str], cwd: Path | None = None) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd)
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.kill()
        process.wait()


class Waiting:
    """Computes for a while, whatever the batch, and answers with zeros: a stand-in for a network on a GPU."""

    def __init__(self, env_spec: object, milliseconds: float = 0.0) -> None:
        noop = registry.make_policy("noop", {"chunk": 10, "cameras": "all"}, env_spec).policy  # type: ignore[arg-type]
        self._noop, self._seconds, self.spec = noop, milliseconds / 1e3, noop.spec

    def reset(self, episodes: object) -> None: ...

    def act(self, queries: list[Query]) -> object:
        if self._seconds:
            time.sleep(self._seconds)
        return self._noop.act(queries)


def observation() -> Observation:
    """LIBERO's, already as large as openpi wants it."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (224, 224, 3), dtype=np.uint8) for name in ("agentview", "wrist")}
    state = {"eef_pos": rng.random(3), "eef_axis_angle": rng.random(3), "gripper_qpos": rng.random(2)}
    return Observation(images, state, "put it there")


def latency(policy: Policy, rounds: int, begin: int) -> list[float]:
    """Milliseconds of each `act` in an episode of so many queries, without what the server's policy took."""
    episode, seen, times = Episode(SUITE, "milk", begin, 0), observation(), []
    policy.reset([episode])
    for index in range(rounds):
        start = time.perf_counter()
        output = policy.act([Query(seen, episode, index)])[0]
        timing = output.extras.get("server_timing", {})
        times.append(1e3 * (time.perf_counter() - start) - timing.get("infer_ms", 0.0))
    return times


def throughput(port: int, clients: int, seconds: float) -> float:
    """Queries a second that so many clients get answered, each with one request after the other."""
    seen = observation()
    request = {
        "observation/image": seen.images["agentview"],
        "observation/wrist_image": seen.images["wrist"],
        "observation/state": np.concatenate(list(seen.state.values())),
        "prompt": seen.instruction,
    }
    frame, counts, gate = pack(request, "openpi"), [0] * clients, threading.Barrier(clients + 1)
    end = 0.0

    def client(number: int) -> None:
        address = f"ws://127.0.0.1:{port}"
        with websockets.sync.client.connect(address, compression=None, max_size=None, open_timeout=60) as socket:
            socket.recv()
            gate.wait()
            while time.perf_counter() < end:
                socket.send(frame)
                answer = socket.recv()
                assert isinstance(answer, bytes), answer
                assert "actions" in unpack(answer, "openpi")
                counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    end = time.perf_counter() + seconds + 60  # nobody may stop before the clock is set
    gate.wait()
    start = time.perf_counter()
    end = start + seconds
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


def latencies(peers: Peers | None, rounds: int) -> None:
    """The table of added milliseconds."""
    env_spec = registry.env_plugin("libero").spec(load_suite(SUITE))
    with contextlib.ExitStack() as stack:
        url = f"ws://127.0.0.1:{stack.enter_context(ours('openpi', 0))}"
        rows: dict[str, Policy | str] = {  # an address is asked by openpi's client
            "in this process": registry.make_policy("noop", {"chunk": 10, "cameras": "all"}, env_spec).policy,
            "our client, our server, openpi's protocol": openpi.make_policy(env_spec, url),
            "our client, our server, vla-eval's protocol": vla_eval.make_policy(
                env_spec, f"ws://127.0.0.1:{stack.enter_context(ours('vla-eval', 0))}"
            ),
            "our client, our server, XPolicyLab's protocol": xpolicylab.make_policy(
                env_spec, f"ws://127.0.0.1:{stack.enter_context(ours('xpolicylab', 0))}"
            ),
        }
        if peers:
            address = f"ws://127.0.0.1:{stack.enter_context(peers.server(0))}"
            rows["our client, openpi's server (LIBERO preset)"] = openpi.make_policy(env_spec, address)
            for name, server in (("openpi's client, openpi's server", address), ("openpi's client, our server", url)):
                rows[name] = server
        times: dict[str, list[float]] = {name: [] for name in rows}
        for turn in range(6):
            for name, asked in rows.items():
                if isinstance(asked, str):
                    assert peers is not None
                    found = peers.client(asked, rounds // 5)
                else:
                    found = latency(asked, rounds // 5, turn)
                times[name] += found if turn else []  # the first turn warms up
        for asked in rows.values():
            getattr(asked, "close", lambda: None)()
        base = np.median(times["in this process"])
    print("| added ms a query | least | 10th percentile | median | 95th percentile |\n|---|---|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | " + " | ".join(f"{np.percentile(values, p) - base:.2f}" for p in (0, 10, 50, 95)) + " |")


def throughputs(peers: Peers | None, seconds: float, clients: tuple[int, ...] = (1, 4, 16)) -> None:
    """The table of queries a second."""
    print("\n| model takes | server | " + " | ".join(f"{n} clients" for n in clients) + " |")
    print("|---|---|" + "---|" * len(clients))
    for milliseconds in (0.0, 20.0):
        with contextlib.ExitStack() as stack:
            servers = {"ours": stack.enter_context(ours("openpi", milliseconds))}
            if peers:
                servers["openpi's"] = stack.enter_context(peers.server(milliseconds))
            rates: dict[str, list[float]] = {name: [] for name in servers}
            for number in clients:
                for name, port in servers.items():
                    rates[name].append(throughput(port, number, seconds))
        for name, found in rates.items():
            print(f"| {milliseconds:g} ms | {name} | " + " | ".join(f"{rate:.0f}/s" for rate in found) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=os.environ.get("MMACT_EVAL_PEERS"), help="interpreter with openpi-client")
    parser.add_argument("--rounds", type=int, default=500, help="queries for each row of the first table")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each throughput is measured")
    parser.add_argument("--openpi", type=Path, metavar="CHECKOUT", help="clone of openpi, whose own server is timed")
    options = parser.parse_args()
    if options.openpi and not (options.openpi / "src" / "openpi" / "serving").is_dir():
        parser.error(f"{options.openpi} is no checkout of openpi: it has no src/openpi/serving.")
    checkout = options.openpi.absolute() if options.openpi else None
    peers = Peers(options.peers or sys.executable, checkout) if options.peers or checkout else None
    latencies(peers, options.rounds)
    throughputs(peers, options.seconds)


if __name__ == "__main__":
    main()
