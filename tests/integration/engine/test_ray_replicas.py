"""Replicas of a policy as actors of a Ray cluster: the same results, and nothing lost when one is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted_policies import MEETING
from ray_clusters import connected_cluster_of

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunAborted, UsageError
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import EpisodeResult

ON_RAY = EngineOptions(engine="ray", workers=2, policy_replicas=2, policy_gpus=0.0)
_POLICY = """
import os, signal, time
from pathlib import Path
from mmact_eval.policies.toy import ToyPolicy

MAKER = Path(__file__).with_name("maker")
if not MAKER.exists():
    MAKER.write_text(str(os.getpid()))
REPLICA = MAKER.read_text() != str(os.getpid())

class Breaks(ToyPolicy):
    def __init__(self, how):
        super().__init__()
        self._how = how
        print("the policy speaks", flush=True)

    def act(self, queries):
        assert REPLICA, "asked where it was made first"
        try:
            if any(query.episode.init_state == 1 for query in queries):
                Path(__file__).with_name("mark").open("x").close()
                if self._how == "is killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self._how == "sleeps":
                    time.sleep(100)
        except FileExistsError:
            pass
        return super().act(queries)

def nowhere(env_spec):
    if REPLICA:
        raise OSError("no such weights")
    return ToyPolicy()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with connected_cluster_of([1, 1]) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "mine.py").write_text(_POLICY)
    return str(tmp_path / "policy" / "mine.py")


def request(out: Path, **changes: Any) -> RunRequest:
    return replace(RunRequest(load_suite("toy"), "toy", episodes=4, out=out), **changes)


def records(results: Sequence[EpisodeResult]) -> Mapping[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


def test_answers_of_replicas_are_the_policys(cluster: Any, tmp_path: Path) -> None:
    found = []
    for name, processes, options in (("here", 1, EngineOptions()), ("ray", 2, ON_RAY)):
        args = {"place": (tmp_path / f"meeting-{name}").as_uri(), "processes": processes}
        asked = request(
            tmp_path / name, suite=load_suite("toy-stages"), policy=MEETING, policy_args=args, options=options
        )
        outcome = execute(asked)
        found.append(records(outcome.results))
    assert found[0] == found[1]
    assert [replica.restarts for _, replica in sorted(outcome.engine.replicas.items())] == [0, 0]
    assert all(replica.queries for replica in outcome.engine.replicas.values())


@pytest.mark.parametrize("how", ["is killed", "sleeps"])
def test_a_lost_replica_costs_its_episodes_an_attempt(cluster: Any, tmp_path: Path, file: str, how: str) -> None:
    whole = execute(request(tmp_path / "here"))
    options = replace(ON_RAY, policy_timeout=2.0)
    asked = request(tmp_path / "ray", policy=f"{file}:Breaks", policy_args={"how": how}, options=options)
    outcome = execute(asked)
    assert records(outcome.results) == records(whole.results)
    assert max(result.attempts for result in outcome.results) == 2
    assert sum(replica.restarts for replica in outcome.engine.replicas.values()) == 1
    log = "".join(path.read_text() for path in sorted((tmp_path / "ray/logs").glob("replica-*.log")))
    assert "--- on " in log
    assert "the policy speaks" in log


def test_a_policy_that_no_node_can_make_ends_the_run_in_words(cluster: Any, tmp_path: Path, file: str) -> None:
    with pytest.raises((RunAborted, UsageError), match="no such weights"):
        execute(request(tmp_path / "ray", policy=f"{file}:nowhere", options=ON_RAY))
