"""The scripts of examples/slurm, run as they are by a Slurm of one machine."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm_stub import Slurm

from mmact_eval.evaluation import evaluate
from mmact_eval.runs.reading import read_run

SCRIPTS = Path(__file__).parents[3] / "examples" / "slurm"
SLOW = ("--set", "env_args.step_seconds=0.02", "--format", "none")


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path / "slurm")


@pytest.fixture(scope="module")
def whole() -> list[tuple[object, ...]]:
    """What an undivided run comes to, by policy and episodes."""
    return [result.reproducible() for result in evaluate("random", "toy", episodes=4, progress=False).episodes]


def reproducible(folder: Path) -> list[tuple[object, ...]]:
    return [result.reproducible() for result in read_run(folder).results]


def begun(part: Path) -> Callable[[], bool]:
    """Whether a run has finished an episode, and goes on."""
    return lambda: (part / "episodes.jsonl").exists() and bool((part / "episodes.jsonl").read_text())


def test_an_array_one_task_of_which_is_preempted_and_the_job_that_merges_it(
    tmp_path: Path, slurm: Slurm, whole: list[tuple[object, ...]]
) -> None:
    out = tmp_path / "run"
    submit = str(SCRIPTS / "submit.sh")
    said = slurm.submit(
        submit, "--episodes", "4", *SLOW, folder=tmp_path, SUITE="toy", POLICY="random", RUN=str(out)
    )  # fmt: skip
    assert said == "parts: job 100; merge: job 101"
    slurm.run(preempt={"100_1": begun(out / "shard-1-of-4")})
    ended = slurm.ended
    assert {name: (task.code, task.starts) for name, task in ended.items()} == {
        "100_0": (0, 1), "100_1": (0, 2), "100_2": (0, 1), "100_3": (0, 1), "101": (0, 1),
    }, ended  # fmt: skip
    assert "stopped by SIGUSR1" in ended["100_1"].output
    assert "`scontrol requeue 100_1`" in ended["100_1"].output
    assert "were done before" in ended["100_1"].output or "was done before" in ended["100_1"].output
    assert "8 episodes of 4 runs" in ended["101"].output
    assert reproducible(tmp_path / "run-whole") == whole
    assert (tmp_path / "run-whole" / "report.html").exists()


def test_a_part_that_is_missing_is_named_by_the_merge_and_run_again_by_its_number(
    tmp_path: Path, slurm: Slurm, whole: list[tuple[object, ...]]
) -> None:
    out = tmp_path / "run"
    asked = {"SUITE": "toy", "POLICY": "random", "RUN": str(out)}
    slurm.submit("sbatch", "--array=0,1,3", str(SCRIPTS / "array.sbatch"), "--episodes", "4", folder=tmp_path,
                 **asked, PARTS="4")  # fmt: skip
    slurm.submit("sbatch", "--dependency=afterany:100", str(SCRIPTS / "merge.sbatch"), folder=tmp_path, **asked)
    slurm.run()
    assert slurm.ended["101"].code == 2
    assert "missing: part 2 of 4 (2 episodes)" in slurm.ended["101"].output
    again = Slurm(tmp_path / "again")
    again.submit("sbatch", "--array=2", str(SCRIPTS / "array.sbatch"), "--episodes", "4", folder=tmp_path, **asked)
    again.run()
    assert "For some of the parts again, say which of how many" in again.ended["100_2"].output
    last = Slurm(tmp_path / "last")
    last.submit("sbatch", "--array=2", str(SCRIPTS / "array.sbatch"), "--episodes", "4", folder=tmp_path, **asked,
                PARTS="4")  # fmt: skip
    last.submit("sbatch", "--dependency=afterany:100", str(SCRIPTS / "merge.sbatch"), folder=tmp_path, **asked)
    last.run()
    assert [task.code for task in last.ended.values()] == [0, 0], last.ended
    assert reproducible(tmp_path / "run-whole") == whole


def test_a_server_on_one_node_and_parts_on_the_others(
    tmp_path: Path, slurm: Slurm, whole: list[tuple[object, ...]]
) -> None:
    pytest.importorskip("websockets")
    out = tmp_path / "run"
    slurm.submit("sbatch", str(SCRIPTS / "server.sbatch"), "--episodes", "4", *SLOW, folder=tmp_path,
                 SUITE="toy", POLICY="random", RUN=str(out))  # fmt: skip
    slurm.run(preempt={"100": begun(out / "shard-1-of-2")})
    (task,) = slurm.ended.values()
    assert (task.code, task.starts) == (0, 2), task.output
    assert "stopped by SIGUSR1" in task.output
    assert "8 episodes of 2 runs" in task.output
    assert reproducible(tmp_path / "run-whole") == whole


_TOLD = """
import json, os, sys, time
from pathlib import Path

nodes = 2
if os.environ.get("REAL_RAY"):
    import ray

    ray.init(address="auto", log_to_driver=False)
    deadline = time.monotonic() + 120
    while (nodes := sum(node["Alive"] for node in ray.nodes())) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    ray.shutdown()
told = {"arguments": sys.argv[1:], "nodes": nodes, "address": os.environ["RAY_ADDRESS"]}
Path(os.environ["TOLD"]).write_text(json.dumps(told))
"""

_NO_RAY = """
import signal, sys
if sys.argv[1] == "start":
    signal.pause()
"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets take no long paths."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["stub", "real Ray"])
def test_a_ray_cluster_of_the_allocation(tmp_path: Path, short_folder: Path, real: bool) -> None:
    programs = {"mmact-eval": _TOLD} if real else {"mmact-eval": _TOLD, "ray": _NO_RAY}
    if real and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    if real:
        programs["ray"] = "import sys\nfrom ray.scripts.scripts import main\nsys.argv[0] = 'ray'\nsys.exit(main())\n"
    script = (SCRIPTS / "ray.sbatch").read_text().replace("#SBATCH --nodes=4", "#SBATCH --nodes=2")
    (tmp_path / "ray.sbatch").write_text(script)
    slurm = Slurm(tmp_path / "slurm", programs)
    told = tmp_path / "told.json"
    variables = {"REAL_RAY": "1", "RAY_TMPDIR": str(short_folder)} if real else {}
    slurm.submit("sbatch", "ray.sbatch", "--episodes", "4", folder=tmp_path, SUITE="toy", POLICY="toy", RUN="run",
                 TOLD=str(told), **variables)  # fmt: skip
    slurm.run()
    (task,) = slurm.ended.values()
    assert task.code == 0, task.output
    found = json.loads(told.read_text())
    assert found["nodes"] == 2
    assert found["address"].endswith(":20100")
    assert " ".join(found["arguments"]) == (
        "run --suite toy --policy toy --engine ray --ray-address auto --policy-replicas auto --workers 2 --out run "
        "--episodes 4"
    )


@pytest.mark.parametrize("script", sorted(SCRIPTS.iterdir()), ids=lambda script: script.name)
def test_the_scripts_are_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
