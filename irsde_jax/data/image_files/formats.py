"""Image formats: their file name endings, their first bytes and their transparency."""

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".bmp": "BMP",
}
"""The names of the formats by file name ending."""

NPY_MAGIC = b"\x93NUMPY"
"""The first bytes of an `.npy` file."""

HEAD = 64
"""The number of bytes that `sniff` needs."""

DEFAULT_MEGAPIXELS = 178.956970
"""The limit for the size of images, in millions of pixels.

A small file can claim to hold any number of pixels, so larger images are rejected
unless the caller allows them. The value is that of Pillow.
"""

WITH_ALPHA = ("PNG", "TIFF", "WEBP", "AVIF")

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
# These formats cannot be read. They are recognised so that the error can name them.
_OTHERS = {
    b"GIF8": "a GIF",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file",
    b"\xff\x0a": "a JPEG XL file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file",
    b"\x76\x2f\x31\x01": "an OpenEXR file",
    b"\0\0\x01\0": "an icon (ICO)",
    NPY_MAGIC: "a NumPy array whose name does not end in .npy",
    b"PK\x03\x04": "a ZIP archive",
    b"<svg": "an SVG drawing",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}
_HEIF = {b"heic", b"heix", b"mif1", b"hevc", b"msf1"}


def sniff(head: bytes) -> str:
    """Returns the name of the format of a file, determined from its first bytes.

    Args:
        head: The first `HEAD` bytes of the file, or more.

    Raises:
        ValueError: If the file has none of the `FORMATS`. The message names the format
            that was found, if it is known.
    """
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = [head[at : at + 4] for at in range(8, len(head), 4)]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if set(brands) & _HEIF:
            raise ValueError(_none_of("it is a HEIF (HEIC) photograph"))
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise ValueError(_none_of(f"it is {name}"))
    raise ValueError(_none_of("its content is of no known kind"))


def check_size(height: int, width: int, max_megapixels: float | None) -> None:
    """Raises ValueError if an image has more pixels than allowed.

    Args:
        height: The height in pixels.
        width: The width in pixels.
        max_megapixels: The limit in millions of pixels. None means
            `DEFAULT_MEGAPIXELS`.
    """
    limit = DEFAULT_MEGAPIXELS if max_megapixels is None else max_megapixels
    megapixels = height * width / 1e6
    if megapixels > limit:
        raise ValueError(
            f"it has {height} x {width} pixels, {megapixels:.4g} million; at most "
            f"{limit:.4g} million are read. If it is no decompression bomb, "
            f"--mode=restore takes --max_megapixels={int(megapixels) + 1}"
        )


def _none_of(found: str) -> str:
    kinds = ", ".join(sorted({*FORMATS.values(), "NPY"}))
    return f"{found}, and none of {kinds}; convert it to PNG"
