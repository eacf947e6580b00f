"""Names and shapes of all tensors are the published ones."""

from __future__ import annotations

import torch

from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.policies.llada.quantizer import Quantizer
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import Vocabulary

Shapes = dict[str, tuple[int, ...]]


def shapes(module: torch.nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def test_the_transformer_has_the_291_published_tensors() -> None:
    expected: Shapes = {
        "model.transformer.wte.weight": (136704, 4096),
        "model.transformer.ff_out.weight": (136704, 4096),
        "model.transformer.ln_f.weight": (4096,),
    }
    of_a_block: Shapes = {
        "attn_norm": (4096,),
        "ff_norm": (4096,),
        "q_proj": (4096, 4096),
        "k_proj": (4096, 4096),
        "v_proj": (4096, 4096),
        "attn_out": (4096, 4096),
        "ff_proj": (12288, 4096),
        "up_proj": (12288, 4096),
        "ff_out": (4096, 12288),
    }
    for block in range(32):
        expected |= {f"model.transformer.blocks.{block}.{name}.weight": size for name, size in of_a_block.items()}
    with torch.device("meta"):
        found = MaskedTokenPredictor(TransformerConfig(vocabulary=Vocabulary(136704, 8192, 2048)))
    assert shapes(found) == expected
    assert len(expected) == 291
    assert sum(parameter.numel() for parameter in found.parameters()) == 8_099_467_264


def convolution(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def group_norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def residual(name: str, inputs: int, outputs: int) -> Shapes:
    shortcut = convolution(f"{name}.nin_shortcut", outputs, inputs, 1) if inputs != outputs else {}
    return {
        **group_norm(f"{name}.norm1", inputs),
        **convolution(f"{name}.conv1", outputs, inputs, 3),
        **group_norm(f"{name}.norm2", outputs),
        **convolution(f"{name}.conv2", outputs, outputs, 3),
        **shortcut,
    }


def middle(name: str) -> Shapes:
    expected = {**residual(f"{name}.block_1", 512, 512), **residual(f"{name}.block_2", 512, 512)}
    expected |= group_norm(f"{name}.attn_1.norm", 512)
    for layer in ("q", "k", "v", "proj_out"):
        expected |= convolution(f"{name}.attn_1.{layer}", 512, 512, 1)
    return expected


def stages(name: str, changes: list[tuple[int, int, int]]) -> Shapes:
    """Of (inputs, outputs, residual blocks) for each stage."""
    expected: Shapes = {}
    for level, (inputs, outputs, blocks) in enumerate(changes):
        for block in range(blocks):
            expected |= residual(f"{name}.{level}.block.{block}", inputs if block == 0 else outputs, outputs)
    return expected


def test_the_quantizer_has_the_382_published_tensors() -> None:
    encoder = [(128, 128, 4), (128, 256, 3), (256, 256, 4), (256, 512, 3), (512, 512, 4)]
    decoder = [(128, 128, 4), (256, 128, 4), (256, 256, 3), (512, 256, 4), (512, 512, 3)]
    expected = {
        **convolution("encoder.conv_in", 128, 3, 3),
        **stages("encoder.down", encoder),
        **middle("encoder.mid"),
        **group_norm("encoder.norm_out", 512),
        **convolution("encoder.conv_out", 13, 512, 3),
        **convolution("encoder.quant_conv", 13, 13, 1),
        **convolution("decoder.post_quant_conv", 13, 13, 1),
        **convolution("decoder.conv_in", 512, 13, 3),
        **middle("decoder.mid"),
        **stages("decoder.up", decoder),
        **group_norm("decoder.norm_out", 128),
        **convolution("decoder.conv_out", 3, 128, 3),
        "quantize.embedding": (8192, 13),
        "quantize.power_vals": (13,),
    }
    for level, channels in enumerate((128, 256, 256, 512)):
        expected |= convolution(f"encoder.down.{level}.downsample.conv", channels, channels, 3)
    for level, channels in ((1, 128), (2, 256), (3, 256), (4, 512)):
        expected |= convolution(f"decoder.up.{level}.upsample.conv", channels, channels, 3)
    with torch.device("meta"):
        found = Quantizer()
    assert shapes(found) == expected
    assert len(expected) == 382
    assert round(sum(parameter.numel() for parameter in found.parameters()) / 1e6, 2) == 95.39
