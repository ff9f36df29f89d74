"""The photographs of scikit-image, for training and for trying out weights.

They are part of the installed package, so nothing is downloaded.
"""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from irsde_jax.data.image_files import images
from irsde_jax.data.sources.pairs import Record

# No two folders share a photograph or show different views of the same scene.
PHOTOGRAPHS = {
    "train": (
        "rocket.jpg",
        "motorcycle_left.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "retina.jpg",
        "brick.png",
        "grass.png",
        "gravel.png",
        "moon.png",
    ),
    "validation": ("camera.png", "coins.png"),
    "test": ("astronaut.png", "chelsea.png", "coffee.png"),
}


class UpperCrops:
    """A `Source` of crops from the upper middle of the test photographs.

    Args:
        side: The side of the crops, in pixels.
        count: The number of test photographs to use, counted from the first.

    Raises:
        ModuleNotFoundError: If scikit-image is not installed.
    """

    def __init__(self, side: int, count: int = len(PHOTOGRAPHS["test"])):
        files = PHOTOGRAPHS["test"][:count]
        self.names = [Path(name).stem for name in files]
        self._paths = [_folder() / name for name in files]
        self._side = side

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        pixels = images.read_image(self._paths[index]).pixels
        left = (pixels.shape[1] - self._side) // 2
        return {"x0": pixels[: self._side, left : left + self._side]}


def write_photographs(folder: Path, parts: Iterable[str] = tuple(PHOTOGRAPHS)) -> None:
    """Writes whole photographs as PNG files into folders inside `folder`.

    Files that exist are not written again.

    Args:
        folder: The folder to write to. It is created if it does not exist.
        parts: The keys of `PHOTOGRAPHS` to write. Each becomes a folder.

    Raises:
        ModuleNotFoundError: If scikit-image is not installed.
    """
    for part in parts:
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in PHOTOGRAPHS[part]:
            target = folder / part / f"{Path(name).stem}.png"
            if not target.exists():
                Image.open(_folder() / name).convert("RGB").save(target)


def _folder() -> Path:
    """Returns the folder in which scikit-image stores its photographs."""
    try:
        import skimage
    except ImportError as error:
        raise ModuleNotFoundError(
            "the photographs are those of scikit-image: pip install scikit-image"
        ) from error
    return Path(skimage.__file__).parent / "data"
