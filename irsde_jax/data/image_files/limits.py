"""How large an image each format holds, and how finely."""

from typing import NamedTuple

_CLASSIC = 2**32 - 2**25  # bytes of pixels; offsets have 32 bits, metadata need some


class Limit(NamedTuple):
    """What a format holds.

    Attributes:
        side: The most pixels in a row or a column. None stands for more than memory.
        num_bytes: The most bytes of pixels, before compression. None as above.
        bits: The most bits of a sample.
    """

    side: int | None = None
    num_bytes: int | None = None
    bits: int = 8


LIMITS = {
    "PNG": Limit(bits=16),
    "JPEG": Limit(side=65_500),  # of libjpeg; the header could say 65,535
    "WEBP": Limit(side=16_383),
    "TIFF": Limit(num_bytes=_CLASSIC, bits=16),
    "BMP": Limit(num_bytes=_CLASSIC),
    "AVIF": Limit(side=32_768),  # what libavif decodes by default
    "NPY": Limit(bits=32),
}
"""Pillow's name of a format, or "NPY" -> its limit."""


def kept_bits(kind: str, bits: int) -> int:
    """The bits of a sample that a format keeps of `bits`: all of them, or 8."""
    return bits if bits <= LIMITS.get(kind, Limit()).bits else 8


def check_size(
    kind: str, height: int, width: int, channels: int = 1, bits: int = 8
) -> None:
    """Raises ValueError if a format cannot hold an image of that size.

    Args:
        kind: A key of `LIMITS`. Other formats have no limit.
        height: The rows.
        width: The columns.
        channels: The samples of a pixel; 1 where they are not known yet.
        bits: The bits of a sample of the image, which the format may narrow.
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
