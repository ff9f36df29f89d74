"""Sizes of pairs: cropped as papers do, by a border if asked, or refused."""

import logging
import re

import jax
import numpy as np
import pytest
from PIL import Image

from irsde_jax.data import degradations, pipeline, resampling, sources
from irsde_jax.data.image_files import images
from irsde_jax.data.sources import fitting, pairs
from irsde_jax.data.sources.fitting import Part, find_part


@pytest.mark.parametrize(
    ("clean", "degraded", "scale", "border", "expected"),
    [
        ((128, 132), (32, 33), 4, 0, Part(0, 0, (128, 132))),
        ((129, 130), (32, 32), 4, 0, Part(0, 0, (128, 128))),
        ((131, 128), (32, 32), 4, 0, Part(0, 0, (128, 128))),
        ((133, 130), (32, 32), 4, 0, None),
        ((129, 130), (33, 33), 4, 0, None),  # rounded up
        ((129, 130), (32, 33), 4, 0, None),
        ((7, 9), (3, 4), 2, 0, Part(0, 0, (6, 8))),
        ((480, 640), (460, 620), 1, 0, None),
        ((480, 640), (460, 620), 1, 10, Part(10, 10, (460, 620))),
        ((480, 640), (480, 640), 1, 10, Part(0, 0, (480, 640))),
        ((480, 640), (460, 640), 1, 10, None),
        ((321, 481), (320, 480), 1, 0, None),
        ((48, 68), (11, 16), 4, 2, Part(2, 2, (44, 64))),
    ],
)
def test_the_part_is_found_by_the_sizes_alone(clean, degraded, scale, border, expected):
    assert find_part(clean, degraded, scale, border) == expected


@pytest.mark.parametrize(
    ("clean", "degraded", "scale", "border", "expected"),
    [
        ((128, 128), (32, 32), 1, 0, r"Set data\.scale=4"),
        ((129, 130), (32, 32), 1, 0, r"Set data\.scale=4"),
        ((129, 130), (33, 33), 4, 0, "rounded up. Crop the clean image"),
        ((480, 640), (460, 620), 1, 0, r"Set data\.border=10"),
        ((480, 640), (460, 640), 1, 0, "A pair must have one size"),
        ((48, 68), (11, 16), 4, 0, r"Set data\.border=2"),
        ((460, 620), (480, 640), 1, 0, "A pair must have one size"),
    ],
)
def test_sizes_that_do_not_fit_name_the_setting(
    clean, degraded, scale, border, expected
):
    assert re.search(expected, fitting.advice(clean, degraded, scale, border))


def photograph(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def small_of(pixels, scale=4):
    """Published small images: of the upper left multiple of the scale."""
    height, width = (side // scale for side in pixels.shape[:2])
    cropped = Image.fromarray(pixels[: height * scale, : width * scale])
    return np.asarray(cropped.resize((width, height), Image.Resampling.BICUBIC))


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def published(tmp_path):
    """Small images beside ground truth that was not cropped, and beside cropped."""
    for number, size in enumerate(((41, 43), (40, 47), (44, 40))):
        whole = photograph(size, number)
        height, width = (side // 4 * 4 for side in size)
        save(tmp_path / "whole" / "GT" / f"{number}.png", whole)
        save(tmp_path / "cropped" / "GT" / f"{number}.png", whole[:height, :width])
        for name in ("whole", "cropped"):
            save(tmp_path / name / "LQ" / f"{number}.png", small_of(whole))
    return tmp_path


@pytest.mark.parametrize("enlarge", ["bicubic", None])
def test_ground_truth_is_cropped_where_small_files_say_so(published, enlarge, caplog):
    caplog.set_level(logging.INFO)
    options = dict(scale=4, enlarge=enlarge)
    whole = sources.open_source(str(published / "whole"), True, **options)
    cropped = sources.open_source(str(published / "cropped"), True, **options)
    for index in range(3):
        for key in ("x0", "mu"):
            np.testing.assert_array_equal(whole[index][key], cropped[index][key])
    text = "2 of 3 clean images were cropped from the top left to a multiple of 4"
    assert whole.describe_cropping() == f"{text}, as papers do."
    assert not cropped.describe_cropping()
    (record,) = caplog.records  # the first one stands for all
    assert "0: the clean image of 41 x 43 is cropped to 40 x 40" in record.message


def test_training_and_validation_take_such_pairs(published):
    options = dict(scale=4, enlarge=None)
    found, expected = (
        sources.open_source(str(published / name), True, **options)
        for name in ("whole", "cropped")
    )
    for step in (0, 3):
        batches = [
            pipeline.training_batches(
                source, seed=1, batch_size=3, crop_size=16, scale=4
            )[step]
            for source in (found, expected)
        ]
        for key in ("x0", "mu"):
            np.testing.assert_array_equal(batches[0][key], batches[1][key])
    crops = [
        pipeline.validation_crops(
            sources.open_source(str(published / name), True, scale=4), 3, 16
        )
        for name in ("whole", "cropped")
    ]
    np.testing.assert_array_equal(crops[0]["mu"], crops[1]["mu"])


def test_a_border_is_cut_off_only_if_asked(tmp_path):
    whole = photograph((40, 44))
    save(tmp_path / "GT" / "1.png", whole)
    save(tmp_path / "LQ" / "1.png", whole[10:-10, 10:-10])
    with pytest.raises(ValueError, match=r"40 x 44 .* 20 x 24 .*Set data\.border=10"):
        sources.open_source(str(tmp_path), True)[0]
    source = sources.open_source(str(tmp_path), True, border=10)
    np.testing.assert_array_equal(source[0]["x0"], source[0]["mu"])
    text = "1 of 1 clean images were cropped by 10 pixels on every side."
    assert source.describe_cropping() == text
    with pytest.raises(ValueError, match=r"data\.border must not be negative, got -1"):
        sources.open_source(str(tmp_path), True, border=-1)


def test_clean_images_are_cropped_before_they_are_made_smaller():
    x0 = [photograph(size) for size in ((41, 43), (40, 40))]
    source = fitting.ToMultiples(pairs.ArrayPairs(x0), 4)
    np.testing.assert_array_equal(source[0]["x0"] * 255, x0[0][:40, :40])
    np.testing.assert_array_equal(source[1]["x0"] * 255, x0[1])
    assert source.describe_cropping().startswith("1 of 2 clean images were cropped")
    degrade = degradations.make_degradation("bicubic", factor=4)
    degraded = degrade(jax.random.key(0), source[0]["x0"])
    small = images.ImageFile(small_of(x0[0]).astype(np.float32) / 255, None, 8).pixels
    # The file is rounded to 8 bits: half a level, and the kernel's overshoot of it.
    expected = resampling.resize(small, 40, 40)
    assert np.abs(degraded - np.clip(expected, 0, 1)).max() < 1 / 255
    with pytest.raises(ValueError, match=r"^0 is 3 x 9 .*at least 4.*smaller factor"):
        fitting.ToMultiples(pairs.ArrayPairs([photograph((3, 9))]), 4)[0]


@pytest.mark.parametrize(
    ("name", "options", "factor"),
    [
        ("paired", {}, 1),
        ("gaussian_noise", dict(sigma=0.1), 1),
        ("bicubic", dict(factor=3), 3),
        ("nearest", {}, 4),  # the default of the function
        ("gaussian_blur + bicubic+gaussian_noise", dict(factor=2.0, sigma=0.1), 2),
        ("bicubic", dict(factor=2.5), 1),  # papers know no such multiple
    ],
)
def test_the_factor_of_a_degradation_is_known(name, options, factor):
    assert degradations.shrinking_factor(name, **options) == factor


def test_sots_measures_as_published(shared_data):
    """Haze against clean images, whose border of 10 pixels is cut off."""
    source = sources.open_source(str(shared_data / "SOTS"), True, border=10)
    assert source.names == ["1400_1", "1400_2", "1401_1", "1401_2"]
    psnrs = []
    for index in range(4):
        record = source[index]
        assert record["x0"].shape == record["mu"].shape == (460, 620, 3)
        psnrs.append(-10 * np.log10(np.mean((record["x0"] - record["mu"]) ** 2)))
    np.testing.assert_allclose(psnrs, [14.79, 13.71, 17.87, 16.73], atol=0.006)
