"""Rain: bright streaks in several directions, and the veil of distant drops.

Streaks are drops, given by a sparse random field, that are convolved with the path of a
falling drop. There is one convolution per direction, so the cost does not depend on the
number of streaks.
"""

import functools
import math

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.degradations.blur import convolve_inside
from irsde_jax.data.degradations.levels import Level, draw_level, highest

# The brightness of the faintest streak of a layer, relative to the brightest one.
_FAINTEST = 0.25


def rain(
    key: PRNGKey,
    image: Array,
    *,
    num_directions: int,
    angle: Level,
    spread: float,
    length: Level,
    width: Level,
    density: Level,
    brightness: Level,
    veil: Level,
    airlight: Level = (0.8, 0.95),
) -> Array:
    """Adds rain streaks to an image and mixes it with the light of the atmosphere.

        (1 - veil) min(image + brightness sum(streaks), 1) + veil airlight

    The sum is clipped to [0, 1]. This is the model of the reference with the mixing
    weight 1 - veil. The sizes and numbers of streaks are our own. They were chosen by
    eye and by comparing the PSNR with that of Rain100L and Rain100H.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        num_directions: The number of layers, each with one direction, length and width.
        angle: The mean direction of fall, in degrees from the vertical.
        spread: The standard deviation of the directions, in degrees.
        length: The length of a streak, in pixels.
        width: The width of a streak at half its brightness, in pixels.
        density: The number of streaks that begin in 1000 pixels, over all directions.
        brightness: The value that the brightest streaks add, in image units.
        veil: The share of light that comes from the atmosphere, in [0, 1].
        airlight: The brightness of the atmosphere, in image units.

    Returns:
        The rainy image in [0, 1], in the shape of `image`.

    References:
        Yang et al. (2017), https://arxiv.org/abs/1609.07769: layers of streaks in
        several directions, and the veil of their accumulation.
    """
    angle_key, layers_key, bright_key, density_key, veil_key, air_key = (
        jax.random.split(key, 6)
    )
    height, num_columns, _ = image.shape
    draw_layer = functools.partial(
        _streaks,
        shape=(height, num_columns),
        angle=draw_level(angle_key, angle),
        spread=spread,
        length=length,
        width=width,
        density=draw_level(density_key, density) / num_directions,
    )
    layers = jax.vmap(draw_layer)(jax.random.split(layers_key, num_directions))
    streaks = jnp.clip(layers.sum(axis=0), 0, 1)[..., None]
    lit = jnp.minimum(image + draw_level(bright_key, brightness) * streaks, 1)
    veil = draw_level(veil_key, veil)
    return (1 - veil) * lit + veil * draw_level(air_key, airlight)


light_rain = functools.partial(
    rain,
    num_directions=2,
    angle=(-25.0, 25.0),
    spread=2.0,
    length=(12.0, 35.0),
    width=(1.2, 2.0),
    density=(0.8, 2.8),
    brightness=(0.3, 0.8),
    veil=(0.0, 0.02),
)
"""Rain in two directions with little veil, as in Rain100L; 26.9 dB (Y) on average."""

heavy_rain = functools.partial(
    rain,
    num_directions=5,
    angle=(-25.0, 25.0),
    spread=6.0,
    length=(30.0, 90.0),
    width=(1.2, 2.2),
    density=(4.2, 8.8),
    brightness=(0.45, 0.85),
    veil=(0.05, 0.2),
)
"""Rain in five directions with a veil, as in Rain100H; 13.6 dB (Y) on average."""


def _streaks(
    key: PRNGKey,
    shape: tuple[int, int],
    *,
    angle: Array,
    spread: float,
    length: Level,
    width: Level,
    density: Array,
) -> Array:
    """Returns streaks of one direction in [0, 1], shape [*shape].

    Without overlap the brightest streak has the value 1.
    """
    angle_key, length_key, width_key, drops_key = jax.random.split(key, 4)
    radius = math.ceil(highest(length) / 2 + highest(width))
    kernel = streak_kernel(
        angle + spread * jax.random.normal(angle_key),
        draw_level(length_key, length),
        draw_level(width_key, width),
        radius,
    )
    # Streaks of drops outside the image extend into it.
    around = (shape[0] + 2 * radius, shape[1] + 2 * radius, 1)
    chance = density / 1000
    rank = jax.random.uniform(drops_key, around) / jnp.maximum(chance, 1e-9)
    drops = jnp.where(rank < 1, _FAINTEST + (1 - _FAINTEST) * rank, 0)
    return jnp.clip(convolve_inside(drops, kernel)[..., 0], 0, 1)


def streak_kernel(angle: Array, length: Array, width: Array, radius: int) -> Array:
    """Returns the streak of one drop: a line that fades at both ends.

    The profile across the line is Gaussian.

    Args:
        angle: The direction of the line, in degrees from the vertical, shape [].
        length: The distance between the ends, in pixels, shape [].
        width: The width at half the brightness, in pixels, shape [].
        radius: The distance from the centre to the edge of the kernel, in pixels.

    Returns:
        The brightness in [0, 1], shape [2 radius + 1, 2 radius + 1].
    """
    rows, columns = jnp.mgrid[-radius : radius + 1, -radius : radius + 1]
    sine, cosine = jnp.sin(jnp.deg2rad(angle)), jnp.cos(jnp.deg2rad(angle))
    along = rows * cosine + columns * sine
    across = columns * cosine - rows * sine
    fading = jnp.clip(1 - jnp.abs(2 * along / length), 0, 1)
    return jnp.sqrt(fading) * jnp.exp2(-((2 * across / width) ** 2))
