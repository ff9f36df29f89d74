"""Reading TIFF files: each layout is read exactly or raises a clear error.

`tifffile` with `imagecodecs` decodes strips and tiles of every byte order, planar
configuration, predictor and usual compression. This module converts the samples to an
image. Bands in addition to grey, RGB and alpha become channels.

References:
    TIFF 6.0, Adobe (1992); BigTIFF.
"""

import io
import math
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from irsde_jax.data.image_files import colours, tiff_tags
from irsde_jax.data.image_files.arrays import ImageFile, UnsupportedImage

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3  # photometric tag
_CMYK, _YCBCR, _CIELAB, _ICCLAB = 5, 6, 8, 9
_COLOURS = {
    **{_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1},
    **{_CMYK: 4, _YCBCR: 3, _CIELAB: 3, _ICCLAB: 3},
}
_CONVERTED = {_CMYK: "CMYK", _CIELAB: "L*a*b*", _ICCLAB: "L*a*b*"}
_UNSIGNED = 1  # sample format
_PREMULTIPLIED, _ALPHA = 1, 2  # extra samples
_REDUCED, _MASK = 1, 4  # bits of the kind of a page
_SUB_DIRECTORIES, _INK_SET = 330, 332
JPEG = (6, 7, 34892, 33007)  # tifffile decodes these from YCbCr to RGB.


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Returns height, width and orientation (1 to 8) of an open file from its tags."""
    with tifffile.TiffFile(file) as tiff:
        page = _page(tiff)
        return page.imagelength, page.imagewidth, _orientation(page)


def decode(data: bytes) -> tuple[ImageFile, list[str]]:
    """Decodes an image that is not turned upright yet, and lists what is lost.

    Raises:
        UnsupportedImage: If the file is intact but cannot be read exactly.
        ValueError: If the file is damaged. Exceptions of `tifffile` are possible.
    """
    lost = []
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = _page(tiff)
        if _SUB_DIRECTORIES in page.tags:
            lost.append("the smaller copies beside the image are not preserved")
        for number, other in enumerate(tiff.pages):
            if number and _is_side_picture(other):
                lost.append("a preview or mask beside the image is not preserved")
        _check_layout(page)
        _check_segments(page, len(data))
        samples = page.asarray()
        if page.axes not in ("YX", "YXS", "SYX"):
            raise UnsupportedImage(f"its axes are {page.axes}; save one image as YXS")
        if page.axes == "YX":
            samples = samples[..., None]
        elif page.axes == "SYX":
            samples = np.moveaxis(samples, 0, -1)
        image = _to_image(page, samples)
        metadata, unknown = tiff_tags.read_metadata(data)
        if int(page.photometric) in _CONVERTED:
            lost.append(f"its {_CONVERTED[int(page.photometric)]} colours become sRGB")
            metadata = metadata._replace(icc_profile=None)
        return image._replace(metadata=metadata), lost + unknown


def _page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """Returns the first page if no other page is a separate image."""
    pages = list(tiff.pages)
    if not pages:
        raise ValueError("it holds no image")
    images = [page for page in pages if not _is_side_picture(page)]
    first = tiff.pages.first
    frames = max(len(images), _frames_of_a_stack(tiff))
    if frames > 1:
        raise UnsupportedImage(
            f"it holds {frames} frames; save each as a file of its own"
        )
    if _is_side_picture(first):
        raise UnsupportedImage(
            "its first page is a preview, as in raw files of cameras; develop it to a "
            "TIFF of one page"
        )
    return first


def _frames_of_a_stack(tiff: tifffile.TiffFile) -> int:
    """Returns how many images a page describes, which may be a whole stack."""
    frames = int((tiff.imagej_metadata or {}).get("images", 1))
    for shaped in tiff.shaped_metadata or ():
        if shaped.get("truncated"):
            frames = max(frames, math.prod(shaped["shape"]) // tiff.pages.first.size)
    return frames


def _is_side_picture(page: tifffile.TiffPage | tifffile.TiffFrame) -> bool:
    """Returns whether a page is a smaller copy of another page, or its mask."""
    return bool(int(getattr(page, "subfiletype", 0)) & (_REDUCED | _MASK))


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _check_layout(page: tifffile.TiffPage) -> None:
    """Raises UnsupportedImage for samples that cannot be read exactly."""
    photometric, bits = int(page.photometric), page.bitspersample
    named = getattr(page.photometric, "name", str(photometric))
    if photometric not in _COLOURS:
        raise UnsupportedImage(f"its colours are {named}; save it as grey or RGB")
    tag = page.tags.get(258)
    depths = set(tag.value) if tag and isinstance(tag.value, tuple) else {bits}
    if len(depths) > 1:
        raise UnsupportedImage(
            f"its samples have {sorted(depths)} bits; save it with 8 or 16 bits"
        )
    if not 1 <= bits <= 16 or int(page.sampleformat) != _UNSIGNED:
        kind = "whole numbers with a sign" if int(page.sampleformat) == 2 else ""
        kind = kind or ("floats" if int(page.sampleformat) == 3 else "samples")
        raise UnsupportedImage(
            f"its samples are {kind}, {bits}-bit; save it with 8 or 16 bits without a "
            "sign, or as .npy floats"
        )
    if bits > 8 and photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        raise UnsupportedImage(
            f"its colours are {named} of {bits} bits; save it as RGB, or with 8 bits"
        )
    if page.imagedepth > 1:
        raise UnsupportedImage(f"it is a volume of {page.imagedepth} planes")
    ink = page.tags.get(_INK_SET)
    if photometric == _CMYK and ink is not None and int(ink.value) != 1:
        raise UnsupportedImage("its inks are not CMYK; save it as RGB")
    is_jpeg = int(page.compression) in JPEG
    if photometric == _YCBCR and not is_jpeg and page.is_subsampled:
        raise UnsupportedImage("its chroma is subsampled without JPEG; save it as RGB")


def _check_segments(page: tifffile.TiffPage, length: int) -> None:
    """Raises ValueError if strips or tiles are missing or lie outside the file."""
    wanted = math.prod(page.chunked)
    found = list(zip(page.dataoffsets, page.databytecounts))
    whole = [o > 0 and c > 0 and o + c <= length for o, c in found]
    if len(found) < wanted or not all(whole[:wanted]):
        raise ValueError(
            f"{wanted - sum(whole[:wanted])} of its {wanted} strips or tiles are "
            "missing or break off"
        )


def _to_image(page: tifffile.TiffPage, samples: np.ndarray) -> ImageFile:
    """Converts decoded samples [H, W, S] to an image."""
    photometric = int(page.photometric)
    count = _COLOURS[photometric]
    if samples.shape[-1] < count:
        raise ValueError(f"it has {samples.shape[-1]} samples a pixel, not {count}")
    colour, extra = samples[..., :count], samples[..., count:]
    kinds = [int(kind) for kind in page.extrasamples]
    kinds += [_ALPHA] if len(kinds) == 0 and extra.shape[-1] == 1 else []
    kinds += [0] * (extra.shape[-1] - len(kinds))
    bits = 8 if page.bitspersample <= 8 else 16
    largest = np.float32(2**page.bitspersample - 1)
    if photometric == _PALETTE:
        colour, bits, largest = _from_palette(page, colour)
    elif photometric in (_CMYK, _YCBCR, _CIELAB, _ICCLAB):
        colour = _to_srgb(page, colour)
    pixels = colour.astype(np.float32) / largest
    if photometric == _WHITE_IS_ZERO:
        pixels = (largest - colour.astype(np.float32)) / largest
    if not kinds:
        return ImageFile(pixels, None, bits)
    others = extra.astype(np.float32) / np.float32(2**page.bitspersample - 1)
    if kinds in ([_PREMULTIPLIED], [_ALPHA]):
        if kinds == [_PREMULTIPLIED]:
            seen = np.where(others > 0, others, 1)
            pixels = np.where(others > 0, np.minimum(pixels / seen, 1), 0)
            pixels = pixels.astype(np.float32)
        return ImageFile(pixels, others, bits)
    if {_PREMULTIPLIED, _ALPHA} & set(kinds) or photometric not in (1, 2):
        raise UnsupportedImage(
            f"it has {len(kinds)} bands beside its colour, of kinds {kinds}; save it "
            "as grey or RGB with at most an alpha channel"
        )
    return ImageFile(np.concatenate([pixels, others], axis=-1), None, bits)


def _from_palette(
    page: tifffile.TiffPage, indices: np.ndarray
) -> tuple[np.ndarray, int, np.float32]:
    """Returns colours [H, W, 3] of a palette, their bits and their largest value."""
    if page.colormap is None:
        raise ValueError("its palette is missing")
    # Palettes have 16-bit numbers by the standard. Files store an 8-bit value v as
    # 257 v, as 256 v, or unchanged.
    table = page.colormap.T[np.asarray(indices[..., 0], np.intp)]
    every = page.colormap
    if np.max(every) < 256:
        return table, 8, np.float32(255)
    high = every >> 8
    if (every == high * 257).all() or (every & 255 == 0).all():
        return table >> 8, 8, np.float32(255)
    return table, 16, np.float32(65535)


def _to_srgb(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Converts 8-bit samples [H, W, 3 or 4] of another colour space to RGB."""
    photometric = int(page.photometric)
    samples = np.ascontiguousarray(samples)
    width_height = samples.shape[1::-1]
    if photometric == _YCBCR:
        if int(page.compression) in JPEG:  # They are already decoded to RGB.
            return samples
        picture = Image.frombytes("YCbCr", width_height, samples.tobytes())
        return np.asarray(picture.convert("RGB"))
    if photometric == _CMYK:
        picture = Image.frombytes("CMYK", width_height, samples.tobytes())
        srgb = colours.cmyk_to_srgb(picture, page.iccprofile)
        return np.asarray(srgb)
    if photometric == _ICCLAB:  # a* and b* have an offset of 128.
        samples = samples ^ np.array([0, 128, 128], np.uint8)
    return colours.lab_to_srgb(samples)
