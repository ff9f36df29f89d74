"""Restores an image of an exported size: python restore.py IMAGE RESULT [SEED].

This file lies beside what `--mode=export` wrote and needs jax, numpy and flatbuffers
alone. IMAGE and RESULT are both .npy files or, with Pillow, both images: PNG, JPEG,
TIFF, WebP or BMP, of 8 bits, or of 16 bits of grey. The result has 8 bits; grey and
colour profile are preserved. An image that Pillow cannot read exactly, or that has
transparent pixels, is refused. An .npy file, and `restore` in Python, keep 16 bits and
floats; those of a file lie in the `data_range` of export.json.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np

FOLDER = Path(__file__).parent
EXPORT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}
FORMATS |= {".tiff": "TIFF", ".webp": "WEBP", ".bmp": "BMP"}
OPTIONS: dict[str, dict] = {
    "JPEG": dict(quality=95, subsampling=0),
    "WEBP": dict(lossless=True),
}
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I")
# The numbers of TIFF tags.
BITS, PHOTOMETRIC, EXTRA_BANDS, SAMPLE_FORMAT = 258, 262, 338, 339


def restore(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Restores images of an exported size; the result has the same type.

    Args:
        images: The images: uint8, uint16, or floats in [0, 1], shape [H, W], [H, W, C]
            or [batch, H, W, C]. If the programs take RGB, grey images (C = 1) are
            restored as RGB, and the three channels of the result are averaged.
        seed: The seed of the sampling noise, from 0 to 2**32 - 1.
    """
    given = images[..., None] if images.ndim == 2 else images
    is_integer = images.dtype.kind == "u" and images.dtype.itemsize <= 2
    known = (is_integer or images.dtype.kind == "f") and given.ndim in (3, 4)
    if not known or not images.size or not 0 <= seed < 2**32:
        raise ValueError(
            f"{images.dtype} of shape {images.shape} with seed {seed}. Give uint8, "
            "uint16 or floats of shape [H, W], [H, W, C] or [batch, H, W, C], and a "
            "seed from 0 to 2**32 - 1."
        )
    white = np.float32(np.iinfo(images.dtype).max if is_integer else 1)
    batch = (given.astype(np.float32) / white).reshape(-1, *given.shape[-3:])
    if not (np.abs(batch) <= 8).all():
        raise ValueError("floats must be finite, in [0, 1]. Divide 8 bits by 255.")
    size = "{}x{}".format(*batch.shape[1:3])
    if f"{size}.stablehlo" not in EXPORT["programs"]:
        sizes = ", ".join(Path(name).stem for name in EXPORT["programs"])
        raise ValueError(f"{size}: no such size was exported. There are: {sizes}.")
    channels, found = EXPORT["programs"][f"{size}.stablehlo"][-1], batch.shape[-1]
    if found not in (channels, 1) or channels not in (found, 3):
        raise ValueError(f"it has {found} channels. The programs take {channels}.")
    restored = run(size, np.uint32(seed), np.repeat(batch, channels // found, axis=-1))
    restored = restored if found == channels else restored.mean(-1, keepdims=True)
    restored = np.rint(restored * white) if is_integer else restored
    shape = (*given.shape[:-3], *restored.shape[1:])
    return restored.astype(images.dtype).reshape(shape[: images.ndim])


def run(size: str, seed: np.uint32, batch: np.ndarray) -> np.ndarray:
    """Runs the program for one size.

    Args:
        size: The size of the images, HEIGHTxWIDTH.
        seed: The seed of the sampling noise.
        batch: The images, float32 [batch, H, W, C].

    Raises:
        ValueError: If this version of JAX rejects the program.
    """
    is_grey = batch.shape[-1] > 1 and (np.ptp(batch, axis=-1) == 0).all()
    if EXPORT["process"] == "denoising" and is_grey:
        warn(
            "the image is grey, and this denoiser learnt noise in colour: most of the "
            "noise will remain. Use irsde_jax for grey images."
        )
    weights = dict(np.load(FOLDER / "weights.npz"))
    try:
        data = bytearray((FOLDER / f"{size}.stablehlo").read_bytes())
        call = jax.jit(jax.export.deserialize(data).call)
        lowered = call.lower(weights, seed, batch)
    except (ImportError, OSError):
        raise
    except Exception as error:  # JAX raises many kinds of errors here
        made, platforms = EXPORT["versions"]["jax"], ", ".join(EXPORT["platforms"])
        raise ValueError(
            f"JAX {jax.__version__} refuses the program {size}.stablehlo ({error}). "
            f"JAX {made} exported it on {EXPORT['exported']} for {platforms}; versions "
            f"of JAX that are released until {EXPORT['promised_until']} should run it. "
            f"Install the JAX that exported it (pip install jax=={made}), or "
            f"export it again with irsde_jax: {EXPORT['export_again']}"
        ) from error
    return np.asarray(lowered.compile()(weights, seed, batch))


def restore_array(array: np.ndarray, seed: int) -> np.ndarray:
    """Restores the array of an .npy file.

    Args:
        array: The images. Floats lie in `data_range`, and so do those of the result.
        seed: The seed of the sampling noise.
    """
    low, high = EXPORT["data_range"]
    if array.dtype.kind != "f" or (low, high) == (0, 1):
        return restore(array, seed)
    if not ((low <= array) & (array <= high)).all():
        raise ValueError(
            f"its floats lie in [{array.min():g}, {array.max():g}], and these programs "
            f"take .npy files of floats in [{low:g}, {high:g}]. Convert them."
        )
    unit = (array.astype(np.float64) - low) / (high - low)
    restored = restore(unit.astype(np.float32), seed).astype(np.float64)
    return (low * (1 - restored) + high * restored).astype(array.dtype)


def warn(text: str) -> None:
    """Prints a warning to stderr, because the script has no logger."""
    print(f"restore.py: {text}", file=sys.stderr)


def refusal(image: Any, depth_of_png: int) -> str | None:
    """Returns the reason why an open image cannot be read exactly, or None if it can.

    Args:
        image: The image that Pillow opened.
        depth_of_png: The bits per sample of a PNG file, 8 for other formats.
    """
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (1,)) if image.format == "TIFF" else (8,)
    extra = tags.get(EXTRA_BANDS, ())
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        return f"it holds {image.n_frames} frames; save each as a file of its own"
    if set(tags.get(SAMPLE_FORMAT, (1,))) != {1}:
        return "its samples are floating point or signed; save it as an .npy file"
    if image.mode not in MODES:
        return f"its colours are {image.mode}; convert it to RGB"
    if (max(bits) > 8 and bits != (16,)) or (
        depth_of_png == 16 and image.mode[0] != "I"
    ):
        return "only grey may have more than 8 bits, and then 16; save it with 8 bits"
    if extra not in ((), (2,)) or len(bits) - len(extra) not in (1, 3):
        return "it has extra bands or premultiplied alpha; save it as RGB or RGBA"
    if image.mode[0] == "I" and "transparency" in image.info:
        return "one level of its 16-bit grey is transparent; save it without"
    if bits == (16,) and tags.get(PHOTOMETRIC) == 0:
        return "0 is white in its 16-bit grey; save it with 0 as black"
    return None


def read(path: Path) -> tuple[np.ndarray, bytes | None]:
    """Returns the samples of an upright image, shape [H, W, C], and its colour profile.

    Samples are uint8. Those of 16-bit grey images are float32 in [0, 1].
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    data = path.read_bytes()
    kinds = sorted(set(FORMATS.values()))
    try:
        image = Image.open(io.BytesIO(data), formats=kinds)
    except UnidentifiedImageError:
        raise ValueError(f"it is none of {', '.join(kinds)}, or damaged.") from None
    if reason := refusal(image, data[24] if image.format == "PNG" else 8):
        raise ValueError(f"it cannot be read exactly, because {reason}.")
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        raise ValueError(f"it is damaged: {error}. Fetch it again.") from error
    profile = image.info.get("icc_profile")
    if upright.mode[0] == "I":
        wide = np.asarray(upright).astype(np.float32) / np.float32(65535)
        return wide[..., None], profile
    samples = np.asarray(upright.convert("RGBA"))
    if samples[..., 3].min() < 255:
        raise ValueError(
            "it has transparent pixels, whose colours would be taken for picture. "
            "Remove the transparency, or use irsde_jax."
        )
    is_grey = upright.mode in ("1", "L", "LA")
    return samples[..., : 1 if is_grey else 3], profile


def write(kind: str, samples: np.ndarray, profile: bytes | None) -> bytes:
    """Returns the content of an image file with 8 bits per sample.

    Args:
        kind: The format, a value of `FORMATS`.
        samples: The samples, uint8 [H, W, C].
        profile: The colour profile, or None.
    """
    from PIL import Image

    picture = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    buffer = io.BytesIO()
    picture.save(buffer, kind, icc_profile=profile, **OPTIONS.get(kind, {}))
    return buffer.getvalue()


def restore_file(source: Path, target: Path, seed: int = 0) -> None:
    """Restores an image file or an .npy file into a new file."""
    if target.exists():
        raise ValueError(f"{target} exists already. Choose another name or remove it.")
    kind = FORMATS.get(target.suffix.lower())
    if (source.suffix.lower(), target.suffix.lower()) == (".npy", ".npy"):
        buffer = io.BytesIO()
        np.save(buffer, restore_array(np.load(source), seed))
        data = buffer.getvalue()
    elif kind is None or source.suffix.lower() == ".npy":
        raise ValueError(
            f"it cannot become {target}. Give two .npy files, or a result that ends in "
            f"one of {', '.join(FORMATS)}."
        )
    else:
        samples, profile = read(source)
        restored = restore(samples, seed)
        if samples.dtype != np.uint8:
            warn(f"{source} has 16 bits; {target} has 8. An .npy file keeps 16.")
            restored = np.rint(restored * np.float32(255)).astype(np.uint8)
        data = write(kind, restored, profile)
    with target.open("xb") as file:
        file.write(data)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("Give two files and perhaps a seed: python restore.py IMAGE RESULT 0")
    try:
        restore_file(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
    except (ImportError, OSError, ValueError) as problem:
        sys.exit(f"restore.py: {sys.argv[1]}: {problem}")
