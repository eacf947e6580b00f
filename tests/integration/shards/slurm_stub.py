"""A Slurm of one machine: `sbatch`, `srun` and `scontrol` that really run what they are given.

`sbatch` puts a job into a folder; `Slurm.run` runs the tasks that may run, one after another, with the variables that
Slurm sets, and those again that ask for it (`scontrol requeue`). All nodes are this machine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

NODES = ("127.0.0.1", "localhost", "127.0.0.2", "127.0.0.3")

_SBATCH = """
import json, os, sys
from pathlib import Path
from slurm_stub import options_of

state = Path(os.environ["SLURM_STUB"])
given, rest = options_of(sys.argv[1:])
script = Path(rest[0])
asked = [line.split(None, 1)[1].split() for line in script.read_text().splitlines() if line.startswith("#SBATCH ")]
inside, _ = options_of([word for words in asked for word in words])
number = len(list(state.glob("*.job"))) + 100
job = {"number": number, "script": str(script.resolve()), "arguments": rest[1:], "options": {**inside, **given},
       "folder": os.getcwd(), "environment": dict(os.environ)}
(state / f"{number}.job").write_text(json.dumps(job))
print(number if "parsable" in given else f"Submitted batch job {number}")
"""

_SRUN = """
import os, signal, subprocess, sys
from slurm_stub import options_of

given, command = options_of(sys.argv[1:], stop_at_words=True)
number = int(given.get("ntasks", "1"))
variables = {"SLURM_NTASKS": str(number), "SLURM_STEP_NODELIST": given["nodelist"]}
assert len(given["nodelist"].split(",")) == int(given["nodes"]) == number, given
tasks, early = [], []

def pass_on(number, frame):
    if not tasks:
        early.append(number)
    for task in tasks:
        if task.poll() is None:
            task.send_signal(number)

for sent in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(sent, pass_on)
tasks += [subprocess.Popen(command, env={**os.environ, **variables, "SLURM_PROCID": str(k)}) for k in range(number)]
for came in early:
    pass_on(came, None)
codes = [task.wait() for task in tasks]
sys.exit(max(code if code >= 0 else 128 - code for code in codes))
"""

_SCONTROL = """
import os, sys
from pathlib import Path

if sys.argv[1:3] == ["show", "hostnames"]:
    print("\\n".join(sys.argv[3].split(",")))
elif sys.argv[1] == "requeue":
    with open(Path(os.environ["SLURM_STUB"]) / "requeued", "a") as stream:
        stream.write(sys.argv[2] + "\\n")
else:
    sys.exit(f"unknown: {sys.argv[1:]}")
"""

_WITHOUT_VALUE = {"parsable", "requeue", "overlap"}


def options_of(words: list[str], stop_at_words: bool = False) -> tuple[dict[str, str], list[str]]:
    """Long options and what follows them; those that this stub does not know are errors."""
    known = {"job-name", "array", "cpus-per-task", "gpus", "gpus-per-node", "time", "open-mode", "signal", "dependency",
             "nodes", "ntasks", "ntasks-per-node", "nodelist", "kill-on-bad-exit", *_WITHOUT_VALUE}  # fmt: skip
    found: dict[str, str] = {}
    for number, word in enumerate(words):
        if not word.startswith("--"):
            return found, words[number:]
        name, _, value = word.removeprefix("--").partition("=")
        if name not in known or bool(value) == (name in _WITHOUT_VALUE):
            sys.exit(f"unknown option {word}")
        found[name] = value
    return found, []


@dataclass(frozen=True)
class Ended:
    """A task that has ended.

    Attributes:
        name: ``100_2`` of an array, else ``100``.
        code: its exit code.
        output: what it printed, of all its starts.
        starts: how often it was started.
    """

    name: str
    code: int
    output: str
    starts: int


class Slurm:
    """See above."""

    def __init__(self, folder: Path, programs: Mapping[str, str] | None = None) -> None:
        """
        Args:
            folder: for its files.
            programs: further programs on the path: name → Python source.
        """
        self._state, self._bin = folder / "state", folder / "bin"
        self._state.mkdir(parents=True)
        self._bin.mkdir()
        own = {"sbatch": _SBATCH, "srun": _SRUN, "scontrol": _SCONTROL}
        command = "import sys\nfrom mmact_eval.cli import main\nsys.argv[0] = 'mmact-eval'\nmain()\n"
        for name, source in {"mmact-eval": command, **own, **(programs or {})}.items():
            path = self._bin / name
            here = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n" if name in own else ""
            path.write_text(f"#!{sys.executable}\n{here}{source}")
            path.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "SLURM_STUB": str(self._state),
        }
        self.ended: dict[str, Ended] = {}

    def submit(self, *command: str, folder: Path, **variables: str) -> str:
        """Run a command that submits something; what it prints."""
        done = subprocess.run(
            command, cwd=folder, env={**self.environment, **variables}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, preempt: Mapping[str, Callable[[], bool]] | None = None) -> None:
        """Run everything that was submitted.

        Args:
            preempt: task → when its first start is told that its time is over (``--signal=B:USR1``).
        """
        for file in sorted(self._state.glob("*.job")):
            job = json.loads(file.read_text())
            self._require_order(job)
            for name, variables in _tasks(job).items():
                self._run_task(job, name, variables, (preempt or {}).get(name))

    def _require_order(self, job: Mapping[str, object]) -> None:
        options = job["options"]
        assert isinstance(options, dict)
        kind, _, other = options.get("dependency", "").partition(":")
        before = [ended for name, ended in self.ended.items() if name.split("_")[0] == other]
        assert not kind or before, f"{other} has not run"
        assert kind in ("", "afterany") or all(ended.code == 0 for ended in before)

    def _run_task(
        self, job: Mapping[str, object], name: str, variables: Mapping[str, str], over: Callable[[], bool] | None
    ) -> None:
        output, starts, code = self._state / f"{name}.out", 0, 0
        while starts == 0 or name in self._requeued():
            (self._state / "requeued").unlink(missing_ok=True)
            environment = {**job["environment"], **variables, "SLURM_RESTART_COUNT": str(starts)}  # type: ignore[dict-item]
            with open(output, "a") as stream:
                task = subprocess.Popen(
                    ["bash", str(job["script"]), *job["arguments"]], cwd=str(job["folder"]), env=environment,  # type: ignore[misc]
                    stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                )  # fmt: skip
                if over is not None and starts == 0:
                    deadline = time.monotonic() + 120
                    while not over():
                        assert time.monotonic() < deadline and task.poll() is None, output.read_text()  # noqa: PT018
                        time.sleep(0.02)
                    task.send_signal(signal.SIGUSR1)  # to the script alone: B:
                code = task.wait(timeout=200)
            starts += 1
        self.ended[name] = Ended(name, code, output.read_text(), starts)

    def _requeued(self) -> list[str]:
        try:
            return (self._state / "requeued").read_text().split()
        except OSError:
            return []


def _tasks(job: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Name of each task of a job → what Slurm says to it."""
    number, options = str(job["number"]), job["options"]
    assert isinstance(options, dict)
    nodes = int(options.get("nodes", "1"))
    said = {"SLURM_JOB_ID": number, "SLURM_JOB_NODELIST": ",".join(NODES[:nodes]), "SLURM_NNODES": str(nodes)}
    if "cpus-per-task" in options:
        said["SLURM_CPUS_PER_TASK"] = "1"  # whatever is asked for: it is a small machine
    array = options.get("array")
    if array is None:
        return {number: said}
    ids = [k for part in array.split(",") for k in _stretch(part)]
    about = {"MIN": min(ids), "MAX": max(ids), "COUNT": len(ids)}
    told = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in about.items()}
    return {
        f"{number}_{k}": {**said, **told, "SLURM_JOB_ID": str(int(number) + 1000 + k), "SLURM_ARRAY_JOB_ID": number,
                          "SLURM_ARRAY_TASK_ID": str(k)}
        for k in ids
    }  # fmt: skip


def _stretch(part: str) -> range:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
    assert found is not None, part
    return range(int(found[1]), int(found[2] or found[1]) + 1)
