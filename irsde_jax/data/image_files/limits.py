"""The largest image and the number of bits that each format supports."""

from typing import NamedTuple

# The largest number of bytes of pixels. Offsets have 32 bits, and metadata need space.
_CLASSIC = 2**32 - 2**25


class Limit(NamedTuple):
    """The limits of a format.

    Attributes:
        side: The largest number of pixels in a row or a column. None means that only
            memory limits it.
        num_bytes: The largest number of bytes of pixels before compression. None means
            that only memory limits it.
        bits: The largest number of bits per sample.
    """

    side: int | None = None
    num_bytes: int | None = None
    bits: int = 8


LIMITS = {
    "PNG": Limit(bits=16),
    "JPEG": Limit(side=65_500),  # The limit of libjpeg; the header allows 65,535.
    "WEBP": Limit(side=16_383),
    "TIFF": Limit(num_bytes=_CLASSIC, bits=16),
    "BMP": Limit(num_bytes=_CLASSIC),
    "AVIF": Limit(side=32_768),  # By default, libavif decodes no larger ones.
    "NPY": Limit(bits=32),
}
"""The limits by the name of the format, which is Pillow's name or "NPY"."""


def kept_bits(kind: str, bits: int) -> int:
    """Returns how many bits per sample a format preserves: `bits`, or 8."""
    return bits if bits <= LIMITS.get(kind, Limit()).bits else 8


def check_size(
    kind: str, height: int, width: int, channels: int = 1, bits: int = 8
) -> None:
    """Raises ValueError if a format does not support an image of that size.

    Args:
        kind: The name of the format. Formats that are not in `LIMITS` have no limit.
        height: The number of rows.
        width: The number of columns.
        channels: The number of samples per pixel, or 1 if it is not known yet.
        bits: The number of bits per sample of the image, which the format may reduce.
    """
    limit = LIMITS.get(kind, Limit())
    size = f"and the result would have {height} x {width}; write PNG"
    if limit.side is not None and max(height, width) > limit.side:
        raise ValueError(
            f"{kind} holds at most {limit.side} pixels in height and width, {size}"
        )
    if limit.num_bytes is not None:
        needed = height * width * channels * kept_bits(kind, bits) // 8
        if needed > limit.num_bytes:
            raise ValueError(
                f"{kind} holds at most {limit.num_bytes} bytes of pixels, {size}"
            )
