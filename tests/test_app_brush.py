"""The brush of the page: what a visitor paints is what is filled, and no more."""

import io
import shlex

import numpy as np
import pages
import pytest
import tiny_weights
from absl import flags
from PIL import Image

from irsde_jax import main
from irsde_jax.app import painting, restoring, uploads
from irsde_jax.app.choices import Limits, Settings
from irsde_jax.checkpoints import weights_file
from irsde_jax.data.image_files import images

LIMITS = Limits(megabytes=0.5, megapixels=1, work=9, samples=4, queue=2, seconds=600.0)
SETTINGS = Settings("mr_ode_1", num_evals=1, num_samples=2)


@pytest.fixture(scope="module")
def weights(app_folder):
    config = tiny_weights.config("inpainting:small,filled").unlock()
    config.sampling.update(solver="mr_ode_1", num_evals=1)
    params = tiny_weights.params(config)
    return weights_file.write(app_folder / "tiny.safetensors", params, config)


@pytest.fixture(scope="module")
def filler():
    return tiny_weights.make("inpainting:small,filled")


@pytest.fixture
def upload(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 240, (30, 20, 3), np.uint8)
    pixels[5:9, 5:12] = 255
    path = tmp_path / "holiday.png"
    Image.fromarray(pixels).save(path)
    return path


def layer(shape, rows, opacity=255):
    drawn = np.zeros((*shape, 4), np.uint8)
    drawn[rows] = opacity
    return {"background": None, "layers": [drawn], "composite": None}


def test_paint_is_what_is_mostly_opaque():
    assert painting.paint_of(None) is None
    assert painting.paint_of(layer((6, 4), slice(0, 0))) is None
    assert painting.paint_of(layer((6, 4), slice(2, 4), opacity=100)) is None
    paint = painting.paint_of(layer((6, 4), slice(2, 4)))
    np.testing.assert_array_equal(paint.nonzero()[0], [2] * 4 + [3] * 4)


def test_paint_decides_and_is_as_large_as_the_photograph(filler, upload, tmp_path):
    paint = painting.paint_of(layer((15, 10), slice(10, 12)))
    result = restoring.restore_upload(
        filler, upload, SETTINGS, LIMITS, tmp_path, paint=paint
    )
    hole = np.zeros((30, 20), bool)
    hole[20:24] = True
    mask = images.read_image(result.mask).pixels[..., 0]
    np.testing.assert_array_equal(mask, hole)
    np.testing.assert_array_equal(result.after[~hole], result.before[~hole])
    assert (result.after != result.before)[hole].any(axis=-1).mean() > 0.5
    share = 100 * hole.mean()
    assert f"{share:.1f} % of its pixels are filled (mask holiday_mask" in result.note
    spread = result.spread.astype(int)
    assert (spread[~hole] == spread[0, 0]).all()


def test_without_paint_the_holes_of_the_upload_are_told_and_filled(
    filler, upload, tmp_path
):
    told = uploads.look(filler, upload, LIMITS).note
    assert told.startswith("4.7 % of its pixels are filled (1 white area)")
    result = restoring.restore_upload(filler, upload, SETTINGS, LIMITS, tmp_path)
    assert result.mask is None
    hole = (result.before == 255).all(axis=-1)
    np.testing.assert_array_equal(result.after[~hole], result.before[~hole])
    denoiser = tiny_weights.make("denoising:small")
    assert uploads.look(denoiser, upload, LIMITS).note == ""


def test_what_is_painted_is_filled_and_the_command_repeats_it(
    open_page, photograph, app_folder, monkeypatch
):
    page = open_page()
    pages.upload(page, photograph)
    pages.wait_for_text(page, "#cost", "no hole")
    canvas = page.locator("#paint canvas").first
    canvas.wait_for()
    page.locator("#paint .image-container, #paint").first.scroll_into_view_if_needed()
    middle = "element => { const r = element.getBoundingClientRect(); "
    middle += "return [r.x + r.width / 2, r.y + r.height / 2]; }"
    for _ in range(20):  # until the editor shows the photograph and takes the brush
        x, y = canvas.evaluate(middle)
        page.mouse.move(x - 30, y)
        page.mouse.down()
        page.mouse.move(x + 30, y, steps=8)
        page.mouse.up()
        page.click("#restore")
        said = pages.wait_for_text(page, "#said", "Restored in")
        if "_mask.png" in said:
            break
    command = page.locator("#said code").inner_text()
    with page.expect_download() as event:
        page.click("#mask")
    event.value.save_as(app_folder / "photo_mask.png")
    monkeypatch.chdir(app_folder)
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(shlex.split(command)[2:], values)
    assert "--mask=photo_mask.png" in command
    assert main.run(values, overrides) == 0
    result = pages.download(page)
    assert result == (app_folder / "photo_restored.png").read_bytes()
    hole = np.asarray(Image.open(app_folder / "photo_mask.png")) > 0
    before = np.asarray(Image.open(photograph))
    after = np.asarray(Image.open(io.BytesIO(result)))
    assert 0 < hole.mean() < 0.5
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after != before)[hole].any(axis=-1).mean() > 0.5
