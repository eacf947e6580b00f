"""Without PyTorch, nothing here is collected."""

from __future__ import annotations

import importlib.util
from pathlib import Path

if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers", "huggingface_hub")):
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py")]
