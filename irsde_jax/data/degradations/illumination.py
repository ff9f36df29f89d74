"""Haze and shadow: degradations by smooth random fields of distance and light."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.degradations.blur import convolve, gaussian_kernel
from irsde_jax.data.degradations.levels import Level, draw_level, highest
from irsde_jax.data.resampling import resize

# The cells of a random field along a side. Hills and shadows are a quarter image wide.
_CELLS = 4
_NEAREST = 0.2  # The depth of the foreground, relative to the largest depth.


def haze(
    key: PRNGKey,
    image: Array,
    beta: Level = (0.6, 1.8),
    airlight: Level = (0.7, 1.0),
    relief: float = 0.5,
) -> Array:
    """Adds haze: I = J t + A (1 - t) with transmission t = exp(-beta depth).

    The depth is synthetic. It consists of a ground plane that rises to the horizon at
    the top of the image, and of smooth hills, and is at most 1.

    Args:
        key: The random key.
        image: The clean image J in [0, 1], shape [H, W, C].
        beta: The optical depth of the air at depth 1. With 0 the air is clear.
        airlight: The grey level A of the atmosphere, in image units.
        relief: The share of the hills in the depth, in [0, 1]. With 0 there is only the
            plane.

    Returns:
        The hazy image I in [0, 1], in the shape of `image`.

    References:
        Koschmieder's law; the synthetic sets of Li et al. (2019), RESIDE,
        https://arxiv.org/abs/1712.04143, are made with it. The ranges are our own.
    """
    beta_key, air_key, field_key = jax.random.split(key, 3)
    height, width, _ = image.shape
    ground = jnp.linspace(1, 0, height)[:, None, None]
    hills = smooth_field(field_key, height, width)
    depth = _NEAREST + (1 - _NEAREST) * ((1 - relief) * ground + relief * hills)
    transmission = jnp.exp(-draw_level(beta_key, beta) * depth)
    return image * transmission + draw_level(air_key, airlight) * (1 - transmission)


def shadow(
    key: PRNGKey,
    image: Array,
    *,
    light: Level = (0.3, 0.6),
    area: Level = (0.2, 0.5),
    penumbra: Level = (1.0, 6.0),
    tint: Sequence[float] = (0.9, 1.0, 1.1),
) -> Array:
    """Adds a shadow: a smooth region that loses its direct light but not the sky light.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        light: The share of its value that a pixel in the shadow keeps. With 1 there is
            no shadow.
        area: The share of the image in the shadow.
        penumbra: The softness of the edge, as the standard deviation of a Gaussian in
            pixels.
        tint: The factors of `light` for red, green and blue. They are used only for
            images with 3 channels.

    Returns:
        The image with a shadow in [0, 1], in the shape of `image`.

    References:
        Le and Samaras (2019), https://arxiv.org/abs/1908.08628, use a factor per
        channel. The place of the shadow is our own model.
    """
    light_key, area_key, penumbra_key, field_key = jax.random.split(key, 4)
    height, width, _ = image.shape
    field = smooth_field(field_key, height, width)
    edge = jnp.quantile(field, 1 - draw_level(area_key, area))
    kernel = gaussian_kernel(draw_level(penumbra_key, penumbra), highest(penumbra))
    shade = jnp.clip(convolve((field > edge).astype(image.dtype), kernel), 0, 1)
    factors = jnp.asarray(tint) if image.shape[-1] == 3 else jnp.ones(1)
    kept = jnp.clip(draw_level(light_key, light) * factors, 0, 1)
    return image * (1 - shade * (1 - kept))


def smooth_field(key: PRNGKey, height: int, width: int) -> Array:
    """Returns enlarged coarse random numbers from 0 to 1, shape [height, width, 1]."""
    field = resize(jax.random.normal(key, (_CELLS, _CELLS, 1)), height, width)
    return (field - field.min()) / jnp.maximum(field.max() - field.min(), 1e-6)
