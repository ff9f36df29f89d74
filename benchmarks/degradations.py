"""A picture of all degradations on one photograph: `docs/degradations.png`.

Run as `python -m benchmarks.degradations [FILE]`. The photograph is one that
scikit-image ships; the picture has 256 colours, so that it is small.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from skimage import data

from irsde_jax.data.degradations import DEGRADATIONS, make_degradation
from irsde_jax.evaluation import figures

SIZE = 224  # pixels, the side of the crop
NUM_COLUMNS = 4
TOP, LEFT = 0, 110  # of the crop in the photograph

# Weather first, then optics, then what is missing.
NAMES = (
    *("light_rain", "heavy_rain", "haze", "shadow"),
    *("gaussian_blur", "motion_blur", "bicubic", "nearest"),
    *("thin_mask", "thick_mask", "box_mask", "half_mask"),
    *("expand_mask", "gaussian_noise", "gaussian_blur+bicubic+gaussian_noise"),
)


def picture() -> Image.Image:
    """The sheet, with the clean photograph at its end."""
    missing = set(DEGRADATIONS) - set(NAMES)
    assert not missing, f"not in the picture: {sorted(missing)}"
    photograph = data.astronaut()[TOP : TOP + SIZE, LEFT : LEFT + SIZE]
    clean = jnp.asarray(photograph, jnp.float32) / 255
    tiles = []
    for index, name in enumerate(NAMES):
        degrade = make_degradation(name, sigma=25 / 255)
        assert degrade is not None
        tiles.append(np.asarray(degrade(jax.random.key(index), clean)))
    tiles.append(np.asarray(clean))
    captions = [*NAMES[:-1], "blur+bicubic+noise", "clean"]
    starts = range(0, len(tiles), NUM_COLUMNS)
    return figures.comparison_sheet(
        [tiles[start : start + NUM_COLUMNS] for start in starts],
        [""] * NUM_COLUMNS,
        [captions[start : start + NUM_COLUMNS] for start in starts],
        crop_size=SIZE,
    )


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default="docs/degradations.png")
    path = parser.parse_args().file
    sheet = picture()
    # Dithered, lest haze and blur show bands.
    palette = sheet.quantize(256)
    sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(
        path, optimize=True
    )
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
