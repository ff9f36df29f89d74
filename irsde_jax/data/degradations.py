"""Synthetic degradations: pure functions `(key, image) -> image` of one image.

They run inside the train step, on the device, with a key per example. To add one:
write a function `(key, image, **options)`, name it in `DEGRADATIONS`, test it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from irsde_jax.array_types import Array, PRNGKey

Degradation = Callable[[PRNGKey, Array], Array]

PAIRED = "paired"
"""The name that stands for degraded images which are files beside the clean ones."""


def gaussian_noise(key: PRNGKey, image: Array, sigma: float) -> Array:
    """Adds white Gaussian noise; the result is not clipped, as in the denoising papers.

    Args:
        key: consumed, shape [].
        image: in [0, 1], shape [H, W, C].
        sigma: standard deviation in image units: 25/255 for "sigma 25".

    Returns:
        The noisy image, shape of `image`, outside [0, 1] here and there.
    """
    return image + sigma * jax.random.normal(key, image.shape, image.dtype)


DEGRADATIONS: dict[str, Callable[..., Array]] = {"gaussian_noise": gaussian_noise}


def make_degradation(name: str, **options: Any) -> Degradation | None:
    """The degradation of that name with its options; None for "paired".

    Args:
        name: a key of `DEGRADATIONS`, or "paired".
        **options: its parameters.

    Raises:
        ValueError: for an unknown name, or a noise level that is not in image units.
    """
    if name == PAIRED:
        return None
    if name not in DEGRADATIONS:
        raise ValueError(
            f"degradation name={name!r} is not one of "
            f"{sorted([*DEGRADATIONS, PAIRED])}."
        )
    sigma = options.get("sigma", 0.0)
    if not 0 <= sigma <= 1:
        raise ValueError(
            f"degradation sigma is in image units, [0, 1]; got {sigma}. Did you mean "
            f"{sigma} / 255?"
        )
    return functools.partial(DEGRADATIONS[name], **options)
