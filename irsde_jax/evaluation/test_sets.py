"""Opens the test images of an evaluation, and checks them by reading each one once."""

import logging
from pathlib import Path
from typing import TypeAlias

import ml_collections

from irsde_jax.data import degradations, sources
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.image_files.arrays import UNIT_RANGE
from irsde_jax.data.sources.fitting import Cropping, ToMultiples
from irsde_jax.evaluation.comparison import TestSet
from irsde_jax.evaluation.perceptual import Lpips
from irsde_jax.restoration import grey
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import experiment

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# Users may round to three decimals, for example 25/255 to 0.098.
_ROUNDING = 0.0005 + 1e-9


def open_test_set(config: Config, lpips: Lpips) -> TestSet:
    """Returns the test images for all methods, and how the results are measured.

    Args:
        config: The configuration of the first weights.
        lpips: The LPIPS metric, with or without weights.

    Raises:
        FileNotFoundError: If the test folder is missing.
        ValueError: If it is empty or holds an image that cannot be used.
    """
    degrade = degradations.make_degradation(**config.degradation)
    source, num_grey = _open(config, None if degrade else True)
    if "mu" in source[0]:
        degrade = None  # The test set has its own degraded images.
    if degrade is None or not degradations.adds_noise(config.degradation.name):
        num_grey = 0
    else:
        degrade = grey.in_one_channel(degrade)
    return TestSet(
        source=source,
        degrade=degrade,
        seed=config.seed,
        crop_border=config.evaluation.crop_border,
        lpips=lpips,
        bits=_result_bits(config),
        data_range=config.data.data_range,
        num_grey=num_grey,
    )


def warn_of_another_noise_level(
    restorer: Restorer, degrade: Degradation | None
) -> None:
    """Logs a warning if the process assumes another noise level than is added here."""
    added = restorer.config.degradation.get("sigma")
    told = restorer.sampling.sigma
    if degrade is None or told is None or not restorer.process.starts_at_input:
        return
    is_same = isinstance(added, float | int) and abs(added - told) <= _ROUNDING
    if not is_same:
        logger.warning(
            "degradation.sigma=%s is added, but the process is told sampling.sigma=%s.",
            added,
            told,
        )


def _open(config: Config, paired: bool | None) -> tuple[Cropping, int]:
    """Opens the test set and reads each image once.

    If the degradation makes images smaller, clean images are first cropped to a
    multiple of its factor. This is common practice in papers.

    Returns:
        The images, and the number of images that are grey in several equal channels.
    """
    address = config.evaluation.dir
    if sources.is_folder(address) and not Path(address).is_dir():
        raise FileNotFoundError(
            f"evaluation.dir={address!r}: there is no such folder. Name the test "
            "images by --config.evaluation.dir=DIR."
        )
    source: Cropping = experiment.open_source(config, address, paired)
    if "mu" not in source[0]:
        factor = degradations.shrinking_factor(**config.degradation)
        source = ToMultiples(source, factor)
    clean = (source[index]["x0"] for index in range(len(source)))
    return source, sum(x0.shape[-1] > 1 and grey.is_grey(x0) for x0 in clean)


def _result_bits(config: Config) -> int:
    """Returns 8, as in published results, or 32 (floats) if no 8-bit format fits."""
    has_picture = config.model.channels in (1, 3)
    return 8 if has_picture and config.data.data_range == UNIT_RANGE else 32
