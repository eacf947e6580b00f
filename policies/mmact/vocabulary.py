"""MM-ACT's vocabulary: special tokens that mean this to MM-ACT alone, and the published sizes."""

from __future__ import annotations

from mmact_eval.policies.llada.vocabulary import CODEBOOK_SIZE, Vocabulary

# What is asked for: the first token of a prompt.
TASK_IMAGE = 126088  # t2i
TASK_TEXT = 126089  # mmu
TASK_ACTION = 126097  # mm2a

# Brackets around a block.
ACTION_START, ACTION_END = 126098, 126099
STATE_START, STATE_END = 126102, 126103

# The number of action dimensions.
DIM_7, DIM_14 = 126100, 126101

VOCAB_SIZE = 136704
ACTION_BINS = 2048

PUBLISHED = Vocabulary(VOCAB_SIZE, CODEBOOK_SIZE, ACTION_BINS)
"""The bins are the last ids."""
