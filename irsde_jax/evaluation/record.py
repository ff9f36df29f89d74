"""The record of an evaluation: its results and the settings that produced them."""

import json
import math
import platform
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import ml_collections

import irsde_jax
from irsde_jax import configuration
from irsde_jax.data import degradations
from irsde_jax.data.image_files import file_names
from irsde_jax.evaluation import methods, scores
from irsde_jax.evaluation.comparison import Entry, Row, TestSet
from irsde_jax.evaluation.methods import Method
from irsde_jax.metrics import bootstrap

Config: TypeAlias = ml_collections.ConfigDict


def of_evaluation(
    first: Method,
    config: Config,
    test_set: TestSet,
    rows: Sequence[Row],
    entries: Sequence[Entry],
) -> dict[str, Any]:
    """Returns the contents of `metrics.json`.

    Args:
        first: The method whose results are in `restored/`.
        config: The configuration of its weights.
        test_set: The test images.
        rows: The rows of the first method, one for each image.
        entries: The entries of the degraded images and of every method.
    """
    has_baseline = any(entry["kind"] == methods.BASELINE for entry in entries)
    no_baselines = f"none is known for task {config.task!r}"
    if not any(config.evaluation.baselines):
        no_baselines = "none were asked for (evaluation.baselines)"
    return {
        "folder": config.evaluation.dir,
        "solver": first.solver,
        "num_evals": first.num_evals,
        "seed": config.seed,
        "degraded": _whose_degraded_images(config, test_set),
        "degradation_seed": scores.DEGRADATION_SEED,
        "crop_border": test_set.crop_border,
        "bits": test_set.bits,
        "mean": scores.summarise(rows),
        "images": list(rows),
        "confidence": dict(
            level=bootstrap.LEVEL,
            method="percentile bootstrap of the mean over images",
            num_resamples=bootstrap.NUM_RESAMPLES,
            seed=bootstrap.SEED,
        ),
        "methods": list(entries),
        "no_baselines": "" if has_baseline else no_baselines,
        "device": jax.devices()[0].device_kind,
        "versions": {
            "irsde_jax": irsde_jax.__version__,
            "jax": jax.__version__,
            "python": platform.python_version(),
        },
        "config": json.loads(configuration.to_json(config)),
    }


def finite(value: Any) -> Any:
    """Returns a value that JSON can hold: None replaces NaN and infinity.

    Text is escaped if UTF-8 cannot encode it.
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, str):
        return file_names.escaped(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whose_degraded_images(config: Config, test_set: TestSet) -> str:
    """Describes the source of the degraded images.

    Two evaluations can be compared only if their descriptions are equal.
    """
    if test_set.degrade is None:
        return "those of the test set"
    made = degradations.describe(**config.degradation)
    text = f"made here, {made}, seed {scores.DEGRADATION_SEED}"
    if test_set.num_grey == 0:
        return text
    count = f"{test_set.num_grey} of {len(test_set.source)}"
    return f"{text}; grey images ({count}) are degraded in one channel"
