"""A small text tokenizer in the published layout, for checkpoints with random weights.

It has as many tokens as the published one and the same ids for what is special, so that image codes and bins lie where
they should. Its text part is bytes and some words; the rest of the ids are placeholders that no text leads to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmact_eval.policies.llada.vocabulary import BOS, EOS, MASK, TEXT_SIZE

# Names that LLaDA's tokenizer has; the other special tokens are "reserved".
NAMED = {
    BOS: "<|startoftext|>",
    EOS: "<|endoftext|>",
    126082: "[CLS]",
    126083: "[gMASK]",
    MASK: "<|mdm_mask|>",
    126346: "<|start_header_id|>",
    126347: "<|end_header_id|>",
    126348: "<|eot_id|>",
}
# Words that become one token, so that prompts have about the length they have with the real tokenizer.
WORDS = (
    "The current states of robot is third head view wrist left right Robot's action dim a above all an "
    "and arm at back basket bin black block blue book both bottle bottom bowl box brown butter by cabinet "
    "can caddy carton center cheese chocolate close compartment cook cookie cream cup dish door down "
    "drawer drop dressing each first for forward from front grab grasp green grip gripper hand handle "
    "hold in inside into it juice ketchup lid lift lower large left light middle milk moka mug near next "
    "object of off on onto open orange out over pan pick place plate porridge pot press pudding pull push "
    "put ramekin red right salad sauce seat shelf side slide small soup spoon stand stove sugar table "
    "take that the them then to tomato top towards tray turn two up upright use white wine with wooden "
    "yellow"
)


def tokenizer_json() -> dict[str, Any]:
    """The contents of a tokenizer.json."""
    letters = list(_byte_letters().values())
    pieces, merges = dict.fromkeys(letters), []
    for word in dict.fromkeys(WORDS.split()):
        for spelled in (word, _byte_letters()[ord(" ")] + word):
            # Every merge starts at the beginning of a word, so that no word's merges get into the way of another's.
            for end in range(1, len(spelled)):
                if spelled[: end + 1] not in pieces:
                    pieces[spelled[: end + 1]] = None
                    merges.append([spelled[:end], spelled[end]])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    vocabulary |= {f"<|unused_{index}|>": index for index in range(len(pieces), BOS)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special_tokens(BOS),
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [" ".join(merge) for merge in merges],
        },
    }


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json, and a tokenizer_config.json so that other libraries can load it as well."""
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(), ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(), indent=2), encoding="utf-8")


def tokenizer_config() -> dict[str, Any]:
    """The contents of a tokenizer_config.json."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": NAMED[BOS],
        "eos_token": NAMED[EOS],
        "pad_token": NAMED[EOS],
        "clean_up_tokenization_spaces": False,
    }


def special_tokens(first: int) -> list[dict[str, Any]]:
    """The special tokens, from this id on, as tokenizer.json has them."""
    return [_special(index - BOS + first, name) for index, name in _special_names()]


def _special_names() -> Iterator[tuple[int, str]]:
    reserved = 0
    for index in range(BOS, TEXT_SIZE):
        if index in NAMED:
            yield index, NAMED[index]
        else:
            yield index, f"<|reserved_token_{reserved}|>"
            reserved += 1


def _special(index: int, name: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": name, **flags, "special": True}


def _byte_letters() -> dict[int, str]:
    """Byte → the letter that stands for it in a byte-level vocabulary: itself if visible, else one from 256 up."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) if byte in visible else chr(256 + hidden.index(byte)) for byte in range(256)}
