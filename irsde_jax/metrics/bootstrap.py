"""Bootstrap confidence intervals for means over a test set."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
NUM_RESAMPLES = 9999
SEED = 0


def mean_and_interval(values: Sequence[float]) -> dict[str, Any]:
    """Returns the mean over images and its percentile bootstrap interval.

    The interval describes the uncertainty that comes from the choice of test images.
    The random seed is fixed, so the same scores always give the same interval. The
    images are assumed to be independent. For very few images, the interval is too
    narrow.

    Args:
        values: The score of each image. NaN stands for an image without a score.

    Returns:
        A dictionary with "mean", "low", "high" and "num_images", the number of images
        with a score. "mean" is None if this number is 0. "low" and "high" are None for
        fewer than two images, or if a score is infinite.

    References:
        Efron and Tibshirani (1993), "An Introduction to the Bootstrap", Section 13.3.
    """
    known = np.asarray([value for value in values if not math.isnan(value)], float)
    found: dict[str, Any] = dict(mean=None, low=None, high=None, num_images=len(known))
    if not len(known):
        return found
    found["mean"] = float(known.mean())
    if len(known) == 1 or not np.isfinite(known).all():
        return found
    result = stats.bootstrap(
        (known,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=max(1, 10**7 // len(known)),  # at most 80 MB
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    interval = result.confidence_interval
    return found | dict(low=float(interval.low), high=float(interval.high))
