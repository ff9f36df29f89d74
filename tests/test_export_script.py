"""`restore.py` of an export reads image files exactly, or refuses them by name."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_exports
from PIL import Image

import irsde_jax
from irsde_jax import configuration
from irsde_jax.restoration import loading
from irsde_jax.restoration.files import one_file

pytest.importorskip("flatbuffers", reason="flatbuffers serializes exported programs")

SIZE = (12, 16)
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, SIZE, np.uint8)
COLOUR = RNG.integers(0, 256, (*SIZE, 3), np.uint8)
WIDE = RNG.integers(0, 65536, SIZE, np.uint16)
ALPHA = RNG.integers(0, 256, SIZE, np.uint8)
INDICES = RNG.integers(0, 5, SIZE, np.uint8)
PALETTE = RNG.integers(0, 256, (5, 3), np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "irsde.safetensors"
    return tiny_exports.write_weights(path, "deraining:small", True, num_evals=1)


@pytest.fixture(scope="module")
def exported(weights) -> Path:
    folder = weights.with_name("exported")
    arguments = (f"--weights={weights}", f"--output={folder}", "--platforms=cpu")
    size = "{}x{}".format(*SIZE)
    assert tiny_exports.run("--mode=export", *arguments, f"--sizes={size}") == 0
    return folder


@pytest.fixture
def read(exported):
    return tiny_exports.script(exported)["read"]


def with_palette() -> Image.Image:
    image = Image.fromarray(INDICES)
    image.putpalette(PALETTE.tobytes())
    return image


EXACT = {
    "grey.png": (Image.fromarray(GREY), {}, GREY[..., None]),
    "grey.tif": (Image.fromarray(GREY), {"compression": "tiff_lzw"}, GREY[..., None]),
    "grey.bmp": (Image.fromarray(GREY), {}, GREY[..., None]),
    "one_bit.png": (
        Image.fromarray(GREY > 127),
        {},
        np.uint8(255 * (GREY > 127))[..., None],
    ),
    "colour.png": (Image.fromarray(COLOUR), {}, COLOUR),
    "colour.webp": (Image.fromarray(COLOUR), {"lossless": True}, COLOUR),
    "colour.tif": (Image.fromarray(COLOUR), {"compression": "tiff_deflate"}, COLOUR),
    "palette.png": (with_palette(), {}, PALETTE[INDICES]),
    "palette.tif": (with_palette(), {}, PALETTE[INDICES]),
    "opaque.png": (Image.fromarray(COLOUR).convert("RGBA"), {}, COLOUR),
    "wide.png": (Image.fromarray(WIDE), {}, WIDE[..., None] / np.float32(65535)),
    "wide.tif": (Image.fromarray(WIDE), {}, WIDE[..., None] / np.float32(65535)),
}


@pytest.mark.parametrize("name", EXACT)
def test_file_is_read_exactly(read, tmp_path, name):
    image, options, expected = EXACT[name]
    image.save(tmp_path / name, **options)
    samples, profile = read(tmp_path / name)
    assert profile is None
    assert samples.dtype == expected.dtype
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("image", [Image.fromarray(COLOUR), Image.fromarray(WIDE)])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_image_is_turned_upright(read, tmp_path, image, orientation):
    """The corner that EXIF calls top left gets there."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "x.png", exif=exif)
    samples, *_ = read(tmp_path / "x.png")
    stored = np.asarray(image).reshape(*SIZE, -1)
    stored = stored / np.float32(65535) if stored.dtype == np.uint16 else stored
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    turned = stored.swapaxes(0, 1) if orientation > 4 else stored
    np.testing.assert_array_equal(samples, turned[::rows, ::columns])


def save_frames(path: Path) -> None:
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def save_tiff(samples: np.ndarray, **options):
    tifffile = pytest.importorskip("tifffile", reason="tifffile writes odd TIFF")
    return lambda path: tifffile.imwrite(path, samples, **options)


def save_wide(path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV writes 16-bit colour")
    assert cv2.imwrite(str(path), COLOUR.astype(np.uint16) * 257)


def save_cut(path: Path) -> None:
    Image.fromarray(COLOUR).save(path)
    path.write_bytes(path.read_bytes()[:-200])


REFUSED = {
    "float.tif": (lambda p: Image.fromarray(np.float32(GREY)).save(p), "floating"),
    "int32.tif": (lambda p: Image.fromarray(np.int32(GREY)).save(p), "floating"),
    "wide.png": (save_wide, "only grey may have more than 8 bits"),
    "wide.tif": (save_wide, "only grey may have more than 8 bits"),
    "cmyk.jpg": (lambda p: Image.fromarray(COLOUR).convert("CMYK").save(p), "CMYK"),
    "cmyk.tif": (lambda p: Image.fromarray(COLOUR).convert("CMYK").save(p), "CMYK"),
    "frames.tif": (save_frames, "2 frames"),
    "frames.png": (save_frames, "2 frames"),
    "frames.webp": (save_frames, "2 frames"),
    "x.gif": (lambda p: Image.fromarray(GREY).save(p), "none of BMP, JPEG, PNG"),
    "text.png": (lambda p: p.write_text("no image"), "none of BMP, JPEG, PNG"),
    "cut.png": (save_cut, "damaged"),
    "bands.tif": (
        lambda p: save_tiff(
            np.dstack([COLOUR, ALPHA, ALPHA]), photometric="rgb", extrasamples=[0, 0]
        )(p),
        "extra bands",
    ),
    "premultiplied.tif": (
        lambda p: save_tiff(
            np.dstack([COLOUR, ALPHA]), photometric="rgb", extrasamples=[1]
        )(p),
        "premultiplied",
    ),
    "inverted.tif": (
        lambda p: save_tiff(WIDE, photometric="miniswhite")(p),
        "0 is white",
    ),
    "signed.tif": (lambda p: save_tiff(WIDE.astype(np.int16))(p), "signed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_that_cannot_be_read_exactly_is_refused(
    exported, tmp_path, monkeypatch, name
):
    save, message = REFUSED[name]
    save(tmp_path / name)
    target = tmp_path / "out.png"
    said = tiny_exports.call(exported, tmp_path / name, target, monkeypatch=monkeypatch)
    assert said is not None
    assert message in said
    assert name in said
    assert not target.exists()


def restored_of(weights: Path, grey: np.ndarray) -> np.ndarray:
    """Grey in [0, 1] restored as RGB by the library, and made grey: 8 bits."""
    images = np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)
    restored = irsde_jax.load(weights)(images, key=jax.random.key(0))
    return np.rint(255 * restored.mean(axis=-1)).astype(np.uint8)


def test_16_bit_grey_is_scaled_and_written_with_8_bits(
    exported, weights, tmp_path, monkeypatch, capsys
):
    for name, pixels in (("wide.tif", WIDE), ("grey.png", GREY)):
        Image.fromarray(pixels).save(tmp_path / name)
        files = tmp_path / name, tmp_path / f"{name}.png"
        assert tiny_exports.call(exported, *files, monkeypatch=monkeypatch) is None
        with Image.open(files[1]) as image:
            assert image.mode == "L"
            found = np.asarray(image)
        white = np.float32(np.iinfo(pixels.dtype).max)
        np.testing.assert_array_equal(found, restored_of(weights, pixels / white))
        said = capsys.readouterr().err
        assert ("wide.tif has 16 bits" in said) == (name == "wide.tif")


def test_npy_keeps_16_bits_and_the_shape(exported, weights):
    restore = tiny_exports.script(exported)["restore"]
    found = restore(WIDE)
    assert (found.dtype, found.shape) == (np.uint16, WIDE.shape)
    images = np.repeat(WIDE[..., None] / np.float32(65535), 3, axis=-1)
    expected = irsde_jax.load(weights)(images, key=jax.random.key(0))
    np.testing.assert_array_equal(found, np.rint(65535 * expected.mean(axis=-1)))
    batch = restore(np.stack([COLOUR, COLOUR]))
    assert (batch.dtype, batch.shape) == (np.uint8, (2, *SIZE, 3))
    with pytest.raises(ValueError, match=r"4 channels. The programs take 3"):
        restore(np.dstack([COLOUR, ALPHA]))
    with pytest.raises(ValueError, match="int64"):
        restore(WIDE.astype(np.int64))
    with pytest.raises(ValueError, match="finite"):
        restore(np.full(SIZE, np.nan))
    with pytest.raises(ValueError, match=r"seed -1.*0 to"):
        restore(COLOUR, -1)


def test_colour_profile_is_kept_and_opaque_alpha_left_out(
    exported, tmp_path, monkeypatch
):
    opaque = np.full_like(ALPHA, 255)
    found = []
    for name, pixels in (("a", np.dstack([COLOUR, opaque])), ("b", COLOUR)):
        files = tmp_path / f"{name}.png", tmp_path / f"{name}_out.png"
        Image.fromarray(pixels).save(files[0], icc_profile=b"profile")
        assert tiny_exports.call(exported, *files, monkeypatch=monkeypatch) is None
        with Image.open(files[1]) as image:
            assert (image.mode, image.info["icc_profile"]) == ("RGB", b"profile")
            found.append(np.asarray(image))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("process", ["irsde", "denoising", "inpainting"])
@pytest.mark.parametrize("pixels", [COLOUR, GREY])
def test_transparent_image_is_refused_before_the_work(
    exported, tmp_path, monkeypatch, process, pixels
):
    folder = changed(exported, tmp_path, process=process)
    (folder / "weights.npz").unlink()  # nothing can be restored
    alpha = np.full_like(ALPHA, 255)
    alpha[3, 4] = 254
    files = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(np.dstack([pixels, alpha])).save(files[0])
    said = tiny_exports.call(folder, *files, monkeypatch=monkeypatch)
    assert f"{files[0]}: it has transparent pixels" in said
    assert not files[1].exists()


def test_floats_of_a_file_lie_in_the_data_range(
    exported, weights, tmp_path, monkeypatch
):
    """The result is that of `--mode=restore`, in the same range."""
    folder = changed(exported, tmp_path, data_range=[-1, 1])
    pixels = COLOUR / np.float32(127.5) - 1
    np.save(tmp_path / "in.npy", pixels)
    files = tmp_path / "in.npy", tmp_path / "out.npy"
    assert tiny_exports.call(folder, *files, monkeypatch=monkeypatch) is None
    config = configuration.override(
        loading.stored_config(weights), ["--config.data.data_range=(-1.0,1.0)"]
    )
    library = tmp_path / "library.npy"
    restorer = irsde_jax.load(weights, config)
    one_file.restore_file(restorer, files[0], library, jax.random.key(0))
    found = np.load(files[1])
    assert (found.dtype, found.min() < -0.5) == (np.float32, True)
    np.testing.assert_array_equal(found, np.load(library))

    np.save(files[0], 255 * pixels)
    files[1].unlink()
    said = tiny_exports.call(folder, *files, monkeypatch=monkeypatch)
    assert "in.npy: its floats lie in [-255, 255]" in said
    assert "floats in [-1, 1]" in said
    np.save(files[0], COLOUR)  # integers have their own range
    assert tiny_exports.call(folder, *files, monkeypatch=monkeypatch) is None
    expected = tiny_exports.script(exported)["restore"](COLOUR)
    np.testing.assert_array_equal(np.load(files[1]), expected)


def changed(exported: Path, tmp_path: Path, **changes) -> Path:
    """A copy of an export with other entries in export.json."""
    folder = shutil.copytree(exported, tmp_path / "changed")
    manifest = json.loads((folder / "export.json").read_text("utf-8"))
    (folder / "export.json").write_text(json.dumps(manifest | changes))
    return folder


def test_denoiser_warns_of_grey_images(exported, tmp_path, capsys):
    folder = changed(exported, tmp_path, process="denoising")
    restore = tiny_exports.script(folder)["restore"]
    restore(COLOUR)
    assert "irsde_jax" not in capsys.readouterr().err
    for images in (GREY, np.repeat(GREY[..., None], 3, axis=-1)):
        restore(images)
        assert "Use irsde_jax for grey images" in capsys.readouterr().err


def test_denoiser_of_one_channel_is_made_for_grey_images(
    exported, tmp_path, monkeypatch, capsys
):
    run = tiny_exports.script(changed(exported, tmp_path, process="denoising"))["run"]
    monkeypatch.setattr(jax.export, "deserialize", expired)
    with pytest.raises(ValueError, match="refuses the program"):
        run("12x16", np.uint32(0), np.float32(GREY)[None, ..., None] / 255)
    assert "grey" not in capsys.readouterr().err


def test_existing_result_is_not_replaced(exported, tmp_path, monkeypatch):
    Image.fromarray(COLOUR).save(tmp_path / "in.png")
    (tmp_path / "out.png").write_text("mine")
    files = tmp_path / "in.png", tmp_path / "out.png"
    said = tiny_exports.call(exported, *files, monkeypatch=monkeypatch)
    assert "exists already" in said
    assert (tmp_path / "out.png").read_text() == "mine"


def test_array_does_not_become_a_picture(exported, tmp_path, monkeypatch):
    np.save(tmp_path / "in.npy", COLOUR)
    for target in ("out.png", "out.gif", "out"):
        files = tmp_path / "in.npy", tmp_path / target
        said = tiny_exports.call(exported, *files, monkeypatch=monkeypatch)
        assert "Give two .npy files" in said
    assert "IMAGE RESULT" in tiny_exports.call(exported, monkeypatch=monkeypatch)


def expired(data: bytearray):
    """As JAX 0.11.1 and later say it."""
    raise ValueError("older than the 6-month backward-compatibility window")


def test_program_that_jax_refuses_is_a_clear_error(exported, tmp_path, monkeypatch):
    Image.fromarray(COLOUR).save(tmp_path / "in.png")
    files = tmp_path / "in.png", tmp_path / "out.png"
    with monkeypatch.context() as patched:
        patched.setattr(jax.export, "deserialize", expired)
        said = tiny_exports.call(exported, *files, monkeypatch=patched)
    assert f"JAX {jax.__version__} refuses the program 12x16.stablehlo" in said
    assert "6-month" in said
    assert f"pip install jax=={jax.__version__}" in said
    assert "--mode=export --weights=irsde.safetensors" in said
    assert "--sizes=12x16 --platforms=cpu" in said

    folder = changed(exported, tmp_path)  # a download that was cut
    path = folder / "12x16.stablehlo"
    path.write_bytes(path.read_bytes()[:1000])
    said = tiny_exports.call(folder, *files, monkeypatch=monkeypatch)
    assert "refuses the program 12x16.stablehlo" in said
    assert not files[1].exists()


def test_missing_flatbuffers_is_no_refusal(exported, tmp_path, monkeypatch):
    def fail(data):
        raise ImportError("Please install 'flatbuffers'")

    np.save(tmp_path / "in.npy", COLOUR)
    monkeypatch.setattr(jax.export, "deserialize", fail)
    files = tmp_path / "in.npy", tmp_path / "out.npy"
    said = tiny_exports.call(exported, *files, monkeypatch=monkeypatch)
    assert "install 'flatbuffers'" in said
    assert "refuses" not in said
