"""Scores: those of the protocol, reproducible, with an honest clock.

Where SSIM is not the point images are smaller than its window: it compiles for seconds.
"""

import functools
import math

import jax
import numpy as np
import pytest
from records import Records
from skimage.metrics import peak_signal_noise_ratio

from irsde_jax.data import degradations
from irsde_jax.data.image_files import images
from irsde_jax.data.sources import pairs
from irsde_jax.evaluation import scores


def make_image(seed, shape=(16, 20, 3)):
    samples = np.random.default_rng(seed).integers(0, 256, shape)
    return samples.astype(np.float32) / np.float32(255)


def identity(image, *, key):
    del key
    return image


def test_scores_are_those_of_images_rounded_to_8_bits():
    x0, mu = make_image(0), make_image(1) * 1.3 - 0.1
    mu[0, 0] = 0.5004
    source = Records({"x0": x0, "mu": mu})  # beyond [0, 1], as noise may be
    (result,) = scores.evaluate_images(identity, source, crop_border=2)
    rounded = images.to_uint8(mu).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(result.images["restored"], rounded)
    np.testing.assert_array_equal(result.images["degraded"], rounded)
    inside = np.s_[2:-2, 2:-2]
    expected = peak_signal_noise_ratio(x0[inside], rounded[inside], data_range=1.0)
    row = result.row()
    for stage in scores.STAGES:
        np.testing.assert_allclose(row[f"{stage}_psnr_rgb"], expected, atol=1e-3)
        assert row[f"{stage}_psnr_y"] != row[f"{stage}_psnr_rgb"]
        assert -1 < row[f"{stage}_ssim_rgb"] < 1
    assert (row["name"], row["height"], row["width"]) == ("0", 16, 20)


def test_a_perfect_restoration_has_infinite_psnr():
    source = pairs.ArrayPairs([make_image(0)], [make_image(0)])
    (result,) = scores.evaluate_images(identity, source)
    assert result.scores["restored_psnr_rgb"] == math.inf
    assert result.scores["restored_ssim_y"] == pytest.approx(1.0)


def test_synthetic_noise_reaches_the_restorer_as_it_is_and_reproducibly():
    degrade = degradations.make_degradation("gaussian_noise", sigma=0.2)
    seen = {}

    def restorer(image, *, key):
        seen.setdefault(float(image.sum()), []).append(jax.random.key_data(key))
        return image

    shapes = [np.zeros((8, width, 3), np.float32) for width in (8, 9)]
    for seed in (0, 0, 1):
        source = pairs.ArrayPairs(shapes)
        for result in scores.evaluate_images(
            restorer, source, degrade=degrade, seed=seed
        ):
            assert result.images["degraded"].min() == 0.0
    assert len(seen) == 2  # another seed of the run: the same noisy images
    for keys in seen.values():
        np.testing.assert_array_equal(keys[0], keys[1])
        assert (keys[0] != keys[-1]).any()  # but another sampling noise


def test_noise_is_neither_clipped_nor_rounded():
    degrade = degradations.make_degradation("gaussian_noise", sigma=0.2)
    restorer = functools.partial(_check_and_return, lowest=-0.2)
    source = pairs.ArrayPairs([np.zeros((8, 8, 1), np.float32)])
    (result,) = scores.evaluate_images(restorer, source, degrade=degrade)
    assert result.scores["degraded_psnr_rgb"] == result.scores["degraded_psnr_y"]


def _check_and_return(image, *, key, lowest):
    del key
    assert image.min() < lowest
    assert len(np.unique(image)) == image.size
    return image


def test_only_the_first_of_a_size_includes_compilation():
    shapes = [(8, 8, 3), (8, 8, 3), (8, 9, 3), (8, 8, 3)]
    clean = [make_image(seed, shape) for seed, shape in enumerate(shapes)]
    calls = []

    def restorer(image, *, key):
        calls.append(image.shape)
        return image

    def compiled(number):
        calls.clear()
        source = pairs.ArrayPairs(clean[:number], clean[:number])
        results = list(scores.evaluate_images(restorer, source))
        summary = scores.summarise([result.row() for result in results])
        assert summary["median_seconds"] >= 0  # there is one
        return [result.compiled for result in results]

    assert compiled(4) == [True, False, True, False]
    assert len(calls) == 4
    assert compiled(1) == [False]
    assert len(calls) == 2  # once more, for the clock


def test_seconds_are_those_of_the_restorer_alone(monkeypatch):
    now, image = [0.0], make_image(0, (8, 8, 3))
    monkeypatch.setattr(scores.time, "perf_counter", lambda: now[0])

    def restorer(image, *, key):
        del key
        now[0] += 1.5 + now[0]
        return image

    source = pairs.ArrayPairs([image, image, image], [image, image, image])
    rows = []
    for result in scores.evaluate_images(restorer, source):
        rows.append(result.row())
        now[0] += 1000.0  # writing its picture, say
    assert [row["seconds"] for row in rows] == [1.5, 1003.0, 3006.0]
    assert scores.summarise(rows)["median_seconds"] == (1003.0 + 3006.0) / 2


def test_small_images_have_no_ssim_and_are_left_out_of_its_mean():
    clean = [make_image(0, (10, 30, 3)), make_image(1)]
    source = pairs.ArrayPairs(clean, [0.5 * image for image in clean])
    rows = [result.row() for result in scores.evaluate_images(identity, source)]
    assert math.isnan(rows[0]["restored_ssim_rgb"])
    summary = scores.summarise(rows)
    assert summary["restored_ssim_rgb"] == rows[1]["restored_ssim_rgb"]
    assert summary["restored_psnr_rgb"] == pytest.approx(
        (rows[0]["restored_psnr_rgb"] + rows[1]["restored_psnr_rgb"]) / 2
    )
    with pytest.raises(ValueError, match="0: crop_border=5 leaves nothing of an image"):
        list(scores.evaluate_images(identity, source, crop_border=5))


def test_what_cannot_be_measured_is_named():
    source = pairs.ArrayPairs([make_image(0)])
    with pytest.raises(ValueError, match="0 has no degraded image"):
        list(scores.evaluate_images(identity, source))
    source = pairs.ArrayPairs([make_image(0)], [make_image(0)])
    broken = lambda image, key: image * np.float32(math.nan)  # noqa: E731
    with pytest.raises(ValueError, match="0 restored: it has pixels that are not fin"):
        list(scores.evaluate_images(broken, source))
