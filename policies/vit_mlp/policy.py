"""The policy ``vit-mlp``: which weights, for which robot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.option_checks import Checks
from mmact_eval.policies.llada.policy.pinning import pinned
from mmact_eval.policies.vit_mlp import load, require_packages
from mmact_eval.policies.vit_mlp.robots import ROBOTS, robot_of
from mmact_eval.specs import TRAINED_ON, EnvSpec, PolicySpec

if TYPE_CHECKING:
    from mmact_eval.policies.vit_mlp.acting import VitMlpPolicy

CHECKS = Checks("vit-mlp")
NO_CHECKPOINT = (
    "policy vit-mlp comes with no weights: train some with `mmact-eval train vit-mlp` (docs/training.md) and give "
    "--policy-args checkpoint=FOLDER. To try it out with random weights, write some with `mmact-eval vit-mlp "
    "new-checkpoint --out FOLDER`."
)


def make_policy(
    env_spec: EnvSpec, checkpoint: str = "", replan: int | None = None, device: str = "auto"
) -> VitMlpPolicy:
    """Entry point ``vit-mlp``.

    Args:
        env_spec: says which robot it is: LIBERO's or CALVIN's arm.
        checkpoint: a folder that `mmact-eval train` wrote, or ``owner/name[/sub/folder][@revision]`` on the Hugging
            Face hub.
        replan: how many actions are executed before the next query; by default the whole chunk.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: a value makes no sense, packages or files are missing, or the environment's robot is another one.
    """
    robot = robot_of(env_spec)
    weights, place = CHECKS.texts(checkpoint=checkpoint, device=device)
    if replan is not None:
        CHECKS.whole("replan", replan, least=1)
    if not weights:
        raise UsageError(NO_CHECKPOINT)
    require_packages()
    from mmact_eval.policies.vit_mlp.acting import VitMlpPolicy
    from mmact_eval.policies.vit_mlp.loading import find

    folder = find(weights)
    model = load(folder, place)
    config = model.config
    if config.robot != robot.robot:
        named = f"{config.robot}'s robot" if config.robot in ROBOTS else f"a robot {config.robot!r}"
        raise UsageError(f"policy vit-mlp: {weights} was trained for {named}, and {env_spec.name} has {robot.robot}'s")
    if (config.views, len(config.state_mean)) != (len(robot.cameras), sum(robot.take)):
        raise UsageError(
            f"policy vit-mlp: {weights} takes {config.views} views and a state of {len(config.state_mean)} numbers; "
            f"{robot.robot}'s robot has {len(robot.cameras)} and {sum(robot.take)}"
        )
    if replan is not None:
        CHECKS.whole("replan", replan, least=1, most=config.chunk)
    own = config.mmact_eval
    spec = PolicySpec(
        name=own.name or "vit-mlp",
        action=robot.action,
        chunk=config.chunk,
        replan=replan,
        cameras=robot.cameras,
        state=robot.state,
        image_convention=robot.image_convention,
        checkpoint=pinned(weights, folder),
        not_real="random weights" if config.random_weights else "",
        config={"replan": replan, "dtype": "float32"} | ({TRAINED_ON: dict(own.trained_on)} if own.trained_on else {}),
    )
    return VitMlpPolicy(spec, model, robot)
