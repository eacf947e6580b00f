"""The whole probe: asks, searches, judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mmact_eval.errors import PolicyContractError, UsageError
from mmact_eval.probe import answers as plain_checks
from mmact_eval.probe import judge
from mmact_eval.probe.alterations import Alteration, alterations
from mmact_eval.probe.asking import Asker
from mmact_eval.probe.dimensions import amounts, drifts, informative
from mmact_eval.probe.finding import Finding
from mmact_eval.probe.readings import readings
from mmact_eval.probe.reference import Reference
from mmact_eval.probe.search import Searcher
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.wording import counted

LEAST_EPISODES = 4
"""With fewer, no interval says anything."""

_HORIZON = 8
"""How many actions of an answer are compared, at most: later ones depend on what was seen in between."""

LIMITS = (
    "statistics that are wrong by less than a factor of four",
    "states that the policy gets wrong in a way that is not listed",
    "wording of the instruction",
    "whether the policy is good: only a run tells that",
)
"""What a probe cannot know."""


@dataclass(frozen=True)
class ProbeReport:
    """What a probe found.

    Attributes:
        policy: its name.
        suite: the suite's.
        source: where the reference comes from, in words.
        frames, episodes: how many were shown.
        queries: how many the policy was asked.
        findings: by check.
        tried: every hypothesis with its agreement, beside the plain one.
        not_real: what is not the real thing about policy and environment.
    """

    policy: str
    suite: str
    source: str
    frames: int
    episodes: int
    queries: int
    findings: tuple[Finding, ...]
    tried: tuple[dict[str, Any], ...]
    not_real: tuple[str, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults."""
        return tuple(finding for finding in self.findings if finding.verdict == "fault")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        counts = Counter(finding.verdict for finding in self.findings)
        return {"ok": not self.faults, "counts": dict(counts), **asdict(self), "cannot_know": list(LIMITS)}


def probe(
    policy: Policy,
    env_spec: EnvSpec,
    suite: str,
    rotation: int,
    reference: Reference,
    max_batch: int = 32,
    timeout: float = 600.0,
    say: Callable[[str], None] = lambda text: None,
) -> ProbeReport:
    """Show a policy an expert's observations and judge its answers.

    Args:
        policy: fits the environment (`compat.check`), or nearly.
        env_spec: the environment.
        suite: its suite's name.
        rotation: ``protocol.rotation``.
        reference: what to show.
        max_batch: most queries at once.
        timeout: seconds the policy may take for them.
        say: tells the user what is being done.

    Raises:
        UsageError: the policy cannot be probed this way: it needs ground truth, or the reference is too small.
        RunAborted: the policy does not answer in time.
    """
    spec, action, frames = policy.spec, env_spec.action, reference.frames
    if spec.privileged:
        raise UsageError(f'policy "{spec.name}" acts on simulator ground truth; there is no picture to get wrong.')
    if len(reference.episodes) < LEAST_EPISODES:
        raise UsageError(
            f"{counted(len(reference.episodes), 'episode of the expert is', 'episodes of the expert are')} too few to "
            f"tell anything; at least {LEAST_EPISODES} "
            "are needed: --episodes, --tasks."
        )
    asker = Asker(policy, frames, max_batch, timeout)
    not_real = tuple(text for text in (spec.not_real, env_spec.not_real) if text)

    def report(found: list[Finding], tried: tuple[dict[str, Any], ...] = ()) -> ProbeReport:
        shown = (len(frames), len(reference.episodes), asker.asked)
        return ProbeReport(spec.name, suite, reference.source, *shown, tuple(found), tried, not_real)

    say("observations as they are")
    try:
        plain = asker.ask()
    except PolicyContractError as error:
        return report([Finding(plain_checks.GROUP, "shape", "fault", str(error), f"return (T, {action.dim}) actions")])
    found = [plain_checks.check_numbers(plain)]
    if not plain.complete:
        return report(found)
    horizon = min(_HORIZON, max(spec.replan or spec.chunk, 2))
    clusters = reference.clusters()
    acted = [frame.actions for frame in frames]
    seen = [frame.observation for frame in frames]
    telling = informative(amounts(acted, seen, [min(horizon, len(chunk)) for chunk in acted], action), action)
    if not telling:
        raise UsageError("the expert does the same in every frame of the reference; take other tasks.")
    searcher = Searcher(asker, frames, clusters, horizon, action, telling, say)
    _, expert = searcher.amounts(plain)
    again, other = asker.ask(), asker.ask(index=1)
    found += [
        plain_checks.check_constant(plain, expert, telling),
        plain_checks.check_range(plain, action),
        plain_checks.check_saturation(plain, acted, action),
        plain_checks.check_repeat(plain, again, other, spec),
    ]
    inputs = alterations(spec, env_spec, rotation)
    search = searcher.search(plain, inputs, readings(action, telling))
    lengths = searcher.lengths(plain)
    found += [
        judge.judge_task(search),
        *judge.judge_inputs(search, searcher.noise(plain, other)),
        *judge.judge_hypotheses(search),
        judge.judge_scale(search, telling),
        *judge.judge_levels(search, telling, action),
        judge.judge_order(
            search,
            drifts(plain.usable(), lengths),
            drifts(acted, lengths),
            clusters,
            telling,
        ),
    ]
    tried = tuple(
        {
            "hypothesis": comparison.hypothesis.name,
            "plain": comparison.plain,
            "other": comparison.other,
            "gain": comparison.gain.value,
            "error_of_gain": comparison.gain.error,
            "change": comparison.change,
            "put_right": comparison in search.faults,
            "failed": comparison.error,
            "input": isinstance(comparison.hypothesis, Alteration),
        }
        for comparison in [*search.faults, *search.rest]
    )
    return report(found, tried)
