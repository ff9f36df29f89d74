"""Conversion of users' arrays to batches for a network, and of results back.

A 3-D array is one image [H, W, C] if its last axis is 1 or the number of channels of
the network. All other arrays with three axes are rejected, because a batch [batch, H,
W] of grey images cannot be told apart from an image with W channels. Users can pass
`images[..., None]` for such a batch.
"""

import numpy as np

# The noise of these processes never moves a pixel further than this from [0, 1],
# because lambda is at most 1.
_LARGEST = 8.0


def to_batch(images: np.ndarray, channels: int) -> np.ndarray:
    """Returns the images as float32 [batch, H, W, C] in [0, 1]; C is 1 or `channels`.

    Args:
        images: The images as uint8, uint16 or floating point in [0, 1]; noise may
            exceed [0, 1] a little. The shape is [H, W] (grey), [H, W, 1], [H, W,
            channels], [batch, H, W, 1] or [batch, H, W, channels]. Grey images are
            accepted by networks with 1 or 3 channels.
        channels: The number of channels of the network.

    Raises:
        ValueError: If the images have another type, shape or range.
    """
    batch = _as_floats(images).reshape(_batch_shape(images, channels))
    if not np.isfinite(batch).all():
        raise ValueError(
            "images hold values that are not finite (NaN or infinite), where numbers "
            "in [0, 1] are allowed. Replace them first, numpy.nan_to_num(images), say."
        )
    if np.abs(batch).max() > _LARGEST:
        raise ValueError(
            "floating point images are in [0, 1], with noise a little beyond; got "
            f"{np.abs(batch).max():.4g}. Divide 8-bit images by 255."
        )
    return batch


def like(restored: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Returns results in the type and the layout of the input images.

    Args:
        restored: The results in [0, 1], shape [batch, h, w, C].
        images: The array that was passed to `to_batch`. Its height and width may differ
            from those of the results.
    """
    if images.dtype.kind == "u":
        restored = np.round(restored * np.float32(np.iinfo(images.dtype).max))
    return restored.astype(images.dtype).reshape(result_shape(restored.shape, images))


def result_shape(shape: tuple[int, ...], images: np.ndarray) -> tuple[int, ...]:
    """Returns the shape of results [batch, h, w, C] in the layout of the input images.

    Args:
        shape: The shape of the results as a batch, (batch, h, w, C).
        images: The array that was passed to `to_batch`.
    """
    batch, height, width, channels = shape
    return {
        2: (height, width),
        3: (height, width, channels),
        4: (batch, height, width, channels),
    }[images.ndim]


def _as_floats(images: np.ndarray) -> np.ndarray:
    """Returns the images as float32; integer types are scaled to [0, 1]."""
    if images.dtype in (np.uint8, np.uint16):
        return images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)
    if np.issubdtype(images.dtype, np.floating):
        return images.astype(np.float32)
    raise ValueError(
        f"images are {images.dtype}; allowed are uint8 in 0..255, uint16 in 0..65535 "
        "and floating point in [0, 1]. Convert them: (images / largest).astype('f4')."
    )


def _batch_shape(images: np.ndarray, channels: int) -> tuple[int, ...]:
    """Returns the shape of the images as a batch, [batch, H, W, C]."""
    shape = images.shape
    if images.ndim == 2:
        shape = (*shape, 1)
    allowed = sorted({1, channels}) if channels in (1, 3) else [channels]
    if len(shape) not in (3, 4) or shape[-1] not in allowed or not images.size:
        raise ValueError(_refusal(images, channels, allowed))
    return shape if len(shape) == 4 else (1, *shape)


def _refusal(images: np.ndarray, channels: int, allowed: list[int]) -> str:
    """Returns the error message for images whose shape is rejected, with advice."""
    shapes = [f"[H, W, {count}] or [batch, H, W, {count}]" for count in allowed]
    if 1 in allowed:
        shapes.insert(0, "[H, W]")
    message = (
        f"images have shape {images.shape}; this network takes {', '.join(shapes)}, at "
        "least one pixel each."
    )
    if not images.size:
        return message
    if images.ndim > 2 and images.shape[-1] == channels + 1:
        return f"{message} Drop the transparency: images[..., :{channels}]."
    if images.ndim == 3 and images.shape[0] == channels > 1:
        return f"{message} Put the channels last: numpy.moveaxis(images, 0, -1)."
    if images.ndim == 3 and 1 in allowed:
        return f"{message} For a batch of grey images, pass images[..., None]."
    return message
