"""How certain a mean over a test set is: a bootstrap confidence interval."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
NUM_RESAMPLES = 9999
SEED = 0


def mean_and_interval(values: Sequence[float]) -> dict[str, Any]:
    """The mean of the images and its percentile bootstrap interval.

    What varies is which images are in the test set; the same images always give the
    same interval. It takes the images for independent, and of a handful of them it is
    too narrow.

    Args:
        values: a score for each image; NaN stands for an image without it.

    Returns:
        "mean", "low", "high" and "num_images". Without images all are None; the
        interval is None for one image, or where a score is infinite.

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
        batch=max(1, 10**7 // len(known)),  # of 80 MB
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    interval = result.confidence_interval
    return found | dict(low=float(interval.low), high=float(interval.high))
