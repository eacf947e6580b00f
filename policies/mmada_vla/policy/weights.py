"""Where a policy's files are, and what binds a run to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada.policy.pinning import both_parts, pinned, weights_version
from mmact_eval.policies.llada.policy.trained import checkpoint_in
from mmact_eval.policies.mmada_vla import QUANTIZER, TOKENIZER
from mmact_eval.policies.mmada_vla.own.nano import NANO, nano_checkpoint
from mmact_eval.policies.mmada_vla.policy.tiny import TINY, tiny_checkpoint

COLLECTION = "yliu-cs/mmada-vla"
"""On the hub, where the authors' README says that their weights are."""

NO_CHECKPOINT = (
    "policy mmada-vla comes with no weights for this robot: --policy-args checkpoint=FOLDER or owner/name, of the "
    f"authors' collection {COLLECTION} on the Hugging Face hub. To try it out with random weights, checkpoint={TINY}, "
    "or write some with `mmact-eval mmada-vla new-checkpoint --size tiny --out FOLDER` and give FOLDER."
)


@dataclass(frozen=True)
class Place:
    """A file or folder.

    Attributes:
        location: as it was named; "" where what holds it is pinned, or needs not be.
        path: where it is.
    """

    location: str
    path: Path

    def pinned(self) -> str:
        """The location with a commit or a hash of the content."""
        return pinned(self.location, self.path) if self.location else ""


@dataclass(frozen=True)
class Weights:
    """The files of one model.

    Attributes:
        model: folder of the transformer.
        quantizer: folder of the image tokenizer.
        tokenizer: the text tokenizer's folder.
        action_stats: what actions were normalized with; None for the file beside the transformer.
        random: they are `TINY`.
        version: of `NANO`; "" for others.
    """

    model: Place
    quantizer: Place
    tokenizer: Place
    action_stats: Place | None
    random: bool
    version: str = ""

    def checkpoint(self) -> str:
        """For `PolicySpec.checkpoint`."""
        return TINY if self.random else self.version or self.model.pinned()

    def others(self) -> dict[str, str]:
        """For `PolicySpec.config`: files that do not lie beside the transformer."""
        return {
            "quantizer": self.quantizer.pinned(),
            "tokenizer": self.tokenizer.pinned(),
            "action_stats": self.action_stats.pinned() if self.action_stats else "",
        }


def find_weights(
    checkpoint: str, quantizer: str, tokenizer: str, action_stats: str, chunk: int, variant: str | None = None
) -> Weights:
    """Look for everything, downloading what is on the hub.

    Args:
        checkpoint, quantizer, tokenizer, action_stats: as `make_policy` has them, "" if not given.
        chunk: actions in an answer of random weights.
        variant: which checkpoint of a training is meant.

    Raises:
        UsageError: something is not where it should be; says what to do.
    """
    from mmact_eval.policies.llada import checkpoint as checkpoints
    from mmact_eval.policies.llada.tokenizer import TOKENIZER_FILE
    from mmact_eval.policies.mmada_vla.loading import tokenizer_folder

    random, ours = checkpoint == TINY, checkpoint == NANO
    if random or ours:
        folder, images = both_parts(tiny_checkpoint(chunk) if random else nano_checkpoint())
    else:
        folder, images = both_parts(checkpoint_in(checkpoints.find(checkpoint), "mmada-vla", variant))
    if images and not quantizer:
        own = Place("" if random or ours else str(images), images)
    else:
        own = Place(quantizer or QUANTIZER, checkpoints.find_images(quantizer or QUANTIZER))
    words = tokenizer_folder(folder, tokenizer or None)
    return Weights(
        model=Place(checkpoint, folder),
        quantizer=own,
        tokenizer=Place("" if words == folder else tokenizer or TOKENIZER, words / TOKENIZER_FILE),
        action_stats=Place(action_stats, expanded(action_stats)) if action_stats else None,
        random=random,
        version=f"{NANO}@{weights_version(folder, *([images] if images else []))}" if ours else "",
    )
