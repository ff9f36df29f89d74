"""Haze and shadow: smooth random fields of distance and of light."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.degradations.blur import convolve, gaussian_kernel
from irsde_jax.data.degradations.levels import Level, draw_level, highest
from irsde_jax.data.resampling import resize

_CELLS = 4  # of a random field, along a side: hills and shadows a quarter image wide
_NEAREST = 0.2  # depth of the foreground, as a share of the farthest


def haze(
    key: PRNGKey,
    image: Array,
    beta: Level = (0.6, 1.8),
    airlight: Level = (0.7, 1.0),
    relief: float = 0.5,
) -> Array:
    """I = J t + A (1 - t) with transmission t = exp(-beta depth).

    The depth is synthetic: a ground that rises to the horizon at the top, and smooth
    hills. The farthest of both has depth 1, so `beta` is the optical depth there.

    Args:
        key: consumed.
        image: J, in [0, 1], shape [H, W, C].
        beta: optical depth of the air to the farthest point; 0 is clear air.
        airlight: A, in image units, grey.
        relief: share of the hills in the depth; 0 is a plane.

    Returns:
        I, shape of `image`, in [0, 1].

    References:
        Koschmieder's law, by which the synthetic sets of Li et al. (2019), RESIDE,
        https://arxiv.org/abs/1712.04143, are made; the ranges are our own.
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
    """A smooth region that lost its direct light and keeps that of the blue sky.

    Args:
        key: consumed.
        image: in [0, 1], shape [H, W, C].
        light: what a pixel in the shadow keeps of its value; 1 is no shadow.
        area: share of the image in the shadow.
        penumbra: softness of its edge, the standard deviation of a Gaussian in pixels.
        tint: factors of `light` for red, green and blue; other images have none.

    Returns:
        Shape of `image`, in [0, 1].

    References:
        Le and Samaras (2019), https://arxiv.org/abs/1908.08628, for a factor
        per channel; where the shadow lies is our own.
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
    """Coarse random numbers, enlarged, from 0 to 1; shape [height, width, 1]."""
    field = resize(jax.random.normal(key, (_CELLS, _CELLS, 1)), height, width)
    return (field - field.min()) / jnp.maximum(field.max() - field.min(), 1e-6)
