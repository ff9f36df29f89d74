"""Three pictures of what shipped weights do, the last of which is a failure.

Run as `python -m benchmarks.weight_pictures NAME`: it writes docs/weights/NAME.jpg, of
photographs that scikit-image ships, degraded with fixed keys.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import skimage

import irsde_jax
from irsde_jax import metrics
from irsde_jax.data import degradations
from irsde_jax.data.image_files import images
from irsde_jax.evaluation import figures

FOLDER = Path("docs/weights")
SIDE = 224  # pixels
_QUALITY = 85


class Example(NamedTuple):
    """A crop and what is done to it.

    Attributes:
        photograph: a file of scikit-image.
        corner: top and left of the crop, in pixels.
        degradation: arguments of `make_degradation`.
        says: what the picture calls it.
    """

    photograph: str
    corner: tuple[int, int]
    degradation: dict[str, Any]
    says: str


_NOISE = dict(name="gaussian_noise")
_X4 = dict(name="bicubic", factor=4)

EXAMPLES = {
    "denoising": (
        Example("astronaut.png", (0, 110), _NOISE | dict(sigma=25 / 255), "sigma 25"),
        Example("coffee.png", (60, 200), _NOISE | dict(sigma=50 / 255), "sigma 50"),
        # fine texture at the highest level: little of it can be told from noise
        Example("grass.png", (0, 0), _NOISE | dict(sigma=50 / 255), "sigma 50"),
    ),
    "deraining": (
        Example("coffee.png", (60, 200), dict(name="light_rain"), "light rain"),
        Example("astronaut.png", (0, 110), dict(name="heavy_rain"), "heavy rain"),
        # whiskers are thin and bright, as streaks are; and twice the rain of Rain100H
        Example(
            "chelsea.png",
            (60, 110),
            dict(name="heavy_rain", density=(14.0, 16.0)),
            "twice heavy rain",
        ),
    ),
    "super-resolution": (
        Example("astronaut.png", (0, 110), _X4, "x4"),
        Example("coffee.png", (60, 200), _X4, "x4"),
        # letters that the small image does not show
        Example("page.png", (0, 0), _X4, "x4"),
    ),
    "inpainting": (
        Example("astronaut.png", (0, 110), dict(name="thin_mask"), "thin strokes"),
        Example("coffee.png", (60, 200), dict(name="thick_mask"), "thick strokes"),
        # a hole that is wider than the network sees
        Example("chelsea.png", (60, 110), dict(name="box_mask", size=0.5), "a box"),
    ),
}
"""Task -> what is shown of it."""


def read_crop(example: Example) -> np.ndarray:
    """The clean crop, shape [SIDE, SIDE, 3] or smaller, in [0, 1]."""
    path = Path(skimage.__file__).parent / "data" / example.photograph
    pixels = images.to_channels(images.read_image(path).pixels, 3, example.photograph)
    top, left = example.corner
    crop = pixels[top : top + SIDE, left : left + SIDE]
    height, width = (side // 4 * 4 for side in crop.shape[:2])
    return crop[:height, :width]


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of shipped weights, or a work directory")
    parser.add_argument("--output", type=Path, help="by default docs/weights/NAME.jpg")
    given = parser.parse_args()
    restorer = irsde_jax.load(given.name)
    rows, captions = [], []
    for index, example in enumerate(EXAMPLES[restorer.config.task]):
        clean = read_crop(example)
        degrade = degradations.make_degradation(**example.degradation)
        assert degrade is not None
        degraded = np.asarray(degrade(jax.random.key(index), clean))
        restored = images.to_uint8(restorer(degraded, enlarged=True))
        restored = restored / np.float32(255)
        before, after = (
            float(metrics.psnr(np.asarray(image, np.float32), clean))
            for image in (images.to_uint8(degraded) / np.float32(255), restored)
        )
        rows.append([degraded, restored, clean])
        name = Path(example.photograph).stem
        captions.append([f"{example.says}: {before:.2f} dB", f"{after:.2f} dB", name])
        print(f"{name}, {example.says}: {before:.2f} -> {after:.2f} dB")
    sheet = figures.comparison_sheet(
        rows, ("degraded", "restored", "original"), captions, crop_size=SIDE
    )
    path = given.output or FOLDER / f"{given.name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=_QUALITY)


if __name__ == "__main__":
    main()
