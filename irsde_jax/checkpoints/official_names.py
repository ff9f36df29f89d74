"""The names and shapes that official PyTorch files use for our parameters."""

import functools
import re
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from irsde_jax.models import ConditionalNAFNet, ConditionalUNet

Path = tuple[str, ...]

# The components of our parameter paths -> their names in official files; {} is a
# number. Components that are not listed have the same name in both.
_COMPONENTS = {
    "kernel": "weight",
    "gain": "g",
    "hidden": "1",
    "out": "3",
    "time": "mlp.1",
    "down_{}": "downs.{}",
}
_UNET_COMPONENTS = _COMPONENTS | {
    "up_{}": "ups.{}",
    "block1": "0",
    "block2": "1",
    "conv1": "block1.proj",
    "conv2": "block2.proj",
    "skip": "res_conv",
    "attention": "2.fn",
    "mid_attention": "mid_attn.fn",
    "to_qkv": "fn.to_qkv",
    "to_out": "fn.to_out.0",
    "out_norm": "fn.to_out.1",
    "project": "fn.to_out",
    "downsample": "3",
    "upsample": "3.1",
    "last_conv": "3",
    "final_block": "final_res_block",
}
_NAFNET_COMPONENTS = _COMPONENTS | {
    "up_{}": "ups.{}.0",
    "encoder_{}": "encoders.{}",
    "decoder_{}": "decoders.{}",
    "middle": "middle_blks",
    "block_{}": "{}",
    "norm_att": "norm1",
    "expand_att": "conv1",
    "depthwise": "conv2",
    "channel_att": "sca.1",
    "project_att": "conv3",
    "norm_ffn": "norm2",
    "expand_ffn": "conv4",
    "project_ffn": "conv5",
}
# All other kernels of rank 2 are 1x1 convolutions.
_LINEAR = {"hidden", "out", "time"}


def official_names(model: nn.Module) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """Returns our path and the official shape of each parameter, by official name.

    Raises:
        ValueError: If there are no official weights of this kind of model.
    """
    if isinstance(model, ConditionalUNet):
        components = _UNET_COMPONENTS
    elif isinstance(model, ConditionalNAFNet):
        components = _NAFNET_COMPONENTS
    else:
        raise ValueError(f"There are no official weights of {type(model).__name__}.")
    return {
        ".".join(_official_component(name, components) for name in path): (
            path,
            _official_shape(path, leaf.shape),
        )
        for path, leaf in _shapes(model).items()
    }


@functools.lru_cache(maxsize=8)  # The state dicts of a file often have one network.
def _shapes(model: nn.Module) -> dict[Path, jax.ShapeDtypeStruct]:
    """Returns the shapes and types of a model's parameters, by their paths."""
    image = jax.ShapeDtypeStruct((1, 1, 1, model.channels), jnp.float32)
    steps = jax.ShapeDtypeStruct((1,), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), image, image, steps)
    return traverse_util.flatten_dict(shapes["params"])


def _official_component(name: str, components: Mapping[str, str]) -> str:
    stem, *numbers = re.split(r"_(\d+)$", name)
    if not numbers:
        return components.get(name, name)
    return components[stem + "_{}"].format(numbers[0])


def _official_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape that official files use for a parameter of shape `shape`."""
    if path[-1] == "bias":
        return shape
    if path[-1] != "kernel":  # gains
        return (1, *shape, 1, 1)
    *window, num_in, num_out = shape
    if path[-2] in _LINEAR:
        return num_out, num_in
    return num_out, num_in, *(window or (1, 1))
