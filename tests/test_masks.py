"""Keep-masks: what is lost, what is left, and how much of each."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from irsde_jax.data.degradations import make_degradation, masks
from irsde_jax.processes import holes

KEY = jax.random.key(0)
# Values below 1, so that a hole is told from a pixel.
IMAGE = 0.9 * jax.random.uniform(KEY, (48, 64, 3))


@pytest.mark.parametrize(
    ("name", "kept", "tolerance"),
    [
        # Means of the published masks; tolerance: 4 standard errors.
        ("thin_mask", 0.703, 0.06),
        ("thick_mask", 0.751, 0.06),
        ("half_mask", 0.5, 0.0),
        ("expand_mask", 0.0625, 0.0),
        ("box_mask", 1 - 0.375**2, 0.03),
    ],
)
def test_kept_pixels_are_untouched_and_as_many_as_they_should_be(name, kept, tolerance):
    degrade = make_degradation(name)
    keys = jax.random.split(KEY, 100)
    masked = jax.jit(jax.vmap(degrade, in_axes=(0, None)))(keys, IMAGE)
    masked = np.asarray(masked)
    hole, untouched = masked == holes.HOLE, masked == np.asarray(IMAGE)
    assert np.all(hole ^ untouched)
    np.testing.assert_array_equal(hole.all(axis=-1), hole.any(axis=-1))
    assert abs(untouched.mean() - kept) <= tolerance
    assert untouched.mean(axis=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("side", masks.SIDES)
def test_half_masks_by_side(side):
    cut = jax.jit(functools.partial(masks.half_mask, side=side))
    hole = np.asarray(cut(KEY, IMAGE))[..., 0] == 1
    rows, columns = np.nonzero(hole)
    centre = {
        "top": (11.5, 31.5),
        "bottom": (35.5, 31.5),
        "left": (23.5, 15.5),
        "right": (23.5, 47.5),
    }
    assert (rows.mean(), columns.mean()) == centre[side]


def test_all_halves_are_drawn():
    keys = jax.random.split(KEY, 40)
    masked = jax.jit(jax.vmap(masks.half_mask, in_axes=(0, None)))(keys, IMAGE)
    assert len(np.unique(np.asarray(masked == 1), axis=0)) == 4


def test_an_unknown_side_is_a_clear_error():
    with pytest.raises(ValueError, match=r"side='north'.*top.*right"):
        masks.half_mask(KEY, IMAGE, side="north")


def test_a_box_is_a_rectangle_inside_the_image():
    keys = jax.random.split(KEY, 20)
    masked = jax.jit(jax.vmap(masks.box_mask, in_axes=(0, None)))(keys, IMAGE)
    for hole in np.asarray(masked[..., 0] == 1):
        rows, columns = hole.any(axis=1), hole.any(axis=0)
        np.testing.assert_array_equal(hole, np.outer(rows, columns))
        assert 12 <= rows.sum() <= 24
        assert 16 <= columns.sum() <= 32


def test_strokes_are_as_wide_as_they_should_be():
    """One straight stroke across: length times width, and the round ends."""
    degrade = jax.jit(
        jax.vmap(
            lambda key: masks.stroke_mask(
                key,
                jnp.zeros((256, 256, 1)),
                num_strokes=(1, 1),
                num_segments=1,
                length=(0.3, 0.3),
                width=(0.1, 0.1),
            )
        )
    )
    holes = np.asarray(degrade(jax.random.split(KEY, 12))[..., 0])
    length, width = 0.3 * 256, 0.1 * 256
    area = length * width + np.pi * width**2 / 4
    largest = holes.sum(axis=(1, 2)).max()  # of one that the border does not cut
    assert abs(largest / area - 1) < 0.02
