"""A profile: every point measured in turn, one policy in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from mmact_eval import __version__, compat, registry
from mmact_eval.errors import MmactEvalError, PolicyFailure, UsageError
from mmact_eval.machine import host
from mmact_eval.machine.capacity import usable_cores
from mmact_eval.optional import FreesWeights
from mmact_eval.profiling.made_up import questions, spec_for
from mmact_eval.profiling.measuring import measure
from mmact_eval.profiling.modules import pytorch
from mmact_eval.profiling.points import ARGUMENT, Point, Vary, planned
from mmact_eval.profiling.roofline import Roof, measure_roof
from mmact_eval.profiling.row import Row
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.wording import counted


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        policy: as typed.
        suite: name of the suite whose environment's spec the policy is made for.
        env_spec: that spec.
        base: the base point.
        varied: what is varied around it.
        calls, warm_up: of each point.
        seed: of what is made up.
    """

    policy: str
    suite: str
    env_spec: EnvSpec
    base: Point
    varied: Sequence[Vary]
    calls: int
    warm_up: int
    seed: int


@dataclass(frozen=True)
class Profile:
    """What was measured.

    Attributes:
        policy: as typed.
        suite: whose spec it was made for.
        made: when, UTC.
        command: that was typed.
        device: the processor or GPU, in words.
        cores: that may be used.
        load: programs that wanted a core before the first call, over a minute.
        facts: label → value: threads, types of numbers, versions.
        calls, warm_up, seed: as requested.
        rows: the base point first.
        roofs: of the devices that answered; empty where PyTorch did not.
    """

    policy: str
    suite: str
    made: str
    command: str
    device: str
    cores: int
    load: float
    facts: Mapping[str, str]
    calls: int
    warm_up: int
    seed: int
    rows: tuple[Row, ...]
    roofs: tuple[Roof, ...]

    @property
    def not_real(self) -> tuple[str, ...]:
        """What in it is not the real thing, a sentence each."""
        return tuple(dict.fromkeys(f"{row.policy}: {row.not_real}" for row in self.rows if row.not_real))

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be told of any row, a sentence each."""
        return tuple(dict.fromkeys(said for row in self.rows for said in row.unknown))


def profile(request: Request, say: Callable[[str], None]) -> Profile:
    """Measure the base point and all others.

    A point other than the base that cannot be measured is a row that says why.

    Args:
        request: what is wanted.
        say: tells the user a line.

    Raises:
        UsageError: a value makes no sense, the policy cannot be made, or threads are asked for where there are none.
        PolicyFailure: the policy raises at the base point.
    """
    points = list(planned(request.base, request.varied))
    load = os.getloadavg()[0]
    with _Held(request) as held:
        for name in dict.fromkeys(name for name, _, _ in points if name.startswith(ARGUMENT)):
            held.policy(next(point for other, _, point in points if other == name))  # a slip is told before all else
        rows, known, roofs = list[Row](), list[tuple[Point, Row]](), dict[tuple[str, str, int | None], Roof]()
        for name, value, point in points:
            before = next((row for other, row in known if other == point), None)
            if before is not None:
                rows.append(replace(before, varied=name, value=value))
                continue
            say(f"{name}={value}" if name else "base point")
            row = _row(held, name, value, point)
            known.append((point, row))
            rows.append(row)
            _add_roof(roofs, row)
    return Profile(
        policy=request.policy,
        suite=request.suite,
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        command=" ".join(host.command_line()),
        device=_device(rows),
        cores=usable_cores(),
        load=load,
        facts=_facts(load, rows),
        calls=request.calls,
        warm_up=request.warm_up,
        seed=request.seed,
        rows=tuple(rows),
        roofs=tuple(roofs.values()),
    )


class _Held:
    """The policy that is in memory; another one is made when its arguments or its environment are others."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._key: object = None
        self._policy: Policy | None = None

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *raised: object) -> None:
        self.drop()

    def policy(self, point: Point) -> tuple[Policy, EnvSpec]:
        """The policy for a point, and the spec that it was made for.

        Raises:
            UsageError: it cannot be made, or does not fit.
        """
        spec = spec_for(self.request.env_spec, point)
        key = (dict(point.policy_args), dict(spec.cameras))
        if self._policy is None or key != self._key:
            self.drop()
            self._policy = registry.make_policy(self.request.policy, point.policy_args, spec).policy
            self._key = key
        compat.check(spec, self._policy.spec)
        if point.views is not None and len(self._policy.spec.cameras) != point.views:
            looks = counted(len(self._policy.spec.cameras), "camera")
            raise UsageError(f"policy {self._policy.spec.name} looks at {looks}, however many there are")
        return self._policy, spec

    def drop(self) -> None:
        """Let go of it."""
        if self._policy is not None:
            if isinstance(self._policy, FreesWeights):
                self._policy.free_weights()
            registry.close_policy(self._policy)
        self._policy = None


def _row(held: _Held, name: str, value: Any, point: Point) -> Row:
    row = Row(name, value, point)
    try:
        policy, spec = held.policy(point)
        chunk = min(policy.spec.replan or policy.spec.chunk, policy.spec.chunk)
        row = replace(row, policy=policy.spec.name, not_real=policy.spec.not_real, chunk=chunk)
        asked = questions(spec, policy.spec, point, held.request.seed)
        with _threads(point):
            return measure(policy, asked, row, held.request.calls, held.request.warm_up)
    except MmactEvalError as error:
        if not name:
            raise
        return replace(row, problem=" ".join(str(error).split()))
    except Exception as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        if not name:
            blind = " It acts on simulator ground truth, which is not made up." if policy.spec.privileged else ""
            raise PolicyFailure(f"policy {row.policy} raised {said}.{blind}") from error
        return replace(row, problem=said)


@contextmanager
def _threads(point: Point) -> Iterator[None]:
    """PyTorch with the point's threads.

    Raises:
        UsageError: there is no PyTorch whose threads could be set.
    """
    torch = pytorch()
    if point.threads is None or torch is None:
        if point.threads is not None:
            raise UsageError(
                "this policy uses no PyTorch, whose threads could be set here; set OMP_NUM_THREADS before the command"
            )
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(point.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _add_roof(roofs: dict[tuple[str, str, int | None], Roof], row: Row) -> None:
    """Measure what the device could do that this row was measured on, if nobody has."""
    torch, weights = pytorch(), row.weights
    if torch is None or weights is None or row.timing is None or row.work is None or not weights.dtypes:
        return
    device, dtype = weights.device.partition(",")[0], next(iter(weights.dtypes))
    threads = (row.point.threads or torch.get_num_threads()) if device == "cpu" else None
    if (device, dtype, threads) not in roofs:
        with _threads(replace(row.point, threads=threads)):
            roofs[device, dtype, threads] = measure_roof(torch, device, dtype, threads)


def _device(rows: Sequence[Row]) -> str:
    """The GPU if any weights are on one, else the processor."""
    torch = pytorch()
    on_gpu = any(row.weights is not None and row.weights.device.startswith("cuda") for row in rows)
    return str(torch.cuda.get_device_name()) if on_gpu else str(host.machine()["cpu"])


def _facts(load: float, rows: Sequence[Row]) -> dict[str, str]:
    torch, machine = pytorch(), host.machine()
    threads = "not known: the policy uses no PyTorch" if torch is None else f"{torch.get_num_threads()} (PyTorch)"
    dtypes = dict.fromkeys(name for row in rows if row.weights for name in row.weights.dtypes)
    devices = dict.fromkeys(row.weights.device for row in rows if row.weights and row.weights.device)
    return {
        "processor": f"{machine['cpu']}, {usable_cores()} cores may be used, {machine['memory_gib']} GiB",
        "GPUs": ", ".join(machine["gpus"]) or "none",
        "weights on": ", ".join(devices) or "not known",
        "type of numbers": ", ".join(dtypes) or "not known",
        "threads": threads,
        "load before": f"{load:.1f} programs wanted a core",
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in {
                "mmact-eval": __version__, "Python": machine["python"], **machine["packages"],
            }.items()
        ),
        "platform": str(machine["platform"]),
    }  # fmt: skip


def as_json(made: Profile) -> dict[str, Any]:
    """All of it as plain data, with what follows from it."""
    data = asdict(made)
    for row, plain in zip(made.rows, data["rows"], strict=True):
        derived = ("answers_per_s", "actions_per_s", "tokens", "passes", "tokens_per_s", "flops_per_s")
        plain |= {name: getattr(row, name) for name in derived}
        for key, work in (("work", row.work), ("first_work", row.first_work)):
            if work is not None:
                plain[key] |= {name: getattr(work, name) for name in ("flops", "attention_share", "intensity")}
    return {"profile_version": 1, **data, "not_real": list(made.not_real), "unknown": list(made.unknown)}
