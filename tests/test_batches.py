"""Arrays that a `Restorer` takes: which shapes and types, and what comes back."""

import numpy as np
import pytest

from irsde_jax.restoration import batches

GIVEN = {
    "grey": (6, 5),
    "grey with an axis": (6, 5, 1),
    "colour": (6, 5, 3),
    "batch of grey": (2, 6, 5, 1),
    "batch": (2, 6, 5, 3),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, float])
@pytest.mark.parametrize("shape", GIVEN.values(), ids=GIVEN)
def test_there_and_back_is_the_array_itself(shape, dtype):
    draws = np.random.default_rng(0).random(shape)
    if np.issubdtype(dtype, np.integer):
        draws = np.round(draws * np.iinfo(dtype).max)
    images = draws.astype(np.float32).astype(dtype)
    batch = batches.to_batch(images, 3)
    assert batch.dtype == np.float32
    assert batch.ndim == 4
    assert 0 <= batch.min() < 0.1 < 0.9 < batch.max() <= 1
    back = batches.like(batch, images)
    assert back.dtype == images.dtype
    np.testing.assert_array_equal(back, images)


def test_every_level_of_16_bits_survives():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(
        batches.like(batches.to_batch(levels, 3), levels), levels
    )


def test_three_axes_are_one_image():
    """Its last axis says so: 1, or the number of channels."""
    assert batches.to_batch(np.zeros((7, 9, 3)), 3).shape == (1, 7, 9, 3)
    assert batches.to_batch(np.zeros((3, 9, 1)), 3).shape == (1, 3, 9, 1)
    assert batches.to_batch(np.zeros((7, 9, 5)), 5).shape == (1, 7, 9, 5)


def test_a_network_for_grey_takes_no_colour():
    assert batches.to_batch(np.zeros((7, 9)), 1).shape == (1, 7, 9, 1)
    with pytest.raises(ValueError, match=r"takes \[H, W\], \[H, W, 1\] or"):
        batches.to_batch(np.zeros((7, 9, 3)), 1)


@pytest.mark.parametrize(
    ("images", "channels", "message"),
    [
        (np.zeros((5, 7, 9)), 3, r"batch of grey images, pass images\[\.\.\., None\]"),
        (np.zeros((3, 7, 9)), 3, r"Put the channels last"),
        (np.zeros((7, 9, 4)), 3, r"Drop the transparency: images\[\.\.\., :3\]"),
        (np.zeros((7, 9)), 5, r"takes \[H, W, 5\] or \[batch, H, W, 5\]"),
        (np.zeros((7, 9, 1)), 5, r"takes \[H, W, 5\]"),
        (np.zeros((0, 9, 3)), 3, "at least one pixel"),
        (np.zeros(9), 3, r"shape \(9,\)"),
        (np.zeros((7, 9), bool), 3, "images are bool; allowed are uint8"),
        (np.zeros((7, 9), np.int64), 3, "images are int64; allowed are uint8"),
        (np.full((7, 9), np.nan), 3, r"not finite.*nan_to_num"),
        (np.full((7, 9), 255.0), 3, r"got 255. Divide 8-bit images by 255"),
    ],
)
def test_everything_else_is_refused_with_advice(images, channels, message):
    with pytest.raises(ValueError, match=message):
        batches.to_batch(images, channels)
