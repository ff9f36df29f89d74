"""Image formats: from the bytes of a file to pixels in [0, 1] and back.

PNG, JPEG, TIFF, WebP and BMP go through Pillow; `.npy` holds any number of channels.
Pillow narrows 16-bit *colour* to 8 bits in silence, so such images go through OpenCV
where it is installed and are refused where it is not.

Nothing here knows of paths: `irsde_jax.data.images` opens the files and names them in
errors.
"""

import contextlib
import io
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from irsde_jax.data import metadata
from irsde_jax.data.arrays import (
    ImageFile,
    UnsupportedImage,
    to_floats,
    to_integers,
)

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
"""File name ending -> Pillow's name of the format."""

NPY_MAGIC = b"\x93NUMPY"
"""How the bytes of an `.npy` file begin."""

# Restored images are measured afterwards: lose as little as the format allows.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
}
_WITH_ALPHA = ("PNG", "TIFF", "WEBP")
_WITH_16_BITS = ("PNG", "TIFF")
_TURNED = (5, 6, 7, 8)  # its values for an image that lies on its side
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_WHITE_IS_ZERO, _RGB = 0, 2  # photometric interpretations


def decode(data: bytes, with_metadata: bool = False) -> ImageFile:
    """The image in the bytes of a PNG, JPEG, TIFF, WebP or BMP file, upright.

    Args:
        data: what the file holds.
        with_metadata: whether EXIF data and colour profile are wanted, too.

    Raises:
        ValueError: if it cannot be read without loss. Damaged data raises whatever the
            decoder raises.
    """
    with _open(io.BytesIO(data)) as image:
        # An MPO is a photograph followed by previews: its first frame is the image.
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise UnsupportedImage(
                f"it holds {frames} frames; save each as a file of its own"
            )
        found = _decode_open(image, data)
        return found._replace(metadata=metadata.of(image)) if with_metadata else found


def size(data: BinaryIO) -> tuple[int, int]:
    """Height and width of the upright image in an open file, from its header alone.

    Raises:
        ValueError: if it is no image. A damaged header raises whatever Pillow raises.
    """
    with _open(data) as image:
        width, height = image.size
        turned = metadata.orientation(image) in _TURNED
        return (width, height) if turned else (height, width)


def _open(data: BinaryIO) -> Image.Image:
    """The image in an open file, of which the header was read."""
    kinds = sorted(set(FORMATS.values()))
    try:
        return Image.open(data, formats=kinds)
    except UnidentifiedImageError as error:
        raise ValueError(f"its content is none of {', '.join(kinds)}") from error


def _decode_open(image: Image.Image, data: bytes) -> ImageFile:
    """The pixels of an image that Pillow has opened from `data`."""
    if image.format == "PNG":
        depth, colour_type = data[24], data[25]  # fixed places in IHDR
        if depth == 16 and colour_type != 0:
            wide = _upright(_decode_wide(data), metadata.orientation(image))
            return _split(wide, grey=colour_type == 4)
    elif isinstance(image, TiffImagePlugin.TiffImageFile) and _is_wide_tiff(image):
        return _split(_decode_wide(data), grey=False)  # OpenCV has turned it
    return _from_pillow(image)


def has_quality(suffix: str) -> bool:
    """Whether files that end in `suffix`, a key of `FORMATS`, may lose details."""
    return FORMATS[suffix] in _SAVE_OPTIONS


def encode(image: ImageFile, suffix: str, quality: int | None = None) -> bytes:
    """The bytes of a file that ends in `suffix` and holds the image.

    PNG and TIFF keep 16 bits where the image has them; all else is rounded to 8 bits.

    Args:
        image: what to encode.
        suffix: a key of `FORMATS`.
        quality: of JPEG and lossy WebP, 1 to 100; None: JPEG of 95, WebP without loss.
            The others lose nothing and have none.

    Raises:
        ValueError: see `check`.
    """
    check(suffix, image.pixels.shape[-1], image.alpha is not None)
    kind = FORMATS[suffix]
    options = _SAVE_OPTIONS.get(kind, {})
    if options and quality is not None:
        options = options | dict(quality=quality, lossless=False)
    samples = image.pixels
    if image.alpha is not None:
        samples = np.concatenate([samples, image.alpha], axis=-1)
    if image.bits == 16 and kind in _WITH_16_BITS:
        wide = to_integers(samples, 16)
        if wide.shape[-1] > 1:
            kept = image.metadata
            if wide.shape[-1] == 2:  # it becomes RGBA: not of grey's profile
                kept = kept._replace(icc_profile=None)
            return metadata.add(_encode_wide(wide, suffix), kind, kept)
        picture = Image.fromarray(wide[..., 0])
    else:
        narrow = to_integers(samples, 8)
        picture = Image.fromarray(narrow[..., 0] if narrow.shape[-1] == 1 else narrow)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options, **metadata.options(image.metadata, kind))
    return buffer.getvalue()


def check(suffix: str, channels: int, has_alpha: bool) -> None:
    """Raises ValueError if a format cannot hold such an image.

    Args:
        suffix: ".npy", or a key of `FORMATS`.
        channels: of the colour.
        has_alpha: whether there is transparency.
    """
    kind = FORMATS.get(suffix, suffix)
    if channels not in (1, 3) and suffix in FORMATS:
        raise ValueError(f"{kind} holds 1 or 3 channels, not {channels}; write .npy")
    if has_alpha and kind not in _WITH_ALPHA:
        raise ValueError(
            f"{kind} holds no transparency; write one of {', '.join(_WITH_ALPHA)} or "
            "drop the alpha"
        )


def _from_pillow(image: Image.Image) -> ImageFile:
    """A picture of at most 8 bits a sample, or of 16 bits of grey, turned upright."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        samples = np.asarray(upright).astype(np.uint16)[..., None]
        tags = getattr(image, "tag_v2", {})
        if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
            samples = np.uint16(65535) - samples
        transparent = upright.info.get("transparency")
        alpha = None
        if transparent is not None:  # PNG may declare one level of grey transparent
            alpha = (samples != transparent).astype(np.float32)
        return ImageFile(to_floats(samples), alpha, 16)
    if upright.mode in ("I", "F"):
        raise UnsupportedImage(
            "its samples are 32-bit; save it with 8 or 16 bits, or as .npy floats"
        )
    if upright.mode == "CMYK":
        upright = _from_cmyk(upright)
    grey = upright.mode in ("1", "L", "LA", "La")
    mode = ("L" if grey else "RGB") + ("A" if upright.has_transparency_data else "")
    samples = np.asarray(upright.convert(mode))
    return _split(samples.reshape(*samples.shape[:2], -1), grey)


def _from_cmyk(image: Image.Image) -> Image.Image:
    """As sRGB: by the profile of the file, or by rule where none works."""
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            colours = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(
                image, colours, srgb, outputMode="RGB"
            )
            if converted is not None:
                return converted
    return image.convert("RGB")


def _split(samples: np.ndarray, grey: bool) -> ImageFile:
    """Integers [H, W, colours (+ 1 for alpha)] as an image; grey may be repeated."""
    bits = 8 * samples.dtype.itemsize
    has_alpha = samples.shape[-1] in (2, 4)
    alpha = to_floats(samples[..., -1:]) if has_alpha else None
    pixels = samples[..., : 1 if grey else 3]
    return ImageFile(to_floats(pixels), alpha, bits)


def _is_wide_tiff(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether it is 16-bit RGB or RGBA; other unusual depths are errors."""
    tags = image.tag_v2
    bits = tuple(tags.get(_TIFF_BITS, (1,)))
    if max(bits) <= 8 or bits in ((16,), (32,)):
        return False
    if set(bits) == {16} and tags.get(_TIFF_PHOTOMETRIC) == _RGB:
        return True
    raise UnsupportedImage(
        f"TIFF samples of {bits} bits; save it as RGB of 8 or 16 bits"
    )


def _decode_wide(data: bytes) -> np.ndarray:
    """16-bit colour, uint16 [H, W, 3 or 4] in RGB(A) order."""
    cv2 = _opencv()
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3:
        raise ValueError("OpenCV cannot decode it; it may be damaged")
    return found[..., [2, 1, 0, 3][: found.shape[-1]]]


def _encode_wide(samples: np.ndarray, suffix: str) -> bytes:
    """A file of 16-bit RGB(A); grey with alpha becomes RGBA."""
    cv2 = _opencv()
    order = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[-1]]
    succeeded, data = cv2.imencode(suffix, np.ascontiguousarray(samples[..., order]))
    if not succeeded:
        raise ValueError("OpenCV cannot encode it")
    return data.tobytes()


def _opencv() -> ModuleType:
    try:
        import cv2  # optional: no other image needs it
    except ImportError as error:
        raise UnsupportedImage(
            "16 bits per colour channel need OpenCV, Pillow would narrow them to 8: "
            "`pip install opencv-python-headless`, or convert the image to 8 bits"
        ) from error
    return cv2


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, C] turned and mirrored as the EXIF orientation, 1 to 8, says."""
    if orientation in _TURNED:
        samples = samples.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return samples[::rows, ::columns]
