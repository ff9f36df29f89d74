"""The two sheets of an evaluation: a comparison of images, and the uncertainty."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from irsde_jax import metrics
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.sources.pairs import Source
from irsde_jax.evaluation import figures, scores
from irsde_jax.evaluation.scores import Result
from irsde_jax.restoration import noise_keys
from irsde_jax.restoration.restorer import Restorer

NUM_ROWS = 8
_UNCERTAINTY_ROWS = 4


def write_uncertainty(
    restorer: Restorer,
    source: Source,
    degrade: Degradation | None,
    path: Path,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """Writes a sheet with the mean and the standard deviation of several restorations.

    Args:
        restorer: The restorer, whose configuration has `evaluation.num_samples`.
        source: The test images, of which the first few are shown.
        degrade: The function that makes degraded images, or None if `source` has them.
        path: The file of the sheet.
        overwrite: Whether an existing file may be replaced.

    Returns:
        A dictionary for each image: its name, the number of samples, the PSNR of the
        mean in dB and the mean standard deviation.
    """
    config, rows, entries = restorer.config, [], []
    captions = []
    for index in range(min(len(source), _UNCERTAINTY_ROWS)):
        name, record = source.names[index], source[index]
        degraded = scores.degraded_image(record, degrade, name)
        mean, std = restorer.uncertainty(
            degraded,
            num_samples=config.evaluation.num_samples,
            key=noise_keys.file_key(config.seed, name),
            enlarged=True,
        )
        spread = std.mean(axis=-1, keepdims=True)
        error = np.abs(mean - record["x0"]).mean(axis=-1, keepdims=True)
        white = max(float(np.percentile([spread, error], 98)), 1 / 255)
        psnr = float(metrics.psnr(np.round(mean * 255) / 255, record["x0"]))
        rows.append([degraded.clip(0, 1), mean, spread / white, error / white])
        grey = f"white: {255 * white:.1f} grey levels"
        captions.append([name, f"{psnr:.2f} dB", grey, grey])
        entries.append(
            dict(
                name=name,
                num_samples=config.evaluation.num_samples,
                psnr_rgb_of_mean=psnr,
                mean_std=float(std.mean()),
            )
        )
    columns = ("degraded", "mean", "standard deviation", "error of the mean")
    rows = [[cell.clip(0, 1) for cell in row] for row in rows]
    figures.save_sheet(
        path, figures.comparison_sheet(rows, columns, captions), overwrite
    )
    return entries


def comparison(examples: Sequence[Result], num_images: int) -> Image.Image:
    """Returns a sheet with the degraded, restored and reference version of images.

    Args:
        examples: The results that are shown.
        num_images: The number of all images of the test set.
    """
    columns = ("degraded", "restored", "reference")
    captions = []
    for result in examples:
        degraded, restored = (
            result.scores[f"{stage}_psnr_rgb"] for stage in scores.STAGES
        )
        gain = restored - degraded
        captions.append(
            [f"{degraded:.2f} dB", f"{restored:.2f} dB ({gain:+.2f})", result.name]
        )
    return figures.comparison_sheet(
        [[result.images[column] for column in columns] for result in examples],
        columns,
        captions,
        num_omitted=num_images - len(examples),
    )
