"""The size of an MMaDA-VLA, read from the config.json and args.json of a checkpoint, and written to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import vocabulary as shared
from mmact_eval.policies.llada.config import (
    CONFIG_FILE,
    TransformerConfig,
    check_family,
    check_fixed,
    read_json,
    read_sizes,
    sizes_json,
    special_ids,
)
from mmact_eval.policies.llada.vocabulary import Vocabulary
from mmact_eval.policies.mmada_vla.states import Ranges, read_ranges
from mmact_eval.policies.mmada_vla.vocabulary import ACTION_BINS, PUBLISHED, vocabulary

ARGS_FILE = "args.json"
"""All arguments of the training; few of them matter here."""

DIM = 7
"""Numbers in an action."""

TEXT_SLOT = 128
"""Tokens that instruction and state get, if args.json does not say it."""

Attention = Literal["full", "hybrid"]
ATTENTIONS: tuple[Attention, ...] = ("full", "hybrid")
"""``full``: everything to everything, pads included: the released code makes the paper's mask and never applies it.
``hybrid``: the paper's mask."""

State = Literal["text", "none", "bins"]
STATES: tuple[State, ...] = ("text", "none", "bins")
"""``text``: the state is written behind the instruction. ``none``: it is not told. ``bins``: it is written there, its
numbers scaled to whole ones from 0 to 255, as pi0.5 reads states."""

TEXT_SIZE = "text_vocab_size"
"""Our key for the length of the tokenizer, in the files of models with another one than the published. Only such models
may have another number of codes in a picture. Other keys of ours are those of `ModelConfig`'s fields below `text_slot`;
a file without them is of a published model, or like one."""

T = TypeVar("T")


@dataclass(frozen=True)
class ModelConfig(TransformerConfig):
    """Size and constants of MMaDA-VLA; the defaults are those of the published model for LIBERO.

    Attributes:
        vocabulary: of the transformer.
        chunk: actions in an answer.
        text_slot: tokens for instruction and state, pads included.
        goal: whether the sequence has a goal picture.
        attention: what attends to what, as it was trained.
        state: how the state is told.
        state_decimals: to which its numbers are rounded if it is written as text; None for none: as Python writes them.
        state_ranges: by which its numbers are scaled if it is written in bins, else None.
    """

    vocabulary: Vocabulary = PUBLISHED
    chunk: int = 5
    text_slot: int = TEXT_SLOT
    goal: bool = True
    attention: Attention = "full"
    state: State = "text"
    state_decimals: int | None = None
    state_ranges: Ranges | None = None

    @property
    def action_tokens(self) -> int:
        return DIM * self.chunk

    @property
    def goal_tokens(self) -> int:
        return self.vocabulary.image_tokens if self.goal else 0


def variant_name(goal: bool, attention: Attention) -> str:
    """What a training calls such a model: ``goal``, ``no-goal``, ``goal-hybrid`` or ``no-goal-hybrid``."""
    return f"{'' if goal else 'no-'}goal{'-hybrid' if attention == 'hybrid' else ''}"


def read_config(folder: Path) -> ModelConfig:
    """The config of the checkpoint in a folder.

    Raises:
        UsageError: there is none, a file is no JSON object, or it describes something other than MMaDA-VLA.
    """
    data = read_json(folder, "MMaDA-VLA")
    try:
        return parse_config(data, _args(folder))
    except UsageError as error:
        raise UsageError(f"{folder / CONFIG_FILE}: {error}") from None


def _args(folder: Path) -> Mapping[str, Any]:
    path = folder / ARGS_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path} is not a JSON object")
    return data


def parse_config(data: Mapping[str, Any], args: Mapping[str, Any]) -> ModelConfig:
    """The config in the words of a published config.json and args.json.

    Raises:
        UsageError: a size is missing or senseless, they contradict each other, or ask for another architecture.
    """
    check_family(data, "mmadavla")
    words = vocabulary(
        _whole(data, "vocab_size", None),
        _whole(data, "vision_codebook_size", shared.CODEBOOK_SIZE),
        _whole(data, "action_codebook_size", ACTION_BINS),
        _whole(data, TEXT_SIZE, shared.TEXT_SIZE),
        _whole(data, "vision_num_vq_tokens", shared.IMAGE_TOKENS) if TEXT_SIZE in data else shared.IMAGE_TOKENS,
    )
    check_fixed(data, {**special_ids(words), "vision_num_vq_tokens": words.image_tokens})
    tokens = _whole(data, "action_num_vq_tokens", None)
    chunk = _whole(args, "action_chunk_size", tokens // DIM)
    if tokens < DIM or tokens != DIM * chunk:
        raise UsageError(
            f"action_num_vq_tokens is {tokens}, and a chunk of {chunk} actions (action_chunk_size in {ARGS_FILE}) has "
            f"{DIM * chunk}"
        )
    slot = _whole(args, "max_text_len", TEXT_SLOT)
    if slot < 2:
        raise UsageError(f"max_text_len in {ARGS_FILE} must be 2 at least, got {slot}")
    decimals = None if data.get("state_decimals") is None else _whole(data, "state_decimals", None)
    if decimals is not None and not 0 <= decimals <= 17:
        raise UsageError(f"state_decimals must be 0 to 17, got {decimals}")
    state, ranges = _one_of(data, "state", STATES), data.get("state_ranges")
    if (state == "bins") != (ranges is not None):
        raise UsageError('state_ranges and "state": "bins" need each other')
    return ModelConfig(
        **read_sizes(data),
        vocabulary=words,
        chunk=chunk,
        text_slot=slot,
        goal=_one_of(data, "goal", (True, False)),
        attention=_one_of(data, "attention", ATTENTIONS),
        state=state,
        state_decimals=decimals,
        state_ranges=None if ranges is None else read_ranges(ranges),
    )


def _one_of(data: Mapping[str, Any], name: str, values: tuple[T, ...]) -> T:
    """The first is what a published file means."""
    value = data.get(name, values[0])
    found = next((known for known in values if known == value and type(known) is type(value)), None)
    if found is None:
        raise UsageError(f"{name} must be {' or '.join(json.dumps(known) for known in values)}, got {value!r}")
    return found


def _whole(data: Mapping[str, Any], name: str, default: int | None) -> int:
    value = data.get(name, default)
    if type(value) is not int:
        raise UsageError(f"{name} must be an integer, got {value!r}")
    return value


def config_json(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """What a checkpoint's config.json says."""
    words = config.vocabulary
    sizes = {
        "vision_codebook_size": words.codebook,
        "vision_num_vq_tokens": words.image_tokens,
        "action_codebook_size": words.bins,
        "action_num_vq_tokens": config.action_tokens,
    }
    identity = {"model_type": "mmadavla", "architectures": ["MMaDAVLAModelLM"], "torch_dtype": dtype}
    return dict(sorted({**identity, **sizes_json(config), **sizes, **_departures(config)}.items()))


def _departures(config: ModelConfig) -> dict[str, Any]:
    """What only our files say: where a model is not like the published ones."""
    own = {name: getattr(config, name) for name in ("goal", "attention", "state", "state_decimals", "state_ranges")}
    found = {name: value for name, value in own.items() if value != getattr(ModelConfig, name)}
    if config.vocabulary.text != shared.TEXT_SIZE:
        found[TEXT_SIZE] = config.vocabulary.text
    return found


def args_json(config: ModelConfig) -> dict[str, Any]:
    """What its args.json says, as far as it matters here."""
    return {"action_chunk_size": config.chunk, "max_text_len": config.text_slot}
