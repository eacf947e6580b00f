"""What is wrong with a checkpoint is said in one sentence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmact import load
from mmact_eval.policies.mmact.config import ModelConfig, config_json, parse_config
from mmact_eval.policies.mmact.model import MMACT
from mmact_eval.policies.mmact.random_weights.new_checkpoint import SIZES, write_checkpoint, write_model


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint. Its large files are links: delete one before writing another in its place."""

    def link_or_copy(source: str, target: str) -> str:
        large = source.endswith((".safetensors", "tokenizer.json"))
        os.link(source, target) if large else shutil.copy(source, target)
        return target

    return shutil.copytree(checkpoint, tmp_path / "copy", copy_function=link_or_copy)


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder / "model", folder / "quantizer", **{"device": "cpu", **options})
    message = str(caught.value)
    assert "\n" not in message
    return message


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_shards_load_like_one_file(model: MMACT, checkpoint: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", SIZES["tiny"][0], shard_bytes=17_500_000)
    assert len(list((tmp_path / "model").glob("*.safetensors"))) == 3
    sharded = load(tmp_path / "model", checkpoint / "quantizer", "cpu", "float32")
    expected = model.predictor.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in sharded.predictor.state_dict().items())


def test_weights_in_pytorchs_older_format_load(model: MMACT, copy: Path) -> None:
    path = copy / "quantizer" / "pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    loaded = load(copy / "model", copy / "quantizer", "cpu", "float32")
    expected = model.quantizer.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.quantizer.state_dict().items())


@pytest.fixture
def in_pytorchs_format(copy: Path) -> dict[str, torch.Tensor]:
    """The transformer's tensors, whose file is gone."""
    path = copy / "model" / "model.safetensors"
    tensors: dict[str, torch.Tensor] = load_file(path)
    path.unlink()
    return tensors


def test_shards_in_pytorchs_older_format_load(
    model: MMACT, copy: Path, in_pytorchs_format: dict[str, torch.Tensor]
) -> None:
    names = sorted(in_pytorchs_format)
    shards = {"pytorch_model-00001-of-00002.bin": names[:9], "pytorch_model-00002-of-00002.bin": names[9:]}
    for file, part in shards.items():
        torch.save({name: in_pytorchs_format[name] for name in part}, copy / "model" / file)
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (copy / "model" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    same_transformer(copy, model)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "module", ""])
def test_what_training_loops_save_beside_and_around_the_tensors_is_left_out(
    model: MMACT, copy: Path, in_pytorchs_format: dict[str, torch.Tensor], wrapper: str
) -> None:
    state: dict[str, Any] = {wrapper: in_pytorchs_format} if wrapper else dict(in_pytorchs_format)
    torch.save({**state, "epoch": 3, "loss": 0.5, "optimizer": {"step": 7}}, copy / "model" / "pytorch_model.bin")
    same_transformer(copy, model)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"step": np.int64(5)}, r"holds more than tensors and plain numbers \(numpy[\w.]*scalar\)"),
        ([torch.zeros(1)], "holds no tensors by name, but a list"),
        ({"epoch": 3}, "holds no tensors by name, but a dict with epoch"),
        (torch.zeros(1), "holds no tensors by name, but a Tensor"),
    ],
)
def test_a_pytorch_file_of_something_else(
    copy: Path, in_pytorchs_format: dict[str, torch.Tensor], saved: Any, message: str
) -> None:
    torch.save(saved, copy / "model" / "pytorch_model.bin")
    assert re.search(message, refusal(copy))


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04 half a file"])
def test_a_broken_pytorch_file(copy: Path, in_pytorchs_format: dict[str, torch.Tensor], content: bytes) -> None:
    (copy / "model" / "pytorch_model.bin").write_bytes(content)
    message = refusal(copy)
    assert "\x1b" not in message
    assert str(copy / "model") in message


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": {"a": 1}}'])
def test_an_index_of_another_shape(copy: Path, text: str) -> None:
    (copy / "model" / "model.safetensors.index.json").write_text(text)
    assert 'does not say which file each tensor is in: it has no "weight_map"' in refusal(copy)


@pytest.mark.parametrize("place", ["model", "quantizer"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(copy: Path, place: str, value: float) -> None:
    (path,) = (copy / place).glob("*.safetensors")
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("weight") and tensors[name].ndim > 1)
    tensors[name].view(-1)[-1] = value
    path.unlink()
    save_file(tensors, path)
    assert f"hold NaN or infinity in {name}" in refusal(copy)


def test_weights_of_integers(copy: Path, in_pytorchs_format: dict[str, torch.Tensor]) -> None:
    eighths = {name: tensor.to(torch.int8) for name, tensor in in_pytorchs_format.items()}
    save_file(eighths, copy / "model" / "model.safetensors")
    assert "hold int8 numbers in model.transformer.wte.weight; quantized weights are not read" in refusal(copy)


def test_weights_too_large_for_a_type(copy: Path, in_pytorchs_format: dict[str, torch.Tensor]) -> None:
    in_pytorchs_format["model.transformer.ln_f.weight"][0] = 1e5
    save_file(in_pytorchs_format, copy / "model" / "model.safetensors")
    message = refusal(copy, dtype="float16")
    assert "do not fit into float16: model.transformer.ln_f.weight holds numbers up to 1e+05" in message
    load(copy / "model", copy / "quantizer", device="cpu", dtype="bfloat16")


@pytest.mark.parametrize("config", ["[]", '{"encoder_widths": 5}', '{"channels": "many"}'])
def test_an_image_tokenizers_config_of_another_shape(copy: Path, config: str) -> None:
    (copy / "quantizer" / "config.json").write_text(config)
    assert "image tokenizer" in refusal(copy) or "is not a JSON object" in refusal(copy)


def test_a_random_checkpoint_follows_from_its_seed(tmp_path: Path) -> None:
    made = {}
    for name, seed in {"zero": 0, "one": 1, "one again": 1, "large": 2**31}.items():
        write_checkpoint(tmp_path / name, "tiny", seed=seed)
        files = sorted((tmp_path / name).glob("*/*.safetensors"))
        made[name] = [hashlib.blake2b(file.read_bytes()).hexdigest() for file in files]
        shutil.rmtree(tmp_path / name)
    assert made["one"] == made["one again"]
    for part in range(2):  # transformer and image tokenizer
        assert len({made[name][part] for name in ("zero", "one", "large")}) == 3


def same_transformer(folder: Path, model: MMACT) -> None:
    loaded = load(folder / "model", folder / "quantizer", "cpu", "float32").predictor.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in model.predictor.state_dict().items())


def test_bfloat16_is_for_the_transformer_only(checkpoint: Path) -> None:
    model = load(checkpoint / "model", checkpoint / "quantizer", "cpu", "bfloat16")
    assert {tensor.dtype for tensor in model.predictor.state_dict().values()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.quantizer.parameters()} == {torch.float32}
    ids = torch.arange(126080, 126100)[None]
    exact = MaskedTokenPredictor(model.config)
    exact.load_state_dict({name: tensor.float() for name, tensor in model.predictor.state_dict().items()})
    with torch.inference_mode():
        for attention in (None, torch.ones(1, 1, 1, 20, dtype=torch.bool), torch.ones(1, 1, 20, 20)):
            rough = model.predictor.logits(model.predictor(ids, attention))
            assert rough.dtype == torch.bfloat16
            assert (rough.float() - exact.logits(exact(ids, attention))).abs().max() < 0.1


def test_the_published_config_is_read_back() -> None:
    written = config_json(ModelConfig(), "bfloat16")
    assert parse_config(written) == ModelConfig()
    assert (written["vocab_size"], written["embedding_size"], written["llm_vocab_size"]) == (136704, 136704, 126464)


def test_missing_files(copy: Path, tmp_path: Path) -> None:
    (copy / "quantizer" / "pytorch_model.safetensors").unlink()
    assert "quantizer has no weights" in refusal(copy)
    (copy / "model" / "tokenizer.json").unlink()
    assert "is no MM-ACT checkpoint: it has no tokenizer.json" in refusal(copy)
    (copy / "model" / "config.json").unlink()
    assert "is no MM-ACT checkpoint: it has no config.json" in refusal(copy)
    assert f"no checkpoint at {tmp_path}/nothing/model" in refusal(tmp_path / "nothing")


def test_a_missing_shard(copy: Path) -> None:
    index = copy / "model" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}))
    assert "lacks model-2.safetensors, which model.safetensors.index.json names" in refusal(copy)


@pytest.mark.parametrize("kept", [0, 5, 1000, -1000])
def test_a_truncated_shard(copy: Path, kept: int) -> None:
    path = copy / "model" / "model.safetensors"
    start = path.read_bytes()[:kept]
    path.unlink()
    path.write_bytes(start)
    assert "model.safetensors is damaged or incomplete" in refusal(copy)


def test_missing_unexpected_and_misshapen_tensors_in_one_message(copy: Path) -> None:
    path = copy / "model" / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    for number in (0, 1):
        tensors.pop(f"model.transformer.blocks.{number}.q_proj.weight")
    tensors["model.transformer.wpe.weight"] = torch.zeros(1)
    tensors["model.transformer.ln_f.weight"] = torch.zeros(31)
    save_file(tensors, path)
    message = refusal(copy)
    assert "2 missing: model.transformer.blocks.0.q_proj.weight, model.transformer.blocks.1.q_proj.weight;" in message
    assert "1 unexpected: model.transformer.wpe.weight;" in message
    assert "1 misshapen: model.transformer.ln_f.weight is [31] and should be [32]" in message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "llada"}, "model_type must be \"mmact\", got 'llada'"),
        ({"weight_tying": True}, "weight_tying is True, and only False is supported"),
        ({"mask_token_id": 5}, "mask_token_id is 5, and only 126336 is supported"),
        ({"vocab_size": 126464}, "wrong vocabulary: vocab_size 126464, embedding_size 136704"),
        ({"vocab_size": 126464, "embedding_size": 126464}, "wrong vocabulary: 126464 ids do not hold"),
        ({"action_vocab_size": "many"}, "wrong vocabulary: action_vocab_size must be an integer, got 'many'"),
        ({"n_heads": 3}, "d_model 32 is no even multiple of n_heads 3"),
        ({"n_layers": 0}, "n_layers must be an integer ≥ 1, got 0"),
    ],
)
def test_another_models_config(copy: Path, values: dict[str, Any], message: str) -> None:
    change_config(copy, **values)
    assert message in refusal(copy)


def test_a_config_that_is_no_json(copy: Path) -> None:
    (copy / "model" / "config.json").write_text("{")
    assert "cannot read" in refusal(copy)


def test_a_tokenizer_of_another_length(copy: Path) -> None:
    path = copy / "model" / "tokenizer.json"
    data = json.loads(path.read_text())
    data["added_tokens"].pop()
    path.unlink()
    path.write_text(json.dumps(data))
    assert "wrong vocabulary" in refusal(copy)
    assert "has 126348 tokens, and MM-ACT's has 126349" in refusal(copy)


def test_a_device_or_type_that_is_not_there(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert 'no device "cuda": PyTorch' in refusal(checkpoint, device="cuda")
    assert 'no device "gpu"' in refusal(checkpoint, device="gpu")
    assert 'no dtype "int8"; use auto, float32' in refusal(checkpoint, dtype="int8")
    assert "pad_mask must be bool or additive, got 'none'" in refusal(checkpoint, pad_mask="none")


def test_the_hub_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        load("hhyhrhy/MM-ACT-Model/LIBERO/MM-ACT-object@main", device="cpu")
    message = str(caught.value)
    assert message.startswith(
        "no checkpoint at hhyhrhy/MM-ACT-Model/LIBERO/MM-ACT-object@main: there is no such folder"
    )
    assert "\n" not in message


def test_the_hub_is_asked_for_the_sub_folder_of_the_revision(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any, list[str]]] = []
    stored = ["config.json", "model/config.json", "model/a.safetensors", "model/deeper/b.safetensors", "c.safetensors"]

    def snapshot(repo: str, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        files = filter_repo_objects(stored, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns)
        asked.append((repo, revision, list(files)))
        return str(checkpoint)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    load("someone/things/model@v1.0", "someone/things/quantizer", device="cpu", dtype="float32")
    assert asked[0] == ("someone/things", "v1.0", ["model/config.json", "model/a.safetensors"])
    assert asked[1] == ("someone/things", None, [])
    with pytest.raises(UsageError, match='someone/things on the hub has no folder "other"'):
        load("someone/things/other", "someone/things/quantizer", device="cpu")
    with pytest.raises(UsageError, match=r"it has no config\.json"):
        load("someone/things", "someone/things/quantizer", device="cpu")
    assert asked[-2] == ("someone/things", None, ["config.json", "c.safetensors"])


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmact_eval.policies.mmact.PACKAGES", ("torch", "no_such_package"))
    with pytest.raises(UsageError, match=r'needs no_such_package: pip install "mmact-eval\[mmact\]"'):
        load("somewhere")
