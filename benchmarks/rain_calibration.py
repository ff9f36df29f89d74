"""How strong the synthetic rain is: PSNR (Y) over a folder of photographs.

Run as `python -m benchmarks.rain_calibration FOLDER`, for instance on the `val` folder
of BSDS500. Images are rounded to 8 bits; every one gets a few rains of its own.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax import metrics
from irsde_jax.data.degradations import Degradation, make_degradation
from irsde_jax.data.image_files import images

# Mean PSNR (Y) of the degraded images of the test sets, in dB.
TARGETS = {"light_rain": (26.90, "Rain100L"), "heavy_rain": (13.55, "Rain100H")}


def rain_psnrs(
    degrade: Degradation, photographs: list[np.ndarray], num_draws: int
) -> np.ndarray:
    """PSNR (Y) in dB, shape [photographs, draws]."""

    @jax.jit
    def measure(keys, image):
        rainy = jnp.round(jax.vmap(degrade, in_axes=(0, None))(keys, image) * 255) / 255
        return metrics.psnr(rainy, jnp.broadcast_to(image, rainy.shape), luma=True)

    rows = []
    for index, photograph in enumerate(photographs):
        key = jax.random.fold_in(jax.random.key(0), index)
        rows.append(measure(jax.random.split(key, num_draws), photograph))
    return np.asarray(rows)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="of clean photographs")
    parser.add_argument("--draws", type=int, default=4, help="rains for each of them")
    arguments = parser.parse_args()
    photographs = [
        images.read_image(path).pixels for path in images.list_images(arguments.folder)
    ]
    print(f"PSNR (Y) in dB: {len(photographs)} images, {arguments.draws} rains of each")
    print(f"{'':12}{'mean':>8}{'std':>7}{'min':>7}{'max':>7}   as it should be")
    for name, (target, data_set) in TARGETS.items():
        degrade = make_degradation(name)
        assert degrade is not None
        psnrs = rain_psnrs(degrade, photographs, arguments.draws)
        print(
            f"{name:12}{psnrs.mean():8.2f}{psnrs.std():7.2f}{psnrs.min():7.2f}"
            f"{psnrs.max():7.2f}   {target:.2f} of {data_set}"
        )


if __name__ == "__main__":
    main()
