"""What the nodes of the cluster that runs here have, as a line of JSON; for `mmact-eval doctor`."""

from __future__ import annotations

import json
import sys
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmact_eval.engine.ray import cluster
from mmact_eval.engine.ray.calls import get, wait
from mmact_eval.engine.ray.node.shell import actor_class
from mmact_eval.errors import UsageError

_SECONDS = 60.0


def survey() -> list[dict[str, Any]]:
    """Each node that is alive, with the version of mmact-eval there.

    Raises:
        UsageError: no cluster answers.
    """
    with cluster.connected("auto", 1):
        nodes = cluster.nodes()
        actors = [_on(node.identity) for node in nodes]
        calls = [actor.hello.remote([]) for actor in actors]
        answered = wait(calls, len(calls), _SECONDS)
        found = []
        for node, call in zip(nodes, calls, strict=True):
            hello = {"version": "", "problem": "does not answer"}
            if call in answered:
                try:
                    hello = get(call)
                except ray.exceptions.RayError as error:
                    hello["problem"] = str(error).splitlines()[0]
            has = {"host": node.host, "address": node.address, "cpus": node.cpus, "gpus": node.gpus}
            found.append({**has, "memory": node.memory, "version": hello["version"], "problem": hello["problem"]})
        return found


def _on(node: str) -> Any:
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=where)(actor_class()).remote()


if __name__ == "__main__":
    try:
        print(json.dumps(survey()))
    except UsageError as error:
        sys.exit(str(error))
