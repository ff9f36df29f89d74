"""What visitors of the page ask for: an upload's cost, and its restoration.

Nothing here knows of Gradio, of sessions or of the network: paths and settings go in,
files, pictures and words come out, and what cannot be done is a `ValueError` or an
`OSError` that says so to a person.
"""

import time
import uuid
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from irsde_jax import configuration, costs, restore, samplers
from irsde_jax.costs import Cost
from irsde_jax.data import images
from irsde_jax.restorer import Restorer

_SHOWN_SIDE = 1600  # pixels: a picture on the page; the file has them all
# Black, violet, orange, pale yellow: dark to light, also for the colour-blind.
_MAP_COLOURS = np.array([(0, 0, 4), (120, 28, 109), (237, 105, 37), (252, 255, 164)])


class Limits(NamedTuple):
    """What one visitor may ask for.

    Attributes:
        megabytes: of an uploaded file.
        megapixels: of a photograph.
        work: million pixels x evaluations, over all samples.
        samples: restorations for an uncertainty map.
        queue: requests that wait; another one is told to come back.
    """

    megabytes: float = 32
    megapixels: float = 25
    work: float = 500
    samples: int = 16
    queue: int = 16


class Settings(NamedTuple):
    """How an upload is to be restored.

    Attributes:
        solver: one of `allowed_solvers`.
        num_evals: network evaluations; fewer where a low noise level leaves fewer steps.
        seed: of the sampling noise.
        sigma: noise level in image units, for the Denoising process; None: the one of
            the configuration, or else estimated.
        num_samples: restorations for the uncertainty map; 0: no map.
        as_png: whether the result is a PNG, rather than of the format of the upload.
    """

    solver: str
    num_evals: int
    seed: int = 0
    sigma: float | None = None
    num_samples: int = 0
    as_png: bool = True


class Look(NamedTuple):
    """An upload before it is restored.

    Attributes:
        picture: uint8 [H, W, 3], for the page.
        height: pixels of the result.
        width: pixels of the result.
    """

    picture: np.ndarray
    height: int
    width: int


class Result(NamedTuple):
    """An upload after it was restored.

    Attributes:
        file: the result, as the library wrote it.
        before: uint8 [H, W, 3], for the page.
        after: of the same shape.
        spread: uint8 [H, W, 3], where the restorations differ; None where not asked for,
            or where they cannot differ.
        white: the standard deviation that the lightest colour of `spread` stands for,
            in image units.
        seconds: that it took.
    """

    file: Path
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray | None
    white: float
    seconds: float


def allowed_solvers(restorer: Restorer) -> list[str]:
    """The solvers that its process has, in the order of `samplers.SOLVERS`."""

    def is_allowed(solver: str) -> bool:
        try:
            jax.eval_shape(lambda: _two_restorations(restorer, solver))
        except ValueError:
            return False
        return True

    return [solver for solver in samplers.SOLVERS if is_allowed(solver)]


def draws_noise(restorer: Restorer, solver: str) -> bool:
    """Whether two restorations of an image can differ with this solver."""
    first, second = _two_restorations(restorer, solver)
    return bool((first != second).any())


def _two_restorations(restorer: Restorer, solver: str) -> jax.Array:
    """One pixel restored with two keys by a network that predicts 0; shape [2, ...]."""
    pixels = jnp.zeros((2, 1, 1, 1))
    return samplers.sample(
        jax.random.split(jax.random.key(0)),
        restorer.schedule,
        lambda x, mu, t: jnp.zeros_like(x),
        restorer.process.mean(pixels),
        solver=solver,
        timesteps=samplers.timestep_grid(restorer.schedule, 2),
        x_init=pixels if restorer.process.starts_at_input else None,
    )


def overrides(settings: Settings) -> list[str]:
    """The settings as a command line of `--mode=restore` has them."""
    values = {"solver": settings.solver, "num_evals": settings.num_evals}
    if settings.sigma is not None:
        values["sigma"] = repr(settings.sigma)
    return [f"--config.sampling.{name}={value}" for name, value in values.items()]


def tuned(restorer: Restorer, settings: Settings) -> Restorer:
    """The same weights with the solver, evaluations and noise level of the settings."""
    config = configuration.override(restorer.config, overrides(settings))
    return Restorer(restorer.model, restorer.params, config)


def look(restorer: Restorer, upload: Path, limits: Limits) -> Look:
    """Reads an upload, and sees to it that it can be restored.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is too large, damaged or no image of these weights.
    """
    pixels = _read(restorer, upload, limits)
    return Look(_shown(pixels), *pixels.shape[:2])


def cost(
    restorer: Restorer, height: int, width: int, settings: Settings, limits: Limits
) -> Cost:
    """What restoring an image costs, the samples of the uncertainty map included.

    Args:
        restorer: the weights.
        height: pixels of the result.
        width: pixels of the result.
        settings: how it is to be restored.
        limits: what is too much.

    Raises:
        ValueError: if the settings are out of range, or the work is beyond the limits.
    """
    if not 0 <= settings.num_samples <= limits.samples:
        raise ValueError(
            f"{settings.num_samples} samples: an uncertainty map is made of at most "
            f"{limits.samples}."
        )
    chosen = tuned(restorer, settings)
    found = costs.estimate(
        chosen, height, width, num_samples=1 + _num_samples(restorer, settings)
    )
    work = found.pixels * found.num_evals / 1e6
    if work > limits.work:
        raise ValueError(
            f"{height} x {width} pixels with {found.num_evals} evaluations are "
            f"{work:.0f} million pixels x evaluations; at most {limits.work:g} are "
            "allowed here. Take fewer evaluations or samples, or a smaller photograph."
        )
    return found


def restore_upload(
    restorer: Restorer, upload: Path, settings: Settings, limits: Limits, folder: Path
) -> Result:
    """Restores an uploaded file: what `--mode=restore` writes for it, bit for bit.

    Args:
        restorer: the weights.
        upload: an image file; its name and the seed decide the noise, as they do in
            `restore.run`.
        settings: how.
        limits: what is too much.
        folder: the result goes to a folder of its own in it.

    Raises:
        OSError: if the upload is gone, or the disk full.
        ValueError: see `look` and `cost`.
    """
    pixels = _read(restorer, upload, limits)
    cost(restorer, *pixels.shape[:2], settings, limits)
    start = time.perf_counter()
    suffix = ".png" if settings.as_png else upload.suffix.lower()
    target = folder / uuid.uuid4().hex / f"{upload.stem}_restored{suffix}"
    target.parent.mkdir(parents=True)
    chosen, key = tuned(restorer, settings), restore.file_key(settings.seed, upload.name)
    restore.restore_file(chosen, upload, target, key)
    spread, white = None, 0.0
    if num_samples := _num_samples(restorer, settings):
        std = chosen.uncertainty(pixels, num_samples=num_samples, key=key).std
        spread, white = _as_map(std)
    after = images.read_image(target).pixels
    seconds = time.perf_counter() - start
    return Result(target, _shown(pixels), _shown(after), spread, white, seconds)


def _num_samples(restorer: Restorer, settings: Settings) -> int:
    """Restorations for the map: none where all of them would be the same."""
    if settings.num_samples and draws_noise(restorer, settings.solver):
        return max(settings.num_samples, 2)
    return 0


def _read(restorer: Restorer, upload: Path, limits: Limits) -> np.ndarray:
    """The pixels that the network is shown, float32 [H, W, C]."""
    if upload.suffix.lower() not in images.SUFFIXES:
        raise ValueError(
            f"{upload.name} is not a photograph: its name ends in none of "
            f"{', '.join(images.SUFFIXES)}."
        )
    megabytes = upload.stat().st_size / 1e6
    if megabytes > limits.megabytes:
        raise ValueError(
            f"{upload.name} has {megabytes:.1f} MB; at most {limits.megabytes:g} are "
            "allowed here."
        )
    data = restorer.config.data
    try:
        _check_size(upload, data.scale, limits)
        pixels = images.read_image(upload).pixels
        pixels = images.to_channels(pixels, restorer.model.channels, upload.name)
    except (ValueError, OSError) as error:
        # Visitors have no business with the folders of this machine.
        raise type(error)(str(error).replace(str(upload), upload.name)) from error
    return images.enlarge(pixels, data.scale, data.enlarge)


def _check_size(upload: Path, scale: int, limits: Limits) -> None:
    """Raises if the header promises too many pixels, before any of them is decoded."""
    try:
        if upload.suffix.lower() == ".npy":
            array = np.lib.format.open_memmap(upload, mode="r")
            height, width = array.shape[:2]
        else:
            with Image.open(upload) as image:
                width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{upload.name} unpacks to far more pixels than the {limits.megapixels:g} "
            "million that are allowed here."
        ) from error
    except Exception:
        return  # damaged: reading it will say how
    megapixels = height * width * scale**2 / 1e6
    if megapixels > limits.megapixels:
        raise ValueError(
            f"{upload.name}: the result would have {height * scale} x {width * scale} "
            f"pixels, {megapixels:.1f} million; at most {limits.megapixels:g} are "
            "allowed here."
        )


def _shown(pixels: np.ndarray) -> np.ndarray:
    """An image [H, W, C] for the page: uint8 [h, w, 3], smaller where it is large."""
    if pixels.shape[-1] not in (1, 3):
        pixels = pixels.mean(axis=-1, keepdims=True)
    narrow = images.to_uint8(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    picture = Image.fromarray(narrow)
    picture.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return np.asarray(picture)


def _as_map(std: np.ndarray) -> tuple[np.ndarray, float]:
    """Standard deviations [H, W, C] as colours, and what the lightest stands for."""
    spread = std.mean(axis=-1)
    white = max(float(np.percentile(spread, 99)), 1 / 255)
    levels = np.linspace(0, 1, len(_MAP_COLOURS))
    colours = [np.interp(spread / white, levels, c) / 255 for c in _MAP_COLOURS.T]
    return _shown(np.stack(colours, axis=-1)), white
