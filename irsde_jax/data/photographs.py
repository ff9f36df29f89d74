"""The photographs that scikit-image ships: to learn from, and to try weights on.

They come with a package: nothing is downloaded.
"""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from irsde_jax.data.image_files import images
from irsde_jax.data.sources.pairs import Record

# No photograph is in two of the folders, nor another view of one.
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
    """The upper middle of test photographs, a source of `irsde_jax.data.sources.pairs`.

    Args:
        side: of the crops, in pixels.
        count: of the test photographs, from the first.

    Raises:
        ModuleNotFoundError: if scikit-image is not installed.
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
    """Copies photographs into folders of `folder`, whole and as PNG files.

    Args:
        folder: made if it is missing.
        parts: keys of `PHOTOGRAPHS`, each of which becomes a folder.

    Raises:
        ModuleNotFoundError: if scikit-image is not installed.
    """
    for part in parts:
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in PHOTOGRAPHS[part]:
            target = folder / part / f"{Path(name).stem}.png"
            if not target.exists():
                Image.open(_folder() / name).convert("RGB").save(target)


def _folder() -> Path:
    """Where scikit-image keeps its photographs."""
    try:
        import skimage
    except ImportError as error:
        raise ModuleNotFoundError(
            "the photographs are those of scikit-image: pip install scikit-image"
        ) from error
    return Path(skimage.__file__).parent / "data"
