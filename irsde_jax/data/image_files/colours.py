"""Colour spaces of print and of measurement, converted to sRGB."""

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A CMYK picture as sRGB: by its profile, or by rule where none works."""
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


def lab_to_srgb(samples: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of D50, a* and b* as signed bytes (TIFF), as 8-bit sRGB.

    Args:
        samples: uint8 of shape [H, W, 3].
    """
    height, width = samples.shape[:2]
    picture = Image.frombytes("LAB", (width, height), samples.tobytes())
    return np.asarray(picture.convert("RGB"))
