"""Arms of a study over one pool of workers: each comes to what it would alone, and none costs another anything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.commands.ablate import command
from mmact_eval.runs.folder import RunFolder

POLICIES = Path(__file__).parents[2] / "helpers" / "counted_policies.py"
BROKEN = Path(__file__).parents[2] / "helpers" / "broken_policies.py"

TIMES = ("seconds", "env_seconds", "wait_seconds", "latencies")

Arms = dict[str, dict[str, Any]]

COARSE = {"transforms": [{"quantize": {"bins": 4}}]}

ARMS: Arms = {
    "plain": {},
    "coarse": COARSE,
    "late": {"transforms": [{"delay": {"steps": 3}}]},
    "short": {"protocol": {"max_steps": 7}},
    "moved": {"protocol": {"disturbance": {"metres": 0.3, "first_step": 1, "last_step": 3}}},
    "settled": {"protocol": {"settle_steps": 2}},
    "small": {"policy_args": {"chunk": 2}},
    "glancing": {"policy": f"{POLICIES}:Glancing"},
}


def study(out: Path, arms: Arms, **base: Any) -> list[str]:
    """Write a study's file beside its folder; the arguments that name both."""
    file = out.parent / f"{out.name}.yaml"
    content = {"name": "mine", "base": {"suite": "toy", "policy": "toy", "episodes": 4, **base}, "arms": arms}
    file.write_text(json.dumps(content))  # which is YAML
    return ["--study", str(file), "--out", str(out), "--format", "csv"]


def ablate(out: Path, arms: Arms, *arguments: str, **base: Any) -> int:
    """The exit code."""
    code: int = command.main([*study(out, arms, **base), *arguments], standalone_mode=False)
    return code


def records(arm: Path) -> dict[str, str]:
    """The lines of an arm's episodes without times, by episode, byte for byte."""
    found = {}
    for line in (arm / "episodes.jsonl").read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        key = f"{record['task']}/{record['init_state']}"
        assert key not in found
        found[key] = json.dumps({name: value for name, value in record.items() if name not in TIMES})
    return found


def arms_of(study: Path) -> dict[str, dict[str, str]]:
    return {folder.name: records(folder) for folder in study.iterdir() if (folder / "manifest.json").exists()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "out"
    assert ablate(out, ARMS, "--together", "none") == 0
    return out


@pytest.mark.parametrize("together", ["same-policy", "all"])
def test_an_arm_comes_to_the_same_alone_and_together_with_others(tmp_path: Path, alone: Path, together: str) -> None:
    out = tmp_path / "out"
    assert ablate(out, ARMS, "--together", together, "--workers", "3", "--max-batch", "2") == 0
    assert arms_of(out) == arms_of(alone)
    assert len(arms_of(out)) == 8
    for arm in arms_of(out):
        ours, theirs = (json.loads((study / arm / "manifest.json").read_text()) for study in (out, alone))
        assert ours["fingerprint"] == theirs["fingerprint"]
        sessions = [json.loads(line) for line in (out / arm / "sessions.jsonl").read_text().splitlines()]
        assert [session["event"] for session in sessions] == ["start", "end"]
        assert sessions[0]["pending"] == 8
    assert list((out / "late" / "logs").glob("worker-*.log"))  # of whichever worker came to serve it
    moved = {path.relative_to(out): path.read_text() for path in (out / "moved" / "disturbances").rglob("*.json")}
    assert moved == {p.relative_to(alone): p.read_text() for p in (alone / "moved" / "disturbances").rglob("*.json")}


def test_arms_of_one_policy_share_it_and_no_second_one_is_in_memory(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    arms: Arms = {"a": {}, "b": COARSE, "c": {"policy_args": {"chunk": 2}}, "d": {"protocol": {"max_steps": 40}}}
    common = {"policy": f"{POLICIES}:Remembering", "policy_args": {"diary": str(diary)}}
    assert ablate(tmp_path / "shared", arms, "--workers", "4", **common) == 0  # or it would have met another's query
    assert diary.read_text().split() == ["made", "closed"] * 2
    diary.unlink()
    assert ablate(tmp_path / "all", arms, "--together", "all", "--episodes", "1", **common) == 0
    assert diary.read_text().split() == ["made", "made", "closed", "closed"]


def test_what_breaks_in_an_arm_costs_no_other(tmp_path: Path, alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arms: Arms = {
        "plain": {},
        "crashing": {"policy": f"{POLICIES}:crashing"},
        "wrong": {"policy": f"{POLICIES}:wrong_width"},
        "hangs": {"policy": f"{BROKEN}:hangs"},
        "nobody": {"policy": "nobody"},
        "held": {"protocol": {"max_steps": 50}},
        "coarse": COARSE,
    }
    out = tmp_path / "out"
    with RunFolder(out / "held"):
        assert ablate(out, arms, "--together", "all", "--workers", "2", "--policy-timeout", "3") == 1
    for arm in ("plain", "coarse"):
        assert records(out / arm) == records(alone / arm)
    crashed = [json.loads(line) for line in records(out / "crashing").values()]
    assert sorted((r["init_state"], r["outcome"] == "error", r["attempts"]) for r in crashed) == sorted(
        [(0, True, 2)] * 2 + [(k, False, 1) for k in (1, 2, 3)] * 2
    )
    said = capfd.readouterr().err
    assert "wrong: failed. the policy returned actions of shape (1, 5)" in said
    assert "hangs: failed. the policy has not answered for 3 s" in said
    assert 'nobody: failed. unknown policy "nobody"' in said
    assert "held: failed." in said
    assert "crashing: 6 of 6 solved, 2 errors" in said
    assert "RuntimeError: no idea" in (out / "crashing" / "logs" / "engine.log").read_text()
    assert not (out / "plain" / "logs" / "engine.log").exists()

    ablate(out, {**arms, "wrong": {}}, "--together", "all", "--arms", "plain,wrong,held")
    assert [len(records(out / arm)) for arm in ("plain", "wrong", "held")] == [8, 8, 8]
    assert len((out / "plain" / "episodes.jsonl").read_text().splitlines()) == 8


@pytest.mark.parametrize("fault", ["crash", "raise"])
def test_an_accident_of_a_worker_is_tried_again_in_its_arm(tmp_path: Path, alone: Path, fault: str) -> None:
    out = tmp_path / "out"
    mark = f"env_args.fault_once={tmp_path / 'mark'}"
    chosen = ("--arms", "plain,coarse,late", "--workers", "2", "--set", f"env_args.fault={fault}", "--set", mark)
    assert ablate(out, ARMS, *chosen) == 0
    found = {arm: [json.loads(line) for line in lines.values()] for arm, lines in arms_of(out).items()}
    assert sorted(record["attempts"] for arm in found.values() for record in arm) == [1] * 23 + [2]
    for arm, before in arms_of(alone).items():
        if arm in found:
            finals = {(r["task"], r["init_state"]): r["final_hash"] for r in found[arm]}
            there = [json.loads(line) for line in before.values()]
            assert finals == {(r["task"], r["init_state"]): r["final_hash"] for r in there}


def test_arms_are_stopped_one_by_one_when_they_are_decided(tmp_path: Path) -> None:
    arms: Arms = {
        "plain": {},
        "twin": {"protocol": {"max_steps": 59}},
        "idle": {"policy": "noop"},
        "still": {"policy": "noop", "protocol": {"max_steps": 9}},
    }
    out = tmp_path / "out"
    more = ("--until-decided", "--together", "all", "--workers", "2")
    assert ablate(out, arms, *more, episodes=20) == 0
    done = {arm: len(lines) for arm, lines in arms_of(out).items()}
    assert done["plain"] == done["twin"] == 40
    assert max(done["idle"], done["still"]) < 30
    stopped = json.loads((out / "study.json").read_text())["stopped"]
    assert set(stopped) == {"idle", "still"}
    assert all("worse than the baseline" in why for why in stopped.values())
    ablate(out, arms, *more, episodes=20)
    assert {arm: len(lines) for arm, lines in arms_of(out).items()} == done


def test_a_study_that_is_stopped_goes_on_in_all_arms(tmp_path: Path, alone: Path) -> None:
    out = tmp_path / "out"
    asked = study(out, {arm: ARMS[arm] for arm in ("plain", "coarse")})
    line = [sys.executable, "-m", "mmact_eval", "ablate", *asked, "--workers", "2"]
    line += ["--set", "env_args.step_seconds=0.02"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "plain" / "episodes.jsonl").exists() or not (out / "plain" / "episodes.jsonl").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert "same command" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert sum(map(len, arms_of(out).values())) < 16
    assert subprocess.run(line, capture_output=True).returncode == 0
    assert {arm: set(lines) for arm, lines in arms_of(out).items()} == {
        arm: set(records(alone / arm)) for arm in ("plain", "coarse")
    }
