"""Conversion of the colour spaces CMYK and L*a*b* to sRGB."""

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts a CMYK image to sRGB.

    If there is no profile, or if it does not work, Pillow's fixed formula is used.
    """
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
    """Converts CIE L*a*b* (D50) to 8-bit sRGB.

    Args:
        samples: The samples, uint8 of shape [H, W, 3]. As in TIFF, a* and b* are signed
            bytes.

    Returns:
        The sRGB samples, uint8 of shape [H, W, 3].
    """
    height, width = samples.shape[:2]
    picture = Image.frombytes("LAB", (width, height), samples.tobytes())
    return np.asarray(picture.convert("RGB"))
