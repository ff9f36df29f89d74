"""What the page does for a visitor, without a page: files in, files and words out."""

import struct
import zlib

import numpy as np
import pytest
import tiny_weights
from PIL import Image

from irsde_jax import configuration
from irsde_jax.app import choices, pictures, restoring, samples, uploads
from irsde_jax.app.choices import Limits, Settings
from irsde_jax.checkpoints import weights_file
from irsde_jax.data.image_files import images
from irsde_jax.restoration import loading
from irsde_jax.restoration.files import runner

LIMITS = Limits(megabytes=0.5, megapixels=1, work=1, samples=4, queue=2, seconds=600.0)
SETTINGS = Settings("posterior", num_evals=3, seed=5, sigma=0.1)
STOCHASTIC = ["euler_sde", "posterior", "mr_sde_1"]


@pytest.fixture(scope="module")
def denoiser():
    return tiny_weights.make("denoising:small")


@pytest.fixture
def upload(tmp_path):
    """A noisy photograph of 16 x 12 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 12, 3), np.uint8)
    path = tmp_path / "holiday.webp"
    Image.fromarray(pixels).save(path, lossless=True)
    return path


@pytest.mark.parametrize("as_png", [True, False])
def test_result_is_the_file_that_restore_writes(denoiser, upload, tmp_path, as_png):
    settings = SETTINGS._replace(as_png=as_png)
    result = restoring.restore_upload(denoiser, upload, settings, LIMITS, tmp_path)
    suffix = ".png" if as_png else ".webp"
    assert result.file.name == f"holiday_restored{suffix}"
    weights = weights_file.write(
        tmp_path / "tiny.safetensors", denoiser.params, denoiser.config
    )
    # float16 in the file: restore with what it holds.
    own = loading.load(weights)
    result = restoring.restore_upload(
        own, upload, settings, LIMITS, tmp_path, name="tiny.safetensors"
    )
    config = configuration.override(own.config, choices.overrides(settings))
    target = tmp_path / f"library{suffix}"
    runner.run(config, None, weights, upload, target, seed=settings.seed)
    assert result.file.read_bytes() == target.read_bytes()
    np.testing.assert_array_equal(result.after, np.asarray(Image.open(target)))
    np.testing.assert_array_equal(result.before, np.asarray(Image.open(upload)))
    assert result.spread is None
    assert result.seconds > 0


def test_seed_and_name_decide_the_noise(denoiser, upload, tmp_path):
    def restored(settings, path=upload):
        found = restoring.restore_upload(denoiser, path, settings, LIMITS, tmp_path)
        return images.read_image(found.file).pixels.tobytes()

    other = upload.with_name("other.webp")
    other.write_bytes(upload.read_bytes())
    first = restored(SETTINGS)
    assert restored(SETTINGS) == first
    assert restored(SETTINGS._replace(seed=6)) != first
    assert restored(SETTINGS, other) != first


def test_uncertainty_map_is_of_solvers_that_draw(denoiser, upload, tmp_path):
    settings = SETTINGS._replace(num_samples=2)
    result = restoring.restore_upload(denoiser, upload, settings, LIMITS, tmp_path)
    assert result.spread.shape == (16, 12, 3)
    assert result.white > 0
    settings = settings._replace(solver="mr_ode_2")
    result = restoring.restore_upload(denoiser, upload, settings, LIMITS, tmp_path)
    assert result.spread is None


def test_solvers_are_those_of_the_process(denoiser):
    allowed = choices.allowed_solvers(denoiser)
    assert "mr_sde_2" not in allowed
    assert [name for name in allowed if choices.draws_noise(denoiser, name)] == (
        STOCHASTIC
    )
    other = tiny_weights.make("deraining:small")
    assert "mr_sde_2" in choices.allowed_solvers(other)
    assert choices.draws_noise(other, "mr_ode_1")  # its start is random


def test_cost_counts_the_samples_of_the_map(denoiser):
    def evaluations(**changes):
        settings = SETTINGS._replace(**changes)
        return restoring.cost(denoiser, 16, 12, settings, LIMITS).num_evals

    assert evaluations() == 3
    assert evaluations(num_samples=4) == 5 * 3
    assert evaluations(num_samples=4, solver="mr_ode_2") == 3
    assert evaluations(sigma=0.001) < 3  # fewer steps remain


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (
            (1000, 900),
            {},
            r"900 pixels with 3 .* 3 million pixels x evaluations; at most 1 .*smaller",
        ),
        ((16, 12), {"num_samples": 5}, "at most 4"),
        ((16, 12), {"sigma": 0.5}, "max_sigma"),
        ((16, 12), {"num_evals": 0}, "at least one evaluation"),
    ],
)
def test_too_much_is_refused_before_it_starts(denoiser, size, changes, message):
    with pytest.raises(ValueError, match=message):
        restoring.cost(denoiser, *size, SETTINGS._replace(**changes), LIMITS)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG that promises so many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(header))
    data = struct.pack(">I", 1 << 20) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + check + data


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("large.png", bytes(600_000), r"large.png has 0.6 MB; at most 0.5"),
        ("wide.png", png_header(2000, 1000), "wide.png: .*2.0 million; at most 1 "),
        (
            "bomb.png",
            png_header(50_000, 50_000),
            "bomb.png: .*2500.0 million; at most 1 ",
        ),
        ("text.png", b"hello", "text.png cannot be read as an image: its content"),
        ("empty.jpg", b"", "empty.jpg is empty"),
        ("cut.webp", None, "cut.webp cannot be read"),
        ("notes.txt", b"hello", "notes.txt is not a photograph"),
        ("array.npy", b"\x93NUMPY", "array.npy cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_upload_is_said_to_be(denoiser, upload, name, content, message):
    path = upload.with_name(name)
    path.write_bytes(upload.read_bytes()[:200] if content is None else content)
    with pytest.raises(ValueError, match=message) as caught:
        uploads.look(denoiser, path, LIMITS)
    assert str(path.parent) not in str(caught.value)


def test_upload_that_is_gone_is_an_error(denoiser, tmp_path):
    with pytest.raises(OSError, match=r"none.png"):
        uploads.look(denoiser, tmp_path / "none.png", LIMITS)


def test_what_a_format_cannot_hold_is_said_without_folders(denoiser, tmp_path):
    path = tmp_path / "photo.bmp"  # with transparency, which it does not hold
    Image.new("RGBA", (8, 8), (9, 9, 9, 100)).save(path, "PNG")
    settings = SETTINGS._replace(as_png=False)
    with pytest.raises(ValueError, match=r"^photo_restored.bmp cannot be") as caught:
        restoring.restore_upload(denoiser, path, settings, LIMITS, tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_look_shows_the_size_of_the_result(tmp_path):
    """Super-resolution enlarges; a grey image is shown, and restored, in colour."""
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((5, 7), 60, np.uint8)).save(path)
    enlarging = tiny_weights.make("super_resolution:small")
    found = uploads.look(enlarging, path, LIMITS)
    assert (found.height, found.width) == (20, 28)
    np.testing.assert_array_equal(found.picture, np.full((20, 28, 3), 60))


def test_large_images_are_shown_smaller():
    assert pictures.to_picture(np.zeros((2, 3200, 1))).shape == (1, 1600, 3)


@pytest.mark.parametrize(
    ("name", "side"), [("denoising:small,blind", 256), ("super_resolution:small", 64)]
)
def test_samples_are_what_the_weights_expect(tmp_path, name, side):
    found = samples.write_samples(tiny_weights.make(name), tmp_path)
    assert len(found) == 3
    assert {images.read_image(path).pixels.shape for path in found} == {(side, side, 3)}


def test_samples_are_degraded_for_their_task(tmp_path):
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    for folder, sigma in ((clean, 0.0), (noisy, 0.1)):
        folder.mkdir()
        config = tiny_weights.config("denoising:small").unlock()
        config.degradation.sigma = sigma
        (path, *_) = samples.write_samples(tiny_weights.make_from(config), folder)
    first, second = (
        images.read_image(folder / path.name).pixels for folder in (clean, noisy)
    )
    assert np.std(first - second) == pytest.approx(0.1, rel=0.15)


def test_weights_of_an_unknown_task_have_no_samples(tmp_path):
    config = tiny_weights.config("deraining:small").unlock()
    config.task = "descratching"  # learnt from pairs that are not here
    assert samples.write_samples(tiny_weights.make_from(config), tmp_path) == []


def test_floats_of_another_range_are_filled(tmp_path):
    config = tiny_weights.config("inpainting:filled,small").unlock()
    config.data.data_range = (-1.0, 1.0)
    restorer = tiny_weights.make_from(config.lock())
    image = np.random.default_rng(0).uniform(-1, 0.5, (12, 16, 3)).astype(np.float32)
    image[4:9, 5:10] = 1.0
    np.save(tmp_path / "a.npy", image)
    settings = Settings("mr_ode_1", num_evals=1, as_png=False)
    found = uploads.look(restorer, tmp_path / "a.npy", LIMITS)
    assert "25 of" in found.note or "13.0 %" in found.note
    result = restoring.restore_upload(
        restorer, tmp_path / "a.npy", settings, LIMITS, tmp_path
    )
    filled = np.load(result.file)
    known = (image < 1.0).all(axis=-1)
    np.testing.assert_allclose(filled[known], image[known], atol=1e-6)
    assert (filled[~known] != image[~known]).any()
